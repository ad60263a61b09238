import { createHash } from 'node:crypto';
import { encodeJson } from '@finality/kernel';

const HOUR_MS = 3_600_000;

/** The thresholds of R1 and R2, and those for where money goes (ADR 16), as data: configuration, recorded by version with each verdict. */
export interface RiskRules {
  readonly amountAnomaly: {
    /** No z-score below this many observations. */
    readonly observationsMin: number;
    /** Applies above this |z|, in hundredths. */
    readonly zAboveHundredths: number;
    readonly pointsPerZ: number;
    readonly pointsMax: number;
  };
  readonly blacklistedSource: { readonly points: number };
  readonly labelledSource: { readonly points: number; readonly categories: readonly string[] };
  readonly youngAddress: { readonly points: number; readonly youngerThanMs: number };
  readonly busyAddress: { readonly points: number; readonly transactionsAbove: number; readonly windowMs: number };
  readonly blacklistedDestination: { readonly points: number };
  readonly labelledDestination: { readonly points: number; readonly categories: readonly string[] };
  readonly scoreMax: number;
  /** At least this: HIGH, REJECT. */
  readonly rejectFrom: number;
  /** At least this: MEDIUM, MANUAL_REVIEW. */
  readonly reviewFrom: number;
}

/** What R1 names. */
const ILLICIT = ['mixer', 'darknet', 'gambling', 'scam'] as const;

export const RISK_RULES_DEFAULT: RiskRules = {
  amountAnomaly: { observationsMin: 30, zAboveHundredths: 300, pointsPerZ: 10, pointsMax: 30 },
  blacklistedSource: { points: 50 },
  labelledSource: { points: 40, categories: ILLICIT },
  youngAddress: { points: 20, youngerThanMs: 7 * 24 * HOUR_MS },
  busyAddress: { points: 25, transactionsAbove: 100, windowMs: 24 * HOUR_MS },
  // The whole score: rejected whatever the thresholds are.
  blacklistedDestination: { points: 100 },
  labelledDestination: { points: 40, categories: ILLICIT },
  scoreMax: 100,
  rejectFrom: 70,
  reviewFrom: 40,
};

/** Version of what the factors compute; the thresholds' own hash is added to it. */
const RULES_REVISION = 2;

/** `2-<12 hex of SHA-256 over the thresholds>`: the same text means the same decisions from the same inputs. */
export function riskRulesVersion(rules: RiskRules): string {
  return `${RULES_REVISION}-${createHash('sha256').update(encodeJson(rules)).digest('hex').slice(0, 12)}`;
}
