import type { Sats } from '@finality/kernel';
import type { Account } from './account.ts';
import { usableRefusal } from './destination.ts';
import type { SigningFacts } from './facts.ts';
import type { FixedPayout } from './lineage.ts';
import { isPaid, type PaidOutput, type PayoutAuthorisation, type SigningRequest } from './request.ts';
import { type Refused, refusedBy } from './rules.ts';

/** What payouts are checked by. */
export type PayoutFacts = Pick<
  SigningFacts,
  'network' | 'lineage' | 'paymentsOf' | 'ancestryOf' | 'otherLineage' | 'destination' | 'now' | 'signatories'
>;

/** Whose the pool is: it holds what institutions clear with, and pays none of it to anybody else. */
export const PLATFORM_INSTITUTION_ID = 'platform';

/**
 * Outputs to payees and authorisations match one to one, each settlement once, and in no other lineage that this one doesn't exclude; what payees get less than the amounts
 * is within what is authorised, and together no more than the transaction's fee: nobody else can gain by it.
 */
export function checkPayouts(
  request: SigningRequest,
  payer: Pick<Account, 'institutionId'>,
  facts: PayoutFacts,
  feeSats: Sats,
): Refused | undefined {
  const authorised = new Map(request.payouts.map((payout) => [payout.settlementId, payout]));
  if (authorised.size !== request.payouts.length) {
    return refusedBy('NOT_AUTHORISED', 'expected one authorisation per settlement, got several');
  }
  const paid = new Set<string>();
  for (const output of request.outputs) {
    if (!isPaid(output)) continue;
    const { settlementId } = output;
    if (paid.has(settlementId)) return refusedBy('SETTLEMENT_PAID_TWICE', `settlement ${settlementId} has two outputs`);
    paid.add(settlementId);
    const problem =
      checkPayout(output, authorised.get(settlementId), payer, facts) ??
      checkSame(output, facts.lineage.payouts[settlementId]) ??
      checkLineages(output, request, facts) ??
      checkUsable(output, facts);
    if (problem) return problem;
  }
  const deductedSats = request.outputs.reduce((sum, output) => {
    const authorisation = isPaid(output) ? authorised.get(output.settlementId) : undefined;
    return authorisation === undefined ? sum : sum + (authorisation.amountSats - output.valueSats);
  }, 0n);
  if (deductedSats > feeSats)
    return refusedBy('PAYEES_BEAR_MORE_THAN_FEE', `payees are to bear ${deductedSats} sat of a fee of ${feeSats}`);
  const unpaid = request.payouts.find(({ settlementId }) => !paid.has(settlementId));
  if (unpaid) return refusedBy('NOT_AUTHORISED', `settlement ${unpaid.settlementId} is authorised and has no output`);
  return undefined;
}

function checkPayout(
  output: PaidOutput,
  authorisation: PayoutAuthorisation | undefined,
  payer: Pick<Account, 'institutionId'>,
  { network }: Pick<PayoutFacts, 'network'>,
): Refused | undefined {
  if (!authorisation) return refusedBy('NOT_AUTHORISED', `settlement ${output.settlementId} has no authorisation`);
  const { payerInstitutionId, payeeInstitutionId, amountSats, payeeFeeMaxSats } = authorisation;
  if (authorisation.network !== network) {
    return refusedBy(
      'AUTHORISED_NETWORK_DIFFERS',
      `the keys are for ${network}, settlement ${output.settlementId} is authorised for "${authorisation.network}"`,
    );
  }
  // What the pool holds is institutions': it pays each of them its own, and nobody else anything.
  const payerExpected = payer.institutionId === PLATFORM_INSTITUTION_ID ? payeeInstitutionId : payer.institutionId;
  if (payerInstitutionId !== payerExpected) {
    return refusedBy(
      'AUTHORISED_PAYER_DIFFERS',
      `${payerInstitutionId} is to pay, expected ${payerExpected}: the wallet belongs to ${payer.institutionId}`,
    );
  }
  if (payeeInstitutionId !== output.institutionId) {
    return refusedBy(
      'AUTHORISED_PAYEE_DIFFERS',
      `${payeeInstitutionId} is to be paid, the output is for ${output.institutionId}`,
    );
  }
  const deductedSats = amountSats - output.valueSats;
  if (deductedSats < 0n || deductedSats > payeeFeeMaxSats) {
    return refusedBy(
      'AUTHORISED_AMOUNT_DIFFERS',
      `${amountSats} sat less at most ${payeeFeeMaxSats} are authorised, the output has ${output.valueSats}`,
    );
  }
  return undefined;
}

/** Whatever an authorisation says by now: a version pays a settlement as the ones before did. */
function checkSame(output: PaidOutput, before: FixedPayout | undefined): Refused | undefined {
  if (before === undefined) return undefined;
  const text = (paid: FixedPayout): string => `${paid.valueSats} sat to ${placeOf(paid)} of ${paid.institutionId}`;
  if (text(output) === text(before)) return undefined;
  return refusedBy('PAYOUT_DIFFERS', `settlement ${output.settlementId} was ${text(before)}, now ${text(output)}`);
}

/**
 * Another lineage may pay what one has paid before only if each of its transactions excludes all of those: its anchor comes from a version of
 * that lineage, by way of others if need be, that doesn't pay it. Whatever spends such an anchor needs that version, which spends the same anchor
 * as those that do pay. What else the chain says the signer can't see: it refuses for good, and leaves it to an operator.
 */
function checkLineages(output: PaidOutput, request: SigningRequest, facts: PayoutFacts): Refused | undefined {
  const { settlementId } = output;
  const others = facts.paymentsOf(settlementId).filter(({ lineageId }) => lineageId !== request.lineageId);
  if (others.length === 0) return undefined;
  const ancestry = facts.ancestryOf(request.anchor);
  for (const lineageId of new Set(others.map((payment) => payment.lineageId))) {
    const needed = ancestry.filter((ancestor) => ancestor.lineageId === lineageId);
    const paying = others.filter((payment) => payment.lineageId === lineageId).map(({ version }) => version);
    if (needed.length === 0 || needed.some(({ version }) => paying.includes(version)))
      return refusedBy(
        'SETTLEMENT_OF_OTHER_LINEAGE',
        `settlement ${settlementId} is paid by lineage ${lineageId}, expected an anchor that comes from a version without it`,
      );
    const problem = checkSame(output, facts.otherLineage(lineageId).payouts[settlementId]);
    if (problem) return problem;
  }
  return undefined;
}

const placeOf = (paid: PaidOutput): string =>
  paid.kind === 'destination'
    ? `destination ${paid.destinationId}`
    : `${paid.branch}/${paid.index} of wallet ${paid.walletId}${paid.destinationId === undefined ? '' : `, destination ${paid.destinationId}`}`;

/**
 * A destination that is removed, or still cools, gets no first signature. Once there is one, the money is on its way whatever happens here: later
 * versions pay the same, or they would hold up all others in the transaction.
 */
function checkUsable(output: PaidOutput, facts: PayoutFacts): Refused | undefined {
  const { destinationId, institutionId } = output;
  if (destinationId === undefined || facts.lineage.payouts[output.settlementId] !== undefined) return undefined;
  const state = facts.destination(destinationId);
  return usableRefusal(state, { institutionId, destinationId }, facts.now, facts.signatories(institutionId));
}
