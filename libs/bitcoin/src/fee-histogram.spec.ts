import type { Sats } from '@finality/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { feeHistogram, type MempoolFee } from './fee-histogram.ts';
import { decideFeeRates } from './fee-policy.ts';
import { feeRate } from './fees.ts';

const paying = (feeSats: bigint, vsize: number, ancestors = { feeSats, vsize }): MempoolFee => ({
  feeSats: feeSats as Sats,
  vsize,
  ancestors: { feeSats: ancestors.feeSats as Sats, vsize: ancestors.vsize },
});
const LIMITS = { estimates: {}, floor: feeRate(1_000n), cap: feeRate(1_000_000n) };

describe('feeHistogram', () => {
  it('is empty for an empty mempool', () => {
    expect(feeHistogram({ transactions: [], vsize: 0 })).toEqual([]);
  });

  it('puts together what pays about the same, dearest first', () => {
    const transactions = [paying(200n, 200), paying(1_000n, 100), paying(205n, 200), paying(1_005n, 100)];
    const buckets = feeHistogram({ transactions, vsize: 600 });
    expect(buckets.map(({ vsize }) => vsize)).toEqual([200, 400]);
    expect(buckets[0]!.feeRate).toBeGreaterThan(9_000n);
    expect(buckets[0]!.feeRate).toBeLessThanOrEqual(10_000n);
    expect(buckets[1]!.feeRate).toBeGreaterThan(900n);
    expect(buckets[1]!.feeRate).toBeLessThanOrEqual(1_000n);
  });

  it('counts a dear child of a cheap parent by both, and a parent by itself', () => {
    const child = paying(10_000n, 100, { feeSats: 10_100n, vsize: 1_000 });
    const [bucket] = feeHistogram({ transactions: [child], vsize: 100 });
    expect(bucket!.feeRate).toBeLessThanOrEqual(10_100n);
    const parent = paying(100n, 100, { feeSats: 5_000n, vsize: 200 });
    expect(feeHistogram({ transactions: [parent], vsize: 100 })[0]!.feeRate).toBeLessThanOrEqual(1_000n);
  });

  it('of a sample stands for all of it', () => {
    const transactions = [paying(1_000n, 100), paying(100n, 300)];
    expect(feeHistogram({ transactions, vsize: 40_000_000 }).map(({ vsize }) => vsize)).toEqual([
      10_000_000, 30_000_000,
    ]);
  });

  it('tells a spike from 1 to 500 sat/vB in a batch, which estimates don’t know of yet', () => {
    const calm = Array.from({ length: 200 }, () => paying(10_000n, 10_000));
    const dear = Array.from({ length: 400 }, () => paying(5_000_000n, 10_000));
    const rateOf = (transactions: readonly MempoolFee[]): number => {
      const vsize = transactions.reduce((sum, each) => sum + each.vsize, 0);
      const mempool = feeHistogram({ transactions, vsize });
      return (
        Number(decideFeeRates({ ...LIMITS, estimates: { fast: feeRate(1_000n) }, mempool }).targets.fast.feeRate) /
        1_000
      );
    };
    expect(rateOf(calm)).toBeCloseTo(1, 0);
    expect(rateOf([...calm, ...dear])).toBeGreaterThan(500);
    expect(rateOf([...calm, ...dear])).toBeLessThan(555);
  });

  it('keeps every byte, in buckets that none of their transactions is below', () => {
    const transaction = fc
      .tuple(fc.bigInt({ min: 0n, max: 10_000_000n }), fc.integer({ min: 60, max: 100_000 }))
      .map(([fee, size]) => paying(fee, size));
    fc.assert(
      fc.property(fc.array(transaction, { maxLength: 40 }), (transactions) => {
        const vsize = transactions.reduce((sum, each) => sum + each.vsize, 0);
        const buckets = feeHistogram({ transactions, vsize });
        expect(buckets.reduce((sum, bucket) => sum + bucket.vsize, 0)).toBe(vsize);
        for (const { feeRate: rate } of buckets) {
          const within = transactions.filter((each) => (each.feeSats * 1000n) / BigInt(each.vsize) >= rate);
          const atLeast = buckets.filter((bucket) => bucket.feeRate >= rate);
          if (rate > 100n)
            expect(atLeast.reduce((sum, bucket) => sum + bucket.vsize, 0)).toBe(
              within.reduce((sum, each) => sum + each.vsize, 0),
            );
        }
      }),
      { numRuns: 100 },
    );
  });
});
