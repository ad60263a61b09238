import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { ledgerV1, toTimestamp } from '@finality/contracts';
import type { Instant } from '@finality/kernel';
import { credentials } from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { refused } from '../api.fixture.ts';
import { type Bank, NOTHING } from '../bank.fixture.ts';
import { type E2e, expectInOrder } from '../e2e.fixture.ts';
import { Received } from '../streams.fixture.ts';

const RUN = path.resolve(import.meta.dirname, '../../../../../tools/run.mjs');

type Line = ledgerV1.StatementEntry;

/** Statements: what holds whatever the services run on. */
export function statements(e2e: () => E2e): void {
  const availableOf = (bank: Bank): string => `clearing/${bank.id}/available`;
  const moved = (lines: readonly Line[]): bigint => lines.reduce((sum, { credit, debit }) => sum + credit - debit, 0n);

  /** Two banks that have paid each other. */
  async function acquainted(): Promise<[Bank, Bank]> {
    const payer = await e2e().bank({ wallet: 'none', creditLineSats: 1_000_000n });
    const payee = await e2e().bank({ wallet: 'none' });
    for (const [i, amountSats] of [1_000n, 200n, 30n].entries())
      await payer.settle({ to: payee, amountSats, mode: 'CENTRALIZED', reference: `invoice ${i}` });
    await payee.settle({ to: payer, amountSats: 4n, mode: 'CENTRALIZED', reference: '=HYPERLINK("x"),"y"' });
    return [payer, payee];
  }

  it('fit together page by page, whatever is posted meanwhile', async () => {
    const [payer, payee] = await acquainted();
    const request = { account: availableOf(payee), pageSize: 2 };
    const first = await payee.api.ledger.getStatement({ ...request, pageToken: '' });
    await payer.settle({ to: payee, amountSats: 500n, mode: 'CENTRALIZED' });
    const second = await payee.api.ledger.getStatement({ ...request, pageToken: first.nextPageToken });
    expect(second.summary).toEqual(first.summary);
    expect(second.nextPageToken).toBe('');
    const lines = [...first.entries, ...second.entries];
    expect(lines.map(({ credit, debit, balance }) => [credit - debit, balance])).toEqual([
      [1_000n, 1_000n],
      [200n, 1_200n],
      [30n, 1_230n],
      [-4n, 1_226n],
    ]);
    expect(lines.map(({ referenceId }) => referenceId)).toContain('invoice 2');
    expect(new Set(lines.map(({ counterAccount }) => counterAccount))).toEqual(new Set(['ccp']));
    expect(first.summary).toMatchObject({ openingBalance: 0n, closingBalance: 1_226n, debits: 4n });
    const other = { account: availableOf(payer), pageSize: 2, pageToken: first.nextPageToken };
    expect(await refused(payer.api.ledger.getStatement(other))).toMatchObject({ fields: [{ field: 'page_token' }] });
    await expectInOrder(e2e());
  });

  it('of adjoining periods open with what the one before closed with, and agree with balances at those times', async () => {
    const [payer, payee] = await acquainted();
    const account = availableOf(payer);
    const { entries } = await payer.api.ledger.getStatement({ account, pageSize: 0, pageToken: '' });
    const [toTime] = entries.slice(2).map(({ recordedAt }) => recordedAt);
    const page = { account, pageSize: 0, pageToken: '' };
    const before = await payer.api.ledger.getStatement({ ...page, toTime });
    const after = await payer.api.ledger.getStatement({ ...page, fromTime: toTime });
    expect(before.summary).toMatchObject({ isFinal: true, closingBalance: -1_200n });
    expect(after.summary).toMatchObject({ isFinal: false, openingBalance: -1_200n, closingBalance: -1_226n });
    expect(moved(before.entries)).toBe(-1_200n);
    expect(moved(after.entries)).toBe(-26n);
    const then = await payer.api.ledger.getBalances({ institutionId: payer.id, at: toTime });
    expect(then).toEqual({
      balances: [{ claim: 'clearing', unit: 'BTC', ...NOTHING, available: -1_200n }],
      throughEntry: before.summary!.throughEntry,
    });
    const atFirst = { institutionId: payer.id, at: toTimestamp(1 as Instant) };
    const nothing = await payer.api.ledger.getBalances(atFirst);
    expect(nothing).toEqual({ balances: [{ claim: 'clearing', unit: 'BTC', ...NOTHING }], throughEntry: 0n });
    expect(await payee.balance('clearing')).toMatchObject({ available: 1_226n });
  });

  it('of all accounts add up to zero', async () => {
    await acquainted();
    const { ledger } = e2e().operator;
    const accounts: ledgerV1.AccountTotals[] = [];
    const through = new Set<bigint>();
    let pageToken = '';
    do {
      const page = await ledger.listBalances({ institutionId: '', pageSize: 3, pageToken });
      accounts.push(...page.accounts);
      through.add(page.throughEntry);
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    expect(through.size).toBe(1);
    expect(accounts.length).toBeGreaterThan(3);
    expect(accounts.reduce((sum, { balance }) => sum + balance, 0n)).toBe(0n);
    expect(accounts.find(({ account }) => account === 'ccp')).toMatchObject({ balance: 0n });
  });

  it('come in one stream, and as a CSV file', async () => {
    const [, payee] = await acquainted();
    const account = availableOf(payee);
    const client = new ledgerV1.LedgerServiceClient(e2e().address, credentials.createInsecure());
    const stream = new Received(
      client.streamStatement(
        { account, format: ledgerV1.StatementFormat.STATEMENT_FORMAT_MESSAGES },
        payee.api.metadata,
      ),
    );
    expect(await stream.end()).toMatchObject({ code: 0 });
    client.close();
    const { summary, entries } = await payee.api.ledger.getStatement({ account, pageSize: 0, pageToken: '' });
    expect(stream.messages.map((part) => part.summary ?? part.entry)).toEqual([summary, ...entries]);
    const request = JSON.stringify({ account, format: 'STATEMENT_FORMAT_CSV' });
    const args = ['call', 'StreamStatement', request, '--key', payee.apiKey, '--address', e2e().address];
    const { stdout } = await promisify(execFile)(process.execPath, [RUN, ...args, '--field', 'csv']);
    const lines = stdout.split('\r\n');
    expect(lines.map((line) => line.split(',')[0])).toEqual([
      'line',
      'opening',
      ...entries.map(() => 'entry'),
      'closing',
      '',
    ]);
    expect(lines.find((line) => line.includes('HYPERLINK'))).toContain(
      `,"'=HYPERLINK(""x""),""y""",ccp,4,0,4,1226,0,0,BTC`,
    );
    expect(lines.at(-2)).toBe(`closing,${summary?.throughEntry},,,,,,,,,4,1230,,1226,0,0,BTC`);
  });
}
