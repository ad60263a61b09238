import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { hexFromBytes } from '@finality/bitcoin';
import { addressV1, settlementV1 } from '@finality/contracts';
import { createPool, silentLog, systemRuntime } from '@finality/service';
import { openSeed } from '@finality/signer-app';
import { drill, type DrillResult } from '@finality/tools/recover/drill.ts';
import { expect, it } from 'vitest';
import { refused } from './api.fixture.ts';
import { Outliving } from './backup.fixture.ts';
import { Bank, freshKey, NOTHING } from './bank.fixture.ts';
import { type E2e, expectInOrder, onPlatform } from './e2e.fixture.ts';
import { AMOUNT_SATS, DEPOSIT_SATS, fund, give, ownBank, OwnWallet, prepare } from './own-wallet.fixture.ts';
import { expectRebuilt } from './rebuilt.fixture.ts';
import { BLUEPRINTS } from '../services.ts';
import { until } from './wait.fixture.ts';

const { RecoveryStatus } = settlementV1;
const outliving = new Outliving();
const own = new OwnWallet('wsh(sortedmulti)');

onPlatform(
  'a settlement store that is restored from an older copy',
  (e2e) => {
    it('learns what was signed since, pays nothing twice, and agrees with the chain', async () => {
      const [payer, payee] = [await e2e().bank(), await e2e().bank({ wallet: 'tr' })];
      const owner = await ownBank(e2e(), own);
      await fund(e2e(), owner, own);
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
      const lastIssued = await payer.issued('clearing');
      const byOwner = { to: payee, amountSats: AMOUNT_SATS, mode: 'BLOCKCHAIN', key: 'by owner' } as const;
      const { settlementId: ownId } = await owner.submit(byOwner);
      await owner.settlement(ownId, 'AWAITING_SIGNATURE');
      const handedOut = await prepare(owner, ownId);

      await e2e().restart({
        meanwhile: async () => {
          for (const service of BLUEPRINTS) await expectRebuilt(service, outliving.url);
          await restore();
        },
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
        importedTransactions: 4,
        differences: [],
      });

      // Whoever gets the next one isn't paid what is meant for somebody before.
      expect((await from.issued('clearing')).index).toBeGreaterThan(lastIssued.index + 100);
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
      // What was handed out since the copy is what its owner signs, whole or again.
      const payingOwner = reconnected(e2e(), owner);
      expect(await payingOwner.submit(byOwner)).toMatchObject({ settlementId: ownId, txid: handedOut.txid });
      expect(await prepare(payingOwner, ownId)).toMatchObject({ psbt: handedOut.psbt, version: 1 });
      await give(payingOwner, ownId, own.sign(handedOut.psbt, 0));
      await give(payingOwner, ownId, own.sign(handedOut.psbt, 1));
      await e2e().outside.inMempool(handedOut.txid);
      await e2e().outside.mine(6);
      const { feeSats: ownFeeSats } = await payingOwner.settlement(ownId, 'SETTLED');
      const left = DEPOSIT_SATS - AMOUNT_SATS - ownFeeSats;
      expect(await payingOwner.balance('wallet')).toEqual({ ...NOTHING, available: left });
      const ends = [];
      for (const { settlementId } of [old, pending, paid, late])
        ends.push(await from.settlement(settlementId, 'SETTLED'));
      const next = await from.settle({ to, amountSats: 500_000n, mode: 'BILATERAL' });

      const fees = [...ends, next].reduce((sum, { feeSats }) => sum + feeSats, 0n);
      expect(await to.balance('wallet')).toEqual({ ...NOTHING, available: 1_500_000n + AMOUNT_SATS });
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

    it('has no coins but those that the seed and the descriptors alone bring back', async () => {
      const { platform, signer, operator } = e2e();
      const pool = createPool(platform.databaseUrl('signer'), { applicationName: 'drill', log: silentLog });
      const seed = await openSeed({ pool, config: signer, runtime: systemRuntime() }).finally(() => pool.end());
      const { institutions } = await operator.institutions.listInstitutions({ pageSize: 100, pageToken: '' });
      const owners = ['platform', ...institutions.map(({ institutionId }) => institutionId)];
      const directory = mkdtempSync(path.join(tmpdir(), 'finality-drill-'));
      try {
        const seedFile = path.join(directory, 'seed');
        writeFileSync(seedFile, hexFromBytes(seed), { mode: 0o600 });
        const files: string[] = [];
        for (const institutionId of owners) {
          const listed = await operator.addresses.listWallets({ institutionId, pageSize: 100, pageToken: '' });
          files.push(path.join(directory, institutionId));
          writeFileSync(files.at(-1)!, JSON.stringify(addressV1.ListWalletsResponse.toJSON(listed)));
        }
        const { url, user, password } = platform.chain.rpc;
        const node = new URL(url);
        [node.username, node.password] = [user, password];
        const places = ['--seed-file', seedFile, '--node-url', node.href, '--database-url', outliving.url];
        const found = await run([...places, ...files.flatMap((file) => ['--wallets', file])]);
        expect(found).toMatchObject({ code: 0 });
        const result = JSON.parse(found.text) as DrillResult;
        // The keys of one are its owner's: this seed finds nothing of it.
        expect([result.foreign.length, result.differences]).toEqual([1, []]);
        expect(result.wallets.length).toBeGreaterThanOrEqual(3);
        expect(result.wallets.every(({ coins }) => coins > 0)).toBe(true);
        const ledger = createPool(outliving.url, { applicationName: 'drill', log: silentLog });
        const asked = { network: 'regtest', seed, wallets: [], node: platform.chain.node, pool: ledger } as const;
        const lacking = await drill({ ...asked, gapLimit: 1, onProgress: () => undefined }).finally(() => ledger.end());
        expect(lacking.differences).toHaveLength(result.wallets.reduce((sum, { coins }) => sum + coins, 0));
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    });
  },
  { node: outliving },
);

/** The command, as a person gives it. */
function run(args: readonly string[]): Promise<{ readonly code: number; readonly text: string }> {
  const script = path.resolve(import.meta.dirname, '../../../../tools/run.mjs');
  return new Promise((resolve) => {
    execFile(process.execPath, [script, 'recover', ...args, '--gap-limit', '130', '--json'], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), text: stdout === '' ? stderr : stdout }),
    );
  });
}

/** The same institution over a line to where the platform is now. */
const reconnected = (e2e: E2e, { id, apiKey, keyId, wallet }: Bank): Bank =>
  new Bank(e2e, { id, apiKey, keyId, wallet });
