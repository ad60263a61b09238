import { expect, it } from 'vitest';
import { NOTHING } from './bank.fixture.ts';
import { expectInOrder, onPlatform } from './e2e.fixture.ts';
import { until } from './wait.fixture.ts';
import { AT_ONCE_SATS, bumpedPayouts, UNCOOLED } from './suites/payouts.fixture.ts';

const COUNT = 3;
const SMALL_COINS = 3;
/** Those that stay free for payouts meanwhile. */
const COINS_KEPT = 10;

onPlatform(
  'payouts',
  (e2e) => {
    bumpedPayouts(e2e);

    it('pay the feerate that is fixed, which is what EstimateFees says', async () => {
      const payer = await e2e().bank({ wallet: 'none' });
      const { estimates } = await until(
        'the node has estimated',
        () => payer.api.settlements.estimateFees({}),
        ({ estimatedAt }) => estimatedAt !== undefined,
      );
      expect(estimates).toMatchObject([
        {
          target: 'fast',
          satPerVb: '2',
          feeRateSatsPerKvb: 2_000n,
          blocks: 2,
          expectedDelaySeconds: 1_200,
          basis: 'fixed',
        },
        { target: 'normal', satPerVb: '2', feeRateSatsPerKvb: 2_000n, blocks: 6, expectedDelaySeconds: 3_600 },
        { target: 'slow', satPerVb: '2', feeRateSatsPerKvb: 2_000n, blocks: 144, expectedDelaySeconds: 86_400 },
      ]);
    });

    it('of one wallet share a transaction once there are enough of them, each with its share of the fee', async () => {
      const payer = await e2e().bank();
      const payees = [await e2e().bank(), await e2e().bank({ wallet: 'tr' }), await e2e().bank()];
      await payer.fund({ wallet: [5_000_000n] });
      const amounts = [400_000n, 500_000n, 600_000n];
      const submitted = [];
      for (const [i, to] of payees.entries())
        submitted.push(await payer.submit({ to, amountSats: amounts[i]!, mode: 'BILATERAL' }));
      const executing = [];
      for (const { settlementId } of submitted) executing.push(await payer.executing(settlementId));
      expect(new Set(executing.map(({ txid }) => txid)).size).toBe(1);
      const fees = executing.map(({ feeSats }) => feeSats);
      expect([fees[0]! === fees[2]! || fees[0]! === fees[2]! + 1n, fees[1]! > fees[0]!]).toEqual([true, true]);
      await e2e().outside.mine(3);
      for (const { settlementId } of submitted) await payer.settlement(settlementId, 'SETTLED');
      for (const [i, payee] of payees.entries())
        expect(await payee.balance('wallet')).toEqual({ ...NOTHING, available: amounts[i]! });
      const total = [...amounts, ...fees].reduce((sum, each) => sum + each, 0n);
      expect(await payer.balance('wallet')).toEqual({ ...NOTHING, available: 5_000_000n - total });
      await expectInOrder(e2e());
    });

    it('that wait for others can be cancelled, and the others are paid', async () => {
      const [payer, payee] = [await e2e().bank(), await e2e().bank()];
      await payer.fund({ wallet: [5_000_000n] });
      const orders = [];
      for (const amountSats of [100_000n, 200_000n])
        orders.push(await payer.submit({ to: payee, amountSats, mode: 'BILATERAL' }));
      for (const { settlementId } of orders) await payer.settlement(settlementId, 'RESERVED');
      const [{ settlementId }] = orders as [(typeof orders)[number]];
      await payer.api.settlements.cancelSettlement({ idempotencyKey: 'cancel', settlementId, reason: 'no more' });
      for (const amountSats of [300_000n, 400_000n])
        orders.push(await payer.submit({ to: payee, amountSats, mode: 'BILATERAL' }));
      await payer.executing(orders.at(-1)!.settlementId);
      await e2e().outside.mine(3);
      for (const order of orders.slice(1)) await payer.settlement(order.settlementId, 'SETTLED');
      await payer.settlement(settlementId, 'CANCELLED');
      expect(await payee.balance('wallet')).toEqual({ ...NOTHING, available: 900_000n });
      await expectInOrder(e2e());
    });
    it('have fewer, larger coins to choose from while fees are low: small ones become one, at their owner’s expense', async () => {
      const owner = await e2e().bank();
      const small = Array.from({ length: SMALL_COINS + COINS_KEPT - 1 }, () => 20_000n);
      await owner.fund({ wallet: [5_000_000n, ...small] });
      const fundedSats = 5_000_000n + 20_000n * BigInt(small.length);
      const { inFlight } = await until(
        'a consolidation is under way',
        () => owner.balance('wallet'),
        (balance) => balance.inFlight > 0n,
      );
      expect(await owner.balance('wallet')).toEqual({ ...NOTHING, available: fundedSats - inFlight, inFlight });
      // Three P2WPKH inputs and an output: 246 virtual bytes, at 2 sat/vB.
      expect(inFlight).toBe(492n);
      await until(
        'the consolidation is in the mempool',
        () => e2e().outside.node.mempoolTxids(),
        (txids) => txids.length === 1,
      );
      await e2e().outside.mine(1);
      await until(
        'the consolidation is in a block',
        () => owner.balance('wallet'),
        (balance) => balance.inFlight === 0n,
      );
      expect(await owner.balance('wallet')).toEqual({ ...NOTHING, available: fundedSats - inFlight });
      await expectInOrder(e2e());
    });
  },
  {
    environment: {
      ...UNCOOLED,
      PAYOUT_BATCH_SECONDS: '600',
      PAYOUT_BATCH_COUNT: String(COUNT),
      PAYOUT_BATCH_SATS: String(AT_ONCE_SATS),
      CONSOLIDATE_BELOW_SAT_PER_VB: '2',
      CONSOLIDATE_FROM_COINS: String(SMALL_COINS),
    },
  },
);
