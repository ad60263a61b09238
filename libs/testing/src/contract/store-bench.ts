import {
  checkStates,
  EventReader,
  type EventStoreOptions,
  type Outcome,
  PostgresEventStore,
  readTransaction,
  type StoredEvent,
  verifyChain,
} from '@finality/event-store';
import { expect } from 'vitest';
import { testDatabase, type TestDatabase, type TestSchema } from '../database.ts';
import { TestRuntime } from '../test-runtime.ts';
import { type AccountCommand, accountDdl, AccountHandler, type AccountReply, accountType } from './account.ts';

export type Store = PostgresEventStore<AccountCommand, unknown, AccountReply>;
type Options = Partial<Omit<EventStoreOptions<AccountCommand, never, AccountReply>, 'handler'>> & {
  readonly handler?: AccountHandler;
};

/** What a suite works on: one database for all tests of a file, a service of its own for each test. */
export class StoreBench {
  db!: TestDatabase;
  runtime = new TestRuntime();
  schema!: TestSchema;
  #services = 0;

  async open(): Promise<void> {
    this.db = await testDatabase([], { ddl: accountDdl });
  }

  /** The next test's service. */
  async next(): Promise<void> {
    this.runtime = new TestRuntime();
    const name = `service-${++this.#services}`;
    await this.db.add(name);
    this.schema = this.db.service(name);
  }

  get reader(): EventReader {
    return new EventReader(this.schema);
  }

  store(options: Options = {}): Store {
    const { pool, schema, name } = this.schema;
    const handler = new AccountHandler();
    return new PostgresEventStore({ pool, schema, service: name, handler, runtime: this.runtime, ...options });
  }

  async events(after = 0n): Promise<StoredEvent[]> {
    return collect(this.reader.readAll(after));
  }

  async balance(account: string): Promise<bigint> {
    return (await this.reader.loadState(accountType, account)).state.balance;
  }

  /** What must hold after whatever was done to a store. */
  async expectWhole(): Promise<void> {
    const checks = await readTransaction(this.schema, async (session) => ({
      chain: await verifyChain(session),
      states: await checkStates(session, [accountType]),
    }));
    const events = await this.events();
    expect(checks.chain).toMatchObject({ ok: true, position: BigInt(events.length) });
    expect(checks.states.differences).toEqual([]);
    expect(events.map((event) => event.position)).toEqual(events.map((_, i) => BigInt(i + 1)));
    const { rows } = await this.schema.pool.query<{ account: string; balance: bigint }>(
      'SELECT account, balance FROM balances',
    );
    for (const row of rows) expect(row.balance).toBe(await this.balance(row.account));
  }
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

export const kinds = (outcomes: readonly Outcome<unknown>[]): string[] => outcomes.map((outcome) => outcome.kind);
