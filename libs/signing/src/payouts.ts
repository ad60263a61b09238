import type { Sats } from '@finality/kernel';
import type { Account } from './account.ts';
import { usableRefusal } from './destination.ts';
import type { SigningFacts } from './facts.ts';
import type { FixedPayout } from './lineage.ts';
import { isPaid, type PaidOutput, type PayoutAuthorisation, type SigningRequest } from './request.ts';
import { type Refused, refusedBy } from './rules.ts';

/**
 * Outputs to payees and authorisations match one to one, each settlement once, and in no other lineage; what payees get less than the amounts
 * is within what is authorised, and together no more than the transaction's fee: nobody else can gain by it.
 */
export function checkPayouts(
  request: SigningRequest,
  payer: Account,
  facts: SigningFacts,
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
      checkSettlement(settlementId, request.lineageId, facts) ??
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
  payer: Account,
  { network }: Pick<SigningFacts, 'network'>,
): Refused | undefined {
  if (!authorisation) return refusedBy('NOT_AUTHORISED', `settlement ${output.settlementId} has no authorisation`);
  const { payerInstitutionId, payeeInstitutionId, amountSats, payeeFeeMaxSats } = authorisation;
  if (authorisation.network !== network) {
    return refusedBy(
      'AUTHORISED_NETWORK_DIFFERS',
      `the keys are for ${network}, settlement ${output.settlementId} is authorised for "${authorisation.network}"`,
    );
  }
  if (payerInstitutionId !== payer.institutionId) {
    return refusedBy(
      'AUTHORISED_PAYER_DIFFERS',
      `${payerInstitutionId} is to pay, the wallet belongs to ${payer.institutionId}`,
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
 * A payout leaves a lineage only when every version that pays it is dead, which the chain says and the signer can't see: it refuses for good,
 * and leaves it to an operator.
 */
function checkSettlement(settlementId: string, lineageId: string, facts: SigningFacts): Refused | undefined {
  const lineage = facts.lineageOfSettlement(settlementId);
  if (lineage === undefined || lineage === lineageId) return undefined;
  return refusedBy('SETTLEMENT_OF_OTHER_LINEAGE', `settlement ${settlementId} is paid by lineage ${lineage}`);
}

const placeOf = (paid: PaidOutput): string =>
  paid.kind === 'destination'
    ? `destination ${paid.destinationId}`
    : `${paid.branch}/${paid.index} of wallet ${paid.walletId}`;

/**
 * A destination that is removed, or still cools, gets no first signature. Once there is one, the money is on its way whatever happens here: later
 * versions pay the same, or they would hold up all others in the transaction.
 */
function checkUsable(output: PaidOutput, facts: SigningFacts): Refused | undefined {
  if (output.kind === 'payee' || facts.lineage.payouts[output.settlementId] !== undefined) return undefined;
  return usableRefusal(facts.destination(output.destinationId), output, facts.now);
}
