import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { ledgerV1 } from '@finality/contracts';
import { createPool, silentLog } from '@finality/service';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { settlementService } from '@finality/settlement-app';
import { rebuildService, ServiceRuns } from '../rebuild/rebuild.ts';
import { refused } from './api.fixture.ts';
import { expectInOrder, onPlatform } from './e2e.fixture.ts';
import { until } from './wait.fixture.ts';

const run = promisify(execFile);
const ROOT = path.resolve(import.meta.dirname, '../../../..');
const NOBODYS_KEY = 'ab'.repeat(32);

onPlatform(
  'the sealed ledger',
  (e2e) => {
    let directory: string;
    beforeAll(() => {
      directory = mkdtempSync(path.join(tmpdir(), 'finality-proof-'));
    });
    afterAll(() => rmSync(directory, { recursive: true, force: true }));

    /** As whoever gets a proof would check it: the script alone, away from the project. */
    async function check(proof: unknown, publicKey: string): Promise<string> {
      const file = path.join(directory, 'proof.json');
      writeFileSync(file, JSON.stringify(proof));
      const script = path.join(ROOT, 'tools/ledger/verify-proof.mjs');
      const args = [script, file, '--public-key', publicKey];
      return run(process.execPath, args, { cwd: directory, env: {} }).then(
        ({ stdout }) => stdout,
        (error: { stderr: string }) => error.stderr,
      );
    }

    async function verify(...args: readonly string[]): Promise<{ code: number; out: string }> {
      const url = e2e().platform.databaseUrl('settlement');
      const whole = [
        '--import',
        './tools/register.mjs',
        'tools/ledger/main.ts',
        'verify',
        '--database-url',
        url,
        ...args,
      ];
      return run(process.execPath, whole, { cwd: ROOT }).then(
        ({ stdout }) => ({ code: 0, out: stdout }),
        ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({
          code,
          out: stdout + stderr,
        }),
      );
    }

    it('proves an entry to whoever knows the key, and to nobody else’s question', async () => {
      const [payer, payee] = [await e2e().bank(), await e2e().bank()];
      await payer.fund({ clearing: [1_000_000n] });
      await payer.settle({ to: payee, amountSats: 400_000n, mode: 'CENTRALIZED' });
      const entry = (await payer.entries('clearing')).find(({ amount }) => amount === 400_000n)!;
      const request = { institutionId: payer.id, transferId: entry.transferId };
      const proof = await until(
        'the entry is in a sealed segment',
        () => payer.api.ledger.getInclusionProof(request).catch(() => undefined),
        (found) => found !== undefined,
      );
      const { publicKey } = proof!.head!;
      const json = ledgerV1.InclusionProof.toJSON(proof!) as { entry: object; path: string[] };
      expect(await check(json, publicKey)).toContain('Proven: single of 400000 sat');
      expect(await check({ ...json, entry: { ...json.entry, amount: '400001' } }, publicKey)).toContain(
        'proves nothing: the entry isn’t in the segment',
      );
      expect(await check(json, NOBODYS_KEY)).toContain('isn’t signed by this key');
      expect(await check({}, publicKey)).toContain('it has no entry or no head');
      const { kind, reason } = (await refused(
        payer.api.ledger.getInclusionProof({ ...request, transferId: NOBODYS_KEY }),
      ))!;
      expect([kind, reason]).toEqual(['not_found', 'UNKNOWN_TRANSFER']);
      const foreign = await e2e().bank();
      expect(
        await refused(foreign.api.ledger.getInclusionProof({ ...request, institutionId: foreign.id })),
      ).toMatchObject({
        reason: 'UNKNOWN_TRANSFER',
      });
    });

    it('is a chain of signed heads that anybody may keep', async () => {
      const [payer, payee] = [await e2e().bank(), await e2e().bank()];
      await payer.fund({ clearing: [1_000_000n] });
      await payer.settle({ to: payee, amountSats: 1n, mode: 'CENTRALIZED' });
      const { heads } = await until(
        'there are two heads',
        () => payee.api.ledger.listLedgerHeads({ fromSegment: 0, pageSize: 10 }),
        (page) => page.heads.length > 1,
      );
      for (const [i, { head, publicKey }] of heads.entries()) {
        expect(head).toMatchObject({ segment: i + 1, epoch: 1 });
        expect(publicKey).toBe(heads[0]!.publicKey);
        expect(head!.firstEntry).toBe((heads[i - 1]?.head?.lastEntry ?? 0n) + 1n);
      }
      const one = await payee.api.ledger.listLedgerHeads({ fromSegment: 1, pageSize: 1 });
      expect(one).toMatchObject({ heads: [heads[0]], nextSegment: 2 });
    });

    it('has heads in the Bitcoin chain, that a node is asked for', async () => {
      await (await e2e().bank()).fund({ clearing: [1_000_000n] });
      const anchors = async (): Promise<readonly ledgerV1.LedgerHeadAnchor[]> =>
        (await e2e().operator.ledger.listLedgerHeads({ fromSegment: 0, pageSize: 1_000 })).anchors;
      await until('a head is on its way', anchors, (found) => found.some(({ txid }) => txid !== ''));
      const final = ledgerV1.LedgerHeadAnchorStatus.LEDGER_HEAD_ANCHOR_STATUS_FINAL;
      const [anchor] = await until(
        'a head is final',
        async () => {
          await e2e().outside.mine(1);
          return (await anchors()).filter(({ status }) => status === final);
        },
        (found) => found.length > 0,
      );
      const { url, user, password } = e2e().platform.chain.rpc;
      const nodeUrl = Object.assign(new URL(url), { username: user, password }).href;
      const { code, out } = await verify('--node-url', nodeUrl, '--json');
      expect(code).toBe(0);
      const { found, last } = (JSON.parse(out) as { anchors: { found: number; last: { segment: number } } }).anchors;
      expect([found >= 1, last.segment >= anchor!.segment]).toEqual([true, true]);
      await expectInOrder(e2e());
    });

    it('isn’t built anew while the service runs', async () => {
      const url = e2e().platform.databaseUrl('settlement');
      await expect(rebuildService(settlementService, { url, network: 'regtest' }, () => 0)).rejects.toThrow(
        ServiceRuns,
      );
    });

    it('is recomputed by a command that names the first difference', async () => {
      const { heads } = await e2e().operator.ledger.listLedgerHeads({ fromSegment: 0, pageSize: 1 });
      const { publicKey } = heads[0]!;
      const whole = await verify('--public-key', publicKey, '--json');
      expect(whole).toMatchObject({ code: 0 });
      expect(JSON.parse(whole.out)).toMatchObject({ ok: true, ledger: { publicKey } });
      expect((await verify()).out).toMatch(
        /^Everything fits: \d+ events, \d+ entries on \d+ accounts, \d+ sealed segments/,
      );
      expect(await verify('--public-key', NOBODYS_KEY)).toMatchObject({
        code: 1,
        out: expect.stringContaining('segment 1, signature') as string,
      });
      expect((await verify('--database-url', 'postgres://127.0.0.1:1/x')).code).toBe(69);
      await widen(e2e().platform.databaseUrl('settlement'), 1n);
      const found = await verify('--json');
      expect(found.code).toBe(1);
      expect(JSON.parse(found.out)).toMatchObject({ ok: false, field: expect.stringMatching(/_posted$/) as string });
      await widen(e2e().platform.databaseUrl('settlement'), -1n);
      expect(await verify()).toMatchObject({ code: 0 });
    });
  },
  { environment: { LEDGER_SEAL_SECONDS: '1', LEDGER_ANCHOR_SECONDS: '4' } },
);

/** A balance that no transfer explains, made by whoever has the service's password. */
async function widen(url: string, by: bigint): Promise<void> {
  const pool = createPool(url, { applicationName: 'tamper', log: silentLog });
  await pool.query(
    `UPDATE ledger_accounts SET credits_posted = credits_posted + $1 WHERE id = (SELECT min(id) FROM ledger_accounts WHERE id LIKE 'clearing/%/available')`,
    [String(by)],
  );
  await pool.end();
}
