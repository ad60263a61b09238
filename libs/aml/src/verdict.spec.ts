import { describe, expect, it } from 'vitest';
import type { Instant } from '@finality/kernel';
import { AML_RULES_DEFAULT, type AmlRules, amlRulesVersion } from './rules.ts';
import { alertsOf, monitor, type SubjectKind, verdict } from './verdict.ts';

const NOW = 1_700_000_000_000 as Instant;
const VERSION = amlRulesVersion(AML_RULES_DEFAULT);
const monitored = (amountSats: bigint, kind: SubjectKind = 'settlement', rules: AmlRules = AML_RULES_DEFAULT) =>
  monitor({ id: 's1', kind, amountSats, at: NOW }, rules, amlRulesVersion(rules));

describe('a large amount', () => {
  it.each<[SubjectKind, bigint, string, number]>([
    ['settlement', 99_999_999n, 'approve', 0],
    ['settlement', 100_000_000n, 'manual_review', 1],
    ['settlement', 2n ** 53n + 1n, 'manual_review', 1],
    ['deposit', 99_999_999n, 'approve', 0],
    ['deposit', 100_000_000n, 'manual_review', 1],
  ])('%s of %s sat: %s', (kind, amountSats, recommendation, alerts) => {
    const result = monitored(amountSats, kind);
    expect(result).toMatchObject({
      subjectId: 's1',
      subjectKind: kind,
      recommendation,
      rulesVersion: VERSION,
      decidedAt: NOW,
    });
    expect(result.alerts).toHaveLength(alerts);
  });

  it('says why', () => {
    expect(monitored(100_000_001n)).toMatchObject({
      reason: 'large_amount: 100000001 sat is at least 100000000 sat',
      alerts: [{ rule: 'large_amount', inputs: { amount_sats: '100000001', from_sats: '100000000' } }],
    });
  });

  it('can be 0: everything is large then', () => {
    const rules: AmlRules = { largeAmount: { settlementFromSats: 0n, depositFromSats: 5n } };
    expect(monitored(1n, 'settlement', rules).recommendation).toBe('manual_review');
    expect(monitored(4n, 'deposit', rules).recommendation).toBe('approve');
    expect(amlRulesVersion(rules)).not.toBe(VERSION);
  });
});

describe('a rule that errs', () => {
  it('alerts, instead of finding nothing', () => {
    const failing = () => {
      throw new Error('no history');
    };
    expect(alertsOf(() => undefined, failing)).toEqual([{ rule: 'rule_failed', detail: 'no history', inputs: {} }]);
  });
});

describe('the verdict of a movement', () => {
  it('is kept with the institutions concerned', () => {
    const made = monitored(1n);
    expect(
      verdict.evolve(verdict.initialState, { type: 'monitored', verdict: made, institutions: ['a', 'b'] }),
    ).toEqual({
      status: 'monitored',
      verdict: made,
      institutions: ['a', 'b'],
    });
  });
});
