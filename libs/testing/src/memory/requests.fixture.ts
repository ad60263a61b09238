import type { LivingSettlement, OfferedLineage, OfferedVersion } from '@finality/settlement';
import type { DeclaredOutput, PayoutAuthorisation, SigningRequest } from '@finality/signing';

/** A version as the signer is asked about it: what the settlement service's request says, read by the signer. */
export function signingRequest(
  { lineageId, walletId, anchor }: OfferedLineage,
  version: OfferedVersion,
  settlements: readonly LivingSettlement[],
): SigningRequest {
  const payouts = new Map(version.payouts.map((payout) => [payout.settlementId, payout]));
  const outputs = version.outputs.map((output): DeclaredOutput => {
    const { valueSats } = output;
    if (output.role === 'change') return { kind: 'change', valueSats, index: output.destination.index };
    if (output.role === 'head') return { kind: 'head', valueSats, head: output.head };
    const { settlementId, destination } = output;
    const { payeeInstitutionId: institutionId, payee } = payouts.get(settlementId)!;
    const paid = { valueSats, settlementId, institutionId };
    if ('destinationId' in destination)
      return { kind: 'destination', ...paid, destinationId: destination.destinationId };
    const { walletId: payeeWalletId, branch, index } = destination;
    const named = payee.destinationId === undefined ? {} : { destinationId: payee.destinationId };
    return { kind: 'payee', ...paid, walletId: payeeWalletId, branch, index, ...named };
  });
  return {
    lineageId,
    version: version.version,
    walletId,
    anchor,
    unsignedTransaction: version.unsignedHex,
    inputs: version.inputs.map(({ outpoint, valueSats, branch, index }) => ({ outpoint, valueSats, branch, index })),
    outputs,
    epoch: 1,
    payouts: settlements.map(({ terms }) => ({
      ...UNSIGNED,
      settlementId: terms.settlementId,
      payerInstitutionId: terms.from,
      payeeInstitutionId: terms.to,
      amountSats: terms.amountSats,
      payeeFeeMaxSats: payouts.get(terms.settlementId)!.payeeFeeSats,
    })),
  };
}

const UNSIGNED: Pick<
  PayoutAuthorisation,
  | 'network'
  | 'requestSignature'
  | 'requestKeyId'
  | 'requestNonce'
  | 'riskVerdictSignature'
  | 'amlVerdictSignature'
  | 'approvals'
> = {
  network: 'regtest',
  requestSignature: '',
  requestKeyId: '',
  requestNonce: '',
  riskVerdictSignature: '',
  amlVerdictSignature: '',
  approvals: [],
};
