import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Instant } from '@finality/kernel';
import {
  type Account,
  type AccountId,
  availableAccount,
  type Claim,
  correction,
  creditBalance,
  inFlightAccount,
  LedgerView,
  pending,
  post,
  single,
  type Totals,
  type Transfer,
  transferId,
  transitAccount,
  voidPending,
} from '@finality/ledger';
import { type TestDatabase, testDatabase } from '@finality/testing';
import { writeCheckpoint } from './checkpoints.ts';
import { clear, type LedgerSchema, tamper, transaction } from './database.fixture.ts';
import { ledgerDdl } from './ddl.ts';
import { loadLedger } from './load.ts';
import { saveLedger } from './save.ts';
import {
  lastEntryBefore,
  listTotalsAt,
  readLastEntry,
  readStatementEntries,
  readStatementTotals,
  readTotalsAt,
  totalsAfter,
} from './statements.ts';
import { verifyLedger } from './verify.ts';

const CLAIMS: readonly Claim[] = ['a', 'b'].map((institutionId) => ({ kind: 'clearing', institutionId }));
const ACCOUNTS: readonly AccountId[] = [
  transitAccount(),
  ...CLAIMS.flatMap((c) => [availableAccount(c), inFlightAccount(c)]),
];
const START = 1_700_000_000_000;
const NEVER_USED = availableAccount({ kind: 'clearing', institutionId: 'nobody' });

const OBJECTS = ['o1', 'o2', 'o3', 'o4'];
const move = fc.record({
  object: fc.constantFrom(...OBJECTS),
  life: fc.integer({ min: 1, max: 3 }),
  debit: fc.constantFrom(...ACCOUNTS),
  credit: fc.constantFrom(...ACCOUNTS),
  amount: fc.oneof(fc.bigInt(1n, 100n), fc.bigInt(2n ** 53n - 1n, 2n ** 53n + 1n)),
});
const idOf = (purpose: string, object: string, life = 1) => transferId({ purpose, object, life });
const transfer: fc.Arbitrary<Transfer> = fc.oneof(
  move.map((m) => single({ ...m, purpose: 'single' })),
  move.map((m) => single({ ...m, purpose: 'fund', debit: transitAccount() })),
  move.map((m) => pending({ ...m, purpose: 'pending', debit: transitAccount() })),
  move.map(({ object, amount, life }) =>
    post({ object, amount, life, purpose: 'post', pendingId: idOf('pending', object, life) }),
  ),
  move.map(({ object, life }) =>
    voidPending({ object, life, purpose: 'void', pendingId: idOf('pending', object, life) }),
  ),
  move.map((m) => correction({ ...m, purpose: 'correct', corrects: idOf('fund', m.object) })),
);
const PURPOSES = ['single', 'fund', 'pending', 'post', 'void', 'correct'];
const EVERY_ID = PURPOSES.flatMap((purpose) =>
  OBJECTS.flatMap((object) => [1, 2, 3].map((life) => idOf(purpose, object, life))),
);
/** Batches, each so many ms after the one before. */
const histories = fc.array(
  fc.record({ elapsedMs: fc.constantFrom(0, 1, 5), transfers: fc.array(transfer, { minLength: 1, maxLength: 6 }) }),
  { minLength: 1, maxLength: 8 },
);

let database: TestDatabase;
let keeper: LedgerSchema;
beforeAll(async () => {
  database = await testDatabase(['keeper'], { ddl: ledgerDdl });
  keeper = database.service('keeper');
});
afterAll(() => database.close());
beforeEach(() => clear(keeper));

async function save(position: bigint, now: number, groups: readonly (readonly Transfer[])[]): Promise<void> {
  await transaction(keeper, async (session) => {
    const ledger = await loadLedger(session, { accounts: ACCOUNTS, transfers: EVERY_ID });
    ledger.view.postGroups(groups);
    saveLedger(session, ledger, position, now as Instant);
  });
}

const totals = ({ debitsPosted, creditsPosted, debitsPending, creditsPending }: Totals): Totals => ({
  debitsPosted,
  creditsPosted,
  debitsPending,
  creditsPending,
});
const totalsOf = (accounts: readonly Account[], id: AccountId): Totals => {
  const account = accounts.find((a) => a.id === id);
  return totals(account ?? { debitsPosted: 0n, creditsPosted: 0n, debitsPending: 0n, creditsPending: 0n });
};

it('at any cut, opening and entries make the closing of every account, and all accounts together are zero', async () => {
  await fc.assert(
    fc.asyncProperty(histories, fc.integer({ min: 2, max: 7 }), async (history, every) => {
      await clear(keeper);
      const inMemory = LedgerView.inMemory();
      let now = START;
      const cuts = [{ now: START, number: 0n, accounts: inMemory.accounts() }];
      for (const [i, { elapsedMs, transfers }] of history.entries()) {
        now += elapsedMs;
        const groups = transfers.map((each) => [each]);
        inMemory.postGroups(groups);
        await save(BigInt(i) + 1n, now, groups);
        if (i % 2 === 0) while (await transaction(keeper, (session) => writeCheckpoint(session, every)));
        cuts.push({ now, number: BigInt(inMemory.changes().transfers.length), accounts: inMemory.accounts() });
      }
      await transaction(keeper, async (session) => {
        expect(await readLastEntry(session)).toBe(cuts.at(-1)!.number);
        for (const cut of cuts) {
          const stored = await listTotalsAt(session, { afterAccount: '', through: cut.number, limit: 100 });
          expect(stored.map((each) => totals(each))).toEqual(
            stored.map((each) => totalsOf(cut.accounts, each.account)),
          );
          expect(stored.reduce((sum, each) => sum + creditBalance(each), 0n)).toBe(0n);
          const before = cuts.findLast((other) => other.now < cut.now);
          expect(await lastEntryBefore(session, cut.now as Instant)).toBe(before?.number ?? 0n);
        }
        const [from, to] = [cuts[Math.floor(cuts.length / 2)]!, cuts.at(-1)!];
        const range = { after: from.number, through: to.number };
        for (const account of ACCOUNTS) {
          const { opening, closing } = await readStatementTotals(session, account, range);
          expect(opening).toEqual(totalsOf(from.accounts, account));
          expect(closing).toEqual(totalsOf(to.accounts, account));
          const { entries } = await readStatementEntries(session, account, range, 1_000);
          expect(entries.reduce(totalsAfter, opening)).toEqual(closing);
        }
      });
      expect(await transaction(keeper, verifyLedger)).toMatchObject({ ok: true });
    }),
    { numRuns: 15 },
  );
});

describe('a ledger of many entries', () => {
  const [a, b] = CLAIMS.map((claim) => availableAccount(claim)) as [AccountId, AccountId];
  const fund = (object: string, credit: AccountId, amount: bigint): Transfer =>
    single({ purpose: 'fund', object, life: 1, debit: transitAccount(), credit, amount });

  beforeEach(async () => {
    const first = Array.from({ length: 40 }, (_, i) => [fund(`first ${i}`, i % 4 === 0 ? a : b, 1n)]);
    await transaction(keeper, async (session) => {
      const ledger = await loadLedger(session, { accounts: ACCOUNTS });
      ledger.view.postGroups(first);
      saveLedger(session, ledger, 1n, START as Instant);
    });
  });

  it('gives pages that go on where the one before ended, whatever is posted meanwhile', async () => {
    const range = { after: 0n, through: 40n };
    const first = await transaction(keeper, (session) => readStatementEntries(session, a, range, 4));
    expect(first.isLast).toBe(false);
    expect(first.entries.map(({ number }) => number)).toEqual([1n, 5n, 9n, 13n]);
    await transaction(keeper, async (session) => {
      const ledger = await loadLedger(session, { accounts: ACCOUNTS });
      ledger.view.postGroups([[fund('later', a, 5n)]]);
      saveLedger(session, ledger, 2n, (START + 1) as Instant);
    });
    const rest = await transaction(keeper, (session) =>
      readStatementEntries(session, a, { ...range, after: 13n }, 100),
    );
    expect(rest.isLast).toBe(true);
    expect(rest.entries.map(({ number }) => number)).toEqual([17n, 21n, 25n, 29n, 33n, 37n]);
    expect(await transaction(keeper, (session) => readTotalsAt(session, [a, NEVER_USED], 40n))).toMatchObject([
      { creditsPosted: 10n },
      { creditsPosted: 0n },
    ]);
  });

  it('goes on from a checkpoint instead of from the first entry', async () => {
    while (await transaction(keeper, (session) => writeCheckpoint(session, 16)));
    // Nothing but the checkpoint can know what it says: entries before it aren't read.
    await keeper.owner.query('UPDATE ledger_checkpoints SET credits_posted = credits_posted + 1000 WHERE number = 32');
    const at = (through: bigint) => transaction(keeper, (session) => readTotalsAt(session, [a], through));
    expect(await at(31n)).toMatchObject([{ creditsPosted: 8n }]);
    expect(await at(33n)).toMatchObject([{ creditsPosted: 1_009n }]);
    expect(await transaction(keeper, verifyLedger)).toEqual({
      ok: false,
      difference: expect.objectContaining({ field: 'credits_posted at entry 32' }) as object,
    });
  });

  it('stores each checkpoint once, whoever does it at the same time', async () => {
    const both = [1, 2].map(() => transaction(keeper, (session) => writeCheckpoint(session, 20)));
    expect(await Promise.all(both)).toEqual([true, true]);
    expect(await transaction(keeper, (session) => writeCheckpoint(session, 20))).toBe(false);
    expect(await transaction(keeper, verifyLedger)).toMatchObject({ ok: true });
  });

  it('has no times to search when an entry is missing, and says so', async () => {
    await tamper(keeper, 'DELETE FROM ledger_transfers WHERE number = 20');
    await expect(transaction(keeper, (session) => lastEntryBefore(session, START as Instant))).rejects.toThrow(/gap/);
  });
});
