import { assert, err, type Result } from '@finality/kernel';
import { Psbt, script as bitcoinScript, Transaction } from 'bitcoinjs-lib';
import { type KeyPlace, keyPlaces } from './derivation.ts';
import { type Fault, fault } from './fault.ts';
import { bytesFromHex, hexFromBytes } from './hex.ts';
import { PAYOUT_SEQUENCE, PAYOUT_VERSION, type PayoutPlan, type WalletPlace } from './payout-transaction.ts';
import { type SignatureFault, verifySignatures } from './signing.ts';
import type { ParsedTransaction, Prevout } from './transaction.ts';
import { readWitness } from './witness.ts';

export type PsbtFault = Fault<'MALFORMED_PSBT' | 'OTHER_TRANSACTION' | 'NOT_SIGNED'> | SignatureFault;

const PSBT_TEXT_LENGTH_MAX = 4_000_000;

/**
 * The transaction of a plan as a PSBT in base64 (BIP174): what each input spends, and the keys of inputs and change where they are known
 * (BIP371 for P2TR).
 */
export function psbtOf(plan: PayoutPlan, unsigned: string): string {
  const psbt = new Psbt().setVersion(PAYOUT_VERSION).setLocktime(plan.locktime);
  for (const { outpoint, valueSats, script, place } of plan.inputs) {
    const witnessUtxo = { script: bytesFromHex(script), value: valueSats };
    const { txid: hash, vout: index } = outpoint;
    psbt.addInput({ hash, index, sequence: PAYOUT_SEQUENCE, witnessUtxo, ...keyFields(place) });
  }
  for (const { script, valueSats, place } of plan.outputs) {
    psbt.addOutput({ script: bytesFromHex(script), value: valueSats, ...keyFields(place) });
  }
  assert(unsignedOf(psbt) === unsigned, 'the PSBT has the transaction that was built');
  return psbt.toBase64();
}

/**
 * The finalised transaction of a PSBT that came back from its signer. It must be the transaction that was handed out, and every signature
 * must hold for what its input really spends (`prevouts`, ours); whatever else the PSBT says is ignored.
 */
export function finalisePsbt(
  base64: string,
  unsigned: string,
  prevouts: readonly Prevout[],
): Result<ParsedTransaction, PsbtFault> {
  const psbt = parsePsbt(base64);
  if (!psbt) return err(fault('MALFORMED_PSBT', 'expected a PSBT (BIP174) as base64'));
  if (unsignedOf(psbt) !== unsigned)
    return err(fault('OTHER_TRANSACTION', 'expected the transaction that was handed out'));
  const transaction = Transaction.fromHex(unsigned);
  for (let inputIndex = 0; inputIndex < psbt.inputCount; inputIndex++) {
    const witness = witnessOf(psbt, inputIndex);
    if (!witness) return err(fault('NOT_SIGNED', `expected one signature in input ${inputIndex}`));
    transaction.setWitness(inputIndex, [...witness]);
  }
  return verifySignatures(transaction.toBuffer(), prevouts);
}

function keyFields(
  place: WalletPlace | undefined,
): Partial<Parameters<Psbt['addOutput']>[0] & Parameters<Psbt['addInput']>[0]> {
  if (!place) return {};
  const { descriptor, branch, index } = place;
  const [{ fingerprint, path, publicKey: pubkey }] = keyPlaces(descriptor, branch, index) as [KeyPlace];
  const derivation = { masterFingerprint: bytesFromHex(fingerprint), path: `m/${path.replaceAll('h', "'")}` };
  if (descriptor.scriptType === 'wpkh') return { bip32Derivation: [{ ...derivation, pubkey }] };
  const tapInternalKey = pubkey.subarray(1);
  return { tapInternalKey, tapBip32Derivation: [{ ...derivation, pubkey: tapInternalKey, leafHashes: [] }] };
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

/** The witness that an input's signatures make, by whichever field the signer left them in. */
function witnessOf(psbt: Psbt, inputIndex: number): readonly Uint8Array[] | undefined {
  const { finalScriptWitness, tapKeySig, partialSig } = psbt.data.inputs[inputIndex]!;
  if (finalScriptWitness) return readWitness(finalScriptWitness);
  if (tapKeySig) return [tapKeySig];
  const [only, ...more] = partialSig ?? [];
  return only && more.length === 0 && bitcoinScript.isCanonicalScriptSignature(only.signature)
    ? [only.signature, only.pubkey]
    : undefined;
}
