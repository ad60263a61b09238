import { riskV1, toTimestamp } from '@finality/contracts';
import type { Factor, FactorState, Recommendation, RiskLevel, RiskVerdict, SubjectKind } from '@finality/risk';

const LEVELS: Readonly<Record<RiskLevel, riskV1.RiskLevel>> = {
  low: riskV1.RiskLevel.RISK_LEVEL_LOW,
  medium: riskV1.RiskLevel.RISK_LEVEL_MEDIUM,
  high: riskV1.RiskLevel.RISK_LEVEL_HIGH,
};

const RECOMMENDATIONS: Readonly<Record<Recommendation, riskV1.Recommendation>> = {
  approve: riskV1.Recommendation.RECOMMENDATION_APPROVE,
  manual_review: riskV1.Recommendation.RECOMMENDATION_MANUAL_REVIEW,
  reject: riskV1.Recommendation.RECOMMENDATION_REJECT,
};

const SUBJECT_KINDS: Readonly<Record<SubjectKind, riskV1.SubjectKind>> = {
  settlement: riskV1.SubjectKind.SUBJECT_KIND_SETTLEMENT,
  deposit: riskV1.SubjectKind.SUBJECT_KIND_DEPOSIT,
};

const FACTOR_STATES: Readonly<Record<FactorState, riskV1.FactorState>> = {
  applied: riskV1.FactorState.FACTOR_STATE_APPLIED,
  not_applicable: riskV1.FactorState.FACTOR_STATE_NOT_APPLICABLE,
  failed: riskV1.FactorState.FACTOR_STATE_FAILED,
};

/** A verdict as others get to see it, in an answer and on its topic. */
export function toMessage(verdict: RiskVerdict): riskV1.Verdict {
  return {
    subjectId: verdict.subjectId,
    subjectKind: SUBJECT_KINDS[verdict.subjectKind],
    score: verdict.score,
    level: LEVELS[verdict.level],
    recommendation: RECOMMENDATIONS[verdict.recommendation],
    factors: verdict.factors.map(factorMessage),
    rulesVersion: verdict.rulesVersion,
    labelsVersion: verdict.labelsVersion,
    decidedAt: toTimestamp(verdict.decidedAt),
    reason: verdict.reason,
  };
}

function factorMessage({ name, points, state, detail, inputs }: Factor): riskV1.Factor {
  return { name, points, state: FACTOR_STATES[state], detail, inputs: { ...inputs } };
}
