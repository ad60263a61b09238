import { type OutpointKey, type ParsedTransaction } from '@finality/bitcoin';
import { type ledgerV1, reconciliationV1, signingV1 } from '@finality/contracts';
import { refusalOf } from '@finality/service';
import { type TestDatabase, testDatabase } from '@finality/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ReconciliationRig, testWallet } from './reconciliation-rig.fixture.ts';

const { BreakKind } = reconciliationV1;
const VALUE = 50_000n;

/** Open all the time: the last database closed would stop the server. */
let keepsServer: TestDatabase;
let rig: ReconciliationRig;
const wallet = testWallet('wallet-a', 1);

beforeAll(async () => {
  keepsServer = await testDatabase([]);
});
afterAll(() => keepsServer.close());
beforeEach(async () => {
  rig = await ReconciliationRig.start();
});
afterEach(() => rig.stop());

const keyOf = (transaction: ParsedTransaction, vout = 0): OutpointKey => `${transaction.txid}:${vout}` as OutpointKey;

const coinOf = (transaction: ParsedTransaction, walletId = 'wallet-a'): Partial<ledgerV1.Coin> => {
  const { script, valueSats } = transaction.outputs[0]!;
  return { outpoint: keyOf(transaction), walletId, valueSats, script };
};

/** A deposit to an address of the wallet, in a block of its own. */
function deposit(index = 0, of = wallet): ParsedTransaction {
  const transaction = rig.payment(of.script(0, index), VALUE);
  rig.mine(1, rig.miner, [transaction]);
  return transaction;
}

const summary = ({ checked, matched, breaks }: reconciliationV1.Report): readonly unknown[] => [
  checked,
  matched,
  breaks.map(({ kind, subject }) => [kind, subject]),
];

const refused = async (call: Promise<unknown>): Promise<string> => {
  const refusal = refusalOf(await call.then(() => undefined).catch((error: unknown) => error));
  return refusal ? [refusal.kind, ...(refusal.fields ?? []).map(({ field }) => field)].join(' ') : 'not refused';
};

describe('a run', () => {
  it('agrees with the chain, is stored, published, and found again', async () => {
    await rig.addWallet(wallet);
    const coins = [coinOf(deposit(0)), coinOf(deposit(9))];
    rig.cut = () => rig.cutOf(coins);
    await rig.settle();
    const report = await rig.run('first');
    // The sum, one wallet, two coins.
    expect(summary(report)).toEqual([4n, 4n, []]);
    expect(report.cut).toEqual({
      ledgerPosition: 107n,
      height: 107,
      blockHash: rig.simulator.chain.tip.hash,
      signerJournalPosition: 0n,
    });
    expect(await rig.getReport(report.reportId)).toEqual(report);
    expect((await rig.runCompleted()).map((message) => message.report)).toEqual([report]);
  });

  it('sees the chain as it was at the cut’s block', async () => {
    await rig.addWallet(wallet);
    const received = deposit();
    const before = rig.cutOf([coinOf(received)]);
    const spent = wallet.spend(keyOf(received), VALUE, 0, wallet.script(1, 4));
    rig.mine(1, rig.miner, [spent]);
    const after = rig.cutOf([coinOf(spent)]);
    await rig.settle();
    for (const cut of [before, after]) {
      rig.cut = () => cut;
      expect(summary(await rig.run(`at ${cut.height}`))).toEqual([3n, 3n, []]);
    }
  });

  it('finds a settled payout that has been spent since, and misses one that never was', async () => {
    await rig.addWallet(wallet);
    const payout = deposit();
    const spent = wallet.spend(keyOf(payout), VALUE, 0, wallet.script(0, 1));
    rig.mine(1, rig.miner, [spent]);
    const paid = (settlementId: string, payeeOutpoint: string): ledgerV1.CutSettlement => ({
      settlementId,
      status: 'settled',
      fromInstitution: 'bank-a',
      toInstitution: 'bank-b',
      amountSats: VALUE,
      mode: 'blockchain',
      txid: '',
      payeeOutpoint,
      payeeWalletId: 'wallet-a',
    });
    const settlements = [paid('s1', keyOf(payout)), paid('s2', `${'ab'.repeat(32)}:0`)];
    rig.cut = () => ({ ...rig.cutOf([coinOf(spent)]), settlements });
    await rig.settle();
    expect(summary(await rig.run('settled'))).toEqual([5n, 4n, [[BreakKind.BREAK_KIND_MISSING_ON_CHAIN, 's2']]]);
  });

  it('names what ledger, chain and signer don’t agree about', async () => {
    await rig.addWallet(wallet);
    const [known, unknown] = [deposit(0), deposit(1)];
    const invented = { ...coinOf(known), outpoint: `${'cd'.repeat(32)}:3` };
    rig.cut = () => rig.cutOf([coinOf(known), invented]);
    rig.journal = [
      signingV1.JournalEntry.fromPartial({ position: 1n, lineageId: 'l1', version: 1, txid: 'ef'.repeat(32) }),
    ];
    await rig.settle();
    const report = await rig.run('breaks');
    expect(summary(report)[2]).toEqual([
      [BreakKind.BREAK_KIND_MISSING_ON_CHAIN, invented.outpoint],
      [BreakKind.BREAK_KIND_MISSING_IN_LEDGER, keyOf(unknown)],
      [BreakKind.BREAK_KIND_UNKNOWN_SIGNATURE, 'l1/1'],
    ]);
    expect(report.checked - report.matched).toBe(3n);
  });

  it('takes another cut when the block of the first has left the chain', async () => {
    await rig.addWallet(wallet);
    const received = deposit();
    const stale = rig.cutOf([coinOf(received)]);
    await rig.settle();
    rig.reorg(1, [received]);
    rig.cut = () => (rig.cutsTaken < 3 ? stale : rig.cutOf([coinOf(received)]));
    expect(summary(await rig.run('reorg'))).toEqual([3n, 3n, []]);
    expect(rig.cutsTaken).toBe(3);
    rig.cut = () => stale;
    expect(await refused(rig.run('stale'))).toBe('unavailable');
  });

  it('follows a reorg that takes a coin away', async () => {
    await rig.addWallet(wallet);
    const received = deposit();
    await rig.settle();
    rig.reorg(1);
    rig.cut = () => rig.cutOf([]);
    await rig.settle();
    expect(summary(await rig.run('gone'))).toEqual([1n, 1n, []]);
    rig.mine(1, rig.miner, [received]);
    rig.cut = () => rig.cutOf([coinOf(received)]);
    expect(summary(await rig.run('back'))).toEqual([3n, 3n, []]);
  });

  it('waits for a node that is away', async () => {
    await rig.addWallet(wallet);
    await rig.settle();
    const coins = [coinOf(deposit())];
    rig.cut = () => rig.cutOf(coins);
    rig.simulator.faults.outage = 'refuse';
    await rig.settle();
    expect(await refused(rig.run('outage'))).toBe('unavailable');
    rig.simulator.faults.outage = 'none';
    expect(summary(await rig.run('outage'))).toEqual([3n, 3n, []]);
  });
});

describe('the index', () => {
  it('knows wallets announced after their deposits, and addresses announced before their wallet', async () => {
    const early = deposit(0);
    const far = deposit(30);
    rig.mine(30);
    await rig.settle();
    await rig.issue(wallet, 30);
    await rig.settle();
    await rig.addWallet(wallet, 106);
    rig.cut = () => rig.cutOf([coinOf(early), coinOf(far)]);
    await rig.settle();
    expect(summary(await rig.run('late'))).toEqual([4n, 4n, []]);
  });

  it('reads again when an address comes that it wasn’t ahead of', async () => {
    await rig.addWallet(wallet);
    await rig.settle();
    const far = deposit(25);
    await rig.settle();
    await rig.issue(wallet, 25);
    await rig.settle();
    rig.cut = () => rig.cutOf([coinOf(far)]);
    expect(summary(await rig.run('far'))).toEqual([3n, 3n, []]);
  });

  it('stays ahead of the addresses that the owner of a wallet gives out himself', async () => {
    await rig.addWallet(wallet, 0, false);
    await rig.settle();
    const together = [9, 15].map((index) => rig.payment(wallet.script(0, index), VALUE));
    rig.mine(1, rig.miner, together);
    await rig.settle();
    const later = deposit(24);
    await rig.settle();
    rig.cut = () => rig.cutOf([...together, later].map((transaction) => coinOf(transaction)));
    expect(summary(await rig.run('owner'))).toEqual([5n, 5n, []]);
  });

  it('isn’t taken for complete while a wallet of the ledger is unknown', async () => {
    const coins = [coinOf(deposit())];
    rig.cut = () => rig.cutOf(coins);
    await rig.settle();
    expect(await refused(rig.run('unknown wallet'))).toBe('unavailable');
  });
});

describe('requests', () => {
  it('the same key leads to the same report, even when the first run was interrupted', async () => {
    await rig.addWallet(wallet);
    await rig.settle();
    rig.cut = () => {
      throw new Error('the process dies here');
    };
    await expect(rig.run('once')).rejects.toThrow();
    await rig.restart();
    rig.cut = () => rig.cutOf([]);
    const report = await rig.run('once');
    const taken = rig.cutsTaken;
    expect(await rig.run('once')).toEqual(report);
    expect(rig.cutsTaken).toBe(taken);
    expect((await rig.listReports({})).reports).toEqual([report]);
    expect((await rig.run('twice')).reportId).not.toBe(report.reportId);
  });

  it('are for operators, compliance officers and auditors', async () => {
    for (const key of [rig.keys.operator, rig.keys.compliance, rig.keys.auditor]) {
      await expect(rig.listReports({}, key)).resolves.toEqual({ reports: [], nextPageToken: '' });
    }
    expect(await refused(rig.run('x', rig.keys.institution))).toBe('permission_denied');
    expect(await refused(rig.listReports({}, rig.keys.institution))).toBe('permission_denied');
    expect(await refused(rig.getReport('x', rig.keys.institution))).toBe('permission_denied');
    expect(await refused(rig.run('x', ''))).toBe('unauthenticated');
    expect(await refused(rig.getReport('x', ''))).toBe('unauthenticated');
    expect(await refused(rig.listReports({}, ''))).toBe('unauthenticated');
  });

  it('name the field that is wrong', async () => {
    expect(await refused(rig.run(''))).toBe('invalid_argument idempotency_key');
    expect(await refused(rig.run('x'.repeat(129)))).toBe('invalid_argument idempotency_key');
    expect(await refused(rig.listReports({ pageSize: -1 }))).toBe('invalid_argument page_size');
    expect(await refused(rig.listReports({ pageSize: 1_001 }))).toBe('invalid_argument page_size');
    expect(await refused(rig.listReports({ pageToken: 'nonsense' }))).toBe('invalid_argument page_token');
    expect(await refused(rig.getReport(''))).toBe('invalid_argument report_id');
    expect(await refused(rig.getReport('nothing'))).toBe('not_found');
  });

  it('list reports page by page, newest first', async () => {
    await rig.settle();
    rig.cut = () => rig.cutOf([]);
    const ids: string[] = [];
    for (const key of ['a', 'b', 'c']) ids.unshift((await rig.run(key)).reportId);
    const first = await rig.listReports({ pageSize: 2 });
    const second = await rig.listReports({ pageSize: 2, pageToken: first.nextPageToken });
    expect([...first.reports, ...second.reports].map(({ reportId }) => reportId)).toEqual(ids);
    expect([first.nextPageToken === '', second.nextPageToken]).toEqual([false, '']);
  });
});
