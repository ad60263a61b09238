import { AML_RULES_DEFAULT, amlRulesVersion, monitor, verdict as amlVerdict } from '@finality/aml';
import type { Instant } from '@finality/kernel';
import {
  type AmountHistory,
  judge,
  NO_AMOUNTS,
  observeAmount,
  RISK_RULES_DEFAULT,
  riskRulesVersion,
  type SourceKnowledge,
  verdict as riskVerdict,
} from '@finality/risk';
import type { Assessment } from '@finality/settlement';

/** What is to be screened, as the settlement service publishes it. */
export interface Subject {
  readonly kind: 'settlement' | 'deposit';
  readonly id: string;
  readonly amountSats: bigint;
  /** The payee; a deposit has none. */
  readonly merchant?: string;
  readonly sources: readonly { readonly script: string; readonly address: string; readonly outpoint: string }[];
}

/** Gives a verdict on each subject, and remembers it. */
export interface Screening {
  screen(subject: Subject, now: Instant): Assessment;
}

const AML_RULES = { ...AML_RULES_DEFAULT, largeAmount: { settlementFromSats: 80_000n, depositFromSats: 160_000n } };
const AML_VERSION = amlRulesVersion(AML_RULES);
const RISK_VERSIONS = { rules: riskRulesVersion(RISK_RULES_DEFAULT), labels: 'none' };

export class MemoryAml implements Screening {
  readonly #verdicts = new Map<string, ReturnType<typeof amlVerdict.evolve>>();

  screen({ kind, id, amountSats }: Subject, now: Instant): Assessment {
    const found = monitor({ id, kind, amountSats, at: now }, AML_RULES, AML_VERSION);
    const before = this.#verdicts.get(id) ?? amlVerdict.initialState;
    const event = { type: 'monitored', verdict: found, institutions: [] } as const;
    this.#verdicts.set(id, amlVerdict.evolve(before, event));
    const { recommendation, rulesVersion, reason } = found;
    return { recommendation, rulesVersion, reason };
  }
}

export class MemoryRisk implements Screening {
  readonly #verdicts = new Map<string, ReturnType<typeof riskVerdict.evolve>>();
  readonly #amounts = new Map<string, AmountHistory>();
  readonly #seen = new Map<string, { readonly firstSeenAt: Instant; readonly transactions: number }>();

  screen({ kind, id, amountSats, merchant, sources }: Subject, now: Instant): Assessment {
    const history = merchant === undefined ? undefined : (this.#amounts.get(merchant) ?? NO_AMOUNTS);
    const inputs = {
      amountSats,
      ...(history !== undefined && { history }),
      sources: sources.map((source) => this.#known(source)),
      sourcesNote: '',
      listsMissing: [],
      at: now,
    };
    const found = judge({ id, kind }, inputs, RISK_RULES_DEFAULT, RISK_VERSIONS);
    const before = this.#verdicts.get(id) ?? riskVerdict.initialState;
    const event = { type: 'screened', verdict: found, inputs, institutions: [] } as const;
    this.#verdicts.set(id, riskVerdict.evolve(before, event));
    if (merchant !== undefined) this.#amounts.set(merchant, observeAmount(history!, amountSats));
    for (const { script } of sources) this.#see(script, now);
    const { recommendation, rulesVersion, reason } = found;
    return { recommendation, rulesVersion, reason };
  }

  #known(source: SourceKnowledge['source']): SourceKnowledge {
    const seen = this.#seen.get(source.script);
    const labels = labelsOf(source.script);
    if (seen === undefined) return { source, transactions: 0, labels };
    return { source, firstSeenAt: seen.firstSeenAt, transactions: seen.transactions, labels };
  }

  #see(script: string, now: Instant): void {
    const before = this.#seen.get(script) ?? { firstSeenAt: now, transactions: 0 };
    this.#seen.set(script, { ...before, transactions: before.transactions + 1 });
  }
}

/** Some outsiders are known for no good: by a digit of their scripts. */
function labelsOf(script: string): SourceKnowledge['labels'] {
  const digit = script.slice(-1);
  if (digit !== '0' && digit !== '1') return [];
  return [{ category: digit === '0' ? 'blacklist' : 'mixer', label: 'known', source: 'the simulation', list: 'list' }];
}
