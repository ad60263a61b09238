import { type FaultPoint, StoreUnavailable } from '@finality/event-store';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { accountType, commandOf, deposit, keyed, messageOf, withdraw } from './account.ts';
import { testInbox, testParked } from './inbox.contract.ts';
import { collect, kinds, StoreBench } from './store-bench.ts';
import { testLeases, testTimers } from './workers.contract.ts';

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

  test('a clock that is set back makes nothing earlier than what came before it', async () => {
    const store = bench.store();
    const latest = bench.runtime.now();
    await store.execute([deposit('a', 1n)]);
    bench.runtime.advance(-60_000);
    await store.execute([deposit('a', 1n)]);
    bench.runtime.advance(60_001);
    await store.execute([deposit('a', 1n)]);
    const times = (await bench.events()).map(({ recordedAt }) => recordedAt);
    expect(times).toEqual([latest, latest, latest + 1]);
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
    const store = bench.store({ limits: { queueCommandsMax: 3 } });
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
