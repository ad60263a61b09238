import { assert, err, ok, type Result } from '@finality/kernel';
import { script as bitcoinScript, Transaction } from 'bitcoinjs-lib';
import { scriptTypeOf, walletScriptTypeOf } from './address.ts';
import { type Fault, fault } from './fault.ts';
import type { ScriptHex } from './ids.ts';
import { type InputFault, verifyInput } from './input-signature.ts';
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

export interface SignatureFault extends Fault<'MALFORMED_TRANSACTION' | 'PREVOUTS_MISSING' | InputFault['reason']> {
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
 * Whether every input of a finalised transaction is rightly signed for what it spends ({@link verifyInput}). That it is the transaction that
 * was meant is shown by its txid, which covers everything but witnesses.
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
  for (const [inputIndex, input] of transaction.inputs.entries()) {
    const problem = verifyInput(sighashes, inputIndex, prevouts[inputIndex]!.script, input);
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
  return ok([
    bitcoinScript.signature.encode(key.signEcdsa(sighashes.wpkh(inputIndex, script)), SIGHASH_ALL),
    key.publicKey,
  ]);
}

function unsupported(script: ScriptHex): Fault<'UNSUPPORTED_SCRIPT'> {
  return fault('UNSUPPORTED_SCRIPT', `expected P2WPKH or P2TR, got ${scriptTypeOf(script)}`);
}

function prevoutsMissing(inputs: number, prevouts: number): Fault<'PREVOUTS_MISSING'> {
  return fault('PREVOUTS_MISSING', `expected what each of ${inputs} inputs spends, got ${prevouts}`);
}
