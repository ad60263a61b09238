import { defineConfig, setting } from '@finality/service';
import { type LabelFormat, RECENT_TRANSACTIONS_MAX, RISK_RULES_DEFAULT, type RiskRules } from '@finality/risk';
import { z } from 'zod';

/** A list of labels and where it is kept. */
export interface LabelListConfig {
  readonly name: string;
  readonly format: LabelFormat;
  readonly path: string;
}

export interface RiskConfig {
  readonly rules: RiskRules;
  readonly labelLists: readonly LabelListConfig[];
}

const HOUR_MS = 3_600_000;
const AGE_HOURS_MAX = 365 * 24;
const D = RISK_RULES_DEFAULT;

const LABEL_LIST = /^([a-z0-9][a-z0-9_-]{0,39}):(ofac|labels):(.+)$/;
const EXPECTED_LISTS = 'a comma-separated list of <name>:<ofac or labels>:<path>, each name once';

const labelLists = z.string().transform((text, context): readonly LabelListConfig[] => {
  const lists = text.split(',').map((entry): LabelListConfig | undefined => {
    const [, name, format, path] = LABEL_LIST.exec(entry.trim()) ?? [];
    return name === undefined || path === undefined
      ? undefined
      : { name, format: format === 'ofac' ? 'ofac' : 'labels', path };
  });
  const known = lists.filter((list) => list !== undefined);
  if (known.length === lists.length && new Set(known.map(({ name }) => name)).size === known.length) return known;
  context.addIssue({ code: 'custom', message: EXPECTED_LISTS });
  return z.NEVER;
});

/** The risk service's variables of the environment. */
export const riskSettings = defineConfig({
  RISK_LABEL_FILES: labelLists.optional().describe(`lists of labelled addresses: ${EXPECTED_LISTS}`),
  RISK_REJECT_SCORE: setting.integer(0, D.scoreMax).default(D.rejectFrom).describe('the score from which risk rejects'),
  RISK_REVIEW_SCORE: setting
    .integer(0, D.scoreMax)
    .default(D.reviewFrom)
    .describe('the score from which a person decides'),
  RISK_Z_OBSERVATIONS: setting
    .integer(2, 1_000_000)
    .default(D.amountAnomaly.observationsMin)
    .describe("how many of a merchant's amounts a z-score needs"),
  RISK_Z_HUNDREDTHS: setting
    .integer(0, 10_000)
    .default(D.amountAnomaly.zAboveHundredths)
    .describe('the |z| above which an amount is an anomaly, in hundredths'),
  RISK_YOUNG_ADDRESS_HOURS: setting
    .integer(0, AGE_HOURS_MAX)
    .default(D.youngAddress.youngerThanMs / HOUR_MS)
    .describe('the age in hours below which an address is young'),
  RISK_BUSY_ADDRESS_TRANSACTIONS: setting
    .integer(0, RECENT_TRANSACTIONS_MAX - 1)
    .default(D.busyAddress.transactionsAbove)
    .describe('the number of transactions in 24 hours above which an address is busy'),
});

export function riskConfig(values: z.output<typeof riskSettings>): RiskConfig {
  return {
    labelLists: values.RISK_LABEL_FILES ?? [],
    rules: {
      ...D,
      rejectFrom: values.RISK_REJECT_SCORE,
      reviewFrom: values.RISK_REVIEW_SCORE,
      amountAnomaly: {
        ...D.amountAnomaly,
        observationsMin: values.RISK_Z_OBSERVATIONS,
        zAboveHundredths: values.RISK_Z_HUNDREDTHS,
      },
      youngAddress: { ...D.youngAddress, youngerThanMs: values.RISK_YOUNG_ADDRESS_HOURS * HOUR_MS },
      busyAddress: { ...D.busyAddress, transactionsAbove: values.RISK_BUSY_ADDRESS_TRANSACTIONS },
    },
  };
}
