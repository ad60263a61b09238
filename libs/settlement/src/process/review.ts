import { err, fieldError, ok, refusal, type Refusal, type Result } from '@finality/kernel';
import type { Book } from '../book.ts';
import type { SignedApproval } from '../settlement-life.ts';
import { living, type LivingSettlement, type Settlement } from '../settlement.ts';
import { payoutConfirmations } from './finality.ts';
import { reserve } from './reserve.ts';

export interface Review {
  readonly settlementId: string;
  readonly decision: 'approve' | 'reject';
  readonly reason: string;
  /** API key of the reviewer. */
  readonly reviewer: string;
  /** Whose key it is; a compliance officer's is nobody's. */
  readonly institutionId?: string;
  /** The signer has verified it. */
  readonly signed?: SignedApproval;
}

type UnderReview = Extract<LivingSettlement, { status: 'under_review' }>;

/**
 * A decision on what is under review, by anybody but the person who asked for it: a compliance officer's, on what screening wouldn't decide; or, of
 * the payer's own persons, one of the approvals that its rules ask for. All that is needed makes it approved; one rejection, by either, ends it.
 */
export function review(book: Book, request: Review): Result<LivingSettlement, Refusal> {
  const { settlementId, decision, reason, reviewer } = request;
  const state = book.settlements.get(settlementId);
  const refused = reviewerRefusal(state, request);
  if (refused !== undefined) return err(refused);
  if (state.status !== 'under_review') {
    const found = living(state).status;
    const message = `expected a settlement under review, got one that is ${found}`;
    return err(refusal('failed_precondition', 'NOT_UNDER_REVIEW', message));
  }
  const at = book.now;
  const unneeded = decisionRefusal(state, request);
  if (unneeded !== undefined) return err(unneeded);
  if (decision === 'reject') {
    book.cancelTimer(settlementId);
    return ok(living(book.settlements.record(settlementId, { type: 'settlement_rejected', at, reason, by: reviewer })));
  }
  const isOwn = request.institutionId !== undefined;
  const confirmations = isOwn ? {} : payoutConfirmations(book, state.terms, true);
  const given = (state.approvals?.given.length ?? 0) + (isOwn ? 1 : 0);
  const isQuorate = given >= (state.approvals?.required ?? 0);
  if (isOwn) {
    const { signed } = request;
    const approval = { by: reviewer, reason, ...(signed && { signed }) };
    book.settlements.record(settlementId, { type: 'approval_given', at, approval });
  } else if (!isQuorate) {
    book.settlements.record(settlementId, { type: 'compliance_passed', at, reason, by: reviewer, ...confirmations });
  }
  if (isQuorate && !(isOwn && state.compliance === 'awaited')) {
    book.settlements.record(settlementId, { type: 'settlement_approved', at, reason, by: reviewer, ...confirmations });
    reserve(book, settlementId);
  }
  return ok(living(book.settlements.get(settlementId)));
}

/** The payer's, or a compliance officer, and never who asked. To any other institution but the payee it doesn't exist. */
function reviewerRefusal(state: Settlement, { settlementId, reviewer, institutionId }: Review): Refusal | undefined {
  const unknown = refusal('not_found', 'UNKNOWN_SETTLEMENT', `no settlement ${settlementId}`);
  if (state.status === 'none') return unknown;
  const { submittedBy, from, to } = state.terms;
  if (submittedBy === reviewer)
    return refusal('permission_denied', 'OWN_REQUEST', 'whoever submitted a settlement may not review it');
  if (institutionId === undefined || institutionId === from) return undefined;
  if (institutionId === to)
    return refusal('permission_denied', 'NOT_THE_PAYER', 'only the payer can approve what it pays');
  return unknown;
}

/** Nobody is asked twice, or where he isn't needed. */
function decisionRefusal(
  { approvals, compliance }: UnderReview,
  { decision, reviewer, institutionId, signed }: Review,
): Refusal | undefined {
  if (institutionId !== undefined && approvals === undefined)
    return refusal('permission_denied', 'COMPLIANCE_REQUIRED', 'a compliance officer is to decide on it');
  if (decision === 'reject') return undefined;
  if (institutionId === undefined) {
    if (compliance === 'awaited') return undefined;
    const message = 'expected a person of the payer: what is missing are its approvals';
    return refusal('failed_precondition', 'COMPLIANCE_NOT_AWAITED', message);
  }
  const given = approvals?.given ?? [];
  if (given.some(({ by }) => by === reviewer))
    return refusal('already_exists', 'ALREADY_APPROVED', 'expected another person: this one has approved it');
  if (given.some((each) => each.signed !== undefined && each.signed.signatory === signed?.signatory))
    return refusal(
      'already_exists',
      'SIGNATORY_ALREADY_APPROVED',
      'expected another signatory: this one has approved it',
    );
  if (approvals?.areSigned === true && signed === undefined) {
    const message = 'expected the signature of a signatory: the signer asks for it';
    return refusal('failed_precondition', 'SIGNED_APPROVAL_REQUIRED', message, {
      fields: [fieldError('signed_approval', message)],
    });
  }
  if (given.length < (approvals?.required ?? 0)) return undefined;
  return refusal(
    'failed_precondition',
    'APPROVALS_COMPLETE',
    'all approvals are there: a compliance officer is to decide',
  );
}
