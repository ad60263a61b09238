import {
  outpointKey,
  type ParsedTransaction,
  PAYOUT_SEQUENCE,
  PAYOUT_VERSION,
  type ScriptHex,
} from '@finality/bitcoin';
import { addSats, type Result } from '@finality/kernel';
import type { SigningFacts } from './facts.ts';
import type { LineageState } from './lineage.ts';
import type { DeclaredInput, DeclaredOutput, SigningRequest } from './request.ts';
import { type Refused, refusedBy, type SigningRule } from './rules.ts';

// What holds for every transaction in the journal, whoever has its keys.

/** No transaction of ours has more; it also bounds the work that a request can make. */
export const INPUTS_MAX = 1_470;
export const OUTPUTS_MAX = 3_000;
const LOCKTIME_HEIGHT_MAX = 499_999_999;

export interface Case {
  readonly request: SigningRequest;
  readonly facts: SigningFacts;
  readonly transaction: ParsedTransaction;
}

/** What was accepted for this version before. */
export const versionOf = ({ request, facts }: Case): LineageState['versions'][number] | undefined =>
  facts.lineage.versions.find(({ version }) => version === request.version);

/** One wallet, one anchor, and never two transactions for one version. */
export function checkLineage(it: Case): Refused | undefined {
  const { request, facts, transaction } = it;
  const { fixed } = facts.lineage;
  if (fixed && fixed.walletId !== request.walletId) {
    return refusedBy('OTHER_WALLET_IN_LINEAGE', `expected wallet ${fixed.walletId}, got ${request.walletId}`);
  }
  if (fixed && fixed.anchor !== request.anchor) {
    return refusedBy('OTHER_ANCHOR_IN_LINEAGE', `expected anchor ${fixed.anchor}, got ${request.anchor}`);
  }
  const before = versionOf(it);
  if (before && (before.txid !== transaction.txid || !sameInputs(before.inputs, request.inputs))) {
    const message = `version ${request.version} is ${before.txid} with other inputs or outputs, or values of inputs`;
    return refusedBy('VERSION_ALREADY_SIGNED', message);
  }
  const spent = transaction.inputs.some((input) => outpointKey(input.outpoint) === request.anchor);
  return spent ? undefined : refusedBy('ANCHOR_NOT_SPENT', `expected an input that spends ${request.anchor}`);
}

function sameInputs(before: readonly DeclaredInput[], now: readonly DeclaredInput[]): boolean {
  const text = (inputs: readonly DeclaredInput[]): string =>
    inputs.map((i) => `${i.outpoint} ${i.valueSats} ${i.branch}/${i.index}`).join('\n');
  return text(before) === text(now);
}

/** Version 2, replaceable, locked by height if at all, nothing signed (DESIGN 8). */
export function checkForm(transaction: ParsedTransaction): Refused | undefined {
  const { version, locktime, inputs, outputs } = transaction;
  const wrong = (expected: string, got: string): Refused =>
    refusedBy('TRANSACTION_FORM', `expected ${expected}, got ${got}`);
  if (version !== PAYOUT_VERSION) return wrong(`version ${PAYOUT_VERSION}`, `${version}`);
  if (locktime > LOCKTIME_HEIGHT_MAX) return wrong('nLockTime to be a height', `${locktime}`);
  if (inputs.length > INPUTS_MAX) return wrong(`at most ${INPUTS_MAX} inputs`, `${inputs.length}`);
  if (outputs.length > OUTPUTS_MAX) return wrong(`at most ${OUTPUTS_MAX} outputs`, `${outputs.length}`);
  for (const { sequence, scriptSig, witness } of inputs) {
    if (sequence !== PAYOUT_SEQUENCE) return wrong('nSequence fffffffd', sequence.toString(16));
    if (scriptSig.length > 0 || witness.length > 0) return wrong('an unsigned transaction', 'a signed input');
  }
  return undefined;
}

/** Every input is declared, of no other lineage, and what the journal knows it to be. @param scriptAt the script of a coin */
export function checkInputs(
  { request, facts, transaction }: Case,
  scriptAt: (input: DeclaredInput, i: number) => ScriptHex,
): Refused | undefined {
  const { inputs } = request;
  if (inputs.length !== transaction.inputs.length) {
    return refusedBy(
      'INPUT_NOT_DECLARED',
      `expected ${transaction.inputs.length} declared inputs, got ${inputs.length}`,
    );
  }
  for (const [i, declared] of inputs.entries()) {
    const outpoint = outpointKey(transaction.inputs[i]!.outpoint);
    if (declared.outpoint !== outpoint)
      return refusedBy('INPUT_NOT_DECLARED', `input ${i} spends ${outpoint}, not ${declared.outpoint}`);
    if (facts.lineage.released.includes(outpoint))
      return refusedBy('COIN_RELEASED', `${outpoint} was released by lineage ${request.lineageId}`);
    const known = facts.coin(outpoint);
    if (known.lineageId !== undefined && known.lineageId !== request.lineageId) {
      return refusedBy('COIN_OF_OTHER_LINEAGE', `${outpoint} belongs to lineage ${known.lineageId}`);
    }
    if (known.valueSats !== undefined && known.valueSats !== declared.valueSats) {
      return refusedBy('COIN_VALUE_DIFFERS', `${outpoint} is worth ${known.valueSats} sat, not ${declared.valueSats}`);
    }
    if (known.script !== undefined && known.script !== scriptAt(declared, i)) {
      return refusedBy(
        'COIN_SCRIPT_DIFFERS',
        `${outpoint} isn't at ${declared.branch}/${declared.index} of wallet ${request.walletId}`,
      );
    }
  }
  return undefined;
}

/**
 * Every output is declared, and pays exactly the declared value to the expected script.
 * @param expectedAt the script, or undefined where the signer can't know it
 */
export function checkOutputs(
  { request, transaction }: Case,
  expectedAt: (output: DeclaredOutput) => Result<ScriptHex | undefined, Refused>,
): Refused | undefined {
  if (request.outputs.length !== transaction.outputs.length) {
    return refusedBy(
      'OUTPUT_NOT_DECLARED',
      `expected ${transaction.outputs.length} declared outputs, got ${request.outputs.length}`,
    );
  }
  for (const kind of ['change', 'anchor'] as const) {
    const count = request.outputs.filter((output) => output.kind === kind).length;
    if (count > 1)
      return refusedBy(
        kind === 'change' ? 'SEVERAL_CHANGE_OUTPUTS' : 'SEVERAL_ANCHOR_OUTPUTS',
        `expected one at most, got ${count}`,
      );
  }
  for (const [i, output] of request.outputs.entries()) {
    const actual = transaction.outputs[i]!;
    const expected = expectedAt(output);
    if (!expected.ok) return expected.error;
    if (expected.value !== undefined && actual.script !== expected.value) {
      const rule: SigningRule = output.kind === 'change' ? 'CHANGE_NOT_OURS' : 'OUTPUT_SCRIPT_DIFFERS';
      return refusedBy(rule, `output ${i} pays script ${actual.script.slice(0, 140)}, expected ${expected.value}`);
    }
    if (actual.valueSats !== output.valueSats) {
      return refusedBy(
        'OUTPUT_VALUE_DIFFERS',
        `output ${i} pays ${actual.valueSats} sat, declared are ${output.valueSats}`,
      );
    }
  }
  return undefined;
}

/** What its inputs are declared to have more than its outputs; negative where they have less. */
export function feeOf({ request, transaction }: Case): bigint {
  const inputs = addSats(...request.inputs.map(({ valueSats }) => valueSats));
  return inputs - addSats(...transaction.outputs.map(({ valueSats }) => valueSats));
}
