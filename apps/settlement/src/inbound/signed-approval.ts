import { fromTimestamp, settlementV1 } from '@finality/contracts';
import { type FieldError, fieldError, type Instant, type Principal, refusal } from '@finality/kernel';
import { toRpcException } from '@finality/service';
import type { SignedApproval } from '@finality/settlement';
import { payoutToApprove } from '../outbound/payout-to-approve.ts';
import { checkText, checkTime } from './fields.ts';
import { type Gateway, unknownSettlement } from './gateway.ts';

const ADDRESS_MAX = 100;
const SIGNATURE_MAX = 10_000;
const NONCE = /^[A-Za-z0-9._-]{1,64}$/;

/** What is wrong with an approval's signature, whatever it is over. */
export function signedApprovalProblems(
  { signedApproval: signed, decision }: settlementV1.ReviewSettlementRequest,
  caller: Principal,
): readonly (FieldError | undefined)[] {
  if (signed === undefined) return [];
  const isApproval = decision === settlementV1.ReviewDecision.REVIEW_DECISION_APPROVE;
  const field = 'signed_approval';
  return [
    isApproval && caller.institutionId !== undefined
      ? undefined
      : fieldError(field, 'expected none but with an approval by a person of the payer'),
    checkText(`${field}.signatory`, signed.signatory, 1, ADDRESS_MAX),
    NONCE.test(signed.nonce)
      ? undefined
      : fieldError(`${field}.nonce`, 'expected 1 to 64 of A-Z, a-z, 0-9, ".", "_" and "-"'),
    signed.validUntil?.nanos === 0
      ? checkTime(`${field}.valid_until`, signed.validUntil)
      : fieldError(`${field}.valid_until`, 'expected whole seconds'),
    checkText(`${field}.signature`, signed.signature, 1, SIGNATURE_MAX),
  ];
}

/** Of one in which nothing is wrong. */
export const signedApprovalOf = ({
  signatory,
  nonce,
  validUntil,
  signature,
}: settlementV1.SignedApproval): SignedApproval => ({
  signatory,
  nonce,
  validUntil: validUntil === undefined ? (0 as Instant) : fromTimestamp(validUntil),
  signature,
});

/**
 * Asks the signer, which alone knows who signs for the payer: what it wouldn't take later isn't taken now.
 * @throws RefusalException NOT_FOUND, or FAILED_PRECONDITION with the signer's reason
 */
export async function verifyApproval(
  gateway: Gateway,
  settlementId: string,
  signed: SignedApproval,
  caller: Principal,
): Promise<void> {
  const { terms } = await gateway.settlement(settlementId);
  if (terms.from !== caller.institutionId && terms.to !== caller.institutionId) throw unknownSettlement(settlementId);
  const payout = payoutToApprove(terms, [signed]);
  const refuse = (reason: string, message: string): never => {
    const fields = [fieldError('signed_approval', message)];
    throw toRpcException(refusal('failed_precondition', reason, message, { fields }));
  };
  if (payout === undefined)
    return refuse('SIGNED_APPROVAL_UNEXPECTED', 'expected none: the signer signs nothing for it');
  const { payouts } = await gateway.env.signer.checkApprovals({ payouts: [payout] });
  const found = payouts[0];
  if (found?.signatories.length === 1) return;
  refuse(found?.refusals[0] ?? 'SIGNATURE_INVALID', `${signed.signatory} has not approved exactly this payout`);
}
