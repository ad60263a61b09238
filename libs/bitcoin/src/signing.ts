import { assert, err, ok, type Result, type Sats } from '@finality/kernel';
import { crypto, script as bitcoinScript, Transaction } from 'bitcoinjs-lib';
import { scriptTypeOf, walletScriptTypeOf } from './address.ts';
import { scriptOf } from './descriptor.ts';
import { ecc } from './ecc.ts';
import { type Fault, fault } from './fault.ts';
import { bytesFromHex, hexFromBytes } from './hex.ts';
import type { ScriptHex } from './ids.ts';
import type { SigningKey } from './keys.ts';
import { type ParsedTransaction, parseTransaction } from './transaction.ts';

/** What an input spends. */
export interface Prevout {
  readonly valueSats: Sats;
  readonly script: ScriptHex;
}

export interface SigningRequest {
  /** The unsigned transaction as hex. */
  readonly unsigned: string;
  /** What its inputs spend, in their order: all of them, as P2TR signatures commit to all. */
  readonly prevouts: readonly Prevout[];
  /** The key of an input, or undefined where we have none. */
  readonly keyFor: (inputIndex: number) => SigningKey | undefined;
}

export interface SigningFault extends Fault<
  'MALFORMED_TRANSACTION' | 'ALREADY_SIGNED' | 'PREVOUTS_MISSING' | 'UNSUPPORTED_SCRIPT' | 'NO_KEY' | 'KEY_MISMATCH'
> {
  readonly inputIndex?: number;
}

export interface SignatureFault extends Fault<
  | 'MALFORMED_TRANSACTION'
  | 'PREVOUTS_MISSING'
  | 'UNSUPPORTED_SCRIPT'
  | 'MALFORMED_WITNESS'
  | 'WRONG_SIGHASH'
  | 'INVALID_SIGNATURE'
> {
  readonly inputIndex?: number;
}

/**
 * Signs every input: P2WPKH with SIGHASH_ALL (BIP143), P2TR by key with SIGHASH_DEFAULT (BIP341), nothing else. A key that doesn't belong
 * to its input's script is refused. Deterministic: signing again gives the same bytes.
 */
export function signTransaction({
  unsigned,
  prevouts,
  keyFor,
}: SigningRequest): Result<ParsedTransaction, SigningFault> {
  const parsed = parseTransaction(unsigned);
  if (!parsed.ok) return parsed;
  const { inputs } = parsed.value;
  if (inputs.some((input) => input.scriptSig.length > 0 || input.witness.length > 0)) {
    return err(fault('ALREADY_SIGNED', 'expected inputs without scriptSig and witness'));
  }
  if (prevouts.length !== inputs.length) return err(prevoutsMissing(inputs.length, prevouts.length));
  const transaction = Transaction.fromHex(unsigned);
  for (const [inputIndex, prevout] of prevouts.entries()) {
    const witness = signInput(transaction, inputIndex, prevouts, prevout, keyFor(inputIndex));
    if (!witness.ok) return witness;
    transaction.setWitness(inputIndex, [...witness.value]);
  }
  const signed = parseTransaction(transaction.toBuffer());
  assert(signed.ok && signed.value.txid === parsed.value.txid, 'signing leaves the txid as it was');
  return signed;
}

/**
 * Whether every input of a finalised transaction is rightly signed for what it spends: P2WPKH with SIGHASH_ALL and low S, P2TR by key with
 * SIGHASH_DEFAULT or SIGHASH_ALL and no annex. Stricter than consensus on purpose (DESIGN 9). That it is the transaction that was meant
 * is shown by its txid, which covers everything but the signatures.
 */
export function verifySignatures(
  rawSigned: string | Uint8Array,
  prevouts: readonly Prevout[],
): Result<ParsedTransaction, SignatureFault> {
  const parsed = parseTransaction(rawSigned);
  if (!parsed.ok) return parsed;
  const { inputs } = parsed.value;
  if (prevouts.length !== inputs.length) return err(prevoutsMissing(inputs.length, prevouts.length));
  const transaction = Transaction.fromBuffer(parsed.value.raw);
  for (let inputIndex = 0; inputIndex < inputs.length; inputIndex++) {
    const problem = verifyInput(transaction, inputIndex, prevouts);
    if (problem) return err({ ...problem, inputIndex });
  }
  return parsed;
}

/** What is wrong with one input's signature, if anything: {@link verifySignatures} for a transaction that is parsed already. */
export function verifyInput(
  transaction: Transaction,
  inputIndex: number,
  prevouts: readonly Prevout[],
): SignatureFault | undefined {
  const input = transaction.ins[inputIndex]!;
  const { script } = prevouts[inputIndex]!;
  const type = walletScriptTypeOf(script);
  if (type === undefined) return fault('UNSUPPORTED_SCRIPT', `expected P2WPKH or P2TR, got ${scriptTypeOf(script)}`);
  if (input.script.length > 0) return fault('MALFORMED_WITNESS', 'expected no scriptSig in a segwit input');
  return type === 'wpkh'
    ? verifyWpkh(transaction, inputIndex, prevouts[inputIndex]!)
    : verifyTaproot(transaction, inputIndex, prevouts);
}

function signInput(
  transaction: Transaction,
  inputIndex: number,
  prevouts: readonly Prevout[],
  prevout: Prevout,
  key: SigningKey | undefined,
): Result<readonly Uint8Array[], SigningFault> {
  const type = walletScriptTypeOf(prevout.script);
  if (type === undefined) {
    return err({
      ...fault('UNSUPPORTED_SCRIPT', `expected P2WPKH or P2TR, got ${scriptTypeOf(prevout.script)}`),
      inputIndex,
    });
  }
  if (!key) return err({ ...fault('NO_KEY', `expected a key for input ${inputIndex}`), inputIndex });
  if (scriptOf(type, key.publicKey) !== prevout.script) {
    return err({ ...fault('KEY_MISMATCH', `expected the key of script ${prevout.script}`), inputIndex });
  }
  if (type === 'tr')
    return ok([key.signTaproot(taprootSighash(transaction, inputIndex, prevouts, Transaction.SIGHASH_DEFAULT))]);
  const signature = key.signEcdsa(wpkhSighash(transaction, inputIndex, prevout));
  return ok([bitcoinScript.signature.encode(signature, Transaction.SIGHASH_ALL), key.publicKey]);
}

/** BIP143 with SIGHASH_ALL. */
function wpkhSighash(transaction: Transaction, inputIndex: number, { script, valueSats }: Prevout): Uint8Array {
  const scriptCode = bytesFromHex(`76a914${script.slice(4)}88ac`);
  return transaction.hashForWitnessV0(inputIndex, scriptCode, valueSats, Transaction.SIGHASH_ALL);
}

/** BIP341, key path, no annex. */
function taprootSighash(
  transaction: Transaction,
  inputIndex: number,
  prevouts: readonly Prevout[],
  sighash: number,
): Uint8Array {
  const scripts = prevouts.map((prevout) => bytesFromHex(prevout.script));
  const values = prevouts.map((prevout) => prevout.valueSats);
  return transaction.hashForWitnessV1(inputIndex, scripts, values, sighash);
}

const PUBLIC_KEY_BYTES = 33;
const SCHNORR_BYTES = 64;

function verifyWpkh(transaction: Transaction, inputIndex: number, prevout: Prevout): SignatureFault | undefined {
  const [encoded, publicKey, ...more] = transaction.ins[inputIndex]!.witness;
  if (!encoded || publicKey?.length !== PUBLIC_KEY_BYTES || more.length > 0 || !ecc.isPoint(publicKey)) {
    return fault('MALFORMED_WITNESS', 'expected a signature and a compressed public key');
  }
  if (hexFromBytes(crypto.hash160(publicKey)) !== prevout.script.slice(4)) {
    return fault('INVALID_SIGNATURE', 'expected the public key that the script is the hash of');
  }
  const decoded = decodeDer(encoded);
  if (!decoded) return fault('MALFORMED_WITNESS', 'expected a DER signature with its sighash byte (BIP66)');
  if (decoded.hashType !== Transaction.SIGHASH_ALL)
    return fault('WRONG_SIGHASH', `expected SIGHASH_ALL, got ${decoded.hashType}`);
  const strictLowS = true;
  if (ecc.verify(wpkhSighash(transaction, inputIndex, prevout), publicKey, decoded.signature, strictLowS))
    return undefined;
  return fault('INVALID_SIGNATURE', 'expected a valid ECDSA signature with low S');
}

function decodeDer(encoded: Uint8Array): { readonly signature: Uint8Array; readonly hashType: number } | undefined {
  try {
    return bitcoinScript.signature.decode(encoded);
  } catch {
    return undefined;
  }
}

function verifyTaproot(
  transaction: Transaction,
  inputIndex: number,
  prevouts: readonly Prevout[],
): SignatureFault | undefined {
  const [item, ...more] = transaction.ins[inputIndex]!.witness;
  if (!item || more.length > 0 || (item.length !== SCHNORR_BYTES && item.length !== SCHNORR_BYTES + 1)) {
    return fault('MALFORMED_WITNESS', 'expected one Schnorr signature (key path, no annex)');
  }
  const sighash = item.length === SCHNORR_BYTES ? Transaction.SIGHASH_DEFAULT : item[SCHNORR_BYTES]!;
  if (item.length > SCHNORR_BYTES && sighash !== Transaction.SIGHASH_ALL) {
    return fault('WRONG_SIGHASH', `expected SIGHASH_DEFAULT or SIGHASH_ALL, got ${sighash}`);
  }
  const outputKey = bytesFromHex(prevouts[inputIndex]!.script.slice(4));
  const hash = taprootSighash(transaction, inputIndex, prevouts, sighash);
  if (ecc.isXOnlyPoint(outputKey) && ecc.verifySchnorr(hash, outputKey, item.subarray(0, SCHNORR_BYTES)))
    return undefined;
  return fault('INVALID_SIGNATURE', 'expected a valid Schnorr signature');
}

function prevoutsMissing(inputs: number, prevouts: number): Fault<'PREVOUTS_MISSING'> {
  return fault('PREVOUTS_MISSING', `expected what each of ${inputs} inputs spends, got ${prevouts}`);
}
