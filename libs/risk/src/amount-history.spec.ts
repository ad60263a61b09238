import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AmountHistory,
  exceeds,
  floorOfMultiple,
  formatZ,
  integerSqrt,
  NO_AMOUNTS,
  observeAmount,
  zScore,
} from './amount-history.ts';

const historyOf = (amounts: readonly bigint[]): AmountHistory => amounts.reduce(observeAmount, NO_AMOUNTS);
/** Mean 1,000, standard deviation exactly 10. */
const EVEN = historyOf(Array.from({ length: 30 }, (_, i) => (i % 2 === 0 ? 990n : 1_010n)));

describe('the z-score', () => {
  it.each([
    [1_030n, '3.00', false],
    [1_031n, '3.10', true],
    [970n, '-3.00', false],
    [969n, '-3.10', true],
    [1_000n, '0.00', false],
  ])('of %s sat against mean 1,000 and deviation 10 is %s', (amount, text, isAbove) => {
    const z = zScore(EVEN, amount)!;
    expect(formatZ(z)).toBe(text);
    expect(exceeds(z, 300)).toBe(isAbove);
  });

  it('is exact where floating point is not', () => {
    const scale = 2n ** 53n;
    const big = historyOf(Array.from({ length: 30 }, (_, i) => (i % 2 === 0 ? 990n * scale : 1_010n * scale)));
    expect(exceeds(zScore(big, 1_030n * scale)!, 300)).toBe(false);
    expect(exceeds(zScore(big, 1_030n * scale + 1n)!, 300)).toBe(true);
  });

  it('has nothing to measure with when all amounts are the same, or there are none', () => {
    expect(zScore(historyOf(Array.from({ length: 50 }, () => 5n)), 1_000_000n)).toBeUndefined();
    expect(zScore(NO_AMOUNTS, 1n)).toBeUndefined();
  });

  it('gives whole points only', () => {
    expect(floorOfMultiple(zScore(EVEN, 1_031n)!, 10)).toBe(31n);
    expect(floorOfMultiple(zScore(EVEN, 1_009n)!, 10)).toBe(9n);
  });

  it('agrees with the textbook formula', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 2 }),
        fc.integer({ min: 1, max: 5_000 }),
        (amounts, x) => {
          const mean = amounts.reduce((a, b) => a + b, 0) / amounts.length;
          const deviation = Math.sqrt(amounts.reduce((sum, a) => sum + (a - mean) ** 2, 0) / amounts.length);
          const z = zScore(historyOf(amounts.map(BigInt)), BigInt(x));
          if (z === undefined) expect(new Set(amounts).size).toBe(1);
          else expect(Number(formatZ(z))).toBeCloseTo((x - mean) / deviation, 1);
        },
      ),
    );
  });

  it('does not depend on the order of the amounts', () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt(1n, 21n * 10n ** 14n)), (amounts) => {
        expect(historyOf(amounts)).toEqual(historyOf([...amounts].reverse()));
      }),
    );
  });
});

describe('the integer square root', () => {
  it('is the largest integer whose square fits', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 200n), (value) => {
        const root = integerSqrt(value);
        expect(root * root <= value && (root + 1n) * (root + 1n) > value).toBe(true);
      }),
    );
    for (const value of [0n, 1n, 2n, 3n, 4n, 15n, 16n, 17n])
      expect(integerSqrt(value)).toBe(BigInt(Math.floor(Math.sqrt(Number(value)))));
  });
});
