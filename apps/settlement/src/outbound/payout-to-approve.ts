import { type signingV1, toTimestamp } from '@finality/contracts';
import { type Approvals, payingWalletId, type SignedApproval, type Terms } from '@finality/settlement';

/** A payout as its approvals name it; undefined where nothing is paid on-chain. */
export function payoutToApprove(
  terms: Terms,
  approvals: readonly SignedApproval[],
): signingV1.PayoutToApprove | undefined {
  const { settlementId, from, to, amountSats, mode, payee } = terms;
  const walletId = payingWalletId(terms);
  if (walletId === undefined || payee.kind === 'clearing') return undefined;
  return {
    settlementId,
    payerInstitutionId: from,
    payeeInstitutionId: to,
    amountSats,
    mode,
    walletId,
    ...(payee.kind === 'destination' ? { destinationId: payee.destinationId } : { payeeWalletId: payee.walletId }),
    approvals: approvals.map(statementOf),
  };
}

const statementOf = (approval: SignedApproval): signingV1.SignedStatement => ({
  ...approval,
  validUntil: toTimestamp(approval.validUntil),
});

/** Those of the approvals that a signatory has signed. */
export const signedOf = (approvals: Approvals | undefined): readonly SignedApproval[] =>
  (approvals?.given ?? []).flatMap(({ signed }) => signed ?? []);

/** The same, as the signer is handed them. */
export const signedStatements = (approvals: Approvals | undefined): signingV1.SignedStatement[] =>
  signedOf(approvals).map(statementOf);
