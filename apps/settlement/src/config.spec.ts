import { describe, expect, it } from 'vitest';
import { parseAmounts } from './config.ts';

describe('amounts in units other than BTC, as a setting', () => {
  it('are units with amounts in their smallest parts', () => {
    expect(parseAmounts('USD:500000, EUR:0')).toEqual([
      { unit: 'USD', amount: 500_000n },
      { unit: 'EUR', amount: 0n },
    ]);
    expect(parseAmounts('')).toEqual([]);
    expect(parseAmounts('USD:10000000000000000')).toEqual([{ unit: 'USD', amount: 10n ** 16n }]);
  });

  it.each([
    ['satoshi, which have a setting of their own', 'BTC:1'],
    ['a unit twice', 'USD:1,USD:2'],
    ['more than any line may be', 'USD:10000000000000001'],
    ['an amount without a unit', '500'],
    ['a unit without an amount', 'USD'],
    ['less than nothing', 'USD:-1'],
    ['a part of the smallest part', 'USD:1.5'],
    ['nothing behind a comma', 'USD:1,'],
  ])('are never %s', (_what, text) => {
    expect(parseAmounts(text)).toBeUndefined();
  });
});
