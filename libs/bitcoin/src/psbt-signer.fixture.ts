import { Psbt, Transaction } from 'bitcoinjs-lib';
import type { Branch } from './derivation.ts';
import { bytesFromHex, hexFromBytes } from './hex.ts';
import type { SigningKey } from './keys.ts';

/** One signer's key at an index of a branch. */
export type KeyAt = (branch: Branch, index: number) => SigningKey;

export interface SigningWish {
  /** Default: what a wallet does. */
  readonly sighash?: number;
  /** Default: all inputs. */
  readonly only?: readonly number[];
}

/**
 * What a wallet's own software does with a PSBT, by bitcoinjs-lib's signer rather than ours: signs each input with its key of the index that the
 * PSBT tells.
 */
export function signPsbt(base64: string, keyAt: KeyAt, { sighash, only }: SigningWish = {}): string {
  const psbt = Psbt.fromBase64(base64);
  for (const i of only ?? psbt.data.inputs.keys()) {
    const { tapInternalKey, tapKeySig, partialSig, witnessUtxo, bip32Derivation, tapBip32Derivation } =
      psbt.data.inputs[i]!;
    const [branch, index] = (bip32Derivation ?? tapBip32Derivation)![0]!.path.split('/').slice(-2).map(Number);
    const key = keyAt(branch as Branch, index!);
    // Of P2TR the library asks for the tweaked key.
    const publicKey = Buffer.from(
      tapInternalKey ? bytesFromHex(`02${hexFromBytes(witnessUtxo!.script.subarray(2))}`) : key.publicKey,
    );
    // Signed with it already.
    if (tapKeySig || partialSig?.some(({ pubkey }) => Buffer.from(pubkey).equals(publicKey))) continue;
    if (sighash !== undefined) psbt.updateInput(i, { sighashType: sighash });
    const signer = {
      publicKey,
      sign: (hash: Uint8Array) => key.signEcdsa(hash),
      signSchnorr: (hash: Uint8Array) => key.signTaproot(hash),
    };
    psbt.signInput(i, signer, sighash === undefined ? undefined : [sighash]);
  }
  return psbt.toBase64();
}

/** With a signature by a key that the input hasn't got. */
export function forgePsbt(base64: string, key: SigningKey): string {
  const psbt = Psbt.fromBase64(base64);
  const { tapInternalKey } = psbt.data.inputs[0]!;
  if (tapInternalKey) psbt.updateInput(0, { tapKeySig: key.signTaproot(new Uint8Array(32)) });
  else psbt.updateInput(0, { partialSig: [{ pubkey: key.publicKey, signature: ecdsaOf(key, new Uint8Array(32)) }] });
  return psbt.toBase64();
}

/** With a signature of one of its own keys that is for something else. */
export function spoilPsbt(base64: string, key: SigningKey): string {
  const psbt = Psbt.fromBase64(base64);
  psbt.updateInput(0, { partialSig: [{ pubkey: key.publicKey, signature: ecdsaOf(key, new Uint8Array(32).fill(1)) }] });
  return psbt.toBase64();
}

/** A PSBT that pays a satoshi less. */
export function otherPsbt(base64: string): string {
  const { inputs, outputs, locktime, version } = readPsbt(base64);
  const psbt = new Psbt().setVersion(version).setLocktime(locktime);
  for (const { hash, index, sequence } of inputs) psbt.addInput({ hash, index, sequence: sequence! });
  for (const { script, value } of outputs) psbt.addOutput({ script, value: value - 1n });
  return psbt.toBase64();
}

function readPsbt(base64: string) {
  const psbt = Psbt.fromBase64(base64);
  return { inputs: psbt.txInputs, outputs: psbt.txOutputs, locktime: psbt.locktime, version: psbt.version };
}

const SIGHASH_ALL = 1;

function ecdsaOf(key: SigningKey, hash: Uint8Array): Uint8Array {
  return Buffer.concat([derOf(key.signEcdsa(hash)), Uint8Array.of(SIGHASH_ALL)]);
}

/** DER of 64 bytes R‖S. */
function derOf(signature: Uint8Array): Uint8Array {
  const integer = (bytes: Uint8Array): Uint8Array => {
    const first = bytes.findIndex((byte) => byte !== 0);
    const shortest = bytes.subarray(first);
    const padded = shortest[0]! >= 0x80 ? Uint8Array.of(0, ...shortest) : shortest;
    return Uint8Array.of(2, padded.length, ...padded);
  };
  const body = Uint8Array.of(...integer(signature.subarray(0, 32)), ...integer(signature.subarray(32)));
  return Uint8Array.of(0x30, body.length, ...body);
}

/** By input: the id of the transaction that it comes with as what made its coin, if it does. */
export function previousTxidsOf(base64: string): readonly (string | undefined)[] {
  return Psbt.fromBase64(base64).data.inputs.map(
    ({ nonWitnessUtxo }) => nonWitnessUtxo && Transaction.fromBuffer(nonWitnessUtxo).getId(),
  );
}
