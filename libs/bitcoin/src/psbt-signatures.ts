import type { Psbt } from 'bitcoinjs-lib';
import type { WalletScriptType } from './address.ts';
import type { DerivedScript } from './derivation.ts';
import { type Fault, fault } from './fault.ts';
import { hexFromBytes } from './hex.ts';
import { type InputFault, verifyEcdsa, verifyInput } from './input-signature.ts';
import { SIGHASH_ALL, SIGHASH_DEFAULT, type Sighashes } from './sighash.ts';
import { readWitness } from './witness.ts';

/** What is known of an input's signatures while they are collected; `partial` by public key, all verified. */
export interface SignedInput {
  readonly derived: DerivedScript;
  readonly scriptType: WalletScriptType;
  readonly required: number;
  readonly partial: Map<string, Uint8Array>;
  /** Its signer finalised it. */
  final?: { readonly witness: readonly Uint8Array[]; readonly fields: FinalFields };
}

type PsbtInputFields = Psbt['data']['inputs'][number];
type FinalFields = Pick<PsbtInputFields, 'finalScriptSig' | 'finalScriptWitness'>;

type Problem = InputFault | Fault<'FOREIGN_SIGNATURE'>;

/** Takes over the signatures of one input of one PSBT, whichever field its signer left them in; or says what is wrong with the first wrong one. */
export function readSignatures(
  fields: PsbtInputFields,
  input: SignedInput,
  sighashes: Sighashes,
  inputIndex: number,
): Problem | undefined {
  const { sighashType, finalScriptWitness, tapKeySig, partialSig } = fields;
  const isAllowed = sighashType === SIGHASH_ALL || (sighashType === SIGHASH_DEFAULT && input.scriptType === 'tr');
  if (sighashType !== undefined && !isAllowed)
    return fault('WRONG_SIGHASH', `expected SIGHASH_ALL, got ${sighashType}`);
  if (finalScriptWitness) return takeFinal(fields, input, sighashes, inputIndex);
  if (input.scriptType === 'tr') return tapKeySig && takeTaproot(tapKeySig, input, sighashes, inputIndex);
  for (const { pubkey, signature } of partialSig ?? []) {
    const publicKey = hexFromBytes(pubkey);
    if (!input.derived.publicKeys.includes(publicKey))
      return fault('FOREIGN_SIGNATURE', `expected signatures of the input's own keys, got one of ${publicKey}`);
    const problem = verifyEcdsa(pubkey, sighashOf(input, sighashes, inputIndex), signature);
    if (problem) return problem;
    input.partial.set(publicKey, signature);
  }
  return undefined;
}

function takeFinal(
  { finalScriptSig, finalScriptWitness }: PsbtInputFields,
  input: SignedInput,
  sighashes: Sighashes,
  inputIndex: number,
): Problem | undefined {
  const witness = readWitness(finalScriptWitness!);
  if (!witness) return fault('MALFORMED_WITNESS', 'expected a serialised witness');
  const scriptSig = finalScriptSig ?? new Uint8Array(0);
  const problem = verifyInput(sighashes, inputIndex, input.derived.script, { scriptSig, witness });
  if (problem) return problem;
  const fields = { finalScriptWitness: finalScriptWitness!, ...(finalScriptSig && { finalScriptSig }) };
  input.final = { witness, fields };
  return undefined;
}

function takeTaproot(
  signature: Uint8Array,
  input: SignedInput,
  sighashes: Sighashes,
  inputIndex: number,
): Problem | undefined {
  const { derived, partial } = input;
  const spent = { scriptSig: new Uint8Array(0), witness: [signature] };
  const problem = verifyInput(sighashes, inputIndex, derived.script, spent);
  if (!problem) partial.set(derived.publicKeys[0]!, signature);
  return problem;
}

function sighashOf({ derived }: SignedInput, sighashes: Sighashes, inputIndex: number): Uint8Array {
  const { script, redeemScript, witnessScript } = derived;
  if (witnessScript) return sighashes.segwit(inputIndex, witnessScript);
  return sighashes.wpkh(inputIndex, redeemScript ?? script);
}
