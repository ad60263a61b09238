import { assert, err, ok, type Result } from '@finality/kernel';
import { Psbt, script as bitcoinScript, Transaction } from 'bitcoinjs-lib';
import { isMultisig, type WalletScriptType } from './address.ts';
import { deriveScript, type DerivedScript, keyPlaces } from './derivation.ts';
import { type Fault, fault } from './fault.ts';
import { bytesFromHex, hexFromBytes } from './hex.ts';
import type { Txid } from './ids.ts';
import {
  PAYOUT_SEQUENCE,
  PAYOUT_VERSION,
  type PayoutInput,
  type PayoutPlan,
  unsignedPayout,
  type WalletPlace,
} from './payout-transaction.ts';
import { readSignatures, type SignedInput } from './psbt-signatures.ts';
import { Sighashes } from './sighash.ts';
import { type SignatureFault, verifySignatures } from './signing.ts';
import { type ParsedTransaction, parseTransaction } from './transaction.ts';

/** A payout of a wallet that signs for itself: of every input it is known where the wallet has it. */
export interface PsbtPlan extends PayoutPlan {
  readonly inputs: readonly PsbtInput[];
}

export interface PsbtInput extends PayoutInput {
  readonly place: WalletPlace;
  /** The transaction it is an output of, as hex: some signers want to see it. */
  readonly previousTransaction?: string;
}

export interface PreparedPsbt {
  /** BIP174, version 0. */
  readonly base64: string;
  /** Unsigned, as hex, with empty scriptSigs. */
  readonly unsigned: string;
  /** Once it is signed: of nested inputs scriptSig is part of it, and known beforehand. */
  readonly txid: Txid;
}

/** What several signers have signed so far, every signature verified. */
export interface PsbtProgress {
  /** What was handed out with the signatures there are: for the next signer, or to be kept. */
  readonly combined: string;
  /** Signatures that are still missing, over all inputs. */
  readonly missing: number;
  /** Final and verified, as soon as nothing is missing. */
  readonly transaction?: ParsedTransaction;
}

export interface PsbtFault extends Fault<
  | 'MALFORMED_PSBT'
  | 'TOO_MANY_PSBTS'
  | 'OTHER_TRANSACTION'
  | 'FOREIGN_SIGNATURE'
  | 'NOT_SIGNED'
  | 'CANNOT_PAY'
  | SignatureFault['reason']
> {
  readonly inputIndex?: number;
}

const PSBT_TEXT_LENGTH_MAX = 4_000_000;
/** As many as a multisig script has keys. */
const PSBTS_MAX = 20;

/**
 * The transaction of a plan as a PSBT (BIP174, BIP371 for P2TR): what each input spends, the scripts behind it, and the keys of inputs and
 * change. Wallets of `pkh` are followed and paid to, and can't pay: what they sign has a txid that nobody knows before.
 */
export function preparePsbt(plan: PsbtPlan): Result<PreparedPsbt, PsbtFault> {
  const legacy = plan.inputs.findIndex(({ place }) => place.descriptor.scriptType === 'pkh');
  if (legacy >= 0) {
    const problem = fault(
      'CANNOT_PAY',
      'expected segwit coins: the txid of a legacy one isn’t known before it is signed',
    );
    return err({ ...problem, inputIndex: legacy });
  }
  const unsigned = unsignedPayout(plan);
  const psbt = new Psbt().setVersion(PAYOUT_VERSION).setLocktime(plan.locktime);
  const signed = Transaction.fromHex(unsigned);
  for (const [i, input] of plan.inputs.entries()) {
    const derived = scriptsAt(input.place);
    assert(derived.script === input.script, 'a coin is where the plan says its wallet has it');
    psbt.addInput(psbtInput(input, derived));
    if (derived.redeemScript) signed.setInputScript(i, scriptSigOf(derived.redeemScript));
  }
  for (const { script, valueSats, place } of plan.outputs)
    psbt.addOutput({
      script: bytesFromHex(script),
      value: valueSats,
      ...(place && keyFields(place, scriptsAt(place))),
    });
  assert(unsignedOf(psbt) === unsigned, 'the PSBT has the transaction that was built');
  return ok({ base64: psbt.toBase64(), unsigned, txid: signed.getId() as Txid });
}

/**
 * Puts together what came back from the signers of a plan, once or one after the other. Each must have the transaction that was handed out, and
 * every signature in it must be one of the input's own keys, with SIGHASH_ALL (P2TR: or SIGHASH_DEFAULT), valid for what the input really
 * spends. Whatever else a PSBT says is ignored.
 */
export function collectSignatures(plan: PsbtPlan, psbts: readonly string[]): Result<PsbtProgress, PsbtFault> {
  const prepared = preparePsbt(plan);
  if (!prepared.ok) return prepared;
  if (psbts.length > PSBTS_MAX)
    return err(fault('TOO_MANY_PSBTS', `expected at most ${PSBTS_MAX} PSBTs, got ${psbts.length}`));
  const { base64, unsigned, txid } = prepared.value;
  const parsedUnsigned = parseTransaction(unsigned);
  assert(parsedUnsigned.ok, 'a transaction of ours can be read');
  const sighashes = new Sighashes(parsedUnsigned.value, plan.inputs);
  const inputs: SignedInput[] = plan.inputs.map(({ place }) => ({
    derived: scriptsAt(place),
    scriptType: place.descriptor.scriptType,
    required: place.descriptor.required,
    partial: new Map<string, Uint8Array>(),
  }));
  for (const text of psbts) {
    const psbt = parsePsbt(text);
    if (!psbt) return err(notAPsbt());
    if (unsignedOf(psbt) !== unsigned)
      return err(fault('OTHER_TRANSACTION', 'expected the transaction that was handed out'));
    for (const [inputIndex, input] of inputs.entries()) {
      const problem = readSignatures(psbt.data.inputs[inputIndex]!, input, sighashes, inputIndex);
      if (problem) return err({ ...problem, inputIndex });
    }
  }
  const combined = combine(base64, inputs);
  const missing = inputs.reduce((sum, input) => sum + missingOf(input), 0);
  if (missing > 0) return ok({ combined, missing });
  const transaction = verifySignatures(finalise(unsigned, inputs), plan.inputs);
  if (!transaction.ok) return transaction;
  assert(transaction.value.txid === txid, 'the txid is the one that was announced');
  return ok({ combined, missing, transaction: transaction.value });
}

/** The unsigned transaction of a PSBT as hex: tells which one that was handed out it is. */
export function transactionOfPsbt(base64: string): Result<string, PsbtFault> {
  const psbt = parsePsbt(base64);
  return psbt ? ok(unsignedOf(psbt)) : err(notAPsbt());
}

/** The finalised transaction of a plan; `NOT_SIGNED` where signatures are missing. */
export function finalisePsbt(plan: PsbtPlan, psbts: readonly string[]): Result<ParsedTransaction, PsbtFault> {
  const collected = collectSignatures(plan, psbts);
  if (!collected.ok) return collected;
  const { transaction, missing } = collected.value;
  if (transaction) return ok(transaction);
  return err(fault('NOT_SIGNED', `expected ${missing} more signatures`));
}

const notAPsbt = (): PsbtFault => fault('MALFORMED_PSBT', 'expected a PSBT (BIP174) as base64');

const scriptsAt = ({ descriptor, branch, index }: WalletPlace): DerivedScript =>
  deriveScript(descriptor, branch, index);

type AddedInput = Parameters<Psbt['addInput']>[0];
type AddedOutput = Parameters<Psbt['addOutput']>[0];

function psbtInput(input: PsbtInput, derived: DerivedScript): AddedInput {
  const { outpoint, valueSats, script, place, previousTransaction } = input;
  const { txid: hash, vout: index } = outpoint;
  const nonWitnessUtxo = previousTransaction === undefined ? undefined : bytesFromHex(previousTransaction);
  return {
    hash,
    index,
    sequence: PAYOUT_SEQUENCE,
    witnessUtxo: { script: bytesFromHex(script), value: valueSats },
    ...(nonWitnessUtxo && { nonWitnessUtxo }),
    ...keyFields(place, derived),
  };
}

function keyFields(place: WalletPlace, derived: DerivedScript): Partial<AddedInput & AddedOutput> {
  const { descriptor, branch, index } = place;
  const derivations = keyPlaces(descriptor, branch, index).map(({ fingerprint, path, publicKey }) => ({
    masterFingerprint: bytesFromHex(fingerprint),
    path: `m/${path.replaceAll('h', "'")}`,
    pubkey: publicKey,
  }));
  if (descriptor.scriptType === 'tr') {
    const [derivation] = derivations;
    const tapInternalKey = derivation!.pubkey.subarray(1);
    return { tapInternalKey, tapBip32Derivation: [{ ...derivation!, pubkey: tapInternalKey, leafHashes: [] }] };
  }
  const { redeemScript, witnessScript } = derived;
  return {
    bip32Derivation: derivations,
    ...(redeemScript && { redeemScript: bytesFromHex(redeemScript) }),
    ...(witnessScript && { witnessScript: bytesFromHex(witnessScript) }),
  };
}

function parsePsbt(base64: string): Psbt | undefined {
  if (base64.length > PSBT_TEXT_LENGTH_MAX || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined;
  try {
    return Psbt.fromBase64(base64);
  } catch {
    return undefined;
  }
}

const unsignedOf = (psbt: Psbt): string => hexFromBytes(psbt.data.globalMap.unsignedTx.toBuffer());

const scriptSigOf = (redeemScript: string): Uint8Array => bitcoinScript.compile([bytesFromHex(redeemScript)]);

function missingOf({ final, partial, required }: SignedInput): number {
  return final ? 0 : Math.max(0, required - partial.size);
}

/** What was handed out, with all signatures: of inputs that came back final, the final fields. */
function combine(base64: string, inputs: readonly SignedInput[]): string {
  const psbt = Psbt.fromBase64(base64);
  for (const [i, { final, partial, scriptType }] of inputs.entries()) {
    const signatures = [...partial].map(([pubkey, signature]) => ({ pubkey: bytesFromHex(pubkey), signature }));
    if (final) psbt.updateInput(i, final.fields);
    else if (scriptType === 'tr' && signatures[0]) psbt.updateInput(i, { tapKeySig: signatures[0].signature });
    else if (signatures.length > 0) psbt.updateInput(i, { partialSig: signatures });
  }
  return psbt.toBase64();
}

function finalise(unsigned: string, inputs: readonly SignedInput[]): Uint8Array {
  const transaction = Transaction.fromHex(unsigned);
  for (const [i, input] of inputs.entries()) {
    const { redeemScript } = input.derived;
    if (redeemScript) transaction.setInputScript(i, scriptSigOf(redeemScript));
    transaction.setWitness(i, [...(input.final?.witness ?? witnessOf(input, input.scriptType))]);
  }
  return transaction.toBuffer();
}

/** Of more signatures than needed, those that come first in the script. */
function witnessOf({ partial, derived, required }: SignedInput, scriptType: WalletScriptType): readonly Uint8Array[] {
  if (!isMultisig(scriptType)) {
    const [[publicKey, signature]] = partial as unknown as [[string, Uint8Array]];
    return scriptType === 'tr' ? [signature] : [signature, bytesFromHex(publicKey)];
  }
  // Sorted as hex is sorted as bytes.
  const signatures = [...partial].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, signature]) => signature);
  return [new Uint8Array(0), ...signatures.slice(0, required), bytesFromHex(derived.witnessScript!)];
}
