import type { Sats } from '@finality/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Coin } from './coin-selection.ts';
import { type ConsolidationDecision, type ConsolidationRules, decideConsolidation } from './consolidation-policy.ts';
import { feeFor, feeRate, PLACEHOLDER_SCRIPT, type SpendKind, transactionWeight } from './fees.ts';
import type { Txid } from './ids.ts';

const sats = (value: bigint): Sats => value as Sats;
const WPKH: SpendKind = { type: 'wpkh' };
const TR: SpendKind = { type: 'tr' };

const coin = (number: number, value: bigint, spend = WPKH, anchorEligible = true): Coin => ({
  outpoint: { txid: number.toString(16).padStart(64, '0') as Txid, vout: 0 },
  valueSats: sats(value),
  spend,
  anchorEligible,
});

const RULES: ConsolidationRules = {
  feeRateMax: feeRate(2_000n),
  coinsMin: 3,
  coinsMax: 100,
  coinsKept: 2,
  valueKeptPermille: 500,
  feeCapSats: sats(100_000n),
};

const decide = (
  coins: readonly Coin[],
  rules: Partial<ConsolidationRules> = {},
  rate = 1_000n,
): ConsolidationDecision =>
  decideConsolidation({ coins, feeRate: feeRate(rate), change: WPKH, rules: { ...RULES, ...rules } });

const chosen = (decision: ConsolidationDecision): bigint[] =>
  decision.kind === 'consolidate' ? decision.coins.map(({ valueSats }) => valueSats) : [];

/** 1,000 to 8,000 sat, and one of a million. */
const WALLET = [...Array.from({ length: 8 }, (_, i) => coin(i, BigInt(i + 1) * 1_000n)), coin(9, 1_000_000n)];

describe('decideConsolidation', () => {
  it('makes one of the least valuable coins, and leaves the most valuable free', () => {
    const decision = decide(WALLET);
    expect(chosen(decision)).toEqual([7_000n, 1_000n, 2_000n, 3_000n, 4_000n, 5_000n, 6_000n]);
    const weight = transactionWeight(Array<SpendKind>(7).fill(WPKH), [PLACEHOLDER_SCRIPT.wpkh]);
    const feeSats = feeFor(weight, feeRate(1_000n));
    expect(decision).toMatchObject({ weight, feeSats, outputSats: 28_000n - feeSats });
  });

  it.each<[string, Partial<ConsolidationRules>, bigint[]]>([
    ['no more than allowed', { coinsMax: 3 }, [3_000n, 1_000n, 2_000n]],
    ['no more than leaves enough coins', { coinsKept: 5 }, [4_000n, 1_000n, 2_000n, 3_000n]],
    ['no more than leaves enough value', { valueKeptPermille: 990 }, [4_000n, 1_000n, 2_000n, 3_000n]],
    ['no more than the fee may be', { feeCapSats: sats(250n) }, [3_000n, 1_000n, 2_000n]],
  ])('takes %s', (_what, rules, expected) => {
    expect(chosen(decide(WALLET, rules))).toEqual(expected);
  });

  it('leaves coins alone while fees are above the line, and too few of them', () => {
    expect(decide(WALLET, {}, 2_001n)).toEqual({ kind: 'leave', reason: 'FEES_ABOVE_LINE' });
    expect(decide(WALLET, {}, 2_000n).kind).toBe('consolidate');
    const tooFew = { kind: 'leave', reason: 'TOO_FEW_COINS' };
    expect(decide([])).toEqual(tooFew);
    expect(decide(WALLET.slice(0, 4))).toEqual(tooFew);
    expect(decide(WALLET, { coinsKept: 7 })).toEqual(tooFew);
    expect(decide(WALLET, { feeCapSats: sats(0n) })).toEqual(tooFew);
    expect(decide(WALLET, { valueKeptPermille: 1_000 })).toEqual(tooFew);
  });

  it('takes coins of one kind, worth their input, that may be in a lineage', () => {
    const dust = [coin(20, 60n), coin(21, 68n)];
    const other = [coin(22, 5_000n, TR), coin(23, 5_000n, TR), coin(24, 5_000n, TR)];
    const fresh = [coin(25, 900n, WPKH, false)];
    expect(chosen(decide([...dust, ...other, ...fresh, ...WALLET], { coinsMax: 3 }))).toEqual([3_000n, 1_000n, 2_000n]);
  });

  it('takes no more than fit into a transaction', () => {
    const many = Array.from({ length: 2_000 }, (_, i) => coin(i, 10_000n));
    const decision = decide(many, { coinsMax: 2_000, valueKeptPermille: 0 });
    expect(decision).toMatchObject({ kind: 'consolidate' });
    expect(chosen(decision).length).toBe(1_469);
  });

  it('conserves value, keeps to its rules, and ignores the order of the coins', () => {
    const wallets = fc.array(
      fc.record({
        value: fc.bigInt({ min: 1n, max: 40_000n }),
        kind: fc.constantFrom(WPKH, TR),
        eligible: fc.boolean(),
      }),
      { maxLength: 25 },
    );
    const rules = fc.record({
      coinsMax: fc.integer({ min: 0, max: 12 }),
      coinsKept: fc.integer({ min: 0, max: 12 }),
      valueKeptPermille: fc.integer({ min: 0, max: 1_000 }),
      feeCapSats: fc.bigInt({ min: 0n, max: 2_000n }).map(sats),
    });
    fc.assert(
      fc.property(wallets, rules, (list, limits) => {
        const coins = list.map(({ value, kind, eligible }, i) => coin(i, value, kind, eligible));
        const decision = decide(coins, limits);
        expect(decide(coins.toReversed(), limits)).toEqual(decision);
        if (decision.kind === 'leave') return;
        const sum = (all: readonly Coin[]): bigint => all.reduce((total, { valueSats }) => total + valueSats, 0n);
        expect(sum(decision.coins)).toBe(decision.outputSats + decision.feeSats);
        expect(decision.feeSats).toBeLessThanOrEqual(limits.feeCapSats);
        expect(decision.coins.length).toBeLessThanOrEqual(limits.coinsMax);
        expect(coins.length - decision.coins.length).toBeGreaterThanOrEqual(limits.coinsKept);
        expect((sum(coins) - sum(decision.coins)) * 1_000n).toBeGreaterThanOrEqual(
          sum(coins) * BigInt(limits.valueKeptPermille),
        );
        expect(new Set(decision.coins.map(({ spend }) => spend)).size).toBe(1);
        expect(decision.coins.every(({ anchorEligible }) => anchorEligible)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});
