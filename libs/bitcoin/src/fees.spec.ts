import { type Sats, unwrap } from '@finality/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  feeFor,
  feeRate,
  feeRateOf,
  formatFeeRate,
  outputWeight,
  parseFeeRate,
  transactionWeight,
  vsizeOf,
} from './fees.ts';
import type { ScriptHex } from './ids.ts';

const P2WPKH = `0014${'00'.repeat(20)}` as ScriptHex;
const P2TR = `5120${'00'.repeat(32)}` as ScriptHex;

describe('feerates', () => {
  it.each([
    ['1', 1_000n],
    ['0.1', 100n],
    ['12.345', 12_345n],
    ['10000', 10_000_000n],
    ['0', 0n],
  ])('%s sat/vB', (text, expected) => {
    expect(unwrap(parseFeeRate(text))).toBe(expected);
    expect(formatFeeRate(feeRate(expected))).toBe(text);
  });

  it.each(['', '-1', '1.2345', '10000.001', '1e3', 'NaN', '1.', ' 1'])('refuses "%s"', (text) => {
    expect(parseFeeRate(text)).toMatchObject({ ok: false, error: { reason: 'INVALID_FEE_RATE' } });
  });

  it('refuses its own nonsense', () => {
    expect(() => feeRate(-1n)).toThrow('feerate');
    expect(() => feeRate(10_000_001n)).toThrow('feerate');
  });

  it('rounds fees up: to a virtual byte, then to a satoshi, so that the rate is never missed', () => {
    expect(feeFor(4, feeRate(1_000n))).toBe(1n);
    expect(feeFor(5, feeRate(1_000n))).toBe(2n);
    expect(feeFor(561, feeRate(1_000n))).toBe(141n);
    expect(feeFor(561, feeRate(1n))).toBe(1n);
    expect(feeFor(561, feeRate(0n))).toBe(0n);
    fc.assert(
      fc.property(fc.integer({ min: 200, max: 400_000 }), fc.bigInt({ min: 0n, max: 1_000_000n }), (weight, rate) => {
        const fee = feeFor(weight, feeRate(rate));
        expect(feeRateOf(fee, weight)).toBeGreaterThanOrEqual(rate);
        expect(((fee - 1n) * 1_000n) / BigInt(vsizeOf(weight))).toBeLessThanOrEqual(rate);
      }),
    );
    expect(feeRateOf(141n as Sats, 561)).toBe(1_000n);
  });
});

describe('sizes', () => {
  it('has the known weights', () => {
    expect(outputWeight(P2WPKH)).toBe(4 * 31);
    expect(outputWeight(P2TR)).toBe(4 * 43);
    // One P2WPKH input, two outputs: 141 vB; one P2TR input, one output: 111 vB.
    expect(vsizeOf(transactionWeight(['wpkh'], [P2WPKH, P2WPKH]))).toBe(141);
    expect(vsizeOf(transactionWeight(['tr'], [P2TR]))).toBe(111);
  });

  it('counts the longer counts of many inputs', () => {
    const weigh = (count: number): number => transactionWeight(Array<'wpkh'>(count).fill('wpkh'), [P2WPKH]);
    expect(weigh(252) - weigh(251)).toBe(272);
    expect(weigh(253) - weigh(252)).toBe(272 + 8);
  });

  it('has room for 1,469 P2WPKH inputs in a standard transaction, as nodes do', () => {
    const weigh = (count: number): number => transactionWeight(Array<'wpkh'>(count).fill('wpkh'), [P2WPKH]);
    expect(weigh(1_469)).toBeLessThanOrEqual(400_000);
    expect(weigh(1_471)).toBeGreaterThan(400_000);
  });
});
