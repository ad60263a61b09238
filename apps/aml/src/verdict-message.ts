import type { AmlVerdict, Recommendation, SubjectKind } from '@finality/aml';
import { amlV1, toTimestamp } from '@finality/contracts';

const RECOMMENDATIONS: Readonly<Record<Recommendation, amlV1.Recommendation>> = {
  approve: amlV1.Recommendation.RECOMMENDATION_APPROVE,
  manual_review: amlV1.Recommendation.RECOMMENDATION_MANUAL_REVIEW,
  reject: amlV1.Recommendation.RECOMMENDATION_REJECT,
};

const SUBJECT_KINDS: Readonly<Record<SubjectKind, amlV1.SubjectKind>> = {
  settlement: amlV1.SubjectKind.SUBJECT_KIND_SETTLEMENT,
  deposit: amlV1.SubjectKind.SUBJECT_KIND_DEPOSIT,
};

/** A verdict as others get to see it, in an answer and on its topic. */
export function toMessage(verdict: AmlVerdict): amlV1.Verdict {
  return {
    subjectId: verdict.subjectId,
    subjectKind: SUBJECT_KINDS[verdict.subjectKind],
    recommendation: RECOMMENDATIONS[verdict.recommendation],
    alerts: verdict.alerts.map(({ rule, detail, inputs }) => ({ rule, detail, inputs: { ...inputs } })),
    rulesVersion: verdict.rulesVersion,
    decidedAt: toTimestamp(verdict.decidedAt),
    reason: verdict.reason,
  };
}
