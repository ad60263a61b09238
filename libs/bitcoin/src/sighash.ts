import { crypto } from 'bitcoinjs-lib';
import { sha256, sha256d } from './hashing.ts';
import { bytesFromHex, bytesFromReversedHex } from './hex.ts';
import type { ScriptHex } from './ids.ts';
import { compactSize } from './reader.ts';
import type { ParsedTransaction, Prevout } from './transaction.ts';

export const SIGHASH_DEFAULT = 0;
export const SIGHASH_ALL = 1;

/**
 * What the signatures of a transaction commit to, for SIGHASH_ALL and SIGHASH_DEFAULT, the only types used here. The parts that all inputs
 * share are hashed once: a transaction of a thousand inputs takes no longer than a thousand transactions.
 */
export class Sighashes {
  readonly #transaction: ParsedTransaction;
  readonly #prevouts: readonly Prevout[];
  readonly #outpoints: readonly Uint8Array[];
  readonly #sequences: readonly Uint8Array[];
  readonly #outputs: Uint8Array;
  #segwit: Uint8Array[] | undefined;
  #taproot: Uint8Array[] | undefined;

  /** `prevouts`: what the inputs spend, in their order. */
  constructor(transaction: ParsedTransaction, prevouts: readonly Prevout[]) {
    this.#transaction = transaction;
    this.#prevouts = prevouts;
    this.#outpoints = transaction.inputs.map(({ outpoint }) =>
      Buffer.concat([bytesFromReversedHex(outpoint.txid), u32(outpoint.vout)]),
    );
    this.#sequences = transaction.inputs.map(({ sequence }) => u32(sequence));
    this.#outputs = Buffer.concat(
      transaction.outputs.flatMap(({ valueSats, script }) => [u64(valueSats), withLength(script)]),
    );
  }

  /** BIP143 for an input that spends P2WPKH, by itself or in P2SH, with SIGHASH_ALL; `program` is `0014…`. */
  wpkh(inputIndex: number, program: ScriptHex): Uint8Array {
    return this.segwit(inputIndex, `76a914${program.slice(4)}88ac` as ScriptHex);
  }

  /** BIP143 with SIGHASH_ALL; `script` is what is executed: of P2WSH the witness script. */
  segwit(inputIndex: number, script: ScriptHex): Uint8Array {
    this.#segwit ??= [Buffer.concat(this.#outpoints), Buffer.concat(this.#sequences), this.#outputs].map(sha256d);
    const [prevoutsHash, sequencesHash, outputsHash] = this.#segwit;
    const { valueSats } = this.#prevouts[inputIndex]!;
    const own = [this.#outpoints[inputIndex]!, withLength(script), u64(valueSats), this.#sequences[inputIndex]!];
    const { version, locktime } = this.#transaction;
    return sha256d(
      Buffer.concat([
        u32(version),
        prevoutsHash!,
        sequencesHash!,
        ...own,
        outputsHash!,
        u32(locktime),
        u32(SIGHASH_ALL),
      ]),
    );
  }

  /** The sighash from before segwit, of an input that spends the prevout's own script with SIGHASH_ALL. */
  legacy(inputIndex: number): Uint8Array {
    const { version, locktime, outputs } = this.#transaction;
    const inputs = this.#outpoints.flatMap((outpoint, i) => {
      const script = i === inputIndex ? this.#prevouts[i]!.script : '';
      return [outpoint, withLength(script), this.#sequences[i]!];
    });
    const counts = [compactSize(this.#outpoints.length), compactSize(outputs.length)];
    return sha256d(
      Buffer.concat([u32(version), counts[0]!, ...inputs, counts[1]!, this.#outputs, u32(locktime), u32(SIGHASH_ALL)]),
    );
  }

  /** BIP341 for a key path input without annex. */
  taproot(inputIndex: number, sighash: typeof SIGHASH_DEFAULT | typeof SIGHASH_ALL): Uint8Array {
    const amounts = (): Uint8Array => Buffer.concat(this.#prevouts.map(({ valueSats }) => u64(valueSats)));
    const scripts = (): Uint8Array => Buffer.concat(this.#prevouts.map(({ script }) => withLength(script)));
    this.#taproot ??= [
      Buffer.concat(this.#outpoints),
      amounts(),
      scripts(),
      Buffer.concat(this.#sequences),
      this.#outputs,
    ].map(sha256);
    const { version, locktime } = this.#transaction;
    const epochAndType = Uint8Array.of(0, sighash);
    const spendType = Uint8Array.of(0);
    const message = [epochAndType, u32(version), u32(locktime), ...this.#taproot, spendType, u32(inputIndex)];
    return crypto.taggedHash('TapSighash', Buffer.concat(message));
  }
}

function u32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: bigint): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

function withLength(scriptHex: string): Uint8Array {
  const script = bytesFromHex(scriptHex);
  return Buffer.concat([compactSize(script.length), script]);
}
