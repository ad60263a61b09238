import { settlementV1 } from '@finality/contracts';
import { type FieldError, fieldError } from '@finality/kernel';

const { REVIEW_DECISION_APPROVE, REVIEW_DECISION_REJECT } = settlementV1.ReviewDecision;

export function checkDecision(decision: settlementV1.ReviewDecision): FieldError | undefined {
  const isDecision = decision === REVIEW_DECISION_APPROVE || decision === REVIEW_DECISION_REJECT;
  return isDecision ? undefined : fieldError('decision', 'expected APPROVE or REJECT, got neither');
}

/** Of a decision that was checked. */
export const decisionOf = (decision: settlementV1.ReviewDecision): 'approve' | 'reject' =>
  decision === REVIEW_DECISION_APPROVE ? 'approve' : 'reject';
