import {
  deriveScript,
  feeRateOf,
  formatFeeRate,
  type Branch,
  outpointKey,
  parseTransaction,
  type ParsedTransaction,
  PAYOUT_SEQUENCE,
  PAYOUT_VERSION,
  type ScriptHex,
  transactionWeight,
} from '@finality/bitcoin';
import { addSats, assert, err, ok, type Result, type Sats } from '@finality/kernel';
import type { Account } from './account.ts';
import type { SigningFacts } from './facts.ts';
import type { LineageState } from './lineage.ts';
import { checkPayouts } from './payouts.ts';
import type { Place } from './place.ts';
import { ANCHOR_SCRIPT, type DeclaredInput, isPaid, type PayeeOutput, type SigningRequest } from './request.ts';
import { type Refused, refusedBy, type SigningRule } from './rules.ts';

export interface Acceptance {
  readonly transaction: ParsedTransaction;
  readonly feeSats: Sats;
  readonly sentSats: Sats;
  /** The very transaction that this (lineage, version) was accepted with before: nothing new to record. */
  readonly repeated: boolean;
}

/** No transaction of ours has more; it also bounds the work that a request can make. */
export const INPUTS_MAX = 1_470;
export const OUTPUTS_MAX = 3_000;
/** How many accepted transactions an anchor is followed back through: each was final when the next was planned. */
export const ANCESTRY_MAX = 50;
const LOCKTIME_HEIGHT_MAX = 499_999_999;

interface Case {
  readonly request: SigningRequest;
  readonly facts: SigningFacts;
  readonly account: Account;
  readonly transaction: ParsedTransaction;
}

/**
 * Whether the signer signs (DESIGN 9). Pure, and total over whatever a compromised caller may send: a request is accepted only if every
 * rule holds; the first that doesn't is named.
 */
export function decideSigning(request: SigningRequest, facts: SigningFacts): Result<Acceptance, Refused> {
  if (request.epoch < facts.epochHighest) {
    return err(refusedBy('EPOCH_TOO_LOW', `expected epoch ${facts.epochHighest} or later, got ${request.epoch}`));
  }
  const account = facts.account(request.walletId);
  if (!account) return err(refusedBy('UNKNOWN_WALLET', `no account of ours belongs to wallet ${request.walletId}`));
  const parsed = parseTransaction(request.unsignedTransaction);
  if (!parsed.ok) return err(refusedBy('TRANSACTION_FORM', parsed.error.message));
  const it: Case = { request, facts, account, transaction: parsed.value };
  const problem = checkLineage(it) ?? checkForm(parsed.value) ?? checkInputs(it) ?? checkOutputs(it);
  if (problem) return err(problem);
  const feeSats = feeOf(it);
  if (feeSats < 0n) return err(refusedBy('OUTPUTS_EXCEED_INPUTS', `outputs are ${-feeSats} sat more than inputs`));
  const sentSats = addSats(feeSats, ...request.outputs.map((output) => (isPaid(output) ? output.valueSats : 0n)));
  const acceptance = { transaction: parsed.value, feeSats: feeSats as Sats, sentSats };
  if (versionOf(it)) return ok({ ...acceptance, repeated: true });
  const tooMuch =
    checkPayouts(request, account, facts, feeSats as Sats) ??
    checkFee(it, feeSats as Sats) ??
    checkRolling(it, sentSats);
  return tooMuch ? err(tooMuch) : ok({ ...acceptance, repeated: false });
}

const versionOf = ({ request, facts }: Case): LineageState['versions'][number] | undefined =>
  facts.lineage.versions.find(({ version }) => version === request.version);

/** One wallet, one anchor, and never two transactions for one version. */
function checkLineage(it: Case): Refused | undefined {
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
function checkForm(transaction: ParsedTransaction): Refused | undefined {
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

/** Every input is declared, of no other lineage, and what the journal knows it to be. */
function checkInputs({ request, facts, account, transaction }: Case): Refused | undefined {
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
    const script = facts.scriptOf(account, declared.branch, declared.index);
    if (known.script !== undefined && known.script !== script) {
      return refusedBy(
        'COIN_SCRIPT_DIFFERS',
        `${outpoint} isn't at ${declared.branch}/${declared.index} of wallet ${account.walletId}`,
      );
    }
  }
  return undefined;
}

/** Every output is declared, and pays exactly the declared value to a script that the signer derives by itself. */
function checkOutputs({ request, facts, account, transaction }: Case): Refused | undefined {
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
    const expected = expectedScript(output, account, facts);
    if (!expected.ok) return expected.error;
    if (actual.script !== expected.value) {
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

const INTERNAL: Branch = 1;

function expectedScript(
  output: SigningRequest['outputs'][number],
  account: Account,
  facts: SigningFacts,
): Result<ScriptHex, Refused> {
  if (output.kind === 'change')
    return scriptWithin(account.walletId, INTERNAL, output.index, facts, () =>
      facts.scriptOf(account, INTERNAL, output.index),
    );
  if (output.kind === 'anchor') {
    if (output.valueSats === 0n) return ok(ANCHOR_SCRIPT);
    return err(refusedBy('OUTPUT_NOT_DECLARED', `expected 0 sat in an anchor, got ${output.valueSats}`));
  }
  if (output.kind === 'payee') return scriptOfPayee(output, facts);
  const place = placeOfDestination(output, facts);
  if (!place.ok) return place;
  if (place.value.kind === 'script') return ok(place.value.script);
  return err(refusedBy('UNKNOWN_DESTINATION', `expected a script, destination ${output.destinationId} is a wallet`));
}

/** Where the keys are: with the signer, or with the payee, who has signed for the wallet's descriptor. */
function scriptOfPayee(output: PayeeOutput, facts: SigningFacts): Result<ScriptHex, Refused> {
  const { walletId, institutionId, branch, index, destinationId } = output;
  if (branch !== 0) return err(refusedBy('PAYEE_BRANCH', `expected the payee's external branch, got ${branch}`));
  if (destinationId !== undefined) {
    const place = placeOfDestination({ institutionId, destinationId }, facts);
    if (!place.ok) return place;
    if (place.value.kind !== 'wallet' || place.value.walletId !== walletId)
      return err(refusedBy('UNKNOWN_DESTINATION', `destination ${destinationId} isn't wallet ${walletId}`));
    const { descriptor } = place.value;
    return scriptWithin(walletId, branch, index, facts, () => deriveScript(descriptor, branch, index).script);
  }
  const payee = facts.account(walletId);
  if (payee?.institutionId === institutionId)
    return scriptWithin(walletId, branch, index, facts, () => facts.scriptOf(payee, branch, index));
  return err(refusedBy('UNKNOWN_PAYEE', `no account of ours belongs to wallet ${walletId} of ${institutionId}`));
}

/** Removed or not: whether it may be paid is for checkPayouts. */
function placeOfDestination(
  { institutionId, destinationId }: { readonly institutionId: string; readonly destinationId: string },
  facts: SigningFacts,
): Result<Place, Refused> {
  const state = facts.destination(destinationId);
  const destination = state.status === 'none' ? undefined : state.destination;
  if (destination?.institutionId === institutionId) return ok(destination.place);
  const message = `${institutionId} has no destination ${destinationId}`;
  return err(
    refusedBy(state.status === 'removed' && !destination ? 'DESTINATION_REMOVED' : 'UNKNOWN_DESTINATION', message),
  );
}

/** Far beyond what was ever used, whoever looks for the wallet's coins by its keys alone wouldn't find what is paid there. */
function scriptWithin(
  walletId: string,
  branch: Branch,
  index: number,
  facts: SigningFacts,
  derive: () => ScriptHex,
): Result<ScriptHex, Refused> {
  const indexMax = facts.indexHighest(walletId, branch) + facts.limits.indexGapMax;
  if (index <= indexMax) return ok(derive());
  const message = `expected at most index ${indexMax} on branch ${branch} of wallet ${walletId}, got ${index}`;
  return err(refusedBy('INDEX_TOO_FAR', message));
}

function feeOf({ request, transaction }: Case): bigint {
  const inputs = addSats(...request.inputs.map(({ valueSats }) => valueSats));
  return inputs - addSats(...transaction.outputs.map(({ valueSats }) => valueSats));
}

function checkFee({ facts, account, transaction }: Case, feeSats: Sats): Refused | undefined {
  const { feeMaxSats, feeRateMax } = facts.limits;
  if (feeSats > feeMaxSats) return refusedBy('FEE_TOO_HIGH', `expected at most ${feeMaxSats} sat, got ${feeSats}`);
  const kinds = transaction.inputs.map(() => ({ type: account.scriptType }));
  const weight = transactionWeight(
    kinds,
    transaction.outputs.map(({ script }) => script),
  );
  assert(weight > 0, 'a transaction weighs something');
  const rate = feeRateOf(feeSats, weight);
  if (rate <= feeRateMax) return undefined;
  return refusedBy(
    'FEE_RATE_TOO_HIGH',
    `expected at most ${formatFeeRate(feeRateMax)} sat/vB, got ${formatFeeRate(rate)}`,
  );
}

function checkRolling({ account, facts }: Case, sentSats: Sats): Refused | undefined {
  const { limits, sentBeforeSats, sentInLineageSats } = facts;
  const total = sentBeforeSats + (sentSats > sentInLineageSats ? sentSats : sentInLineageSats);
  if (total <= limits.rollingMaxSats) return undefined;
  const hours = limits.windowMs / 3_600_000;
  return refusedBy(
    'ROLLING_LIMIT',
    `${account.institutionId} may send ${limits.rollingMaxSats} sat in ${hours} h, this makes it ${total}`,
  );
}
