import { assert, err, ok, type Result } from '@finality/kernel';
import { script as bitcoinScript, Transaction } from 'bitcoinjs-lib';
import { scriptTypeOf, walletScriptTypeOf } from './address.ts';
import { ecc } from './ecc.ts';
import { type Fault, fault } from './fault.ts';
import { bytesFromHex } from './hex.ts';
import type { ScriptHex } from './ids.ts';
import type { SigningKey } from './keys.ts';
import { SIGHASH_ALL, SIGHASH_DEFAULT, Sighashes } from './sighash.ts';
import { type ParsedTransaction, parseTransaction, type Prevout } from './transaction.ts';
import { scriptOf } from './wallet-script.ts';

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
  const sighashes = new Sighashes(parsed.value, prevouts);
  const transaction = Transaction.fromHex(unsigned);
  for (const [inputIndex, prevout] of prevouts.entries()) {
    const witness = signInput(sighashes, inputIndex, prevout, keyFor(inputIndex));
    if (!witness.ok) return err({ ...witness.error, inputIndex });
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
  for (const problem of inputFaults(parsed.value, prevouts)) if (problem) return err(problem);
  return parsed;
}

/** What is wrong with each input's signature, undefined where nothing is: lazily, so that the first fault ends the work. */
export function* inputFaults(
  transaction: ParsedTransaction,
  prevouts: readonly Prevout[],
): Generator<SignatureFault | undefined> {
  const sighashes = new Sighashes(transaction, prevouts);
  for (const [inputIndex, { scriptSig, witness }] of transaction.inputs.entries()) {
    const { script } = prevouts[inputIndex]!;
    const problem =
      scriptSig.length > 0
        ? fault('MALFORMED_WITNESS', 'expected no scriptSig in a segwit input')
        : verifyWitness(sighashes, inputIndex, script, witness);
    yield problem && { ...problem, inputIndex };
  }
}

function signInput(
  sighashes: Sighashes,
  inputIndex: number,
  { script }: Prevout,
  key: SigningKey | undefined,
): Result<readonly Uint8Array[], SigningFault> {
  const type = walletScriptTypeOf(script);
  if (type === undefined) return err(unsupported(script));
  if (!key) return err(fault('NO_KEY', `expected a key for input ${inputIndex}`));
  if (scriptOf(type, key.publicKey) !== script)
    return err(fault('KEY_MISMATCH', `expected the key of script ${script}`));
  if (type === 'tr') return ok([key.signTaproot(sighashes.taproot(inputIndex, SIGHASH_DEFAULT))]);
  return ok([bitcoinScript.signature.encode(key.signEcdsa(sighashes.wpkh(inputIndex)), SIGHASH_ALL), key.publicKey]);
}

type Witness = readonly Uint8Array[];

const PUBLIC_KEY_BYTES = 33;
const SCHNORR_BYTES = 64;

function verifyWitness(
  sighashes: Sighashes,
  inputIndex: number,
  script: ScriptHex,
  witness: Witness,
): SignatureFault | undefined {
  switch (walletScriptTypeOf(script)) {
    case 'wpkh':
      return verifyWpkh(sighashes, inputIndex, script, witness);
    case 'tr':
      return verifyTaproot(sighashes, inputIndex, script, witness);
    case undefined:
      return unsupported(script);
  }
}

function verifyWpkh(
  sighashes: Sighashes,
  inputIndex: number,
  script: ScriptHex,
  witness: Witness,
): SignatureFault | undefined {
  const [encoded, publicKey, ...more] = witness;
  if (!encoded || publicKey?.length !== PUBLIC_KEY_BYTES || more.length > 0 || !ecc.isPoint(publicKey)) {
    return fault('MALFORMED_WITNESS', 'expected a signature and a compressed public key');
  }
  if (scriptOf('wpkh', publicKey) !== script) {
    return fault('INVALID_SIGNATURE', 'expected the public key that the script is the hash of');
  }
  const decoded = decodeDer(encoded);
  if (!decoded) return fault('MALFORMED_WITNESS', 'expected a DER signature with its sighash byte (BIP66)');
  if (decoded.hashType !== SIGHASH_ALL) return fault('WRONG_SIGHASH', `expected SIGHASH_ALL, got ${decoded.hashType}`);
  const strictLowS = true;
  if (ecc.verify(sighashes.wpkh(inputIndex), publicKey, decoded.signature, strictLowS)) return undefined;
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
  sighashes: Sighashes,
  inputIndex: number,
  script: ScriptHex,
  witness: Witness,
): SignatureFault | undefined {
  const [item, ...more] = witness;
  if (!item || more.length > 0 || (item.length !== SCHNORR_BYTES && item.length !== SCHNORR_BYTES + 1)) {
    return fault('MALFORMED_WITNESS', 'expected one Schnorr signature (key path, no annex)');
  }
  const explicit = item[SCHNORR_BYTES];
  if (explicit !== undefined && explicit !== SIGHASH_ALL) {
    return fault('WRONG_SIGHASH', `expected SIGHASH_DEFAULT or SIGHASH_ALL, got ${explicit}`);
  }
  const outputKey = bytesFromHex(script.slice(4));
  const hash = sighashes.taproot(inputIndex, explicit ?? SIGHASH_DEFAULT);
  const isValid = ecc.isXOnlyPoint(outputKey) && ecc.verifySchnorr(hash, outputKey, item.subarray(0, SCHNORR_BYTES));
  return isValid ? undefined : fault('INVALID_SIGNATURE', 'expected a valid Schnorr signature');
}

function unsupported(script: ScriptHex): Fault<'UNSUPPORTED_SCRIPT'> {
  return fault('UNSUPPORTED_SCRIPT', `expected P2WPKH or P2TR, got ${scriptTypeOf(script)}`);
}

function prevoutsMissing(inputs: number, prevouts: number): Fault<'PREVOUTS_MISSING'> {
  return fault('PREVOUTS_MISSING', `expected what each of ${inputs} inputs spends, got ${prevouts}`);
}
