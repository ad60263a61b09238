import fc from 'fast-check';
import { BTC, parseUnit, TRANSFER_AMOUNT_MAX } from '@finality/ledger';
import { describe, expect, it } from 'vitest';
import { exchanged, type Price, worth } from './rate.ts';

const USD = parseUnit('USD')!;
const at = (numerator: bigint, denominator: bigint) => ({ base: BTC, counter: USD, price: { numerator, denominator } });
const int64 = fc.oneof(fc.bigInt(1n, 1_000n), fc.bigInt(1n, TRANSFER_AMOUNT_MAX), fc.constant(TRANSFER_AMOUNT_MAX));
const price: fc.Arbitrary<Price> = fc.record({ numerator: int64, denominator: int64 });
const fixed = fc.constantFrom('sell' as const, 'buy' as const);

describe('what an amount is exchanged for', () => {
  it.each([
    // 65,000.00 USD for a bitcoin: 13 cents for 200 sat.
    ['sell', 100_000_000n, 100_000_000n, 6_500_000n, 0n],
    ['sell', 1_000n, 1_000n, 65n, 0n],
    ['sell', 1_001n, 1_001n, 65n, 13n],
    ['buy', 65n, 1_000n, 65n, 0n],
    ['buy', 66n, 1_016n, 66n, 8n],
  ] as const)('%s %i: %i for %i, and %i 200ths of a cent are left', (which, amount, sell, buy, remainder) => {
    const expected = { sell: { unit: BTC, amount: sell }, buy: { unit: USD, amount: buy }, remainder };
    expect(exchanged(at(13n, 200n), which, amount)).toEqual(expected);
  });

  it('is nothing that can be quoted below one, and above what an int64 holds', () => {
    expect(exchanged(at(13n, 200n), 'sell', 15n)).toBeUndefined();
    expect(exchanged(at(13n, 200n), 'sell', 16n)).toMatchObject({ buy: { amount: 1n } });
    expect(exchanged(at(2n, 1n), 'sell', TRANSFER_AMOUNT_MAX)).toBeUndefined();
    expect(exchanged(at(1n, 2n), 'buy', TRANSFER_AMOUNT_MAX)).toBeUndefined();
    expect(exchanged(at(1n, 1n), 'sell', TRANSFER_AMOUNT_MAX)).toMatchObject({ remainder: 0n });
  });

  it('keeps the amount that is asked for, never gives more than the price, and never a smallest part less', () => {
    fc.assert(
      fc.property(price, fixed, int64, ({ numerator, denominator }, which, amount) => {
        const found = exchanged(at(numerator, denominator), which, amount);
        if (found === undefined) return;
        const { sell, buy, remainder } = found;
        expect(which === 'sell' ? sell.amount : buy.amount).toBe(amount);
        expect(sell.amount * numerator).toBe(buy.amount * denominator + remainder);
        expect(remainder >= 0n && remainder < (which === 'sell' ? denominator : numerator)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('never comes back as more than it was, at the same price both ways', () => {
    fc.assert(
      fc.property(price, fixed, fixed, int64, ({ numerator, denominator }, there, back, amount) => {
        const first = exchanged(at(numerator, denominator), there, amount);
        if (first === undefined) return;
        const reverse = { base: USD, counter: BTC, price: { numerator: denominator, denominator: numerator } };
        const second =
          back === 'sell' ? exchanged(reverse, 'sell', first.buy.amount) : exchanged(reverse, 'buy', first.sell.amount);
        if (second === undefined) return;
        if (back === 'sell') expect(second.buy.amount <= first.sell.amount).toBe(true);
        else expect(second.sell.amount >= first.buy.amount).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('is valued at no less than it is worth', () => {
    expect(worth(at(13n, 200n), 1_000n)).toBe(65n);
    expect(worth(at(13n, 200n), 1n)).toBe(1n);
  });
});
