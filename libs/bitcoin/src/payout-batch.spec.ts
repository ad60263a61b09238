import type { Sats } from '@finality/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Coin } from './coin-selection.ts';
import { feeRate, PLACEHOLDER_SCRIPT } from './fees.ts';
import { outpointKey, type Txid } from './ids.ts';
import { type BatchedPayout, type BatchPlan, type BatchRequest, planBatches } from './payout-batch.ts';

interface Payout extends BatchedPayout {
  readonly id: number;
}

const sats = (value: bigint): Sats => value as Sats;
const RATE = feeRate(2_000n);

const coin = (number: number, value: bigint): Coin => ({
  outpoint: { txid: number.toString(16).padStart(64, '0') as Txid, vout: 0 },
  valueSats: sats(value),
  spend: { type: 'wpkh' },
  anchorEligible: true,
});

const payout = (id: number, value: bigint, cap = 5_000n): Payout => ({
  id,
  valueSats: sats(value),
  script: PLACEHOLDER_SCRIPT.wpkh,
  feeCapSats: sats(cap),
});

const coins = (count: number, value: bigint): Coin[] => Array.from({ length: count }, (_, i) => coin(i, value));

type Plan = BatchPlan<Coin, Payout>;

function plan(
  available: readonly Coin[],
  payouts: readonly Payout[],
  more: Partial<BatchRequest<Coin, Payout>> = {},
): Plan {
  const feeCapSats = sats(10n ** 9n);
  return planBatches({ coins: available, payouts, feeRate: RATE, feeCapSats, change: { type: 'wpkh' }, ...more });
}

const idsOf = ({ batches, waiting }: Plan): unknown => ({
  paid: batches.map((batch) => batch.payouts.map(({ id }) => id)),
  waiting: waiting.map(({ payout: { id }, why }) => [id, why.reason]),
});

describe('planBatches', () => {
  it('pays all in one transaction where they fit', () => {
    const all = plan(coins(3, 100_000n), [payout(1, 50_000n), payout(2, 120_000n), payout(3, 80_000n)]);
    expect(idsOf(all)).toEqual({ paid: [[1, 2, 3]], waiting: [] });
  });

  it('splits what is too heavy for one, each with coins of its own', () => {
    // 4,000 WU: about 30 outputs with an input and change.
    const payouts = Array.from({ length: 70 }, (_, i) => payout(i, 10_000n));
    const { batches, waiting } = plan(coins(10, 400_000n), payouts, { weightMax: 4_000 });
    expect(waiting).toEqual([]);
    expect(batches).toHaveLength(3);
    for (const { selection } of batches) expect(selection.weight).toBeLessThanOrEqual(4_000);
    expect(batches.flatMap((batch) => batch.payouts)).toEqual(payouts);
  });

  it('pays whom the coins suffice for, and nobody behind the first whom they do not', () => {
    const first = [payout(1, 50_000n), payout(2, 30_000n), payout(3, 90_000n), payout(4, 1_000n)];
    expect(idsOf(plan(coins(1, 100_000n), first))).toEqual({
      paid: [[1, 2]],
      waiting: [
        [3, 'INSUFFICIENT_FUNDS'],
        [4, 'INSUFFICIENT_FUNDS'],
      ],
    });
    expect(idsOf(plan([], [payout(1, 1_000n)]))).toEqual({ paid: [], waiting: [[1, 'INSUFFICIENT_FUNDS']] });
    expect(plan(coins(1, 1_000n), [])).toEqual({ batches: [], waiting: [] });
  });

  it('lets alone wait whose share is above its cap, and dust', () => {
    const payouts = [payout(1, 50_000n), payout(2, 30_000n, 10n), payout(3, 100n), payout(4, 1_000n)];
    const mixed = plan(coins(5, 100_000n), payouts);
    expect(mixed.batches.flatMap((batch) => batch.payouts.map(({ id }) => id))).toEqual([1, 4]);
    expect(mixed.waiting.map(({ payout: { id }, why }) => [id, why.reason]).sort()).toEqual([
      [2, 'FEE_ABOVE_CAP'],
      [3, 'DUST_OUTPUT'],
    ]);
  });

  it('makes change rather than let shares grow above their caps', () => {
    // Without change 600 sat too much would be in the fee.
    const one = [payout(1, 99_000n, 500n)];
    const [batch] = plan([coin(1, 100_000n)], one, { longTermFeeRate: feeRate(20_000n) }).batches;
    expect(batch?.selection.changeSats).toBe(718n);
    expect(batch?.sharesSats).toEqual([282n]);
  });

  it('pays everybody once or lets him wait, to the satoshi, within every cap, whatever it is given', () => {
    const requests = fc.record({
      values: fc.array(fc.bigInt({ min: 1n, max: 300_000n }), { maxLength: 12 }),
      payouts: fc.array(fc.tuple(fc.bigInt({ min: 200n, max: 150_000n }), fc.bigInt({ min: 0n, max: 1_500n })), {
        maxLength: 12,
      }),
      rate: fc.bigInt({ min: 0n, max: 9_000n }),
      weightMax: fc.constantFrom(400_000, 1_500, 900),
    });
    fc.assert(
      fc.property(requests, ({ values, payouts: asked, rate, weightMax }) => {
        const payouts = asked.map(([value, cap], id) => payout(id, value, cap));
        const available = values.map((value, i) => coin(i, value));
        const { batches, waiting } = plan(available, payouts, { feeRate: feeRate(rate), weightMax });
        const served = [...batches.flatMap((batch) => batch.payouts), ...waiting.map((each) => each.payout)];
        expect(served.map(({ id }) => id).sort((a, b) => a - b)).toEqual(payouts.map(({ id }) => id));
        const spent = batches.flatMap(({ selection }) => selection.inputs.map(({ outpoint }) => outpointKey(outpoint)));
        expect(new Set(spent).size).toBe(spent.length);
        for (const batch of batches) checkBatch(batch, weightMax);
      }),
      { numRuns: 150 },
    );
  });

  function checkBatch({ payouts, selection, sharesSats }: Plan['batches'][number], weightMax: number): void {
    const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((total, amount) => total + amount, 0n);
    const { inputs, changeSats, feeSats, weight } = selection;
    const paid = sum(payouts.map(({ valueSats }) => valueSats));
    expect(sum(inputs.map(({ valueSats }) => valueSats))).toBe(paid + changeSats + feeSats);
    expect(sum(sharesSats)).toBe(feeSats);
    for (const [i, share] of sharesSats.entries()) expect(share).toBeLessThanOrEqual(payouts[i]!.feeCapSats);
    expect(weight).toBeLessThanOrEqual(weightMax);
    expect(payouts.map(({ id }) => id)).toEqual(payouts.map(({ id }) => id).toSorted((a, b) => a - b));
  }
});
