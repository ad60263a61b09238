import {
  deriveScript,
  feeRateOf,
  formatFeeRate,
  type Branch,
  parseTransaction,
  type ParsedTransaction,
  type ScriptHex,
  transactionWeight,
} from '@finality/bitcoin';
import { addSats, assert, err, ok, type Result, type Sats } from '@finality/kernel';
import type { Account } from './account.ts';
import type { SigningFacts } from './facts.ts';
import { checkHeadAnchor, scriptOfHead } from './head-anchor.ts';
import { checkApprovals } from './payout-approval.ts';
import { checkPayouts } from './payouts.ts';
import type { Place } from './place.ts';
import {
  ANCHOR_SCRIPT,
  type AnchorOutput,
  isPaid,
  type PaidOutput,
  type PayeeOutput,
  type SigningRequest,
} from './request.ts';
import { type Refused, refusedBy } from './rules.ts';
import {
  type Case,
  checkForm,
  checkInputs,
  checkLineage,
  checkOutputs,
  feeOf,
  versionOf,
} from './transaction-rules.ts';

export interface Acceptance {
  readonly transaction: ParsedTransaction;
  readonly feeSats: Sats;
  readonly sentSats: Sats;
  /** The very transaction that this (lineage, version) was accepted with before: nothing new to record. */
  readonly repeated: boolean;
}

/** How many accepted transactions an anchor is followed back through: each was final when the next was planned. */
export const ANCESTRY_MAX = 50;

interface OwnCase extends Case {
  readonly account: Account;
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
  const it: OwnCase = { request, facts, account, transaction: parsed.value };
  const problem =
    checkLineage(it) ??
    checkForm(parsed.value) ??
    checkInputs(it, ({ branch, index }) => facts.scriptOf(account, branch, index)) ??
    checkOutputs(it, (output) => expectedScript(output, account, facts));
  if (problem) return err(problem);
  const feeSats = feeOf(it);
  if (feeSats < 0n) return err(refusedBy('OUTPUTS_EXCEED_INPUTS', `outputs are ${-feeSats} sat more than inputs`));
  const sentSats = addSats(feeSats, ...request.outputs.map((output) => (isPaid(output) ? output.valueSats : 0n)));
  const acceptance = { transaction: parsed.value, feeSats: feeSats as Sats, sentSats };
  if (versionOf(it)) return ok({ ...acceptance, repeated: true });
  const tooMuch =
    checkPayouts(request, account, facts, feeSats as Sats) ??
    checkApprovals(request, facts) ??
    checkHeadAnchor(request, account, facts, feeSats as Sats) ??
    checkFee(it, feeSats as Sats) ??
    checkRolling(it, sentSats);
  return tooMuch ? err(tooMuch) : ok({ ...acceptance, repeated: false });
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
  if (output.kind === 'head') return scriptOfHead(output);
  return output.kind === 'anchor' ? scriptOfAnchor(output) : scriptOfPaid(output, facts);
}

export function scriptOfAnchor({ valueSats }: AnchorOutput): Result<ScriptHex, Refused> {
  if (valueSats === 0n) return ok(ANCHOR_SCRIPT);
  return err(refusedBy('OUTPUT_NOT_DECLARED', `expected 0 sat in an anchor, got ${valueSats}`));
}

/** Of a payee's address or destination, by the signer's own keys and registry. */
export function scriptOfPaid(output: PaidOutput, facts: SigningFacts): Result<ScriptHex, Refused> {
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

function checkFee({ facts, account, transaction }: OwnCase, feeSats: Sats): Refused | undefined {
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

function checkRolling({ account, facts }: OwnCase, sentSats: Sats): Refused | undefined {
  const { limits, sentBeforeSats, sentInLineageSats } = facts;
  const total = sentBeforeSats + (sentSats > sentInLineageSats ? sentSats : sentInLineageSats);
  if (total <= limits.rollingMaxSats) return undefined;
  const hours = limits.windowMs / 3_600_000;
  return refusedBy(
    'ROLLING_LIMIT',
    `${account.institutionId} may send ${limits.rollingMaxSats} sat in ${hours} h, this makes it ${total}`,
  );
}
