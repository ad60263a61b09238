import { type Sats, unwrap } from '@finality/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Coin } from './coin-selection.ts';
import { type FeeTerms, payeePartOf, payoutFees } from './fee-shares.ts';
import { feeFor, feeRate, PLACEHOLDER_SCRIPT, transactionWeight } from './fees.ts';
import type { Txid } from './ids.ts';
import { type QuotedPayout, type QuotedRequest, selectQuoted } from './quoted-selection.ts';

const { wpkh, tr } = PLACEHOLDER_SCRIPT;
const sats = (value: bigint): Sats => value as Sats;
const RATE = feeRate(5_000n);
const CAP = sats(20_000n);

function coinsOf(...values: readonly bigint[]): Coin[] {
  return values.map((valueSats, i) => ({
    outpoint: { txid: (i + 1).toString(16).padStart(64, '0') as Txid, vout: 0 },
    valueSats: sats(valueSats),
    spend: { type: 'wpkh' },
    anchorEligible: true,
  }));
}

const payout = (amountSats: bigint, bearer: FeeTerms['bearer'], payerMaxSats: bigint = CAP): QuotedPayout => ({
  script: wpkh,
  amountSats: sats(amountSats),
  bearer,
  shareMaxSats: CAP,
  payerMaxSats: sats(payerMaxSats),
});

const request = (coins: readonly Coin[], ...payouts: readonly QuotedPayout[]): QuotedRequest<Coin> => ({
  coins,
  payouts,
  feeRate: RATE,
  feeCapSats: sats(CAP * BigInt(payouts.length)),
  change: { type: 'wpkh' },
});

/** What the room costs that these coins and outputs take. */
const cost = (inputs: number, outputs: number): bigint =>
  feeFor(transactionWeight(Array(inputs).fill({ type: 'wpkh' }), Array(outputs).fill(wpkh)), RATE);

describe('selectQuoted', () => {
  it('pays the amount where the payer bears the fee', () => {
    const { payouts, feeSats, changeSats } = unwrap(selectQuoted(request(coinsOf(100_000n), payout(40_000n, 'payer'))));
    expect(payouts).toEqual([{ paidSats: 40_000n, payeeFeeSats: 0n }]);
    expect([feeSats, changeSats]).toEqual([cost(1, 2), 60_000n - cost(1, 2)]);
  });

  it('deducts the fee, or half of it, from what the payee gets', () => {
    const fee = cost(1, 2);
    const all = unwrap(selectQuoted(request(coinsOf(100_000n), payout(40_000n, 'payee'))));
    expect(all.payouts).toEqual([{ paidSats: 40_000n - fee, payeeFeeSats: fee }]);
    expect([all.feeSats, all.changeSats]).toEqual([fee, 60_000n]);
    const half = unwrap(selectQuoted(request(coinsOf(100_000n), payout(40_000n, 'shared'))));
    expect(half.payouts).toEqual([{ paidSats: 40_000n - fee / 2n, payeeFeeSats: fee / 2n }]);
    expect(half.changeSats).toBe(60_000n - (fee - fee / 2n));
  });

  it('empties a wallet: all its coins, and no satoshi more of the payer', () => {
    const coins = coinsOf(30_000n, 20_000n, 10_000n);
    const { inputs, payouts, feeSats, changeSats, droppedSats } = unwrap(
      selectQuoted(request(coins, payout(60_000n, 'payee', 0n))),
    );
    expect(inputs.length).toBe(3);
    expect([feeSats, changeSats, droppedSats]).toEqual([cost(3, 1), 0n, 0n]);
    expect(payouts[0]!.paidSats).toBe(60_000n - cost(3, 1));
  });

  it('leaves what is too little for change to the payer, apart from the quote', () => {
    const { payouts, feeSats, droppedSats, changeSats } = unwrap(
      selectQuoted(request(coinsOf(40_100n), payout(40_000n, 'payee'))),
    );
    expect([droppedSats, changeSats, feeSats]).toEqual([100n, 0n, cost(1, 1) + 100n]);
    expect(payouts[0]!.payeeFeeSats).toBe(cost(1, 1));
    // Nobody has agreed to that.
    expect(selectQuoted(request(coinsOf(40_100n), payout(40_000n, 'payee', 99n)))).toMatchObject({
      ok: false,
      error: { reason: 'FEE_ABOVE_CAP' },
    });
  });

  it('refuses an amount that its own fee eats up', () => {
    const eaten = selectQuoted(request(coinsOf(100_000n), payout(900n, 'payee')));
    expect(eaten).toMatchObject({ ok: false, error: { reason: 'DUST_OUTPUT' } });
  });

  it('refuses a share above its cap', () => {
    const little = { ...payout(40_000n, 'payee'), shareMaxSats: sats(cost(1, 2) - 1n) };
    const refused = selectQuoted(request(coinsOf(100_000n), little));
    expect(refused).toMatchObject({ ok: false, error: { reason: 'FEE_ABOVE_CAP' } });
  });

  const bearer = fc.constantFrom('payer' as const, 'payee' as const, 'shared' as const);
  const quoted = fc.record({
    script: fc.constantFrom(wpkh, tr),
    amountSats: fc.bigInt({ min: 3_000n, max: 90_000n }).map(sats),
    bearer,
    shareMaxSats: fc.constant(CAP),
    payerMaxSats: fc.bigInt({ min: 0n, max: CAP }).map(sats),
  });

  it('loses and makes up no satoshi: inputs are what is paid, change and fee; amounts what is paid and quoted', () => {
    const wallets = fc.array(fc.bigInt({ min: 400n, max: 120_000n }), { minLength: 1, maxLength: 12 });
    let found = 0;
    fc.assert(
      fc.property(
        wallets,
        fc.array(quoted, { minLength: 1, maxLength: 4 }),
        fc.bigInt({ min: 100n, max: 30_000n }),
        (values, payouts, rate) => {
          const asked = { ...request(coinsOf(...values), ...payouts), feeRate: feeRate(rate) };
          const selected = selectQuoted(asked);
          if (!selected.ok) return;
          found++;
          const { inputs, payouts: paid, changeSats, feeSats, droppedSats } = selected.value;
          const total = inputs.reduce((sum, { valueSats }) => sum + valueSats, 0n);
          const out = paid.reduce((sum, { paidSats }) => sum + paidSats, 0n);
          expect(out + changeSats + feeSats).toBe(total);
          expect(paid.map((each) => each.paidSats + each.payeeFeeSats)).toEqual(payouts.map((each) => each.amountSats));
          // The quote is what the room costs, to the satoshi, shared as any fee is.
          const scripts = payouts.map(({ script }) => script);
          const outputs = changeSats > 0n ? [...scripts, wpkh] : scripts;
          const weight = transactionWeight(
            inputs.map(({ spend }) => spend),
            outputs,
          );
          expect(feeSats - droppedSats).toBe(feeFor(weight, asked.feeRate));
          const fees = payoutFees({ feeSats, droppedSats, weight, scripts });
          expect(paid.map((each) => each.payeeFeeSats)).toEqual(
            fees.map((fee, i) => payeePartOf(sats(fee.feeSats - fee.droppedSats), payouts[i]!.bearer)),
          );
          for (const [i, fee] of fees.entries())
            expect(fee.feeSats - paid[i]!.payeeFeeSats).toBeLessThanOrEqual(payouts[i]!.payerMaxSats);
        },
      ),
      { numRuns: 150 },
    );
    expect(found).toBeGreaterThan(30);
  });
});
