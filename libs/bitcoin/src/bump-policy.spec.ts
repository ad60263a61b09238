import type { Sats } from '@finality/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type BumpDecision,
  type BumpInputs,
  decideBump,
  type Descendant,
  type SpendableChange,
  type UnconfirmedVersion,
} from './bump-policy.ts';
import { feeRate, type FeeRate } from './fees.ts';

const sats = (value: bigint): Sats => value as Sats;
/** From sat/vB. */
const perVb = (rate: number): FeeRate => feeRate(BigInt(rate * 1_000));

/** 200 vB at 2 sat/vB. */
const FIRST: UnconfirmedVersion = { version: 1, feeSats: sats(400n), vsize: 200, descendants: [] };
const SWEEP: Descendant = { feeSats: sats(300n), vsize: 150, isOwn: false };
const OWN_CHILD: Descendant = { ...SWEEP, isOwn: true };
const CHANGE = { valueSats: sats(50_000n), childVsize: 110, dustSats: sats(294n) };

const STUCK: BumpInputs = {
  versions: [FIRST],
  target: perVb(10),
  incremental: perVb(1),
  floor: perVb(1),
  feeCapSats: sats(20_000n),
  replacement: { vsize: 200, isFunded: true },
  change: CHANGE,
};

const swept = (count: number, by: Descendant = SWEEP): UnconfirmedVersion => ({
  ...FIRST,
  descendants: Array.from({ length: count }, () => by),
});

type Change = Partial<Omit<BumpInputs, 'change'>> & { readonly change?: SpendableChange | undefined };

describe('decideBump', () => {
  it.each<[string, Change, BumpDecision]>([
    ['pays enough', { target: perVb(2) }, { kind: 'none' }],
    [
      'is helped by a payee already',
      { versions: [{ ...FIRST, descendants: [{ ...SWEEP, feeSats: sats(3_100n) }] }] },
      { kind: 'none' },
    ],
    ['pays too little: the target', {}, { kind: 'replace', feeSats: sats(2_000n), evictions: 1 }],
    [
      'pays hardly too little: all that goes, and the relay',
      { target: perVb(2.001) },
      { kind: 'replace', feeSats: sats(600n), evictions: 1 },
    ],
    [
      'becomes larger: the feerate has to be higher all the same',
      { target: perVb(2.001), incremental: perVb(0), replacement: { vsize: 400, isFunded: true } },
      // 2.001 sat/vB, in whole sat/kvB the next above 2.
      { kind: 'replace', feeSats: sats(801n), evictions: 1 },
    ],
    [
      'has a child of ours, whose fee is paid again, and whose feerate is beaten',
      { versions: [swept(1, { ...OWN_CHILD, feeSats: sats(900n) })] },
      { kind: 'replace', feeSats: sats(2_000n), evictions: 2 },
    ],
    [
      'has a dear child of ours',
      { versions: [swept(1, { feeSats: sats(1_400n), vsize: 100, isOwn: true })], target: perVb(7) },
      // 14.001 sat/vB: more than 1,800 sat and the relay.
      { kind: 'replace', feeSats: sats(2_801n), evictions: 2 },
    ],
    [
      'is in other versions at other nodes: more than all of them',
      { versions: [FIRST, { ...FIRST, version: 2, feeSats: sats(1_500n) }], target: perVb(7) },
      { kind: 'replace', feeSats: sats(2_100n), evictions: 2 },
    ],
    [
      'was dropped by all: what is taken at all',
      { versions: [], target: perVb(1), floor: perVb(3) },
      { kind: 'replace', feeSats: sats(600n), evictions: 0 },
    ],
    // 310 vB at 10 sat/vB, less what the parent pays.
    ['was swept by a payee: from change', { versions: [swept(1)] }, { kind: 'child', feeSats: sats(2_700n) }],
    [
      'was swept, no change: by replacement, the sweep paid for',
      { versions: [swept(10)], target: perVb(5), change: undefined },
      { kind: 'replace', feeSats: sats(3_600n), evictions: 11 },
    ],
    [
      'has a cap too low for a replacement: from change',
      { versions: [swept(4, OWN_CHILD)], target: perVb(3), replacement: { vsize: 9_000, isFunded: true } },
      { kind: 'child', feeSats: sats(530n) },
    ],
    [
      'has too little confirmed: from change',
      { replacement: { vsize: 200, isFunded: false } },
      { kind: 'child', feeSats: sats(2_700n) },
    ],
    [
      'needs little: a child pays for its own relay at least',
      { target: perVb(2.1), floor: perVb(3), replacement: { vsize: 200, isFunded: false } },
      { kind: 'child', feeSats: sats(330n) },
    ],
  ])('%s', (_what, change, expected) => {
    const { change: spendable, ...inputs } = { ...STUCK, ...change };
    expect(decideBump({ ...inputs, ...(spendable ? { change: spendable } : {}) })).toEqual(expected);
  });

  it.each<[string, Partial<BumpInputs>, BumpDecision]>([
    [
      'a payee fills the cluster, and evicting it costs more than the cap',
      { versions: [swept(63, { ...SWEEP, feeSats: sats(400n) })] },
      { kind: 'alarm', replace: 'FEE_ABOVE_CAP', child: 'CLUSTER_FULL' },
    ],
    [
      'by size',
      { versions: [swept(1, { feeSats: sats(30_000n), vsize: 100_800, isOwn: false })] },
      { kind: 'alarm', replace: 'FEE_ABOVE_CAP', child: 'CLUSTER_FULL' },
    ],
    [
      'more than 100 would go',
      { versions: [swept(100, { ...SWEEP, feeSats: sats(1n) })] },
      { kind: 'alarm', replace: 'TOO_MANY_EVICTIONS', child: 'CLUSTER_FULL' },
    ],
    [
      'the cap is reached, and change is too small',
      { feeCapSats: sats(1_999n), change: { ...CHANGE, valueSats: sats(2_993n) } },
      { kind: 'alarm', replace: 'FEE_ABOVE_CAP', child: 'CHANGE_TOO_SMALL' },
    ],
    [
      'the cap is reached by what a child of ours pays as well',
      { feeCapSats: sats(3_399n), versions: [swept(1, OWN_CHILD)], replacement: { vsize: 200, isFunded: false } },
      { kind: 'alarm', replace: 'UNCONFIRMED_INPUT', child: 'FEE_ABOVE_CAP' },
    ],
    [
      'versions differ, and nothing confirmed is left',
      { versions: [FIRST, { ...FIRST, version: 2 }], replacement: { vsize: 200, isFunded: false } },
      { kind: 'alarm', replace: 'UNCONFIRMED_INPUT', child: 'SEVERAL_VERSIONS' },
    ],
    [
      'nobody has it, and the cap is below the floor',
      { versions: [], feeCapSats: sats(100n) },
      { kind: 'alarm', replace: 'FEE_ABOVE_CAP', child: 'NOT_IN_MEMPOOL' },
    ],
  ])('tells an operator when %s', (_what, change, expected) => {
    expect(decideBump({ ...STUCK, ...change })).toEqual(expected);
  });

  it('takes 100 evictions and a cluster of 64 at the most', () => {
    const cheap = { ...SWEEP, feeSats: sats(1n) };
    expect(decideBump({ ...STUCK, versions: [swept(99, cheap)] })).toMatchObject({ kind: 'replace', evictions: 100 });
    expect(decideBump({ ...STUCK, versions: [swept(62, cheap)] })).toMatchObject({ kind: 'child' });
    expect(decideBump({ ...STUCK, versions: [swept(63, cheap)] })).toMatchObject({ kind: 'replace', evictions: 64 });
  });

  it('takes the same version twice for a bug', () => {
    expect(() => decideBump({ ...STUCK, versions: [FIRST, FIRST] })).toThrow('once');
  });

  it('only decides for what nodes take and the cap allows, whatever it is given', () => {
    const fee = (max: bigint): fc.Arbitrary<Sats> => fc.bigInt({ min: 0n, max }).map(sats);
    const descendant = fc.record({
      feeSats: fee(3_000n),
      vsize: fc.integer({ min: 60, max: 900 }),
      isOwn: fc.boolean(),
    });
    const version = fc.record({
      version: fc.integer({ min: 1, max: 3 }),
      feeSats: fee(5_000n),
      vsize: fc.integer({ min: 100, max: 2_000 }),
      descendants: fc.array(descendant, { maxLength: 5 }),
    });
    const situations = fc.record({
      versions: fc.uniqueArray(version, { maxLength: 2, selector: (each) => each.version }),
      target: fc.bigInt({ min: 0n, max: 30_000n }).map(feeRate),
      incremental: fc.constantFrom(feeRate(100n), feeRate(1_000n)),
      floor: fc.constantFrom(feeRate(100n), feeRate(1_000n)),
      feeCapSats: fee(60_000n),
      replacement: fc.record({ vsize: fc.integer({ min: 100, max: 3_000 }), isFunded: fc.boolean() }),
      change: fc.record({
        valueSats: fee(60_000n),
        childVsize: fc.constantFrom(110, 150),
        dustSats: fc.constant(sats(294n)),
      }),
    });
    fc.assert(
      fc.property(situations, (inputs) => {
        const decision = decideBump(inputs);
        const evicted = inputs.versions.flatMap((each) => [each, ...each.descendants]);
        if (decision.kind === 'replace') {
          const { vsize } = inputs.replacement;
          const total = evicted.reduce((sum, each) => sum + each.feeSats, 0n);
          const relay = evicted.length > 0 ? (inputs.incremental * BigInt(vsize)) / 1_000n : 0n;
          expect(decision.feeSats).toBeGreaterThanOrEqual(total + relay);
          for (const each of evicted) {
            expect(decision.feeSats * BigInt(each.vsize)).toBeGreaterThan(each.feeSats * BigInt(vsize));
          }
          expect(decision.feeSats * 1_000n).toBeGreaterThanOrEqual(inputs.target * BigInt(vsize));
          expect(decision.feeSats).toBeLessThanOrEqual(inputs.feeCapSats);
          expect(inputs.replacement.isFunded).toBe(true);
        }
        if (decision.kind === 'child') {
          const parent = inputs.versions[0]!;
          const { childVsize, valueSats, dustSats } = inputs.change;
          const both = BigInt(parent.vsize + childVsize);
          expect((parent.feeSats + decision.feeSats) * 1_000n).toBeGreaterThanOrEqual(inputs.target * both);
          expect(valueSats - decision.feeSats).toBeGreaterThanOrEqual(dustSats);
          expect(parent.feeSats + decision.feeSats).toBeLessThanOrEqual(inputs.feeCapSats);
        }
      }),
      { numRuns: 400 },
    );
  });
});
