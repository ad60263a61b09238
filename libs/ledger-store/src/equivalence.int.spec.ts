import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  type AccountId,
  availableAccount,
  type Claim,
  correction,
  inFlightAccount,
  LedgerView,
  pending,
  post,
  single,
  type Transfer,
  transferId,
  transitAccount,
  voidPending,
} from '@finality/ledger';
import { readLedgerCut } from './balances.ts';
import { type TestDatabase, testDatabase } from '@finality/testing';
import { clear, NOW, transaction } from './database.fixture.ts';
import { ledgerDdl } from './ddl.ts';
import { loadLedger } from './load.ts';
import { RecentLedger } from './recent.ts';
import { saveLedger } from './save.ts';
import { verifyLedger } from './verify.ts';

const CLAIMS: readonly Claim[] = ['a', 'b'].map((walletId) => ({ kind: 'wallet', walletId }));
const ACCOUNTS: readonly AccountId[] = [
  transitAccount(),
  ...CLAIMS.flatMap((c) => [availableAccount(c), inFlightAccount(c)]),
];
const OBJECTS = ['o1', 'o2', 'o3'];

const move = fc.record({
  object: fc.constantFrom(...OBJECTS),
  life: fc.integer({ min: 1, max: 2 }),
  debit: fc.constantFrom(...ACCOUNTS),
  credit: fc.constantFrom(...ACCOUNTS),
  amount: fc.oneof(fc.bigInt(0n, 100n), fc.bigInt(2n ** 53n - 1n, 2n ** 53n + 1n)),
});
const idOf = (purpose: string, object: string, life = 1) => transferId({ purpose, object, life });
const transfer: fc.Arbitrary<Transfer> = fc.oneof(
  move.map((m) => single({ ...m, purpose: 'single' })),
  move.map((m) => single({ ...m, purpose: 'fund', debit: transitAccount() })),
  move.map((m) => pending({ ...m, purpose: 'pending', life: 1 })),
  move.map(({ object, amount }) =>
    post({ object, amount, life: 1, purpose: 'post', pendingId: idOf('pending', object) }),
  ),
  move.map(({ object }) => voidPending({ object, life: 1, purpose: 'void', pendingId: idOf('pending', object) })),
  move.map((m) => correction({ ...m, purpose: 'correct', corrects: idOf('fund', m.object) })),
);
const batches = fc.array(fc.array(fc.array(transfer, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 4 }), {
  maxLength: 6,
});
const PURPOSES = ['single', 'fund', 'pending', 'post', 'void', 'correct'];
const EVERY_ID = PURPOSES.flatMap((purpose) =>
  OBJECTS.flatMap((object) => [1, 2].map((life) => idOf(purpose, object, life))),
);

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase(['keeper'], { ddl: ledgerDdl });
});
afterAll(() => database.close());

/** Any integer: whoever writes the ledger of this schema holds it. */
const LOCK = 1;

interface Handled {
  readonly groups: readonly (readonly Transfer[])[];
  readonly outcomes: ReturnType<LedgerView['postGroups']>;
}

it.each([
  ['all of it loaded for each batch', () => new RecentLedger()],
  ['what the batches before knew kept in memory', (recent: RecentLedger) => recent],
])('histories over Postgres end as they do in memory, batch by batch, %s', async (_, next) => {
  const keeper = database.service('keeper');
  await fc.assert(
    fc.asyncProperty(batches, async (history) => {
      await clear(keeper);
      let recent = new RecentLedger();
      const inMemory = LedgerView.inMemory();
      let position = 0n;
      for (const groups of history) {
        position += 1n;
        recent = next(recent);
        const { outcomes, saved } = await transaction(keeper, async (session) => {
          const accounts = ACCOUNTS.slice(0, Number(position) % (ACCOUNTS.length + 1));
          await loadLedger(session, { accounts }, recent);
          const ledger = await loadLedger(session, { accounts: ACCOUNTS, transfers: EVERY_ID }, recent);
          const results = ledger.view.postGroups(groups);
          return { outcomes: results, saved: saveLedger(session, ledger, position, NOW) };
        });
        if (saved) recent.saved(saved.end, saved.records);
        expect(outcomes).toEqual(inMemory.postGroups(groups));
      }
      const used = inMemory
        .accounts()
        .filter((a) => a.debitsPosted + a.creditsPosted + a.debitsPending + a.creditsPending > 0n);
      const stored = new Map((await transaction(keeper, readLedgerCut)).accounts.map((a) => [a.id, a]));
      for (const account of used) expect(stored.get(account.id)).toEqual(account);
      expect(await transaction(keeper, verifyLedger)).toMatchObject({
        ok: true,
        transfers: BigInt(inMemory.changes().transfers.length),
      });
    }),
    { numRuns: 40 },
  );
});

it('of several writers at once, each told what others tell as well, every batch ends as if it came by itself', async () => {
  const keeper = database.service('keeper');
  const writers = fc.array(batches, { minLength: 2, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(writers, async (histories) => {
      await clear(keeper);
      const handled: Handled[] = [];
      const write = async (history: readonly (readonly (readonly Transfer[])[])[]): Promise<void> => {
        // Each batch comes twice, as from a sender that never heard of the first time.
        for (const groups of history.flatMap((batch) => [batch, batch]))
          await transaction(keeper, async (session) => {
            await session.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
            const ledger = await loadLedger(session, { accounts: ACCOUNTS, transfers: EVERY_ID });
            const outcomes = ledger.view.postGroups(groups);
            saveLedger(session, ledger, BigInt(handled.push({ groups, outcomes })), NOW);
          });
      };
      await Promise.all(histories.map(write));
      const oneByOne = LedgerView.inMemory();
      for (const { groups, outcomes } of handled) expect(outcomes).toEqual(oneByOne.postGroups(groups));
      const stored = (await transaction(keeper, readLedgerCut)).accounts;
      for (const account of stored) expect(account).toEqual(oneByOne.account(account.id));
      const { transfers } = oneByOne.changes();
      expect(await transaction(keeper, verifyLedger)).toMatchObject({ ok: true, transfers: BigInt(transfers.length) });
    }),
    { numRuns: 15 },
  );
});

it('of writers that don’t wait for one another, one is stored, whatever they write', async () => {
  const keeper = database.service('keeper');
  const claim = { kind: 'wallet', walletId: 'a' } as const;
  const funded = (object: string) =>
    single({ purpose: 'fund', object, life: 1, debit: transitAccount(), credit: availableAccount(claim), amount: 5n });
  const works: readonly ((view: LedgerView) => void)[] = [
    (view) => view.post([funded('first')]),
    (view) => view.post([funded('second')]),
    (view) => view.setCreditLine(claim, 7n),
  ];
  for (const [first, second] of works.flatMap((one) => works.map((other) => [one, other] as const))) {
    await clear(keeper);
    await transaction(keeper, async (session) => {
      const ledger = await loadLedger(session, { accounts: ACCOUNTS });
      ledger.view.post([funded('before')]);
      saveLedger(session, ledger, 1n, NOW);
    });
    const bothLoaded = Promise.withResolvers<void>();
    let loaded = 0;
    const write = (work: (view: LedgerView) => void, position: bigint) =>
      transaction(keeper, async (session) => {
        const ledger = await loadLedger(session, { accounts: ACCOUNTS });
        if (++loaded === 2) bothLoaded.resolve();
        await bothLoaded.promise;
        work(ledger.view);
        saveLedger(session, ledger, position, NOW);
      });
    const ends = await Promise.allSettled([write(first, 2n), write(second, 3n)]);
    expect(ends.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await transaction(keeper, verifyLedger)).toMatchObject({ ok: true });
  }
});
