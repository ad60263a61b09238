import { settlementV1 } from '@finality/contracts';
import { expect, it } from 'vitest';
import { refused } from './api.fixture.ts';
import { Outliving } from './backup.fixture.ts';
import { Bank, freshKey, NOTHING } from './bank.fixture.ts';
import { type E2e, expectInOrder, onPlatform } from './e2e.fixture.ts';
import { until } from './wait.fixture.ts';

const { RecoveryStatus } = settlementV1;
const outliving = new Outliving();

onPlatform(
  'a settlement store that is restored from an older copy',
  (e2e) => {
    it('learns what was signed since, pays nothing twice, and agrees with the chain', async () => {
      const [payer, payee] = [await e2e().bank(), await e2e().bank({ wallet: 'tr' })];
      await payer.fund({ wallet: [2_000_000n, 3_000_000n, 4_000_000n], clearing: [500_000n] });
      const old = await payer.settle({ to: payee, amountSats: 100_000n, mode: 'BILATERAL' });
      const pending = await payer.submit({ to: payee, amountSats: 200_000n, mode: 'BLOCKCHAIN' });
      await payer.executing(pending.settlementId);
      const restore = await outliving.copy('settlement');
      const { nextPageToken } = await payer.api.settlements.listSettlements({ pageSize: 1, pageToken: '' });
      expect(nextPageToken).not.toBe('');

      const lost = { to: payee, amountSats: 300_000n, mode: 'BILATERAL', key: 'lost', reference: 'invoice 7' } as const;
      const waiting = { to: payee, amountSats: 400_000n, mode: 'BLOCKCHAIN', key: 'waiting' } as const;
      const cleared = { to: payee, amountSats: 50_000n, mode: 'CENTRALIZED', key: 'cleared' } as const;
      const [bumped] = [
        await payer.api.settlements.bumpFee({
          idempotencyKey: freshKey(),
          settlementId: pending.settlementId,
          feeRateSatsPerKvb: 10_000n,
        }),
      ];
      const dearer = await payer.replaced(pending.settlementId, bumped.txid!);
      await e2e().outside.inMempool(dearer.txid);
      const paid = await payer.settle(lost);
      const late = await payer.submit(waiting);
      const inMempool = await payer.executing(late.settlementId);
      await payer.settle(cleared);
      await payer.fund({ wallet: [1_000_000n] });

      await e2e().restart({
        meanwhile: restore,
        readiness: ({ checks }) => checks['settlement/recovery']?.detail?.['status'] === 'reconciling',
      });
      const [from, to] = [reconnected(e2e(), payer), reconnected(e2e(), payee)];
      expect((await fetch(`${e2e().http}/readyz`)).status).toBe(503);
      const refusals = [await refused(from.submit(lost)), await refused(from.submit(cleared))];
      expect(refusals.map((refusal) => refusal?.reason)).toEqual(['RECOVERING', 'RECOVERING']);
      const stale = await refused(from.api.settlements.listSettlements({ pageSize: 1, pageToken: nextPageToken }));
      expect([stale?.reason, stale?.fields?.map(({ field }) => field)]).toEqual(['INVALID_ARGUMENT', ['page_token']]);
      const { operations } = e2e().operator;
      expect(await operations.getRecovery({})).toMatchObject({
        status: RecoveryStatus.RECOVERY_STATUS_RECONCILING,
        epoch: 2,
        importedTransactions: 3,
        differences: [],
      });

      await e2e().reconcile();
      await until(
        'it is over',
        () => operations.getRecovery({}),
        ({ status }) => status === RecoveryStatus.RECOVERY_STATUS_NORMAL,
      );
      await until(
        'it pays again',
        async () => (await fetch(`${e2e().http}/readyz`)).status,
        (code) => code === 200,
      );
      expect(await from.submit(lost)).toMatchObject({
        settlementId: paid.settlementId,
        txid: paid.txid,
        referenceId: 'invoice 7',
      });
      expect(await from.submit(waiting)).toMatchObject({ settlementId: late.settlementId, txid: inMempool.txid });
      expect((await refused(from.submit({ ...lost, amountSats: 300_001n })))?.reason).toBe('IDEMPOTENCY_KEY_REUSED');
      await from.settle(cleared);
      await e2e().outside.mine(6);
      const ends = [];
      for (const { settlementId } of [old, pending, paid, late])
        ends.push(await from.settlement(settlementId, 'SETTLED'));
      const next = await from.settle({ to, amountSats: 500_000n, mode: 'BILATERAL' });

      const fees = [...ends, next].reduce((sum, { feeSats }) => sum + feeSats, 0n);
      expect(await to.balance('wallet')).toEqual({ ...NOTHING, available: 1_500_000n });
      expect(await to.balance('clearing')).toEqual({ ...NOTHING, available: 50_000n });
      await until(
        'the deposit that was lost is credited',
        () => from.balance('wallet'),
        ({ incoming }) => incoming === 0n,
      );
      expect(await from.balance('wallet')).toEqual({ ...NOTHING, available: 10_000_000n - 1_500_000n - fees });
      expect(await to.deposits()).toEqual([]);
      expect(await operations.listIncidents({})).toEqual({ incidents: [] });
      await expectInOrder(e2e());
    });
  },
  { node: outliving },
);

/** The same institution over a line to where the platform is now. */
const reconnected = (e2e: E2e, { id, apiKey, keyId, wallet }: Bank): Bank =>
  new Bank(e2e, { id, apiKey, keyId, wallet });
