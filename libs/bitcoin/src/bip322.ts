import { assert, err, ok, type Result, type Sats } from '@finality/kernel';
import { crypto, Psbt, script as bitcoinScript, Transaction } from 'bitcoinjs-lib';
import { isMultisig, scriptTypeOf } from './address.ts';
import type { DerivedScript } from './derivation.ts';
import type { Descriptor } from './descriptor.ts';
import { type Fault, fault } from './fault.ts';
import { bytesFromHex, bytesFromReversedHex, hexFromBytes } from './hex.ts';
import type { Outpoint, ScriptHex } from './ids.ts';
import { type InputFault, verifyInput } from './input-signature.ts';
import type { SigningKey } from './keys.ts';
import { SIGHASH_ALL, SIGHASH_DEFAULT, Sighashes } from './sighash.ts';
import { type ParsedTransaction, parseTransaction, type Prevout } from './transaction.ts';
import { parseMultisigScript } from './wallet-script.ts';
import { readWitness, witnessBytes } from './witness.ts';

/** A message signed for a script. Nothing here looks at the chain: whether `funds` exist and are unspent is for the caller to find out. */
export interface SignedMessage {
  readonly variant: 'simple' | 'full' | 'proof_of_funds';
  /** nLockTime and nSequence that the signature is valid from ("valid at time T and age S"). */
  readonly locktime: number;
  readonly sequence: number;
  /** Outputs that a proof of funds shows control of, with what it says of them. */
  readonly funds: readonly { readonly outpoint: Outpoint; readonly spent: Prevout }[];
}

/** `INCONCLUSIVE`: a script or transaction version of which this verifier can't say whether it is satisfied. */
export type MessageFault = Fault<'MALFORMED_SIGNATURE' | 'INVALID_SIGNATURE' | 'INCONCLUSIVE'>;

const SIGNATURE_LENGTH_MAX = 200_000;
const OP_RETURN = '6a' as ScriptHex;
const VERSIONS = [0, 2];
const PREFIX_LENGTH = 3;
const NO_SATS = 0n as Sats;

/**
 * Verifies a message signed for a script by BIP322 (2.0): `smp` (or no prefix, as before it was finalised), `ful`, or `pof`. All required
 * rules hold; scripts other than those of wallets (see `verifyInput`) are inconclusive. The legacy format isn't accepted.
 */
export function verifyMessage(
  message: string,
  script: ScriptHex,
  signature: string,
): Result<SignedMessage, MessageFault> {
  if (signature.length > SIGNATURE_LENGTH_MAX)
    return err(malformed(`expected at most ${SIGNATURE_LENGTH_MAX} characters, got ${signature.length}`));
  const prefix = signature.slice(0, PREFIX_LENGTH);
  const hasPrefix = prefix === 'smp' || prefix === 'ful' || prefix === 'pof';
  const base64 = hasPrefix ? signature.slice(PREFIX_LENGTH) : signature;
  // Unpadded base64 is what some signers give.
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return err(malformed('expected smp, ful or pof, and base64'));
  const bytes = Buffer.from(base64, 'base64');
  const toSpend = toSpendOf(message, script);
  if (prefix === 'ful') return verifyFull(toSpend, script, bytes);
  return prefix === 'pof' ? verifyFunds(toSpend, script, base64) : verifySimple(toSpend, script, bytes);
}

/** Signs a message for a script of a wallet: `smp` where the script is segwit itself, else `ful`. A key too few or a foreign one is a bug. */
export function signMessage(
  message: string,
  descriptor: Pick<Descriptor, 'scriptType' | 'required'>,
  derived: DerivedScript,
  keys: readonly SigningKey[],
): string {
  const { script, redeemScript } = derived;
  const toSign = toSignOf(toSpendOf(message, script));
  const parsed = parsedOf(toSign);
  const sighashes = new Sighashes(parsed, [{ script, valueSats: NO_SATS }]);
  const items = signedItems(descriptor, derived, sighashes, keys);
  if (descriptor.scriptType === 'pkh') toSign.setInputScript(0, bitcoinScript.compile([...items]));
  else toSign.setWitness(0, [...items]);
  if (redeemScript) toSign.setInputScript(0, bitcoinScript.compile([bytesFromHex(redeemScript)]));
  const full = Buffer.from(toSign.toBuffer()).toString('base64');
  const isNative = descriptor.scriptType !== 'pkh' && redeemScript === undefined;
  const signature = isNative ? `smp${Buffer.from(witnessBytes(items)).toString('base64')}` : `ful${full}`;
  const verified = verifyMessage(message, script, signature);
  assert(verified.ok, 'a message is signed with the keys of its script');
  return signature;
}

/** BIP340's tagged hash that `to_spend` commits to. */
export function messageHash(message: string): Uint8Array {
  const tag = crypto.sha256(Buffer.from('BIP0322-signed-message'));
  return crypto.sha256(Buffer.concat([tag, tag, Buffer.from(message)]));
}

/** The virtual transaction whose only output has the script that is signed for. */
export function toSpendOf(message: string, script: ScriptHex): Transaction {
  const transaction = new Transaction();
  transaction.version = 0;
  const scriptSig = Buffer.concat([Uint8Array.of(0, 32), messageHash(message)]);
  transaction.addInput(new Uint8Array(32), 0xffff_ffff, 0, scriptSig);
  transaction.addOutput(bytesFromHex(script), NO_SATS);
  return transaction;
}

/** The virtual transaction that spends it, unsigned. */
export function toSignOf(toSpend: Transaction): Transaction {
  const transaction = new Transaction();
  transaction.version = 0;
  transaction.addInput(toSpend.getHash(), 0, 0);
  transaction.addOutput(bytesFromHex(OP_RETURN), NO_SATS);
  return transaction;
}

function verifySimple(toSpend: Transaction, script: ScriptHex, bytes: Uint8Array): Result<SignedMessage, MessageFault> {
  const type = scriptTypeOf(script);
  if (type !== 'p2wpkh' && type !== 'p2wsh' && type !== 'p2tr')
    return err(malformed(`expected ful or pof for ${type}: simple signatures are for segwit scripts`));
  const witness = readWitness(bytes);
  if (!witness) return err(malformed('expected a witness stack'));
  const toSign = toSignOf(toSpend);
  if (witness.length === 0) return err(fault('INVALID_SIGNATURE', 'expected a witness'));
  toSign.setWitness(0, [...witness]);
  return verifyToSign('simple', toSpend, parsedOf(toSign), [{ script, valueSats: NO_SATS }]);
}

function verifyFull(toSpend: Transaction, script: ScriptHex, bytes: Uint8Array): Result<SignedMessage, MessageFault> {
  const parsed = parseTransaction(bytes);
  if (!parsed.ok) return err(malformed(`expected a transaction: ${parsed.error.message}`));
  if (parsed.value.inputs.length > 1)
    return err(malformed('expected one input; more of them take a proof of funds (pof)'));
  return verifyToSign('full', toSpend, parsed.value, [{ script, valueSats: NO_SATS }]);
}

function verifyFunds(toSpend: Transaction, script: ScriptHex, base64: string): Result<SignedMessage, MessageFault> {
  const read = readFinalised(base64);
  if (!read) return err(malformed('expected a finalised PSBT (BIP174) with what each input spends'));
  const { parsed, spent } = read;
  return verifyToSign('proof_of_funds', toSpend, parsed, [{ script, valueSats: NO_SATS }, ...spent.slice(1)]);
}

function verifyToSign(
  variant: SignedMessage['variant'],
  toSpend: Transaction,
  toSign: ParsedTransaction,
  prevouts: readonly Prevout[],
): Result<SignedMessage, MessageFault> {
  const [first, ...funds] = toSign.inputs;
  const [output, ...more] = toSign.outputs;
  if (first?.outpoint.txid !== toSpend.getId() || first.outpoint.vout !== 0)
    return err(fault('INVALID_SIGNATURE', 'expected a signature of this message for this script'));
  if (output?.script !== OP_RETURN || output.valueSats !== 0n || more.length > 0)
    return err(fault('INVALID_SIGNATURE', 'expected one output of 0 sat with OP_RETURN'));
  const sighashes = new Sighashes(toSign, prevouts);
  for (const [i, input] of toSign.inputs.entries()) {
    const problem = verifyInput(sighashes, i, prevouts[i]!.script, input);
    if (problem) return err(faultOf(problem, i));
  }
  if (!VERSIONS.includes(toSign.version))
    return err(fault('INCONCLUSIVE', `expected transaction version 0 or 2, got ${toSign.version}`));
  return ok({
    variant,
    locktime: toSign.locktime,
    sequence: first.sequence,
    funds: funds.map(({ outpoint }, i) => ({ outpoint, spent: prevouts[i + 1]! })),
  });
}

function faultOf({ reason, message }: InputFault, inputIndex: number): MessageFault {
  return fault(
    reason === 'UNSUPPORTED_SCRIPT' ? 'INCONCLUSIVE' : 'INVALID_SIGNATURE',
    `input ${inputIndex}: ${message}`,
  );
}

/** Transaction and prevouts of a finalised PSBT; undefined where it isn't one, or doesn't say what an input after the first spends. */
function readFinalised(base64: string): { readonly parsed: ParsedTransaction; readonly spent: Prevout[] } | undefined {
  try {
    const psbt = Psbt.fromBase64(base64);
    const transaction = Transaction.fromBuffer(psbt.data.globalMap.unsignedTx.toBuffer());
    const parents = new Map<string, ParsedTransaction>();
    const spent: Prevout[] = [];
    for (const [i, input] of psbt.data.inputs.entries()) {
      const { finalScriptSig, finalScriptWitness, witnessUtxo, nonWitnessUtxo } = input;
      if (finalScriptSig) transaction.setInputScript(i, finalScriptSig);
      const witness = finalScriptWitness && readWitness(finalScriptWitness);
      if (finalScriptWitness && !witness) return undefined;
      if (witness) transaction.setWitness(i, [...witness]);
      if (nonWitnessUtxo) addParent(parents, nonWitnessUtxo);
      const { hash, index } = transaction.ins[i]!;
      const output = parents.get(hexFromBytes(hash))?.outputs[index];
      if (output) spent.push(output);
      else if (witnessUtxo) spent.push(prevoutOf(witnessUtxo));
      else if (i > 0) return undefined;
      else spent.push({ script: OP_RETURN, valueSats: NO_SATS });
    }
    return { parsed: parsedOf(transaction), spent };
  } catch {
    return undefined;
  }
}

/** By the hash as it stands in inputs. Later inputs of the same transaction needn't repeat it. */
function addParent(parents: Map<string, ParsedTransaction>, raw: Uint8Array): void {
  const parsed = parseTransaction(raw);
  if (parsed.ok) parents.set(hexFromBytes(bytesFromReversedHex(parsed.value.txid)), parsed.value);
}

const prevoutOf = ({ script, value }: { readonly script: Uint8Array; readonly value: bigint }): Prevout => ({
  script: hexFromBytes(script) as ScriptHex,
  valueSats: value as Sats,
});

/** What goes into the witness, or for `pkh` into scriptSig. */
function signedItems(
  { scriptType, required }: Pick<Descriptor, 'scriptType' | 'required'>,
  { script, redeemScript, witnessScript }: DerivedScript,
  sighashes: Sighashes,
  keys: readonly SigningKey[],
): readonly Uint8Array[] {
  const encode = (key: SigningKey, hash: Uint8Array): Uint8Array =>
    bitcoinScript.signature.encode(key.signEcdsa(hash), SIGHASH_ALL);
  if (isMultisig(scriptType)) {
    const parts = witnessScript && parseMultisigScript(witnessScript);
    assert(parts, 'a multisig wallet has witness scripts');
    const hash = sighashes.segwit(0, witnessScript);
    const signers = parts.publicKeys.flatMap(
      (publicKey) => keys.find((key) => Buffer.compare(key.publicKey, publicKey) === 0) ?? [],
    );
    const signatures = signers.slice(0, required).map((key) => encode(key, hash));
    return [new Uint8Array(0), ...signatures, bytesFromHex(witnessScript)];
  }
  const [key] = keys;
  assert(key, 'a message is signed with a key');
  if (scriptType === 'tr') return [key.signTaproot(sighashes.taproot(0, SIGHASH_DEFAULT))];
  const hash = scriptType === 'pkh' ? sighashes.legacy(0) : sighashes.wpkh(0, redeemScript ?? script);
  return [encode(key, hash), key.publicKey];
}

function parsedOf(transaction: Transaction): ParsedTransaction {
  const parsed = parseTransaction(transaction.toBuffer());
  assert(parsed.ok, 'a transaction that was made of parts can be read');
  return parsed.value;
}

const malformed = (message: string): MessageFault => fault('MALFORMED_SIGNATURE', message);
