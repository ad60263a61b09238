import { type Aggregate, assertNever, type Instant } from '@finality/kernel';
import { type Factor, type FactorInputs, factorsOf } from './factors.ts';
import type { RiskRules } from './rules.ts';

export type RiskLevel = 'low' | 'medium' | 'high';
export type Recommendation = 'approve' | 'manual_review' | 'reject';
export type SubjectKind = 'settlement' | 'deposit';

/** What was screened and what came of it, with everything it rests on. */
export interface RiskVerdict {
  /** A settlement's id, or a deposit's outpoint. */
  readonly subjectId: string;
  readonly subjectKind: SubjectKind;
  /** 0 to 100. */
  readonly score: number;
  readonly level: RiskLevel;
  readonly recommendation: Recommendation;
  readonly factors: readonly Factor[];
  readonly reason: string;
  readonly rulesVersion: string;
  readonly labelsVersion: string;
  readonly decidedAt: Instant;
}

export interface Screened {
  readonly type: 'screened';
  readonly verdict: RiskVerdict;
  /** What it was decided on: {@link judge} makes the same verdict from it again. */
  readonly inputs: FactorInputs;
  readonly institutions: readonly string[];
}

/** The settlement was approved; its amount went into the merchant's history. Nothing is promised on which message comes first: it may be before the verdict. */
export interface Counted {
  readonly type: 'counted';
}

export type VerdictEvent = Screened | Counted;

export type VerdictState =
  | { readonly status: 'not_screened'; readonly counted: boolean }
  | {
      readonly status: 'screened';
      readonly verdict: RiskVerdict;
      readonly institutions: readonly string[];
      readonly counted: boolean;
    };

/** Stream `verdict/<subject>`. */
export const verdict: Aggregate<VerdictState, VerdictEvent> = {
  name: 'verdict',
  initialState: { status: 'not_screened', counted: false },
  evolve(state, event) {
    switch (event.type) {
      case 'screened':
        return {
          ...{ status: 'screened', verdict: event.verdict, institutions: event.institutions },
          counted: state.counted,
        };
      case 'counted':
        return { ...state, counted: true };
      default:
        return assertNever(event, 'verdict event');
    }
  },
};

export interface Subject {
  readonly id: string;
  readonly kind: SubjectKind;
}

export interface Versions {
  /** See `riskRulesVersion`. */
  readonly rules: string;
  /** Of the label lists in use. */
  readonly labels: string;
}

/**
 * Screens a subject (R1, R2): the factors' points, capped, and what follows from them. Pure: the same inputs and rules give the same
 * verdict, which carries both.
 */
export function judge(subject: Subject, inputs: FactorInputs, rules: RiskRules, versions: Versions): RiskVerdict {
  const factors = factorsOf(inputs, rules);
  const score = scoreOf(factors, rules);
  const hasFailed = factors.some((factor) => factor.state === 'failed');
  const level = levelOf(score, hasFailed, rules);
  return {
    subjectId: subject.id,
    subjectKind: subject.kind,
    score,
    level,
    recommendation: RECOMMENDATIONS[level],
    factors,
    reason: reasonOf(score, level, factors),
    rulesVersion: versions.rules,
    labelsVersion: versions.labels,
    decidedAt: inputs.at,
  };
}

export function scoreOf(factors: readonly Pick<Factor, 'points'>[], rules: RiskRules): number {
  return Math.min(
    factors.reduce((sum, factor) => sum + factor.points, 0),
    rules.scoreMax,
  );
}

/** What couldn't be computed is at least medium: it fails closed, to a person. */
export function levelOf(score: number, hasFailed: boolean, rules: RiskRules): RiskLevel {
  if (score >= rules.rejectFrom) return 'high';
  return score >= rules.reviewFrom || hasFailed ? 'medium' : 'low';
}

const RECOMMENDATIONS: Readonly<Record<RiskLevel, Recommendation>> = {
  low: 'approve',
  medium: 'manual_review',
  high: 'reject',
};

function reasonOf(score: number, level: RiskLevel, factors: readonly Factor[]): string {
  const parts = factors
    .filter((factor) => factor.points > 0 || factor.state === 'failed')
    .map(({ name, points, state, detail }) => `${name} ${state === 'failed' ? 'failed' : `+${points}`}: ${detail}`);
  return [`risk score ${score} (${level})`, ...parts].join('; ');
}
