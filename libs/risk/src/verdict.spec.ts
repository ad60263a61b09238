import { describe, expect, it } from 'vitest';
import { decodeJson, encodeJson, type Instant } from '@finality/kernel';
import { type AmountHistory, NO_AMOUNTS, observeAmount } from './amount-history.ts';
import { type FactorInputs, type FactorName, guarded, type SourceKnowledge, SOURCES_MAX } from './factors.ts';
import { RISK_RULES_DEFAULT, riskRulesVersion } from './rules.ts';
import { judge, levelOf, type RiskVerdict, scoreOf, type Screened, verdict } from './verdict.ts';

const NOW = 1_700_000_000_000 as Instant;
const DAY_MS = 86_400_000;
const RULES = RISK_RULES_DEFAULT;
const VERSIONS = { rules: riskRulesVersion(RULES), labels: 'none' };

/** Mean 1,000, standard deviation exactly 10. */
const history = (count: number): AmountHistory =>
  Array.from({ length: count }, (_, i) => (i % 2 === 0 ? 990n : 1_010n)).reduce(observeAmount, NO_AMOUNTS);

/** An old, quiet address without labels. */
const source = (changes: Partial<SourceKnowledge> = {}): SourceKnowledge => ({
  source: { script: `0014${'11'.repeat(20)}`, address: 'bcrt1qsource', outpoint: `${'aa'.repeat(32)}:0` },
  firstSeenAt: (NOW - 30 * DAY_MS) as Instant,
  transactions: 1,
  labels: [],
  ...changes,
});
const label = (category: string) => ({ category, label: 'L', source: 'S', list: 'test' });

const settlement = (changes: Partial<FactorInputs> = {}): FactorInputs => ({
  amountSats: 1_000n,
  history: history(30),
  sources: [source()],
  sourcesNote: 'settled on the ledger only: no coins are spent',
  listsMissing: [],
  at: NOW,
  ...changes,
});

const judged = (inputs: FactorInputs): RiskVerdict => judge({ id: 's1', kind: 'settlement' }, inputs, RULES, VERSIONS);

const factor = (inputs: FactorInputs, name: FactorName) => judged(inputs).factors.find((f) => f.name === name);

describe('amount anomaly', () => {
  const anomaly = (changes: Partial<FactorInputs>) => factor(settlement(changes), 'amount_anomaly');

  it('has no points at |z| = 3 exactly, and 30 from there on', () => {
    expect(anomaly({ amountSats: 1_030n })).toMatchObject({
      state: 'applied',
      points: 0,
      detail: 'z 3.00 over 30 observations',
    });
    expect(anomaly({ amountSats: 1_031n })).toMatchObject({ state: 'applied', points: 30 });
    expect(anomaly({ amountSats: 970n })).toMatchObject({ state: 'applied', points: 0 });
    expect(anomaly({ amountSats: 969n })).toMatchObject({ state: 'applied', points: 30 });
  });

  it('never has more than 30 points', () => {
    expect(anomaly({ amountSats: 21n * 10n ** 14n })?.points).toBe(30);
  });

  it('needs 30 observations', () => {
    expect(anomaly({ history: history(29), amountSats: 10n ** 9n })).toMatchObject({
      state: 'not_applicable',
      points: 0,
    });
    expect(anomaly({ history: history(30), amountSats: 10n ** 9n })).toMatchObject({ state: 'applied', points: 30 });
  });

  it('needs a deviation', () => {
    const flat = Array.from({ length: 100 }, () => 1_000n).reduce(observeAmount, NO_AMOUNTS);
    expect(anomaly({ history: flat, amountSats: 10n ** 9n })).toMatchObject({ state: 'not_applicable', points: 0 });
    expect(anomaly({ history: observeAmount(flat, 1_001n), amountSats: 10n ** 9n })).toMatchObject({ points: 30 });
  });

  it('records what it was computed from', () => {
    expect(anomaly({ amountSats: 1_031n })?.inputs).toEqual({
      amount_sats: '1031',
      observations: '30',
      sum_sats: '30000',
      sum_of_squares: '30003000',
    });
  });

  it('does not apply to a deposit', () => {
    const { history: _none, ...deposit } = settlement({ amountSats: 10n ** 12n });
    expect(factor(deposit, 'amount_anomaly')).toMatchObject({ state: 'not_applicable', points: 0 });
  });
});

describe('labels of a source', () => {
  it('blacklisted: 50', () => {
    const inputs = settlement({ sources: [source(), source({ labels: [label('blacklist')] })] });
    expect(factor(inputs, 'blacklisted_source')).toMatchObject({
      points: 50,
      inputs: { hits: 'bcrt1qsource blacklist (test)' },
    });
    expect(factor(inputs, 'labelled_source')).toMatchObject({ points: 0, state: 'applied' });
  });

  it.each(['mixer', 'darknet', 'gambling', 'scam'])('%s: 40, however many sources have it', (category) => {
    const sources = [source({ labels: [label(category)] }), source({ labels: [label(category)] })];
    expect(factor(settlement({ sources }), 'labelled_source')).toMatchObject({ points: 40 });
    expect(factor(settlement({ sources }), 'blacklisted_source')).toMatchObject({ points: 0 });
  });

  it('exchange: none', () => {
    expect(judged(settlement({ sources: [source({ labels: [label('exchange')] })] })).score).toBe(0);
  });

  it('fail closed while a list that should be there is missing', () => {
    const result = judged(settlement({ listsMissing: ['ofac'] }));
    expect(result.factors.filter((f) => f.state === 'failed').map((f) => f.name)).toEqual([
      'blacklisted_source',
      'labelled_source',
    ]);
    expect(result).toMatchObject({ score: 0, level: 'medium', recommendation: 'manual_review' });
    expect(result.reason).toContain('label lists not loaded: ofac');
  });
});

describe('address age', () => {
  const young = (firstSeenAt: number | undefined) =>
    factor(settlement({ sources: [source(), agedSource(firstSeenAt)] }), 'young_address');
  const agedSource = (firstSeenAt: number | undefined): SourceKnowledge => {
    const { firstSeenAt: _old, ...rest } = source();
    return firstSeenAt === undefined ? rest : { ...rest, firstSeenAt: firstSeenAt as Instant };
  };

  it('younger than 7 days: 20; 7 days exactly: none', () => {
    expect(young(NOW - 7 * DAY_MS + 1)).toMatchObject({ points: 20, state: 'applied' });
    expect(young(NOW - 7 * DAY_MS)).toMatchObject({ points: 0, state: 'applied' });
  });

  it('never seen before is as young as can be', () => {
    expect(young(undefined)).toMatchObject({ points: 20, state: 'applied', inputs: { youngest_age_ms: '0' } });
  });
});

describe('transactions of the address in a day', () => {
  it.each([
    [100, 0],
    [101, 25],
  ])('%i: %i points', (transactions, points) => {
    const inputs = settlement({ sources: [source(), source({ transactions })] });
    expect(factor(inputs, 'busy_address')).toMatchObject({ points, state: 'applied' });
  });
});

describe('where the money goes', () => {
  const destination = (...categories: readonly string[]) => ({
    script: `0014${'33'.repeat(20)}`,
    address: 'bcrt1qpayee',
    labels: categories.map(label),
  });
  const of = (inputs: Partial<FactorInputs>) =>
    judged(settlement(inputs)).factors.filter(({ name }) => name.endsWith('_destination'));

  it.each([
    [[], 0, 'approve'],
    [['exchange'], 0, 'approve'],
    [['mixer'], 40, 'manual_review'],
    [['mixer', 'scam'], 40, 'manual_review'],
    [['blacklist'], 100, 'reject'],
    [['blacklist', 'darknet'], 100, 'reject'],
  ] as const)('%j: %s points, %s', (categories, score, recommendation) => {
    expect(judged(settlement({ destination: destination(...categories) }))).toMatchObject({ score, recommendation });
  });

  it('is rejected when it is on the blacklist, whatever the threshold', () => {
    const rules = { ...RULES, rejectFrom: RULES.scoreMax };
    const inputs = settlement({ destination: destination('blacklist') });
    expect(judge({ id: 's1', kind: 'settlement' }, inputs, rules, VERSIONS).recommendation).toBe('reject');
  });

  it('says what was found, and where', () => {
    expect(of({ destination: destination('blacklist') })[0]).toEqual({
      name: 'blacklisted_destination',
      points: 100,
      state: 'applied',
      detail: 'blacklisted: bcrt1qpayee blacklist (test)',
      inputs: { address: 'bcrt1qpayee', script: `0014${'33'.repeat(20)}` },
    });
  });

  it('can’t be judged without the lists; where nothing leaves, there is nothing to judge', () => {
    const missing = { listsMissing: ['ofac'], sources: [] };
    expect(of({ ...missing, destination: destination() }).map(({ state }) => state)).toEqual(['failed', 'failed']);
    expect(judged(settlement({ ...missing, destination: destination() })).recommendation).toBe('manual_review');
    expect(of(missing).map(({ state, points }) => [state, points])).toEqual([
      ['not_applicable', 0],
      ['not_applicable', 0],
    ]);
    expect(judged(settlement(missing)).recommendation).toBe('approve');
  });
});

const SOURCE_FACTORS = ['blacklisted_source', 'labelled_source', 'young_address', 'busy_address'] as const;

describe('sources', () => {
  it('that are none (CENTRALIZED) make four factors not applicable', () => {
    const result = judged(settlement({ sources: [] }));
    for (const name of SOURCE_FACTORS) {
      expect(result.factors.find((f) => f.name === name)).toMatchObject({
        state: 'not_applicable',
        points: 0,
        detail: 'settled on the ledger only: no coins are spent',
      });
    }
    expect(result).toMatchObject({ score: 0, recommendation: 'approve' });
  });

  it('that nobody knows fail closed', () => {
    const unknown = source({ source: { script: '', address: '', outpoint: 'x:1' } });
    const result = judged(settlement({ sources: [unknown] }));
    expect(result.factors.filter((f) => f.state === 'failed').map((f) => f.name)).toEqual([...SOURCE_FACTORS]);
    expect(result).toMatchObject({ score: 0, level: 'medium', recommendation: 'manual_review' });
    expect(result.reason).toContain('the source of x:1 is not known');
  });

  it('of which one is not known still count what is known of the others', () => {
    const unknown = source({ source: { script: '', address: '', outpoint: 'x:1' } });
    const result = judged(settlement({ sources: [unknown, source({ labels: [label('blacklist'), label('mixer')] })] }));
    expect(result).toMatchObject({ score: 90, recommendation: 'reject' });
  });

  it('of which there are too many to judge go to a person', () => {
    const result = judged(settlement({ sources: Array.from({ length: SOURCES_MAX + 1 }, () => source()) }));
    expect(result).toMatchObject({ recommendation: 'manual_review' });
    expect(judged(settlement({ sources: Array.from({ length: SOURCES_MAX }, () => source()) })).recommendation).toBe(
      'approve',
    );
  });
});

describe('the score', () => {
  it.each([
    [39, 'low'],
    [40, 'medium'],
    [69, 'medium'],
    [70, 'high'],
    [100, 'high'],
    [0, 'low'],
  ])('%i is %s', (score, level) => {
    expect(levelOf(score, false, RULES)).toBe(level);
  });

  it('is at least medium when a factor failed, and stays high', () => {
    expect(levelOf(0, true, RULES)).toBe('medium');
    expect(levelOf(70, true, RULES)).toBe('high');
  });

  it('is the sum of the points', () => {
    expect(judged(settlement({ sources: [source({ firstSeenAt: NOW, transactions: 101 })] }))).toMatchObject({
      score: 45,
      level: 'medium',
      recommendation: 'manual_review',
    });
    expect(judged(settlement({ sources: [source({ labels: [label('blacklist')], firstSeenAt: NOW })] }))).toMatchObject(
      {
        score: 70,
        level: 'high',
        recommendation: 'reject',
      },
    );
  });

  it('is capped at 100', () => {
    const worst = source({ labels: [label('blacklist'), label('scam')], firstSeenAt: NOW, transactions: 101 });
    expect(judged(settlement({ amountSats: 10n ** 12n, sources: [worst] })).score).toBe(100);
    expect(scoreOf([{ points: 99 }, { points: 1 }], RULES)).toBe(100);
  });

  it('takes a band limit of 0 for 0', () => {
    expect(levelOf(0, false, { ...RULES, reviewFrom: 0 })).toBe('medium');
    expect(levelOf(0, false, { ...RULES, rejectFrom: 0 })).toBe('high');
  });
});

describe('a rule that errs', () => {
  it('fails closed instead of counting as 0', () => {
    const failed = guarded('busy_address', () => {
      throw new Error('no such column');
    });
    expect(failed).toMatchObject({ name: 'busy_address', state: 'failed', detail: 'no such column' });
  });
});

describe('a verdict', () => {
  it('can be made again from what the log holds, bit for bit', () => {
    const inputs = settlement({
      amountSats: 2n ** 53n + 1n,
      sources: [source({ labels: [label('scam')], transactions: 7 })],
    });
    const event: Screened = { type: 'screened', verdict: judged(inputs), inputs, institutions: ['a', 'b'] };
    const stored = decodeJson(encodeJson(event)) as Screened;
    expect(encodeJson(judged(stored.inputs))).toBe(encodeJson(stored.verdict));
  });

  it('carries the version of the rules, which changes with them', () => {
    expect(judged(settlement()).rulesVersion).toBe(riskRulesVersion(RULES));
    expect(riskRulesVersion({ ...RULES, rejectFrom: 71 })).not.toBe(riskRulesVersion(RULES));
    expect(riskRulesVersion(RULES)).toMatch(/^2-[0-9a-f]{12}$/);
  });

  it('is counted once, before or after it was made', () => {
    const event: Screened = {
      type: 'screened',
      verdict: judged(settlement()),
      inputs: settlement(),
      institutions: ['a'],
    };
    const screened = verdict.evolve(verdict.initialState, event);
    expect(screened).toMatchObject({ status: 'screened', counted: false, institutions: ['a'] });
    expect(verdict.evolve(screened, { type: 'counted' })).toMatchObject({ counted: true });
    const early = verdict.evolve(verdict.initialState, { type: 'counted' });
    expect(verdict.evolve(early, event)).toMatchObject({ status: 'screened', counted: true });
  });
});
