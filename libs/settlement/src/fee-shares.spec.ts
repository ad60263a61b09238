import { sats } from '@finality/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { feeShares } from './fee-shares.ts';

describe('fee shares', () => {
  it('of one payout are the fee', () => {
    expect(feeShares(sats(1_234n), [124], 561)).toEqual([1_234n]);
  });

  it('differ by what the outputs weigh, and by nothing else', () => {
    // 1 sat for each weight unit: 272 of input, 42 of header and 124 of change are shared.
    expect(feeShares(sats(734n), [124, 172], 734)).toEqual([124n + 219n, 172n + 219n]);
  });

  it('give what is left to the largest remainders, the earlier first', () => {
    expect(feeShares(sats(100n), [124, 124, 124], 1_000)).toEqual([34n, 33n, 33n]);
  });

  it('add up to the fee, and are off by less than a satoshi', () => {
    const payouts = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(fc.bigInt(0n, 10n ** 8n), payouts, fc.integer({ min: 1, max: 400_000 }), (fee, own, common) => {
        const weight = own.reduce((sum, each) => sum + each, common);
        const shares = feeShares(sats(fee), own, weight);
        expect(shares.reduce<bigint>((sum, each) => sum + each, 0n)).toBe(fee);
        own.forEach((each, i) => {
          const exact = Number(fee) * ((each + common / own.length) / weight);
          expect(Math.abs(Number(shares[i]) - exact)).toBeLessThan(1.001);
        });
      }),
    );
  });
});
