import { execFile } from 'node:child_process';
import path from 'node:path';
import { expect, it } from 'vitest';
import { freshKey } from '../bank.fixture.ts';
import type { E2e } from '../e2e.fixture.ts';

const RUN = path.resolve(import.meta.dirname, '../../../../../tools/run.mjs');

interface Said {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `npm run call`, which knows of the platform what reflection says, and nothing else. */
function call(...args: readonly string[]): Promise<Said> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [RUN, 'call', ...args], (_error, stdout, stderr) => {
      resolve({ code: child.exitCode, stdout, stderr });
    });
  });
}

/** A generic client: what holds whatever the services run on. */
export function genericClient(e2e: () => E2e): void {
  const at = (): string[] => ['--address', e2e().address];

  it('lists what can be called', async () => {
    const { code, stdout } = await call('--list', ...at());
    expect(code).toBe(0);
    expect(stdout.split('\n')).toContain('finality.settlement.v1.SettlementService/SubmitSettlement');
    expect(stdout).not.toContain('Internal');
    expect(stdout).not.toContain('finality.signing');
  });

  it('submits, reads and streams, amounts in full', async () => {
    const payer = await e2e().bank({ wallet: 'none', creditLineSats: 2n * 10n ** 15n });
    const payee = await e2e().bank({ wallet: 'none' });
    const request = (amount: bigint, key = freshKey()): string =>
      JSON.stringify({
        idempotency_key: key,
        from_institution: payer.id,
        to_institution: payee.id,
        amount_sats: `${amount}`,
        settlement_mode: 'SETTLEMENT_MODE_CENTRALIZED',
      });
    const submitted = await call('SubmitSettlement', request(1_000n), '--key', payer.apiKey, ...at());
    expect(submitted).toMatchObject({ code: 0, stderr: '' });
    const { settlement_id: id } = JSON.parse(submitted.stdout) as { settlement_id: string };
    await payer.settlement(id, 'SETTLED');
    const read = await call('GetSettlement', JSON.stringify({ settlement_id: id }), '--key', payee.apiKey, ...at());
    expect(JSON.parse(read.stdout)).toMatchObject({ status: 'SETTLEMENT_STATUS_SETTLED', amount_sats: '1000' });
    const many = await call('SubmitSettlements', request(1n), request(0n), '--key', payer.apiKey, ...at());
    const [good, bad] = many.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(good).toMatchObject({ index: '0', settlement: { amount_sats: '1' } });
    expect(bad).toMatchObject({ index: '1', error: { code: 3 } });
  });

  it('shows why a call is refused', async () => {
    const bank = await e2e().bank({ wallet: 'none' });
    const refused = await call('ListSettlements', '{"page_size":1001}', '--key', bank.apiKey, ...at());
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/^INVALID_ARGUMENT: .*\n {2}reason: INVALID_ARGUMENT\n {2}page_size: expected/);
    expect(await call('ListSettlements', ...at())).toMatchObject({ code: 1, stdout: '' });
    expect(await call('GetVerdict', ...at())).toMatchObject({ code: 64, stdout: '' });
    expect(await call('ListSettlements', '{"page_siez":1}', ...at())).toMatchObject({ code: 64, stdout: '' });
  });
}
