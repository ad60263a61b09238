import {
  acquireLease,
  checkStates,
  EventReader,
  type EventStoreOptions,
  type FaultPoint,
  type Outcome,
  ParkedKeys,
  PostgresEventStore,
  readTransaction,
  releaseLease,
  type StoredEvent,
  StoreUnavailable,
  type Timer,
  TimerWorker,
  verifyChain,
} from '@finality/event-store';
import type { Instant } from '@finality/kernel';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { testDatabase, type TestDatabase, type TestSchema } from '../database.ts';
import { TestRuntime } from '../test-runtime.ts';
import {
  type AccountCommand,
  accountDdl,
  AccountHandler,
  type AccountReply,
  accountType,
  commandOf,
  deposit,
  keyed,
  messageOf,
  withdraw,
} from './account.ts';

type Store = PostgresEventStore<AccountCommand, unknown, AccountReply>;
type Options = Partial<EventStoreOptions<AccountCommand, never, AccountReply>>;

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

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

export const kinds = (outcomes: readonly Outcome<unknown>[]): string[] => outcomes.map((outcome) => outcome.kind);

/** What every event store does (DESIGN 4). */
export function eventStoreContract(): void {
  const bench = new StoreBench();
  beforeAll(() => bench.open());
  beforeEach(() => bench.next());
  afterAll(() => bench.db.close());

  describe('batches', () => testBatches(bench));
  describe('idempotency keys', () => testIdempotency(bench));
  describe('commands that throw', () => testThrowing(bench));
  describe('inbox', () => testInbox(bench));
  describe('parked keys', () => testParked(bench));
  describe('published messages', () => testPublished(bench));
  describe('timers', () => testTimers(bench));
  describe('leases', () => testLeases(bench));
  describe('crashes', () => testCrashes(bench));
}

function testBatches(bench: StoreBench): void {
  test('what is accepted stands in the log, in order, with its envelope, and its state and projection with it', async () => {
    const outcomes = await bench.store().execute([deposit('a', 5n), deposit('b', 7n), withdraw('a', 2n)]);
    expect(outcomes).toEqual([
      { kind: 'accepted', reply: { balance: 5n }, position: 1n },
      { kind: 'accepted', reply: { balance: 7n }, position: 2n },
      { kind: 'accepted', reply: { balance: 3n }, position: 3n },
    ]);
    const events = await bench.events();
    expect(events.map(({ stream, version }) => [stream, version])).toEqual([
      ['account/a', 1],
      ['account/b', 1],
      ['account/a', 2],
    ]);
    expect(events[2]).toMatchObject({
      type: 'withdrawn',
      data: { type: 'withdrawn', amount: 2n },
      schemaVersion: 1,
      epoch: 1,
      actor: { kind: 'institution', id: 'bank-a' },
      institutions: ['bank-a', 'bank-b'],
      occurredAt: 1_769_999_999_000,
      recordedAt: bench.runtime.now(),
      correlationId: 'correlation-1',
      causationId: 'request-1',
    });
    expect(await collect(bench.reader.readStream('account/a', 2))).toEqual([events[2]]);
    expect(await bench.reader.loadState(accountType, 'a')).toEqual({ state: { balance: 3n, changes: 2 }, version: 2 });
    expect(await bench.reader.head()).toMatchObject({ position: 3n, epoch: 1 });
    await bench.expectWhole();
  });

  test('a refusal stores nothing and doesn’t hurt its neighbours', async () => {
    const outcomes = await bench.store().execute([deposit('a', 5n), withdraw('a', 6n), deposit('a', 1n)]);
    expect(kinds(outcomes)).toEqual(['accepted', 'refused', 'accepted']);
    expect(await bench.balance('a')).toBe(6n);
    expect(kinds(await bench.store().execute([withdraw('a', 7n)]))).toEqual(['refused']);
    await bench.expectWhole();
  });

  test('one batch holds a thousand commands; what comes meanwhile makes the next', async () => {
    const sizes: number[] = [];
    const store = bench.store({ onBatch: ({ commands }) => sizes.push(commands) });
    const first = store.execute(Array.from({ length: 1_500 }, () => deposit('a', 1n)));
    const others = Array.from({ length: 10 }, (_, i) => store.execute([deposit(`other-${i}`, 1n)]));
    expect(kinds(await first).every((kind) => kind === 'accepted')).toBe(true);
    await Promise.all(others);
    expect(sizes).toEqual([1_000, 510]);
    expect(await bench.balance('a')).toBe(1_500n);
    await bench.expectWhole();
  });

  test('a full queue refuses, to be tried again', async () => {
    const store = bench.store({ limits: { queueCommandsMax: 2 } });
    const [running, waiting, refused] = await Promise.all([
      store.execute([deposit('a', 1n)]),
      store.execute([deposit('a', 1n), deposit('a', 1n)]),
      store.execute([deposit('a', 1n)]),
    ]);
    expect([kinds(running), kinds(waiting)]).toEqual([['accepted'], ['accepted', 'accepted']]);
    expect(refused).toMatchObject([{ kind: 'refused', refusal: { kind: 'resource_exhausted', retryable: true } }]);
    expect(await bench.balance('a')).toBe(3n);
  });

  test('several stores on one schema (replicas) append one at a time', async () => {
    const stores = [bench.store(), bench.store(), bench.store()];
    await Promise.all(
      Array.from({ length: 60 }, (_, i) => stores[i % 3]!.execute([deposit('shared', 1n), deposit(`own-${i}`, 1n)])),
    );
    expect(await bench.balance('shared')).toBe(60n);
    expect(await bench.events()).toHaveLength(120);
    await bench.expectWhole();
  });

  test('amounts past 2^53 are exact, in events, states, replies and projections', async () => {
    const amount = 2n ** 53n + 1n;
    expect(await bench.store().execute([deposit('a', amount)])).toMatchObject([{ reply: { balance: amount } }]);
    expect((await bench.events())[0]?.data).toEqual({ type: 'deposited', amount });
    expect(await bench.balance('a')).toBe(amount);
    const { rows } = await bench.schema.pool.query('SELECT balance FROM balances');
    expect(rows).toEqual([{ balance: amount }]);
  });
}

function testIdempotency(bench: StoreBench): void {
  test('the same key with the same fields is the same resource, in this batch and in later ones', async () => {
    const store = bench.store();
    const command = deposit('a', 5n, keyed('k', 5n));
    expect(kinds(await store.execute([command, command]))).toEqual(['accepted', 'repeated']);
    expect(await store.execute([command])).toEqual([{ kind: 'repeated', resourceId: 'resource-of-k' }]);
    expect(await bench.balance('a')).toBe(5n);
  });

  test('the same key with other fields is refused, naming them', async () => {
    const store = bench.store();
    const [, inBatch] = await store.execute([deposit('a', 5n, keyed('k', 5n)), deposit('a', 6n, keyed('k', 6n))]);
    const [later] = await store.execute([deposit('a', 7n, keyed('k', 7n))]);
    for (const outcome of [inBatch, later]) {
      expect(outcome).toMatchObject({
        kind: 'refused',
        refusal: { kind: 'already_exists', reason: 'IDEMPOTENCY_KEY_REUSED', fields: [{ field: 'amount' }] },
      });
    }
    expect(await bench.balance('a')).toBe(5n);
  });

  test('keys of another principal or rpc are other keys', async () => {
    const of = (more: object): object => ({ idempotency: { ...keyed('k', 1n).idempotency!, ...more } });
    const commands = [{}, { principal: 'key-2' }, { rpc: 'Withdraw' }].map((more) => deposit('a', 1n, of(more)));
    expect(kinds(await bench.store().execute(commands))).toEqual(['accepted', 'accepted', 'accepted']);
  });

  test('a refused command uses up no key', async () => {
    const store = bench.store();
    const command = withdraw('a', 5n, keyed('k', 5n));
    expect(kinds(await store.execute([command, deposit('b', 1n)]))).toEqual(['refused', 'accepted']);
    expect(kinds(await store.execute([deposit('a', 5n), command]))).toEqual(['accepted', 'accepted']);
  });

  test('when the first of two with one key is refused, the second is decided by itself', async () => {
    const first = withdraw('a', 5n, keyed('k', 5n, 'first'));
    const second = deposit('a', 6n, keyed('k', 6n, 'second'));
    const store = bench.store();
    expect(kinds(await store.execute([first, second, deposit('b', 1n)]))).toEqual(['refused', 'accepted', 'accepted']);
    expect(await store.execute([second])).toEqual([{ kind: 'repeated', resourceId: 'second' }]);
  });

  test('of a hundred concurrent requests with one key, one takes effect', async () => {
    const stores = [bench.store(), bench.store()];
    const outcomes = await Promise.all(
      Array.from({ length: 100 }, (_, i) => stores[i % 2]!.execute([deposit('a', 5n, keyed('k', 5n))])),
    );
    const all = kinds(outcomes.flat()).sort();
    expect(all).toEqual(['accepted', ...Array.from({ length: 99 }, () => 'repeated')]);
    expect(await bench.balance('a')).toBe(5n);
  });
}

function testThrowing(bench: StoreBench): void {
  test.each(['load', 'handle', 'save'] as const)(
    'one that throws in %s fails alone; all others take effect, in order',
    async (where) => {
      const culprit = commandOf({ kind: 'throw', account: 'bad', where });
      const commands = Array.from({ length: 20 }, (_, i) => (i === 13 ? culprit : deposit('a', BigInt(i))));
      const outcomes = await bench.store().execute(commands);
      expect(kinds(outcomes)).toEqual(commands.map((_, i) => (i === 13 ? 'failed' : 'accepted')));
      expect(outcomes[13]).toMatchObject({ error: { message: expect.stringContaining('this command') as string } });
      const amounts = (await bench.events()).map((event) => (event.data as { amount: bigint }).amount);
      expect(amounts).toEqual(commands.flatMap(({ body }) => (body.kind === 'deposit' ? [body.amount] : [])));
      await bench.expectWhole();
    },
  );

  test('its key is not used up', async () => {
    const store = bench.store();
    const culprit = commandOf({ kind: 'throw', account: 'a', where: 'handle' }, keyed('k', 1n));
    expect(kinds(await store.execute([culprit]))).toEqual(['failed']);
    expect(kinds(await store.execute([deposit('a', 1n, keyed('k', 1n))]))).toEqual(['accepted']);
  });

  test('a refusal that left events behind is a bug: it fails, and nothing of it is stored', async () => {
    const bug = commandOf({ kind: 'append-and-refuse', account: 'a' });
    expect(kinds(await bench.store().execute([deposit('a', 1n), bug]))).toEqual(['accepted', 'failed']);
    expect(await bench.balance('a')).toBe(1n);
  });

  test('many of them are found in bounded time', async () => {
    const commands = Array.from({ length: 64 }, (_, i) =>
      i % 4 === 0 ? commandOf({ kind: 'throw', account: 'bad', where: 'handle' }) : deposit('a', 1n),
    );
    const outcomes = await bench.store().execute(commands);
    expect(kinds(outcomes).filter((kind) => kind === 'failed')).toHaveLength(16);
    expect(await bench.balance('a')).toBe(48n);
  });
}

function testInbox(bench: StoreBench): void {
  const message = (key: string, sequence: number): object => ({ message: messageOf(key, sequence) });

  test('each message takes effect once, in order per key', async () => {
    const store = bench.store();
    const one = deposit('a', 1n, message('k', 1));
    const two = deposit('a', 10n, message('k', 2));
    expect(kinds(await store.execute([one, one, two]))).toEqual(['accepted', 'skipped', 'accepted']);
    expect(kinds(await store.execute([one, two]))).toEqual(['skipped', 'skipped']);
    expect(await bench.balance('a')).toBe(11n);
  });

  test('after a gap nothing is handled until what is missing has come', async () => {
    const store = bench.store();
    const [one, two, three, four] = [1, 2, 3, 4].map((i) => deposit('a', 1n, message('k', i)));
    const other = deposit('a', 1n, message('other', 1));
    expect(await store.execute([one!, three!, four!, other])).toMatchObject([
      { kind: 'accepted' },
      { kind: 'gap', expected: 2n },
      { kind: 'gap', expected: 2n },
      { kind: 'accepted' },
    ]);
    expect(kinds(await store.execute([two!, three!, four!]))).toEqual(['accepted', 'accepted', 'accepted']);
    expect(await bench.balance('a')).toBe(5n);
  });

  test('a message that matters to nobody goes by without events', async () => {
    const store = bench.store();
    const ignored = commandOf({ kind: 'ignore', account: 'a' }, message('k', 1));
    const skipped = { message: messageOf('k', 2), cause: ignored.cause, note: { kind: 'skip' } } as const;
    expect(kinds(await store.execute([ignored, skipped, deposit('a', 1n, message('k', 3))]))).toEqual([
      'accepted',
      'skipped',
      'accepted',
    ]);
    expect(await bench.events()).toHaveLength(1);
  });

  test('sequences past 2^53 are exact', async () => {
    const sequence = 2n ** 53n;
    const { schema } = bench.schema;
    const insert = `INSERT INTO ${schema}.inbox_keys (topic, ordering_key, last_sequence) VALUES ('finality.test.source.v1', 'k', $1)`;
    await bench.schema.owner.query(insert, [sequence]);
    const store = bench.store();
    const at = (offset: bigint): object => ({ message: messageOf('k', sequence + offset) });
    expect(await store.execute([deposit('a', 1n, at(2n)), deposit('a', 1n, at(0n))])).toMatchObject([
      { kind: 'gap', expected: sequence + 1n },
      { kind: 'skipped' },
    ]);
    expect(kinds(await store.execute([deposit('a', 1n, at(1n))]))).toEqual(['accepted']);
  });
}

function testParked(bench: StoreBench): void {
  const message = (sequence: number): object => ({ message: messageOf('k', sequence) });
  const bad = (sequence: number) => commandOf({ kind: 'throw', account: 'a', where: 'handle' }, message(sequence));
  const key = { topic: 'finality.test.source.v1', orderingKey: 'k' };
  const parked = (): ParkedKeys => new ParkedKeys({ ...bench.schema, runtime: bench.runtime });

  test('a message that can’t be handled parks its key; later ones wait behind it, other keys go on', async () => {
    const store = bench.store();
    const batch = [
      deposit('a', 1n, message(1)),
      bad(2),
      deposit('a', 2n, message(3)),
      deposit('a', 4n, { message: messageOf('other', 1) }),
    ];
    expect(kinds(await store.execute(batch))).toEqual(['accepted', 'parked', 'parked', 'accepted']);
    expect(kinds(await store.execute([deposit('a', 8n, message(4)), bad(2)]))).toEqual(['parked', 'skipped']);
    expect(await bench.balance('a')).toBe(5n);
    expect(await parked().list()).toEqual([
      {
        ...key,
        sequence: 2n,
        messages: 3,
        parkedAt: bench.runtime.now(),
        cause: 'Error: this command can’t be handled',
      },
    ]);
    expect(await parked().count()).toBe(1);
    await bench.expectWhole();
  });

  test('a replay handles what waited, in order, once, and the key goes on', async () => {
    const store = bench.store();
    await store.execute([bad(1), deposit('a', 1n, message(2)), deposit('a', 2n, message(3))]);
    const seen: string[] = [];
    const replay = () =>
      parked().replay(key, (messages) => {
        seen.push(...messages.map(({ payload }) => Buffer.from(payload).toString()));
        return store.execute(messages.map((of) => deposit('a', 10n ** of.sequence, { message: of })));
      });
    expect(await replay()).toEqual({ replayed: 3, parked: false });
    expect(seen).toEqual(['payload of k-1', 'payload of k-2', 'payload of k-3']);
    expect(await bench.balance('a')).toBe(1_110n);
    expect(await replay()).toEqual({ replayed: 0, parked: false });
    expect(await parked().count()).toBe(0);
    expect(kinds(await store.execute([deposit('a', 1n, message(4)), deposit('a', 1n, message(3))]))).toEqual([
      'accepted',
      'skipped',
    ]);
  });

  test('a replay that fails again leaves the key parked, behind it what waited', async () => {
    const store = bench.store();
    await store.execute([deposit('a', 1n, message(1)), bad(2), deposit('a', 2n, message(3))]);
    const again = await parked().replay(key, (messages) =>
      store.execute(messages.map((of) => ({ ...bad(0), message: of }))),
    );
    expect(again).toEqual({ replayed: 0, parked: true });
    expect(await parked().list()).toMatchObject([{ sequence: 2n, messages: 2 }]);
    const half = await parked().replay(key, (messages) =>
      store.execute(
        messages.map((of) => (of.sequence === 2n ? deposit('a', 2n, { message: of }) : { ...bad(0), message: of })),
      ),
    );
    expect(half).toEqual({ replayed: 1, parked: true });
    expect(await parked().list()).toMatchObject([{ sequence: 3n, messages: 1 }]);
  });

  test('skipping gives up the first one and keeps it on record; the last one skipped frees the key', async () => {
    const store = bench.store();
    await store.execute([bad(1), deposit('a', 2n, message(2))]);
    expect(await parked().skip(key, 'operator:kim', 'made in error')).toEqual({ skipped: 1n });
    expect(
      await parked().replay(key, (messages) => store.execute(messages.map((of) => deposit('a', 2n, { message: of })))),
    ).toEqual({
      replayed: 1,
      parked: false,
    });
    expect(await parked().skip(key, 'operator:kim', 'nothing left')).toEqual({ skipped: undefined });
    const { rows } = await bench.schema.pool.query(
      'SELECT sequence, resolution, resolved_by, reason FROM parked_messages ORDER BY sequence',
    );
    expect(rows).toEqual([
      { sequence: 1n, resolution: 'skipped', resolved_by: 'operator:kim', reason: 'made in error' },
      { sequence: 2n, resolution: 'replayed', resolved_by: null, reason: null },
    ]);
  });

  test('a message that the handler refuses is parked too, and so is one whose payload can’t be read', async () => {
    const store = bench.store();
    const refused = withdraw('a', 1n, message(1));
    const unreadable = {
      message: messageOf('other', 1),
      cause: refused.cause,
      note: { kind: 'park', cause: 'not protobuf' },
    } as const;
    expect(await store.execute([refused, unreadable])).toEqual([
      { kind: 'parked', cause: 'TOO_LITTLE: the balance doesn’t suffice' },
      { kind: 'parked', cause: 'not protobuf' },
    ]);
    expect(await parked().count()).toBe(2);
  });
}

function testPublished(bench: StoreBench): void {
  test('each event’s messages carry the envelope and a sequence without gaps per key', async () => {
    const store = bench.store();
    await store.execute([deposit('a', 1n), deposit('b', 1n), deposit('a', 1n)]);
    await store.execute([deposit('a', 1n), withdraw('b', 5n), deposit('b', 1n)]);
    const { rows } = await bench.schema.pool.query<{
      ordering_key: string;
      sequence: bigint;
      headers: string;
      payload: Buffer;
    }>('SELECT ordering_key, sequence, headers, payload FROM published_messages ORDER BY position, ordinal');
    expect(rows.map((row) => [row.ordering_key, row.sequence])).toEqual([
      ['a', 1n],
      ['b', 1n],
      ['a', 2n],
      ['a', 3n],
      ['b', 2n],
    ]);
    const [first] = await bench.events();
    expect(JSON.parse(rows[0]!.headers)).toEqual({
      ce_specversion: '1.0',
      ce_id: first!.eventId,
      ce_source: `/finality/${bench.schema.name}`,
      ce_type: 'finality.test.v1.AccountChanged',
      ce_subject: 'account/a',
      ce_time: '2026-02-02T02:39:59.000Z',
      ce_recordedtime: '2026-02-02T02:40:00.000Z',
      ce_sequence: '1',
      ce_position: '1',
      ce_epoch: '1',
      ce_schemaversion: '1',
      ce_correlationid: 'correlation-1',
      ce_causationid: 'request-1',
      ce_actor: 'institution:bank-a',
      ce_institutions: 'bank-a,bank-b',
      'content-type': 'application/protobuf',
    });
    expect(rows[0]!.payload.toString()).toBe('{"amount":{"$bigint":"1"},"balance":{"$bigint":"1"},"kind":"deposited"}');
  });
}

function testTimers(bench: StoreBench): void {
  const timerAt = (ms: number): Timer => ({
    stream: 'account/a',
    kind: 'interest',
    id: '1',
    dueAt: (bench.runtime.now() + ms) as Instant,
  });
  const workerOf = (store: Store, body: AccountCommand): TimerWorker<AccountCommand, AccountReply> =>
    new TimerWorker({
      ...bench.schema,
      name: 'timers',
      store,
      runtime: bench.runtime,
      commandOf: () => commandOf(body),
    });
  const interest: AccountCommand = { kind: 'deposit', account: 'a', amount: 1n };

  test('a timer fires once, when it is due', async () => {
    const store = bench.store();
    await store.execute([commandOf({ kind: 'schedule', account: 'a', timer: timerAt(1_000) })]);
    const workers = [workerOf(store, interest), workerOf(bench.store(), interest)];
    expect(await workers[0]!.step()).toBe('idle');
    bench.runtime.advance(1_000);
    await Promise.all(workers.map((worker) => worker.step()));
    expect(await workers[0]!.step()).toBe('idle');
    expect(await bench.balance('a')).toBe(1n);
  });

  test('cancelled or set anew, it doesn’t fire, not even in the batch that is to fire it', async () => {
    const store = bench.store();
    const due = timerAt(0);
    await store.execute([commandOf({ kind: 'schedule', account: 'a', timer: due })]);
    const cancel = commandOf({ kind: 'cancel', account: 'a', timer: due });
    expect(kinds(await store.execute([cancel, { ...deposit('a', 1n), timer: due }]))).toEqual(['accepted', 'skipped']);
    await store.execute([commandOf({ kind: 'schedule', account: 'a', timer: due })]);
    const later = commandOf({ kind: 'schedule', account: 'a', timer: timerAt(5_000) });
    expect(kinds(await store.execute([later, { ...deposit('a', 1n), timer: due }]))).toEqual(['accepted', 'skipped']);
    expect(await workerOf(store, interest).step()).toBe('idle');
    bench.runtime.advance(5_000);
    expect(await workerOf(store, interest).step()).toBe('progress');
    expect(await bench.balance('a')).toBe(1n);
  });

  test.each(['refused', 'thrown out'] as const)(
    'one whose command is %s stays, is put off and says why',
    async (how) => {
      const store = bench.store();
      await store.execute([commandOf({ kind: 'schedule', account: 'a', timer: timerAt(0) })]);
      const failing: AccountCommand =
        how === 'refused'
          ? { kind: 'withdraw', account: 'a', amount: 9n }
          : { kind: 'throw', account: 'a', where: 'handle' };
      expect(await workerOf(store, failing).step()).toBe('progress');
      expect(await workerOf(store, interest).step()).toBe('idle');
      const { rows } = await bench.schema.pool.query<{ cause: string; attempts: number }>(
        'SELECT cause, attempts FROM timers',
      );
      expect(rows).toMatchObject([
        { attempts: 1, cause: expect.stringMatching(/TOO_LITTLE|can’t be handled/) as string },
      ]);
      bench.runtime.advance(1_000);
      expect(await workerOf(store, interest).step()).toBe('progress');
      expect(await bench.balance('a')).toBe(1n);
    },
  );
}

function testLeases(bench: StoreBench): void {
  const of = (holder: string) => ({ name: 'follower', holder, ttlMs: 1_000 });

  test('one holder at a time; every change of holder gives a higher fencing number', async () => {
    const store = { ...bench.schema, runtime: bench.runtime };
    const first = await acquireLease(store, of('one'));
    expect(first?.fencing).toBe(1n);
    expect(await acquireLease(store, of('two'))).toBeUndefined();
    bench.runtime.advance(500);
    expect((await acquireLease(store, of('one')))?.fencing).toBe(1n);
    bench.runtime.advance(1_000);
    const second = await acquireLease(store, of('two'));
    expect(second?.fencing).toBe(2n);
    await releaseLease(store, first!);
    expect(await acquireLease(store, of('one'))).toBeUndefined();
    await releaseLease(store, second!);
    expect((await acquireLease(store, of('one')))?.fencing).toBe(3n);
  });

  test('a command of somebody who has lost the lease is refused', async () => {
    const options = { ...bench.schema, runtime: bench.runtime };
    const store = bench.store();
    const lost = (await acquireLease(options, of('one')))!;
    expect(kinds(await store.execute([deposit('a', 1n, { lease: lost })]))).toEqual(['accepted']);
    bench.runtime.advance(1_000);
    const held = (await acquireLease(options, of('two')))!;
    const outcomes = await store.execute([deposit('a', 1n, { lease: lost }), deposit('a', 1n, { lease: held })]);
    expect(outcomes).toMatchObject([{ kind: 'refused', refusal: { reason: 'LEASE_LOST' } }, { kind: 'accepted' }]);
    expect(await bench.balance('a')).toBe(2n);
  });

  test('nobody takes a lease over while a batch that relies on it commits', async () => {
    const options = { ...bench.schema, runtime: bench.runtime };
    const lease = (await acquireLease(options, of('one')))!;
    let takeover: Promise<unknown> | undefined;
    const order: string[] = [];
    const faults = {
      before: (point: FaultPoint): void => {
        if (point !== 'save' || takeover) return;
        bench.runtime.advance(1_000);
        takeover = acquireLease(options, of('two')).then(() => order.push('taken over'));
      },
      after: (point: FaultPoint): void => void (point === 'commit' && order.push('committed')),
    };
    expect(kinds(await bench.store({ faults }).execute([deposit('a', 1n, { lease })]))).toEqual(['accepted']);
    await takeover;
    expect(order).toEqual(['committed', 'taken over']);
  });
}

function testCrashes(bench: StoreBench): void {
  const points: FaultPoint[] = ['lock', 'claims', 'load', 'handle', 'write', 'save', 'commit'];
  const cases = points.flatMap((point) => [`before ${point}`, `after ${point}`]);

  test.each(cases)('crashed %s, and asked again with the same keys: done once', async (where) => {
    let crashes = 1;
    const crashAt = (when: string) => (point: FaultPoint) => {
      if (`${when} ${point}` === where && crashes-- > 0) throw new Error('kill -9');
    };
    const store = bench.store({ faults: { before: crashAt('before'), after: crashAt('after') } });
    const commands = [deposit('a', 1n, keyed('k', 1n)), deposit('a', 2n, { message: messageOf('k', 1) })];
    await expect(store.execute(commands)).rejects.toBeInstanceOf(StoreUnavailable);
    const survived = where === 'after commit' ? ['repeated', 'skipped'] : ['accepted', 'accepted'];
    expect(kinds(await store.execute(commands))).toEqual(survived);
    expect(await bench.balance('a')).toBe(3n);
    await bench.expectWhole();
  });
}
