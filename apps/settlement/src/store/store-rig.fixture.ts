import { decodeJson, encodeJson } from '@finality/kernel';
import {
  checkStates,
  lockedTransaction,
  type Outcome,
  PostgresEventStore,
  rebuildProjections,
  type Session,
  type StoreCommand,
  verifyChain,
} from '@finality/event-store';
import { creditBalance } from '@finality/ledger';
import { verifyLedger } from '@finality/ledger-store';
import type { SettlementPolicy } from '@finality/settlement';
import type { MemoryBook } from '@finality/settlement/spec';
import { type TestDatabase, testDatabase, TestRuntime } from '@finality/testing';
import type { Pool } from 'pg';
import { expect } from 'vitest';
import { settlementDdl } from '../migrations/create-settlement.migration.ts';
import { SETTLEMENT_REBUILD, SETTLEMENT_STREAMS } from '../projections/rebuilt.ts';
import type { BatchBook } from './batch-book.ts';
import type { SettlementCommand, SettlementReply } from './commands.ts';
import { SettlementHandler } from './handler.ts';

/** The settlement service's store on a real Postgres, without the rest of the service. */
export class StoreRig {
  readonly runtime = new TestRuntime();
  readonly #database: TestDatabase;
  readonly #store: PostgresEventStore<SettlementCommand, BatchBook, SettlementReply>;
  #queries = 0;
  #roundTrips = 0;

  private constructor(database: TestDatabase, policy: SettlementPolicy) {
    this.#database = database;
    const { schema, pool } = database.service('settlement');
    this.#store = new PostgresEventStore({
      pool: counting(pool, (isAlone) => {
        this.#queries += 1;
        if (isAlone) this.#roundTrips += 1;
      }),
      runtime: this.runtime,
      schema,
      service: 'settlement',
      handler: new SettlementHandler(policy),
    });
  }

  static async open(policy: SettlementPolicy): Promise<StoreRig> {
    return new StoreRig(await testDatabase(['settlement'], { ddl: settlementDdl }), policy);
  }

  /** As the service's role. */
  get pool(): Pool {
    return this.#database.service('settlement').pool;
  }

  close(): Promise<void> {
    return this.#database.close();
  }

  /** One batch. */
  execute(bodies: readonly SettlementCommand[]): Promise<readonly Outcome<SettlementReply>[]> {
    const cause = {
      actor: { kind: 'service', id: 'test' },
      occurredAt: this.runtime.now(),
      correlationId: 'test',
      causationId: 'test',
    } as const;
    return this.#store.execute(bodies.map((body): StoreCommand<SettlementCommand> => ({ body, cause })));
  }

  /** How many statements these batches took. */
  async queriesOf(work: () => Promise<unknown>): Promise<number> {
    const before = this.#queries;
    await work();
    return this.#queries - before;
  }

  /** How often these batches waited for the database: statements that are sent together count as one. */
  async roundTripsOf(work: () => Promise<unknown>): Promise<number> {
    const before = this.#roundTrips;
    await work();
    return this.#roundTrips - before;
  }

  query<Row extends object>(text: string): Promise<Row[]> {
    return this.#session.query<Row>(text);
  }

  /** The log, the states, the ledger, coins, timers and what is due: all as they are in the book. */
  async compare(book: MemoryBook): Promise<void> {
    const events = await this.query<{ stream: string; data: string }>(
      'SELECT stream, data FROM events ORDER BY position',
    );
    expect(events).toEqual(book.log.map(({ stream, event }) => ({ stream, data: encodeJson(event) })));

    const accounts = await this.query<{ id: string; totals: string }>(
      `SELECT id, concat_ws(' ', limit_kind, overdraft, debits_posted, credits_posted, debits_pending, credits_pending) AS totals
       FROM ledger_accounts ORDER BY id COLLATE "C"`,
    );
    expect(accounts).toEqual(accountsOf(book));
    const transfers = await this.query<{ id: string }>(
      "SELECT encode(id, 'hex') AS id FROM ledger_transfers ORDER BY id",
    );
    const { transfers: made } = book.ledger.changes();
    expect(transfers.map(({ id }) => id)).toEqual(made.map(({ id }): string => id).sort());

    const coins = await this.query<{ coin: string; sources: string }>(
      `SELECT sources, concat_ws(' ', outpoint, wallet_id, value_sats, script, branch, index, life, spends, released,
         coalesce(height::text, '-'), coalesce(spent_by, '-'), coalesce(claimed_by, '-'), former_claims) AS coin
       FROM coins ORDER BY outpoint COLLATE "C"`,
    );
    expect(coins).toEqual(coinsOf(book));
    const suspended = await this.query<{ total: string }>(
      `SELECT concat_ws(' ', CASE WHEN kind IN ('deposit', 'taken_coin') THEN wallet_id ELSE 'settlement' END, sum(amount_sats)) AS total
       FROM suspense GROUP BY CASE WHEN kind IN ('deposit', 'taken_coin') THEN wallet_id ELSE 'settlement' END HAVING sum(amount_sats) <> 0`,
    );
    expect(suspended.map(({ total }) => total).sort()).toEqual(suspenseOf(book));
    const positions = await this.query<{ position: string }>(
      `SELECT concat_ws(' ', window_id, institution_id, unit, paid, received, paid_count, received_count) AS position
       FROM window_positions ORDER BY window_id COLLATE "C", institution_id COLLATE "C", unit COLLATE "C"`,
    );
    expect(positions.map(({ position }) => position)).toEqual(positionsOf(book));
    const windows = await this.query<{ open: string }>(`SELECT concat_ws(' ', window_id, status) AS open FROM windows`);
    expect(windows.map(({ open }) => open).sort()).toEqual(
      book.windows.ids().map((id) => `${id} ${book.windows.get(id).status}`),
    );
    const timers = await this.query<{ id: string }>(
      `SELECT CASE kind WHEN 'collection' THEN concat_ws(' ', id, kind) ELSE id END AS id FROM timers`,
    );
    expect(timers.map(({ id }) => id).sort()).toEqual([...book.timers.keys()].sort());
    const due = await this.query<{ key: string }>(`SELECT concat_ws(' ', kind, id, due_height) AS key FROM maturities`);
    expect(due.map(({ key }) => key).sort()).toEqual(book.waiting());
  }

  /** Hash chain, states against their events, and the ledger against its transfers. */
  async verify(): Promise<void> {
    expect(await verifyChain(this.#session)).toMatchObject({ ok: true });
    expect((await checkStates(this.#session, SETTLEMENT_STREAMS)).differences).toEqual([]);
    expect(await verifyLedger(this.#session)).toMatchObject({ ok: true });
  }

  /** What is made of events is the same when it is made of them once more. */
  async rebuild(): Promise<void> {
    const { owner, schema } = this.#database.service('settlement');
    const before = await this.#projected();
    // Nobody's entry explains it.
    await owner.query(`UPDATE ${schema}.ledger_accounts SET credits_posted = credits_posted + 1`);
    await lockedTransaction({ pool: owner, schema }, (session) =>
      rebuildProjections(session, SETTLEMENT_STREAMS, SETTLEMENT_REBUILD),
    );
    expect(await this.#projected()).toEqual(before);
  }

  /** Every row, but for numbers that only say in which order rows came. */
  async #projected(): Promise<readonly unknown[]> {
    const { projections, derived = [] } = SETTLEMENT_REBUILD;
    const tables = ['stream_states', ...[...projections, ...derived].flatMap((each) => each.tables)];
    const rows: unknown[] = [];
    for (const table of tables) {
      // Of the ledger's, numbers are names.
      const order = table.startsWith('ledger_') ? '' : ` - 'number'`;
      rows.push(table, await this.query(`SELECT (to_jsonb(t)${order})::text AS row FROM ${table} t ORDER BY 1`));
    }
    return rows;
  }

  get #session(): Session {
    const { owner, schema } = this.#database.service('settlement');
    return {
      query: async <Row extends object>(text: string, values: readonly unknown[] = []) => {
        const client = await owner.connect();
        try {
          await client.query(`SET search_path TO ${schema}`);
          return (await client.query<Row>(text, [...values])).rows;
        } finally {
          client.release();
        }
      },
    };
  }
}

/** The same pool, and every statement of its connections counted; alone: no other was under way when it was sent. */
function counting(pool: Pool, count: (isAlone: boolean) => void): Pool {
  const seen = new WeakSet<object>();
  pool.on('acquire', (client) => {
    if (seen.has(client)) return;
    seen.add(client);
    const query = client.query.bind(client) as (...args: unknown[]) => unknown;
    let underWay = 0;
    const answered = (): void => void (underWay -= 1);
    Object.assign(client, {
      query: (...args: unknown[]) => {
        count(underWay === 0);
        underWay += 1;
        const answer = query(...args);
        // One with a callback, as the pool's own are, gives none.
        void Promise.resolve(answer).then(answered, answered);
        return answer;
      },
    });
  });
  return pool;
}

/** What the list of suspense has to add up to. */
function suspenseOf(book: MemoryBook): readonly string[] {
  const accounts = book.ledger.accounts().filter(({ id }) => id.startsWith('suspense/'));
  return accounts
    .flatMap((account) => {
      const amount = creditBalance(account);
      return amount === 0n ? [] : `${account.id.slice('suspense/'.length)} ${amount}`;
    })
    .sort();
}

function positionsOf(book: MemoryBook): readonly string[] {
  return book.windows
    .ids()
    .flatMap((windowId) =>
      book.positions
        .of(windowId)
        .map(({ institutionId: id, unit, paid, received, paidCount, receivedCount }) =>
          [windowId, id, unit, paid, received, paidCount, receivedCount].join(' '),
        ),
    );
}

function accountsOf(book: MemoryBook): readonly { id: string; totals: string }[] {
  return book.ledger
    .accounts()
    .map((a) => {
      const overdraft = a.limit.kind === 'debits_must_not_exceed_credits' ? a.limit.overdraft : 0n;
      const totals = [a.debitsPosted, a.creditsPosted, a.debitsPending, a.creditsPending];
      return { id: a.id as string, totals: [a.limit.kind, overdraft, ...totals].join(' ') };
    })
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

function coinsOf(book: MemoryBook): readonly { coin: string; sources: string }[] {
  return [...book.coins.changed()]
    .sort((a, b) => (a.outpoint < b.outpoint ? -1 : 1))
    .map((c) => ({
      sources: encodeJson(c.sources),
      coin: [
        ...[c.outpoint, c.walletId, c.valueSats, c.script, c.branch, c.index, c.life, c.spends],
        ...[c.released ? 't' : 'f', c.height ?? '-', c.spentBy ?? '-', c.claimedBy ?? '-', c.formerClaims.join(' ')],
      ].join(' '),
    }));
}

/** What went over JSON and came back is what it was. */
export const throughJson = <T>(value: T): T => decodeJson(encodeJson(value)) as T;
