import type { Sats } from '@finality/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chargeFee, type FeeTerms, feeShares, payoutFees, sharedFeeCap } from './fee-shares.ts';
import { feeFor, feeRate, outputWeight, PLACEHOLDER_SCRIPT, transactionWeight } from './fees.ts';

const { wpkh, tr, pkh } = PLACEHOLDER_SCRIPT;
const sats = (value: bigint): Sats => value as Sats;
const sum = (shares: readonly bigint[]): bigint => shares.reduce((total, share) => total + share, 0n);

describe('feeShares', () => {
  it('charges each its own output, and all the same part of the rest', () => {
    // 31 and 43 bytes at 10 sat/vB; 1,000 sat less these 740 are 130 each.
    expect(feeShares({ feeSats: sats(1_000n), feeRate: feeRate(10_000n), scripts: [wpkh, tr] })).toEqual([440n, 560n]);
    expect(feeShares({ feeSats: sats(1_000n), feeRate: feeRate(0n), scripts: [wpkh] })).toEqual([1_000n]);
  });

  it('gives what rounding leaves to the largest remainders, of equals to the first', () => {
    const three = (feeSats: bigint): readonly Sats[] =>
      feeShares({ feeSats: sats(feeSats), feeRate: feeRate(0n), scripts: [wpkh, wpkh, wpkh] });
    expect(three(100n)).toEqual([34n, 33n, 33n]);
    expect(three(101n)).toEqual([34n, 34n, 33n]);
    // 3.1 and 4.3 sat for the outputs, 12.3 each of the rest: 15.4 and 16.6.
    const uneven = feeShares({ feeSats: sats(32n), feeRate: feeRate(100n), scripts: [wpkh, tr] });
    expect(uneven).toEqual([15n, 17n]);
  });

  it('takes a fee that does not pay for the outputs for a bug', () => {
    expect(() => feeShares({ feeSats: sats(309n), feeRate: feeRate(10_000n), scripts: [wpkh] })).toThrow('outputs');
    expect(() => feeShares({ feeSats: sats(309n), feeRate: feeRate(0n), scripts: [] })).toThrow('somebody');
  });

  it('sums to the fee, misses no share by a satoshi, and treats equals alike', () => {
    const fees = fc.record({
      scripts: fc.array(fc.constantFrom(wpkh, tr, pkh), { minLength: 1, maxLength: 40 }),
      rate: fc.bigInt({ min: 0n, max: 600_000n }),
      inputs: fc.integer({ min: 1, max: 20 }),
      tooMuch: fc.bigInt({ min: 0n, max: 2_000n }),
    });
    fc.assert(
      fc.property(fees, ({ scripts, rate, inputs, tooMuch }) => {
        const kinds = Array.from({ length: inputs }, () => ({ type: 'wpkh' }) as const);
        const feeSats = sats(feeFor(transactionWeight(kinds, [...scripts, wpkh]), feeRate(rate)) + tooMuch);
        const shares = feeShares({ feeSats, feeRate: feeRate(rate), scripts });
        expect(sum(shares)).toBe(feeSats);
        const own = scripts.map((script) => Number(BigInt(outputWeight(script) / 4) * rate) / 1_000);
        const rest = (Number(feeSats) - own.reduce((total, part) => total + part, 0)) / scripts.length;
        for (const [i, share] of shares.entries()) {
          expect(Math.abs(Number(share) - own[i]! - rest)).toBeLessThan(1.001);
          const twin = scripts.indexOf(scripts[i]!);
          expect(shares[twin]! - share === 0n || shares[twin]! - share === 1n).toBe(true);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('sharedFeeCap', () => {
  const payouts = fc.array(
    fc.record({ script: fc.constantFrom(wpkh, tr, pkh), feeCapSats: fc.bigInt({ min: 0n, max: 9_000n }).map(sats) }),
    { minLength: 1, maxLength: 12 },
  );

  it('is the last fee that keeps every share to its cap', () => {
    let found = 0;
    fc.assert(
      fc.property(payouts, fc.bigInt({ min: 0n, max: 50_000n }), (capped, rate) => {
        const cap = sharedFeeCap(capped, feeRate(rate));
        const scripts = capped.map(({ script }) => script);
        const own = scripts.reduce((total, script) => total + BigInt(outputWeight(script) / 4) * rate, 0n);
        if (cap * 1_000n < own) return;
        found++;
        const isKept = (feeSats: bigint): boolean =>
          feeShares({ feeSats: sats(feeSats), feeRate: feeRate(rate), scripts }).every(
            (share, i) => share <= capped[i]!.feeCapSats,
          );
        expect(isKept(cap)).toBe(true);
        // Up to a satoshi each may be rounded down.
        expect(isKept(cap + BigInt(capped.length))).toBe(false);
      }),
      { numRuns: 200 },
    );
    expect(found).toBeGreaterThan(20);
  });
});

describe('payoutFees', () => {
  it('charges what was dropped in equal parts, whatever the outputs weigh', () => {
    const weight = transactionWeight([{ type: 'wpkh' }], [wpkh, tr]);
    const neededSats = feeFor(weight, feeRate(2_000n));
    const without = payoutFees({ feeSats: neededSats, droppedSats: sats(0n), weight, scripts: [wpkh, tr] });
    const feeSats = sats(neededSats + 301n);
    const fees = payoutFees({ feeSats, droppedSats: sats(301n), weight, scripts: [wpkh, tr] });
    expect(fees.map(({ droppedSats }) => droppedSats)).toEqual([151n, 150n]);
    expect(fees.map((fee) => fee.feeSats - fee.droppedSats)).toEqual(without.map((fee) => fee.feeSats));
    expect(sum(fees.map((fee) => fee.feeSats))).toBe(feeSats);
  });
});

describe('chargeFee', () => {
  it.each<[FeeTerms['bearer'], FeeTerms['bumpBearer'], bigint, { payee: bigint; payer: bigint; platform: bigint }]>([
    ['payer', 'payer', 301n, { payee: 0n, payer: 301n, platform: 0n }],
    ['payer', 'payer', 900n, { payee: 0n, payer: 900n, platform: 0n }],
    ['payer', 'platform', 901n, { payee: 0n, payer: 301n, platform: 600n }],
    ['payee', 'payer', 301n, { payee: 301n, payer: 0n, platform: 0n }],
    ['payee', 'payer', 901n, { payee: 301n, payer: 600n, platform: 0n }],
    ['payee', 'platform', 901n, { payee: 301n, payer: 0n, platform: 600n }],
    ['payee', 'platform', 201n, { payee: 301n, payer: -100n, platform: 0n }],
    ['shared', 'payer', 301n, { payee: 150n, payer: 151n, platform: 0n }],
    ['shared', 'payer', 901n, { payee: 150n, payer: 751n, platform: 0n }],
    ['shared', 'platform', 901n, { payee: 150n, payer: 151n, platform: 600n }],
  ])('%s bears the fee, %s its bumps, quoted 301, now %d', (bearer, bumpBearer, share, expected) => {
    const charge = chargeFee(sats(share), sats(301n), { bearer, bumpBearer });
    const { payee: payeeSats, payer: payerSats, platform: platformSats } = expected;
    expect(charge).toEqual({ payeeSats, payerSats, platformSats });
    expect(charge.payeeSats + charge.payerSats + charge.platformSats).toBe(share);
  });
});
