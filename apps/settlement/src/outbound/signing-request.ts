import { type signingV1, toTimestamp } from '@finality/contracts';
import { signedStatements } from './payout-to-approve.ts';
import type { LivingSettlement, OfferedLineage, OfferedVersion, VersionPayout } from '@finality/settlement';

/** A version as the signer is asked to sign it, or to remember it. */
export function signingRequestOf(
  { lineageId, walletId, anchor }: OfferedLineage,
  version: OfferedVersion,
  settlements: readonly LivingSettlement[],
  { epoch, network }: { readonly epoch: number; readonly network: string },
): signingV1.SignTransactionRequest {
  const payouts = new Map(version.payouts.map((payout) => [payout.settlementId, payout]));
  return {
    lineageId,
    version: version.version,
    walletId,
    anchor,
    unsignedTransaction: Buffer.from(version.unsignedHex, 'hex'),
    epoch,
    inputs: version.inputs.map(({ outpoint, valueSats, branch, index }) => ({ outpoint, valueSats, branch, index })),
    outputs: version.outputs.map((output) => {
      const { valueSats } = output;
      if (output.role === 'change') return { valueSats, change: { index: output.destination.index } };
      if (output.role === 'head') return { valueSats, head: { ...output.head } };
      const { settlementId } = output;
      const { payeeInstitutionId: institutionId, payee: to } = payouts.get(settlementId)!;
      const { destination } = output;
      if ('destinationId' in destination)
        return { valueSats, toDestination: { settlementId, institutionId, destinationId: destination.destinationId } };
      const { walletId: payeeWalletId, branch, index } = destination;
      const { destinationId } = to;
      return {
        valueSats,
        payee: { settlementId, institutionId, walletId: payeeWalletId, branch, index, destinationId },
      };
    }),
    authorisation: {
      payouts: settlements.map((each) => authorisationOf(each, payouts.get(each.terms.settlementId)!, network)),
    },
  };
}

/** None of these issuers signs yet: the fields are empty until they do (DESIGN 9). */
const authorisationOf = (
  { terms, createdAt, approvals }: LivingSettlement,
  payout: VersionPayout,
  network: string,
): signingV1.PayoutAuthorisation => ({
  settlementId: terms.settlementId,
  network,
  payerInstitutionId: terms.from,
  payeeInstitutionId: terms.to,
  amountSats: terms.amountSats,
  payeeFeeMaxSats: payout.payeeFeeSats,
  requestSignature: Buffer.alloc(0),
  requestKeyId: '',
  requestNonce: '',
  riskVerdictSignature: Buffer.alloc(0),
  amlVerdictSignature: Buffer.alloc(0),
  approvalSignatures: [],
  approvals: signedStatements(approvals),
  request: {
    idempotencyKey: terms.idempotencyKey,
    mode: terms.mode,
    referenceId: terms.referenceId,
    callbackUrl: terms.callbackUrl,
    payerWalletId: terms.payerWalletId,
    destinationId: terms.destinationId,
    reverses: terms.reverses,
    netPayoutOf: terms.netPayout?.windowId,
    executeAt: terms.executeAt === undefined ? undefined : toTimestamp(terms.executeAt),
    expiresAt: terms.expiresAt === undefined ? undefined : toTimestamp(terms.expiresAt),
    submittedBy: terms.submittedBy,
    policyVersion: terms.policyVersion,
    feeBearer: terms.fees.bearer,
    bumpBearer: terms.fees.bumpBearer,
    feeSats: payout.feeSats,
    droppedSats: payout.droppedSats,
    feeReservedSats: payout.feeReservedSats,
    receivedAt: toTimestamp(createdAt),
  },
});
