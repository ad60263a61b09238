import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { unwrap } from '@finality/kernel';
import {
  availableAccount,
  ccpAccount,
  type Claim,
  clearingClaim,
  correction,
  inFlightAccount,
  type LedgerView,
  nostroAccount,
  parseUnit,
  pending,
  post,
  single,
  type Transfer,
  type TransferId,
  transferId,
  transitAccount,
  voidPending,
} from '@finality/ledger';
import { clearingUnits, readBalances, readLedgerCut } from './balances.ts';
import { type TestDatabase, testDatabase } from '@finality/testing';
import { clear, type LedgerSchema, NOW, tamper, transaction } from './database.fixture.ts';
import { ledgerDdl } from './ddl.ts';
import { type EntriesQuery, type Entry, listEntries } from './entries.ts';
import { type LedgerRequest, loadLedger } from './load.ts';
import { RecentLedger } from './recent.ts';
import { saveLedger } from './save.ts';
import { verifyLedger } from './verify.ts';

const A: Claim = { kind: 'clearing', institutionId: 'bank-a' };
const B: Claim = { kind: 'wallet', walletId: 'wallet-b' };
const USD = parseUnit('USD')!;
const INT64_MAX = 2n ** 63n - 1n;
const ABOVE_DOUBLE = 2n ** 53n + 1n;
const ALL = [transitAccount(), ccpAccount(), ...[A, B].flatMap((c) => [availableAccount(c), inFlightAccount(c)])];
const idOf = (purpose: string, object: string): TransferId => transferId({ purpose, object, life: 1 });

const fund = (claim: Claim, amount: bigint, object = 'funding'): Transfer =>
  single({ purpose: 'fund', object, life: 1, debit: transitAccount(), credit: availableAccount(claim), amount });
const pay = (object: string, amount: bigint): Transfer[] => [
  single({
    purpose: 'pay',
    object,
    life: 1,
    debit: availableAccount(A),
    credit: ccpAccount(),
    amount,
    settlementId: object,
  }),
  single({
    purpose: 'receive',
    object,
    life: 1,
    debit: ccpAccount(),
    credit: availableAccount(B),
    amount,
    settlementId: object,
  }),
];
const reserve = (object: string, amount: bigint): Transfer =>
  pending({ purpose: 'reserve', object, life: 1, debit: availableAccount(A), credit: inFlightAccount(A), amount });

/** The head's number would be null. */
const DOES_NOT_FIT = { code: '23502', table: 'ledger_head', column: 'number' };

let database: TestDatabase;
let keeper: LedgerSchema;

beforeAll(async () => {
  database = await testDatabase(['keeper'], { ddl: ledgerDdl });
  keeper = database.service('keeper');
});
afterAll(() => database.close());
beforeEach(() => clear(keeper));

/** One batch, as the event store runs it. */
function batch<T>(position: bigint, work: (ledger: LedgerView) => T, request: Partial<LedgerRequest> = {}): Promise<T> {
  return transaction(keeper, async (session) => {
    const ledger = await loadLedger(session, { accounts: ALL, ...request });
    const value = work(ledger.view);
    saveLedger(session, ledger, position, NOW);
    return value;
  });
}

const balances = () => transaction(keeper, (session) => readBalances(session, [A, B]));
const verify = () => transaction(keeper, verifyLedger);

describe('saving and loading', () => {
  it('keeps amounts above 2^53 exact through every API', async () => {
    await batch(1n, (ledger) => unwrap(ledger.post([fund(A, ABOVE_DOUBLE)])));
    await batch(2n, (ledger) => unwrap(ledger.post(pay('s1', ABOVE_DOUBLE))));
    expect(await balances()).toMatchObject([{ available: 0n }, { available: ABOVE_DOUBLE }]);
    const cut = await transaction(keeper, readLedgerCut);
    expect(cut.position).toBe(2n);
    expect(cut.accounts.map((a) => [a.id, a.creditsPosted - a.debitsPosted])).toEqual([
      ['ccp', 0n],
      ['clearing/bank-a/available', 0n],
      ['transit', -ABOVE_DOUBLE],
      ['wallet/wallet-b/available', ABOVE_DOUBLE],
    ]);
    const page = await entries({ accounts: [availableAccount(B)] });
    expect(page.entries.map((entry) => entry.amount)).toEqual([ABOVE_DOUBLE]);
    expect(await verify()).toMatchObject({ ok: true, accounts: 4, transfers: 3n, position: 2n, segments: 0 });
  });

  it('counts turnover beyond an int64', async () => {
    const most = 2n ** 63n - 1n;
    await batch(1n, (ledger) => unwrap(ledger.post([fund(A, most, '1'), fund(A, most, '2'), fund(A, most, '3')])));
    expect(await balances()).toMatchObject([{ available: 3n * most }, {}]);
    expect(await verify()).toMatchObject({ ok: true });
  });

  it('carries a reservation from batch to batch until it ends, once', async () => {
    await batch(1n, (ledger) => unwrap(ledger.post([fund(A, 1_000n), reserve('s1', 700n)])));
    expect(await balances()).toMatchObject([{ available: 300n, reserved: 700n, inFlight: 0n }, {}]);
    const pendings = [idOf('reserve', 's1')];
    const build = post({ purpose: 'build', object: 's1', life: 1, pendingId: idOf('reserve', 's1'), amount: 650n });
    await batch(2n, (ledger) => unwrap(ledger.post([build])), { accounts: [], pendings });
    expect(await balances()).toMatchObject([{ available: 350n, reserved: 0n, inFlight: 650n }, {}]);
    const release = voidPending({ purpose: 'release', object: 's1', life: 1, pendingId: idOf('reserve', 's1') });
    const late = await batch(3n, (ledger) => ledger.post([release]), { pendings });
    expect(late).toMatchObject({ error: { kind: 'already_posted', by: idOf('build', 's1') } });
    expect(await verify()).toMatchObject({ ok: true, transfers: 3n, position: 2n });
  });

  it('knows a transfer that exists, with the same content and with another', async () => {
    await batch(1n, (ledger) => unwrap(ledger.post([fund(A, 100n)])));
    const transfers = [idOf('fund', 'funding')];
    const again = await batch(2n, (ledger) => ledger.post([fund(A, 100n)]), { transfers });
    expect(again).toMatchObject({ value: [{ outcome: 'exists' }] });
    const other = await batch(3n, (ledger) => ledger.post([fund(A, 101n)]), { transfers });
    expect(other).toMatchObject({
      error: { kind: 'exists_with_different', field: 'amount', expected: '100', got: '101' },
    });
    expect(await verify()).toMatchObject({ transfers: 1n });
  });

  it('refuses to store a transfer twice even if nobody looked for it', async () => {
    await batch(1n, (ledger) => unwrap(ledger.post([fund(A, 100n)])));
    await expect(batch(2n, (ledger) => unwrap(ledger.post([fund(A, 100n)])))).rejects.toMatchObject({ code: '23505' });
    expect(await balances()).toMatchObject([{ available: 100n }, {}]);
  });

  it('refuses to save over what another has changed since it was loaded', async () => {
    await batch(1n, (ledger) => unwrap(ledger.post([fund(A, 110n), ...pay('s0', 10n)])));
    const stale = await transaction(keeper, (session) => loadLedger(session, { accounts: ALL }));
    await batch(2n, (ledger) => unwrap(ledger.post(pay('s1', 60n))));
    unwrap(stale.view.post(pay('s2', 60n)));
    await expect(transaction(keeper, (session) => saveLedger(session, stale, 3n, NOW))).rejects.toMatchObject(
      DOES_NOT_FIT,
    );
    expect(await balances()).toMatchObject([{ available: 40n }, { available: 70n }]);
  });

  it('refuses to save what was decided on memories that are out of date', async () => {
    await batch(1n, (ledger) => unwrap(ledger.post([fund(A, 110n), ...pay('s0', 10n)])));
    const recent = new RecentLedger();
    await transaction(keeper, (session) => loadLedger(session, { accounts: ALL }, recent));
    await batch(2n, (ledger) => unwrap(ledger.post(pay('s1', 60n))));
    const late = transaction(keeper, async (session) => {
      const ledger = await loadLedger(session, { accounts: ALL }, recent);
      unwrap(ledger.view.post(pay('s2', 60n)));
      saveLedger(session, ledger, 3n, NOW);
    });
    await expect(late).rejects.toMatchObject(DOES_NOT_FIT);
    expect(await balances()).toMatchObject([{ available: 40n }, { available: 70n }]);
  });

  it('refuses to save over a credit line that has been set since, without any entry', async () => {
    await batch(1n, (ledger) => unwrap(ledger.post([fund(A, 110n)])));
    const stale = await transaction(keeper, (session) => loadLedger(session, { accounts: ALL }));
    await batch(2n, (ledger) => ledger.setCreditLine(A, 50n));
    unwrap(stale.view.post(pay('s1', 60n)));
    await expect(transaction(keeper, (session) => saveLedger(session, stale, 3n, NOW))).rejects.toMatchObject(
      DOES_NOT_FIT,
    );
    expect(await batch(4n, (ledger) => ledger.spendable(A))).toBe(160n);
    expect(await verify()).toMatchObject({ ok: true, transfers: 1n });
  });

  it('commits nothing of what does not fit, though the commit is sent along', async () => {
    await batch(1n, (ledger) => unwrap(ledger.post([fund(A, 110n), ...pay('s0', 10n)])));
    const stale = await transaction(keeper, (session) => loadLedger(session, { accounts: ALL }));
    await batch(2n, (ledger) => unwrap(ledger.post(pay('s1', 60n))));
    unwrap(stale.view.post([reserve('r1', 1n)]));
    const saving = transaction(keeper, (session) => saveLedger(session, stale, 3n, NOW));
    await expect(saving).rejects.toMatchObject(DOES_NOT_FIT);
    expect(await verify()).toMatchObject({ ok: true, transfers: 5n, position: 2n });
  });

  it('stores a batch of more entries than a statement has, each once and in order', async () => {
    const many = Array.from({ length: 1_001 }, (_, i) => fund(i % 2 === 0 ? A : B, BigInt(i + 1), `deposit ${i}`));
    await batch(1n, (ledger) => unwrap(ledger.post(many)));
    await batch(2n, (ledger) =>
      unwrap(
        ledger.post(many.slice(0, 501).map((each) => ({ ...each, purpose: 'again', id: idOf('again', each.object) }))),
      ),
    );
    const stored = await transaction(keeper, (session) =>
      session.query<{ object: string }>('SELECT object FROM ledger_transfers WHERE position = 1 ORDER BY number'),
    );
    expect(stored.map(({ object }) => object)).toEqual(many.map(({ object }) => object));
    expect(await verify()).toMatchObject({ ok: true, transfers: 1_502n, position: 2n });
  });

  it('leaves nothing when the transaction around it does not commit', async () => {
    await batch(1n, (ledger) => unwrap(ledger.post([fund(A, 100n)])));
    const crash = transaction(keeper, async (session) => {
      const ledger = await loadLedger(session, { accounts: ALL });
      unwrap(ledger.view.post(pay('s1', 60n)));
      saveLedger(session, ledger, 2n, NOW);
      throw new Error('crash before the commit');
    });
    await expect(crash).rejects.toThrow('crash');
    await batch(2n, (ledger) => unwrap(ledger.post(pay('s1', 60n))));
    expect(await balances()).toMatchObject([{ available: 40n }, { available: 60n }]);
    expect(await verify()).toMatchObject({ ok: true, transfers: 3n });
  });

  it('keeps credit lines, and what a correction overdraws', async () => {
    await batch(1n, (ledger) => {
      ledger.setCreditLine(A, 50n);
      unwrap(ledger.post(pay('s1', 50n)));
    });
    expect(await batch(2n, (ledger) => ledger.spendable(A))).toBe(0n);
    await batch(3n, (ledger) => ledger.setCreditLine(A, ABOVE_DOUBLE));
    expect(await batch(4n, (ledger) => ledger.spendable(A))).toBe(ABOVE_DOUBLE - 50n);
    const corrects = idOf('receive', 's1');
    const back = {
      purpose: 'undo',
      object: 's1',
      life: 1,
      debit: availableAccount(B),
      credit: transitAccount(),
      amount: 60n,
    };
    const outcome = await batch(5n, (ledger) => unwrap(ledger.post([correction({ ...back, corrects })])), {
      transfers: [corrects],
    });
    expect(outcome[0]?.overdrawn).toEqual([availableAccount(B)]);
    expect(await balances()).toMatchObject([{ available: -50n }, { available: -10n }]);
  });
});

describe('the service’s role', () => {
  beforeEach(() => batch(1n, (ledger) => unwrap(ledger.post([fund(A, 100n)]))));

  it.each([
    'UPDATE ledger_transfers SET amount = 1',
    'DELETE FROM ledger_transfers',
    'TRUNCATE ledger_transfers',
    'ALTER TABLE ledger_transfers DISABLE TRIGGER insert_only',
    'DELETE FROM ledger_accounts',
  ])('may not %s', async (sql) => {
    await expect(transaction(keeper, (session) => session.query(sql))).rejects.toMatchObject({ code: '42501' });
  });

  it.each(['UPDATE ledger_transfers SET amount = 1', 'DELETE FROM ledger_transfers', 'TRUNCATE ledger_transfers'])(
    'aside, the owner is stopped by the trigger from: %s',
    async (sql) => {
      await expect(keeper.owner.query(sql)).rejects.toMatchObject({ code: '23001' });
    },
  );
});

describe('verification', () => {
  beforeEach(() => batch(1n, (ledger) => unwrap(ledger.post([fund(A, 100n), reserve('s1', 70n)]))));

  const tampered = async (sql: string) => {
    await tamper(keeper, sql);
    return verify();
  };

  it('finds a balance that the transfers do not explain', async () => {
    await keeper.owner.query(`UPDATE ledger_accounts SET credits_posted = 101 WHERE id = 'clearing/bank-a/available'`);
    expect(await verify()).toEqual({
      ok: false,
      difference: { subject: 'clearing/bank-a/available', field: 'credits_posted', expected: '100', found: '101' },
    });
  });

  it('finds a transfer that was taken away', async () => {
    expect(await tampered(`DELETE FROM ledger_transfers WHERE purpose = 'reserve'`)).toMatchObject({
      difference: { subject: 'clearing/bank-a/available', field: 'debits_pending', expected: '0', found: '70' },
    });
  });

  it('finds an entry that was changed together with the balances it makes', async () => {
    await keeper.owner.query(
      `UPDATE ledger_accounts SET credits_posted = credits_posted * 2 WHERE credits_posted > 0;
       UPDATE ledger_accounts SET debits_posted = debits_posted * 2 WHERE debits_posted > 0`,
    );
    expect(await tampered(`UPDATE ledger_transfers SET amount = 200 WHERE purpose = 'fund'`)).toMatchObject({
      difference: { subject: 'entry 1', field: 'hash' },
    });
  });

  it.each([
    ['settlement', 'entry 2', `UPDATE ledger_transfers SET settlement_id = 's2' WHERE purpose = 'reserve'`],
    ['when it was', 'entry 1', `UPDATE ledger_transfers SET recorded_at = recorded_at + 1 WHERE number = 1`],
  ])('finds an entry of which something else was changed: %s', async (_what, subject, sql) => {
    expect(await tampered(sql)).toMatchObject({ difference: { subject, field: 'hash' } });
  });

  it.each([
    `UPDATE ledger_transfers SET id = sha256('another') WHERE purpose = 'reserve'`,
    `UPDATE ledger_transfers SET object = 's2' WHERE purpose = 'reserve'`,
    `UPDATE ledger_transfers SET life = 2 WHERE purpose = 'reserve'`,
  ])('finds a transfer whose id is not that of what it is for: %s', async (sql) => {
    expect(await tampered(sql)).toMatchObject({ difference: { subject: 'entry 2', field: 'id' } });
  });

  it('finds the last entries cut off, and a head that says otherwise', async () => {
    await batch(2n, (ledger) => unwrap(ledger.post([fund(A, 5n, 'more')])));
    await keeper.owner.query(
      `UPDATE ledger_accounts SET credits_posted = 100 WHERE credits_posted = 105; UPDATE ledger_accounts SET debits_posted = 100 WHERE debits_posted = 105`,
    );
    expect(await tampered(`DELETE FROM ledger_transfers WHERE number = 3`)).toMatchObject({
      difference: { subject: 'ledger', field: 'number of entries', expected: '3', found: '2' },
    });
    expect(await tampered(`UPDATE ledger_head SET number = 2, position = 1`)).toMatchObject({
      difference: { subject: 'ledger', field: 'chain' },
    });
  });

  it('finds a transfer to nowhere', async () => {
    expect(await tampered(`UPDATE ledger_transfers SET credit = 999 WHERE purpose = 'fund'`)).toMatchObject({
      difference: {
        subject: `transfer ${idOf('fund', 'funding')}`,
        field: 'credit',
        expected: 'an account',
        found: '999',
      },
    });
  });

  it('finds a correction of what there is not', async () => {
    const back = {
      purpose: 'undo',
      object: 'o',
      life: 1,
      debit: availableAccount(A),
      credit: transitAccount(),
      amount: 1n,
    };
    const corrects = idOf('fund', 'funding');
    await batch(2n, (l) => unwrap(l.post([correction({ ...back, corrects })])), { transfers: [corrects] });
    expect(
      await tampered(`UPDATE ledger_transfers SET corrects = sha256('nothing') WHERE kind = 'correction'`),
    ).toMatchObject({
      difference: {
        subject: `transfer ${idOf('undo', 'o')}`,
        field: 'corrects',
        expected: 'a transfer',
        found: 'none',
      },
    });
  });

  it('finds an account that counts another unit than its path says', async () => {
    expect(await tampered(`UPDATE ledger_accounts SET unit = 'USD' WHERE id = 'transit'`)).toMatchObject({
      difference: { subject: 'transit', field: 'unit', expected: 'BTC', found: 'USD' },
    });
  });

  it('has nothing against another unit, and doesn’t let one make up for another', async () => {
    const key = { object: 'statement 1', life: 1 };
    const dollars = availableAccount(clearingClaim('bank-a', USD));
    const paid = { ...key, purpose: 'paid_in', debit: nostroAccount(USD), credit: dollars, amount: INT64_MAX };
    await batch(2n, (l) => unwrap(l.post([single(paid)])), { accounts: [nostroAccount(USD), dollars] });
    expect(await verify()).toMatchObject({ ok: true });
    const [balance] = await transaction(keeper, (s) => readBalances(s, [clearingClaim('bank-a', USD)]));
    expect(balance).toMatchObject({ available: INT64_MAX });
    expect(await transaction(keeper, (s) => clearingUnits(s, 'bank-a'))).toEqual(['USD']);
    expect(await transaction(keeper, (s) => clearingUnits(s, 'bank'))).toEqual([]);
  });

  it('finds a post of nothing, and one of more than was reserved', async () => {
    const pendingId = idOf('reserve', 's1');
    await batch(
      2n,
      (l) => unwrap(l.post([post({ purpose: 'build', object: 's1', life: 1, pendingId, amount: 70n })])),
      {
        pendings: [pendingId],
      },
    );
    const resolved = await tampered(`UPDATE ledger_transfers SET pending_id = sha256('nothing') WHERE kind = 'post'`);
    expect(resolved).toMatchObject({
      difference: { field: 'pending_id', expected: 'a pending transfer', found: 'none' },
    });
    await tamper(keeper, `UPDATE ledger_transfers SET pending_id = decode('${pendingId}', 'hex') WHERE kind = 'post'`);
    expect(await tampered(`UPDATE ledger_transfers SET amount = 71 WHERE kind = 'post'`)).toMatchObject({
      difference: { subject: `transfer ${idOf('build', 's1')}`, field: 'amount', expected: 'at most 70', found: '71' },
    });
  });
});

function entries(query: Partial<EntriesQuery>) {
  return transaction(keeper, (session) =>
    listEntries(session, { accounts: ALL, pageSize: 100, epoch: 1, ...query }),
  ).then(unwrap);
}

describe('entries', () => {
  beforeEach(async () => {
    await batch(1n, (ledger) => unwrap(ledger.post([fund(A, 1_000n)])));
    for (const n of [2n, 3n, 4n])
      await batch(n, (ledger) => unwrap(ledger.post([...pay(`s${n}`, n), reserve(`r${n}`, n)])));
  });

  it('come in the order of the ledger, once each, whatever the page size', async () => {
    const whole = (await entries({})).entries;
    expect(whole).toHaveLength(20);
    for (const pageSize of [1, 2, 3, 7, 19]) {
      const paged: Entry[] = [];
      let pageToken: string | undefined = '';
      while (pageToken !== undefined) {
        const page = await entries({ pageSize, pageToken });
        expect(page.entries.length).toBeLessThanOrEqual(pageSize);
        paged.push(...page.entries);
        pageToken = page.nextPageToken;
      }
      expect(paged).toEqual(whole);
    }
  });

  it('show the account’s side of each transfer', async () => {
    const page = await entries({ accounts: [availableAccount(A)], pageSize: 2 });
    expect(page.entries).toMatchObject([
      { position: 1n, number: 1n, side: 'credit', counterAccount: transitAccount(), amount: 1_000n, purpose: 'fund' },
      {
        position: 2n,
        number: 2n,
        side: 'debit',
        counterAccount: ccpAccount(),
        amount: 2n,
        settlementId: 's2',
        recordedAt: NOW,
      },
    ]);
  });

  it('show each transfer once where that is wanted, whatever the page size', async () => {
    const once: Entry[] = [];
    let pageToken: string | undefined = '';
    while (pageToken !== undefined) {
      const page = await entries({ pageSize: 3, pageToken, eachTransferOnce: true });
      once.push(...page.entries);
      pageToken = page.nextPageToken;
    }
    const ids = (await entries({})).entries.map(({ transferId }) => transferId);
    expect(once.map(({ transferId }) => transferId)).toEqual([...new Set(ids)]);
    expect(once.length).toBeLessThan(ids.length);
  });

  it('end with the account that has none', async () => {
    expect(await entries({ accounts: [inFlightAccount(B)] })).toEqual({ entries: [] });
  });

  it('refuse a token that is not ours or of another epoch', async () => {
    const { nextPageToken = '' } = await entries({ pageSize: 1 });
    const ask = (query: Partial<EntriesQuery>) =>
      transaction(keeper, (session) => listEntries(session, { accounts: ALL, pageSize: 1, epoch: 1, ...query }));
    expect(await ask({ pageToken: 'nonsense' })).toMatchObject({ error: { kind: 'invalid_argument' } });
    expect(await ask({ pageToken: nextPageToken, epoch: 2 })).toMatchObject({ error: { reason: 'STALE_PAGE_TOKEN' } });
  });
});
