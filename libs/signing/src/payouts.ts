import type { Account } from './account.ts';
import type { SigningFacts } from './facts.ts';
import type { FixedPayout } from './lineage.ts';
import type { PayeeOutput, PayoutAuthorisation, SigningRequest } from './request.ts';
import { type Refused, refusedBy } from './rules.ts';

/** Outputs to payees and authorisations match one to one, each settlement once, and in no other lineage that this one doesn't exclude. */
export function checkPayouts(request: SigningRequest, payer: Account, facts: SigningFacts): Refused | undefined {
  const authorised = new Map(request.payouts.map((payout) => [payout.settlementId, payout]));
  if (authorised.size !== request.payouts.length) {
    return refusedBy('NOT_AUTHORISED', 'expected one authorisation per settlement, got several');
  }
  const paid = new Set<string>();
  for (const output of request.outputs) {
    if (output.kind !== 'payee') continue;
    const { settlementId } = output;
    if (paid.has(settlementId)) return refusedBy('SETTLEMENT_PAID_TWICE', `settlement ${settlementId} has two outputs`);
    paid.add(settlementId);
    const problem =
      checkPayout(output, authorised.get(settlementId), payer) ??
      checkSame(output, facts.lineage.payouts[settlementId]) ??
      checkLineages(output, request, facts);
    if (problem) return problem;
  }
  const unpaid = request.payouts.find(({ settlementId }) => !paid.has(settlementId));
  if (unpaid) return refusedBy('NOT_AUTHORISED', `settlement ${unpaid.settlementId} is authorised and has no output`);
  return undefined;
}

function checkPayout(
  output: PayeeOutput,
  authorisation: PayoutAuthorisation | undefined,
  payer: Account,
): Refused | undefined {
  if (!authorisation) return refusedBy('NOT_AUTHORISED', `settlement ${output.settlementId} has no authorisation`);
  const { payerInstitutionId, payeeInstitutionId, amountSats } = authorisation;
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
  if (amountSats !== output.valueSats) {
    return refusedBy(
      'AUTHORISED_AMOUNT_DIFFERS',
      `${amountSats} sat are authorised, the output has ${output.valueSats}`,
    );
  }
  return undefined;
}

/** Whatever an authorisation says by now: a version pays a settlement as the ones before did. */
function checkSame(output: PayeeOutput, before: FixedPayout | undefined): Refused | undefined {
  if (before === undefined) return undefined;
  const text = ({ valueSats, institutionId, walletId, branch, index }: FixedPayout): string =>
    `${valueSats} sat to ${branch}/${index} of wallet ${walletId} of ${institutionId}`;
  if (text(output) === text(before)) return undefined;
  return refusedBy('PAYOUT_DIFFERS', `settlement ${output.settlementId} was ${text(before)}, now ${text(output)}`);
}

/**
 * Another lineage may pay what one has paid before only if each of its transactions excludes all of those: its anchor comes from a version of
 * that lineage, by way of others if need be, that doesn't pay it. Whatever spends such an anchor needs that version, which spends the same anchor
 * as those that do pay. What else the chain says the signer can't see: it refuses for good, and leaves it to an operator.
 */
function checkLineages(output: PayeeOutput, request: SigningRequest, facts: SigningFacts): Refused | undefined {
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
