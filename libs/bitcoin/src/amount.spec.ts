import { MAX_MONEY_SATS, type Sats, sats, unwrap } from '@finality/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatBtc, parseBtc } from './amount.ts';

describe('amounts in bitcoin', () => {
  it.each([
    ['0', 0n],
    ['1', 100_000_000n],
    ['0.00000001', 1n],
    ['1e-8', 1n],
    ['1.5E-07', 15n],
    ['2.1e+7', MAX_MONEY_SATS],
    ['20.99999999', 2_099_999_999n],
    ['0.100000000000', 10_000_000n],
    ['21000000.00000000', MAX_MONEY_SATS],
  ])('%s', (text, expected) => {
    expect(unwrap(parseBtc(text))).toBe(expected);
  });

  it.each([
    ['', 'INVALID_AMOUNT'],
    ['-1', 'INVALID_AMOUNT'],
    ['+1', 'INVALID_AMOUNT'],
    ['1,5', 'INVALID_AMOUNT'],
    ['.5', 'INVALID_AMOUNT'],
    ['5.', 'INVALID_AMOUNT'],
    ['NaN', 'INVALID_AMOUNT'],
    ['0x10', 'INVALID_AMOUNT'],
    [' 1', 'INVALID_AMOUNT'],
    ['1e999', 'INVALID_AMOUNT'],
    [`1${'0'.repeat(60)}`, 'INVALID_AMOUNT'],
    ['0.000000001', 'AMOUNT_NOT_WHOLE_SATS'],
    ['1e-9', 'AMOUNT_NOT_WHOLE_SATS'],
    ['21000000.00000001', 'AMOUNT_OUT_OF_RANGE'],
    ['1e99', 'AMOUNT_OUT_OF_RANGE'],
  ])('refuses "%s"', (text, reason) => {
    expect(parseBtc(text)).toMatchObject({ ok: false, error: { reason } });
  });

  it('reads back what it writes', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: MAX_MONEY_SATS }), (value) => {
        expect(unwrap(parseBtc(formatBtc(value)))).toBe(value);
      }),
    );
  });

  it('writes eight decimals, and a sign on differences', () => {
    expect(formatBtc(sats(1n))).toBe('0.00000001');
    expect(formatBtc(-150_000_000n as Sats)).toBe('-1.50000000');
  });
});
