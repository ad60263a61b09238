import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import {
  countKept,
  EventReader,
  freeKeys,
  lockedTransaction,
  readTransaction,
  rebuildProjections,
  StoreUnavailable,
  verifyChain,
} from '@finality/event-store';
import type { Instant } from '@finality/kernel';
import { PostgresDriver } from '@finality/messaging';
import type { Pool } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { SchemaCopy } from '../schema-copy.ts';
import { ACCOUNT_TOPIC, accountType, deposit, keyed, withdraw } from './account.ts';
import { kinds, StoreBench } from './store-bench.ts';
import { drain, MessagingBench, postgresDriver } from './messaging.contract.ts';

const DAY_MS = 86_400_000;
const bench = new StoreBench();
const children: ChildProcess[] = [];
beforeAll(() => bench.open());
beforeEach(() => bench.next());
afterEach(() => children.splice(0).forEach((child) => child.kill('SIGKILL')));
afterAll(() => bench.db.close());

async function child(order: object, firstWord: string | RegExp): Promise<ChildProcess> {
  const process = fork(join(import.meta.dirname, 'child.fixture.ts'), [JSON.stringify(order)], {
    execArgv: ['--no-warnings'],
  });
  children.push(process);
  expect(await heard(process)).toMatch(firstWord);
  return process;
}

async function heard(process: ChildProcess): Promise<string> {
  const [word] = (await once(process, 'message')) as [string];
  return word;
}

describe('a reader', () => {
  test('sees commits in position order and none later than one it has seen, whatever transactions are open', async () => {
    const stores = [bench.store(), bench.store()];
    const snapshot = await bench.schema.pool.connect();
    await snapshot.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await snapshot.query('SELECT * FROM events');
    const tail: bigint[] = [];
    let isWriting = true;
    const reading = (async () => {
      while (isWriting || tail.length < 200)
        for await (const event of bench.reader.readAll(tail.at(-1) ?? 0n)) tail.push(event.position);
    })();
    await Promise.all(
      Array.from({ length: 100 }, (_, i) => stores[i % 2]!.execute([deposit(`a${i}`, 1n), deposit(`b${i}`, 1n)])),
    );
    isWriting = false;
    await reading;
    expect(tail).toEqual(Array.from({ length: 200 }, (_, i) => BigInt(i + 1)));
    await snapshot.query('ROLLBACK');
    snapshot.release();
  });

  test('sees nothing of a batch that hasn’t committed, and no later batch before it', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    let holding = (): void => undefined;
    const isHolding = new Promise<void>((resolve) => (holding = resolve));
    const before = async (point: string): Promise<void> => {
      if (point !== 'commit') return;
      holding();
      await held;
    };
    const first = bench.store({ faults: { before } }).execute([deposit('slow', 1n)]);
    await isHolding;
    const second = bench.store().execute([deposit('quick', 1n)]);
    const { schema, pool } = bench.schema;
    const driver = new PostgresDriver({
      bus: bench.db.bus,
      consumer: pool,
      consumerSchema: schema,
      schemaOf: () => schema,
      listen: false,
    });
    const consumer = driver.consumer({ service: 'x', topics: [ACCOUNT_TOPIC] });
    for (let i = 0; i < 5; i++) {
      expect(await bench.events()).toEqual([]);
      expect(await consumer.poll(10)).toEqual([]);
    }
    release();
    await Promise.all([first, second]);
    expect((await bench.events()).map((event) => event.stream)).toEqual(['account/slow', 'account/quick']);
    expect((await consumer.poll(10)).map((message) => message.orderingKey)).toEqual(['slow', 'quick']);
  });
});

describe('a holder of the lock', () => {
  test('that is stopped (SIGSTOP) is got rid of within five seconds, and its commit fails', async () => {
    const stalled = await child({ role: 'stall', url: bench.schema.url, schema: bench.schema.schema }, 'holding');
    stalled.kill('SIGSTOP');
    const startedMs = performance.now();
    expect(kinds(await bench.store().execute([deposit('a', 1n)]))).toEqual(['accepted']);
    expect(performance.now() - startedMs).toBeLessThan(5_000);
    stalled.kill('SIGCONT');
    stalled.send('go on');
    expect(await heard(stalled)).toBe('StoreUnavailable');
    expect((await bench.events()).map((event) => event.stream)).toEqual(['account/a']);
    await bench.expectWhole();
  });

  test('that is killed doesn’t hold anybody up, and nothing of its batch stays', async () => {
    const killed = await child({ role: 'stall', url: bench.schema.url, schema: bench.schema.schema }, 'holding');
    killed.kill('SIGKILL');
    expect(kinds(await bench.store().execute([deposit('a', 1n)]))).toEqual(['accepted']);
    await bench.expectWhole();
  });
});

describe('a consumer that is killed between effect and acknowledgement', () => {
  test('leaves a message that its successor applies no second time', async () => {
    const messaging = new MessagingBench(postgresDriver);
    await messaging.open();
    await messaging.next();
    await messaging.sourceStore.execute([deposit('a', 1n), deposit('a', 2n)]);
    const { url, schema } = messaging.sink;
    const order = { role: 'consume', url, busUrl: messaging.db.busUrl, schema, sourceSchema: messaging.source.schema };
    const killed = await child(order, 'applied 2');
    killed.kill('SIGKILL');
    const worker = messaging.worker();
    expect(await worker.lag()).toBe(2n);
    await drain(worker);
    expect(await messaging.amounts(messaging.sink)).toEqual({ 'account/a': [1n, 2n] });
    expect(await worker.lag()).toBe(0n);
    await messaging.close();
  });
});

describe('a lost connection', () => {
  test('rejects what was under way with StoreUnavailable; the next batch has a new one', async () => {
    let isFirst = true;
    const before = async (point: string): Promise<void> => {
      if (point !== 'save' || !isFirst) return;
      isFirst = false;
      await bench.db.admin.query(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1 AND state = $2',
        [bench.schema.serviceRole, 'idle in transaction'],
      );
    };
    const store = bench.store({ faults: { before } });
    await expect(store.execute([deposit('a', 1n, keyed('k', 1n))])).rejects.toBeInstanceOf(StoreUnavailable);
    expect(kinds(await store.execute([deposit('a', 1n, keyed('k', 1n))]))).toEqual(['accepted']);
    await bench.expectWhole();
  });
});

describe('the service’s role', () => {
  const refused = (pool: Pool, sql: string) => expect(pool.query(sql), sql).rejects.toMatchObject({ code: '42501' });

  test('can’t change, delete or truncate what is insert-only, nor disable the trigger', async () => {
    const { pool } = bench.schema;
    await bench.store().execute([deposit('a', 1n)]);
    for (const table of ['events', 'published_messages']) {
      await refused(pool, `UPDATE ${table} SET position = 7`);
      await refused(pool, `DELETE FROM ${table}`);
      await refused(pool, `TRUNCATE ${table}`);
      await refused(pool, `ALTER TABLE ${table} DISABLE TRIGGER insert_only`);
      await refused(pool, `ALTER TABLE ${table} DISABLE TRIGGER ALL`);
      await refused(pool, `DROP TRIGGER insert_only ON ${table}`);
      await refused(pool, `DROP TABLE ${table}`);
    }
    await refused(
      pool,
      'CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$',
    );
    await refused(pool, 'SET session_replication_role = replica');
    await refused(pool, 'UPDATE store_head SET epoch = 9');
    await refused(pool, `SET ROLE ${bench.schema.serviceRole}_owner`);
  });

  test('the trigger refuses the owner too', async () => {
    const { owner, schema } = bench.schema;
    await bench.store().execute([deposit('a', 1n)]);
    for (const table of ['events', 'published_messages']) {
      for (const sql of [
        `UPDATE ${schema}.${table} SET position = 7`,
        `DELETE FROM ${schema}.${table}`,
        `TRUNCATE ${schema}.${table}`,
      ]) {
        await expect(owner.query(sql), sql).rejects.toMatchObject({ code: '23001' });
      }
    }
  });

  test('an idempotency key is kept for a month at least, and one of our own services for ever', async () => {
    await bench.store().execute([deposit('a', 1n, keyed('k', 1n))]);
    const free = (): Promise<unknown> => bench.schema.pool.query('DELETE FROM idempotency_keys');
    await takenDaysAgo(29.9);
    await expect(free()).rejects.toMatchObject({ code: '23001' });
    await takenDaysAgo(30.1, 'service/settlement');
    await expect(free()).rejects.toMatchObject({ code: '23001' });
    await takenDaysAgo(30.1);
    await free();
    await refused(bench.schema.pool, `UPDATE idempotency_keys SET fields = '{}'`);
    await refused(bench.schema.pool, 'TRUNCATE idempotency_keys');
  });

  test('callers’ keys are freed when their time is over, oldest first, and no others', async () => {
    const store = bench.store();
    await store.execute(Array.from({ length: 1_100 }, (_, i) => deposit('a', 1n, keyed(`old ${i}`, 1n))));
    await takenDaysAgo(100);
    await store.execute([deposit('a', 1n, keyed('new', 1n)), deposit('a', 1n, keyed('internal', 1n))]);
    const { owner, schema, pool } = bench.schema;
    const names = { pool, schema };
    await owner.query(`UPDATE ${schema}.idempotency_keys SET claimed_at = $1 WHERE key = 'new'`, [Date.now()]);
    await owner.query(
      `UPDATE ${schema}.idempotency_keys SET claimed_at = 0, principal = 'service/x' WHERE key = 'internal'`,
    );
    const monthsAgo = (Date.now() - 90 * DAY_MS) as Instant;
    const plan = await pool.query<Record<string, string>>(
      `EXPLAIN SELECT ctid FROM idempotency_keys WHERE NOT starts_with(principal, 'service/') AND claimed_at < 1 ORDER BY claimed_at LIMIT 9`,
    );
    expect(JSON.stringify(plan.rows)).toContain('idempotency_keys_age');
    expect([
      await freeKeys(names, monthsAgo),
      await freeKeys(names, monthsAgo),
      await freeKeys(names, monthsAgo),
    ]).toEqual([true, false, false]);
    const { rows } = await pool.query('SELECT key FROM idempotency_keys ORDER BY key');
    expect(rows).toEqual([{ key: 'internal' }, { key: 'new' }]);
    // What is asked for again after that is something new.
    const [again] = await store.execute([deposit('a', 1n, keyed('old 1', 1n))]);
    const [before] = await store.execute([deposit('a', 1n, keyed('new', 1n))]);
    expect([again?.kind, before?.kind]).toEqual(['accepted', 'repeated']);
    await owner.query(`ANALYZE ${schema}.idempotency_keys, ${schema}.inbox_keys`);
    expect(await countKept(names)).toEqual({ idempotencyKeys: 3, inboxKeys: 0 });
  });

  async function takenDaysAgo(days: number, principal = 'key-1'): Promise<void> {
    const { owner, schema } = bench.schema;
    const values = [Math.round(Date.now() - days * DAY_MS), principal];
    await owner.query(`UPDATE ${schema}.idempotency_keys SET claimed_at = $1, principal = $2`, values);
  }

  test('can’t read or write another service’s schema; the bus role reads published messages and nothing else', async () => {
    const other = bench.db.service('service-1');
    const tables = await other.owner.query<{ name: string }>(
      `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = '${other.schema}'`,
    );
    expect(tables.rows.length).toBeGreaterThan(10);
    for (const { name } of tables.rows) {
      await refused(bench.schema.pool, `SELECT * FROM ${other.schema}.${name}`);
      await refused(bench.schema.pool, `INSERT INTO ${other.schema}.${name} DEFAULT VALUES`);
      if (name !== 'published_messages') await refused(bench.db.bus, `SELECT * FROM ${other.schema}.${name}`);
      await refused(bench.db.bus, `DELETE FROM ${other.schema}.${name}`);
    }
    await bench.db.bus.query(`SELECT * FROM ${other.schema}.published_messages`);
    await refused(bench.db.bus, `INSERT INTO ${other.schema}.published_messages DEFAULT VALUES`);
  });
});

describe('the hash chain', () => {
  const verify = () => readTransaction(bench.schema, verifyChain);

  async function tamper(sql: string): Promise<void> {
    const { owner, schema } = bench.schema;
    await owner.query(
      `SET search_path = ${schema}; ALTER TABLE events DISABLE TRIGGER ALL; ${sql}; ALTER TABLE events ENABLE ALWAYS TRIGGER insert_only`,
    );
  }

  test.each([
    ['amount', `UPDATE events SET data = replace(data, '"3"', '"4"') WHERE position = 3`, 3n],
    ['actor', `UPDATE events SET actor_id = 'bank-b' WHERE position = 2`, 2n],
    ['time', `UPDATE events SET recorded_at = recorded_at + 1 WHERE position = 4`, 4n],
    ['institutions', `UPDATE events SET institutions = '{bank-a}' WHERE position = 5`, 5n],
    ['traceparent', `UPDATE events SET traceparent = 'x' WHERE position = 1`, 1n],
    ['hash', `UPDATE events SET hash = decode(repeat('00', 32), 'hex') WHERE position = 2`, 2n],
    ['row taken away', 'DELETE FROM events WHERE position = 3', 3n],
    ['last row taken away', 'DELETE FROM events WHERE position = 5', 4n],
    [
      'two rows exchanged',
      'UPDATE events SET position = -position WHERE position IN (2, 3); UPDATE events SET position = 5 + position WHERE position < 0',
      2n,
    ],
    ['head set back', 'UPDATE store_head SET position = 4', 5n],
  ])('shows a change: %s', async (_what, sql, position) => {
    await bench.store().execute([1n, 2n, 3n, 4n, 5n].map((amount) => deposit('a', amount)));
    expect(await verify()).toMatchObject({ ok: true, position: 5n });
    await tamper(sql);
    expect(await verify()).toMatchObject({ ok: false, position });
  });

  test('states can be rebuilt from events, and a state that differs is found', async () => {
    await bench.store().execute([deposit('a', 5n), deposit('b', 5n), withdraw('a', 2n), deposit('c', 1n)]);
    const before = await bench.reader.loadStates(accountType, ['a', 'b', 'c']);
    await bench.schema.owner.query(
      `UPDATE ${bench.schema.schema}.stream_states SET state = '{"balance":{"$bigint":"9"},"changes":2}' WHERE stream = 'account/a'`,
    );
    await expect(bench.expectWhole()).rejects.toThrow('account/a');
    const asOwner = { ...bench.schema, pool: bench.schema.owner };
    expect(
      await lockedTransaction(asOwner, (session) => rebuildProjections(session, [accountType], { projections: [] })),
    ).toEqual({
      events: 4,
      streams: 3,
    });
    expect(await new EventReader(bench.schema).loadStates(accountType, ['a', 'b', 'c'])).toEqual(before);
    await bench.expectWhole();
  });
});

test('positions past 2^53 are exact', async () => {
  await bench.schema.owner.query(`UPDATE ${bench.schema.schema}.store_head SET position = 9007199254740992`);
  expect(await bench.store().execute([deposit('a', 1n)])).toMatchObject([
    { kind: 'accepted', position: 2n ** 53n + 1n },
  ]);
  expect((await bench.events()).map((event) => event.position)).toEqual([2n ** 53n + 1n]);
  expect(await bench.reader.head()).toMatchObject({ position: 2n ** 53n + 1n });
});

describe('a store that was restored from an older copy', () => {
  const restored = new MessagingBench(postgresDriver);
  beforeAll(() => restored.open());
  beforeEach(() => restored.next());
  afterAll(() => restored.close());

  test('goes on in a new epoch: what it says is news to whoever has heard what was lost', async () => {
    const { source, sink, sourceStore } = restored;
    const worker = restored.worker();
    await sourceStore.execute([deposit('a', 1n), deposit('b', 1n)]);
    await drain(worker);
    const copy = await SchemaCopy.take(source.owner, source.schema);
    await sourceStore.execute([deposit('a', 2n), deposit('a', 3n), deposit('c', 1n)]);
    await drain(worker);
    await copy.restore();
    await source.pool.query('SELECT begin_epoch(2)');
    await sourceStore.execute([deposit('a', 40n), deposit('b', 20n), deposit('c', 30n), deposit('a', 50n)]);
    await drain(worker);
    expect(await restored.amounts(sink)).toEqual({
      'account/a': [1n, 2n, 3n, 40n, 50n],
      'account/b': [1n, 20n],
      'account/c': [1n, 30n],
    });
    expect(await readTransaction(source, verifyChain)).toMatchObject({ ok: true, position: 10n ** 12n + 4n });
    expect(await new EventReader(source).head()).toMatchObject({ epoch: 2 });
    for (const over of [1, 2])
      await expect(source.pool.query(`SELECT begin_epoch(${over})`)).rejects.toThrow('is over');
  });
});
