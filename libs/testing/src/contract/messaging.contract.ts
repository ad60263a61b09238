import { EventReader, PostgresEventStore } from '@finality/event-store';
import { decodeJson } from '@finality/kernel';
import {
  command,
  commandsOf,
  type ConsumerOptions,
  ConsumerWorker,
  type IncomingMessage,
  type MessageConsumer,
  type MessageDriver,
  ParkedKeys,
  PermutingDriver,
  PostgresDriver,
  type TopicHandler,
} from '@finality/messaging';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { testDatabase, type TestDatabase, type TestSchema } from '../database.ts';
import { seededRandom, TestRuntime } from '../test-runtime.ts';
import {
  ACCOUNT_MESSAGE,
  ACCOUNT_TOPIC,
  type AccountCommand,
  accountDdl,
  AccountHandler,
  type AccountReply,
  deposit,
  withdraw,
} from './account.ts';

type Store = PostgresEventStore<AccountCommand, unknown, AccountReply>;

/** What a driver is made from, for a consuming service. */
export interface DriverSetting {
  readonly db: TestDatabase;
  readonly consumer: TestSchema;
  /** The service that publishes everything. */
  readonly source: TestSchema;
}

export type MakeDriver = (setting: DriverSetting) => MessageDriver;

export const postgresDriver: MakeDriver = ({ db, consumer, source }) =>
  new PostgresDriver({
    bus: db.bus,
    consumer: consumer.pool,
    consumerSchema: consumer.schema,
    schemaOf: () => source.schema,
  });

export interface ContractOptions {
  /** Before each test, when its services are there. */
  readonly prepare?: (bench: MessagingBench) => Promise<void>;
  /** Whether all consumers of a service have all messages, each from the service's progress on, rather than share them. */
  readonly isOverlapping?: boolean;
}

/** A publishing service `source` and a consuming one `sink`, new ones for each test. */
export class MessagingBench {
  db!: TestDatabase;
  runtime = new TestRuntime();
  source!: TestSchema;
  sink!: TestSchema;
  sourceStore!: Store;
  sinkStore!: Store;
  readonly #makeDriver: MakeDriver;
  #drivers: MessageDriver[] = [];
  #tests = 0;

  constructor(makeDriver: MakeDriver) {
    this.#makeDriver = makeDriver;
  }

  async open(): Promise<void> {
    this.db = await testDatabase([], { ddl: accountDdl });
  }

  /** The next test's services. */
  async next(): Promise<void> {
    await this.#closeDrivers();
    const [source, sink] = [`source-${++this.#tests}`, `sink-${this.#tests}`];
    await this.db.add(source, sink);
    this.source = this.db.service(source);
    this.sink = this.db.service(sink);
    this.sourceStore = this.storeOf(this.source);
    this.sinkStore = this.storeOf(this.sink);
  }

  async close(): Promise<void> {
    await this.#closeDrivers();
    await this.db.close();
  }

  async #closeDrivers(): Promise<void> {
    const drivers = this.#drivers;
    this.#drivers = [];
    await Promise.all(drivers.map((driver) => driver.close()));
  }

  storeOf(service: TestSchema): Store {
    const { pool, schema, name } = service;
    return new PostgresEventStore({
      pool,
      schema,
      service: name,
      handler: new AccountHandler(),
      runtime: this.runtime,
    });
  }

  driver(consumer: TestSchema = this.sink): MessageDriver {
    const driver = this.#makeDriver({ db: this.db, consumer, source: this.source });
    this.#drivers.push(driver);
    return driver;
  }

  consumer(options: Partial<ConsumerOptions> = {}): MessageConsumer {
    return this.driver().consumer({ service: this.sink.name, topics: [ACCOUNT_TOPIC], ...options });
  }

  /** The sink's service logic: every change of the source's account is a deposit of the same amount to an account of the same name. */
  readonly handler: TopicHandler = (messages) => this.handlerOf(this.sinkStore)(messages);

  /** The same logic on another store. */
  handlerOf(store: Store): TopicHandler {
    return (messages) =>
      store.execute(
        commandsOf(messages, {
          type: ACCOUNT_MESSAGE,
          schemaVersionMax: 1,
          interpret: (message) => command({ kind: 'deposit', account: message.orderingKey, amount: amountOf(message) }),
        }),
      );
  }

  worker(driver: MessageDriver = this.driver(), handler: TopicHandler = this.handler): ConsumerWorker {
    const consumer = driver.consumer({ service: this.sink.name, topics: [ACCOUNT_TOPIC] });
    return new ConsumerWorker({ name: 'sink.consumer', consumer, handlerOf: () => handler });
  }

  /** Amounts per account in the order of the log of a service. */
  async amounts(service: TestSchema): Promise<Record<string, bigint[]>> {
    const amounts: Record<string, bigint[]> = {};
    for await (const { stream, data } of new EventReader(service).readAll()) {
      (amounts[stream] ??= []).push((data as { amount: bigint }).amount);
    }
    return amounts;
  }
}

export function amountOf(message: IncomingMessage): bigint {
  return (decodeJson(Buffer.from(message.payload).toString()) as { amount: bigint }).amount;
}

/** Steps until there is nothing left to do. */
export async function drain(worker: { step(): Promise<'progress' | 'idle'> }, stepsMax = 1_000): Promise<void> {
  for (let i = 0; i < stepsMax; i++) if ((await worker.step()) === 'idle') return;
  throw new Error(`still busy after ${stepsMax} steps`);
}

const at = (messages: readonly IncomingMessage[]): string[] => messages.map((of) => `${of.orderingKey}${of.sequence}`);

/** What every driver of messages does (DESIGN 4): at least once, in order per key, nothing skipped. */
export function messagingContract(makeDriver: MakeDriver, options: ContractOptions = {}): void {
  const bench = new MessagingBench(makeDriver);
  beforeAll(() => bench.open());
  beforeEach(async () => {
    await bench.next();
    await options.prepare?.(bench);
  });
  afterAll(() => bench.close());

  describe('a consumer', () => testConsumer(bench));
  if (options.isOverlapping) describe('consumers at the same time', () => testOverlapping(bench));
  describe('the consumer worker', () => testWorker(bench));
}

function testConsumer(bench: MessagingBench): void {
  test('gets every message with its headers and bytes, in order per key, no more than asked for', async () => {
    await bench.sourceStore.execute([deposit('a', 1n), deposit('b', 2n), deposit('a', 3n)]);
    const consumer = bench.consumer();
    const first = await consumer.poll(2);
    expect(first).toHaveLength(2);
    const messages = [...first, ...(await consumer.poll(10))];
    expect(await consumer.poll(10)).toEqual([]);
    expect(at(messages.filter((of) => of.orderingKey === 'a'))).toEqual(['a1', 'a2']);
    expect(at(messages.filter((of) => of.orderingKey === 'b'))).toEqual(['b1']);
    const third = messages.find((of) => of.sequence === 2n)!;
    expect(third).toMatchObject({
      topic: ACCOUNT_TOPIC,
      type: ACCOUNT_MESSAGE,
      schemaVersion: 1,
      position: 3n,
      ordinal: 0,
    });
    expect(third.headers).toMatchObject({
      ce_id: third.id,
      ce_sequence: '2',
      ce_position: '3',
      ce_subject: 'account/a',
    });
    expect(Buffer.from(third.payload).toString()).toBe(
      '{"amount":{"$bigint":"3"},"balance":{"$bigint":"4"},"kind":"deposited"}',
    );
  });

  test('goes on after what it acknowledged; what it only polled comes again', async () => {
    await bench.sourceStore.execute(Array.from({ length: 6 }, () => deposit('a', 1n)));
    const before = bench.consumer();
    const polled = await before.poll(10);
    await before.acknowledge(polled.slice(0, 2));
    await before.close();
    expect(at(await bench.consumer().poll(10))).toEqual(['a3', 'a4', 'a5', 'a6']);
  });

  test('acknowledging out of order skips nothing', async () => {
    await bench.sourceStore.execute(Array.from({ length: 5 }, () => deposit('a', 1n)));
    const first = bench.consumer();
    const polled = await first.poll(10);
    await first.acknowledge([polled[0]!, polled[2]!, polled[3]!]);
    await first.close();
    const second = bench.consumer();
    const again = await second.poll(10);
    expect(at(again)).toEqual(['a2', 'a3', 'a4', 'a5']);
    await second.acknowledge([again[2]!, again[1]!]);
    await second.acknowledge([again[0]!, again[0]!]);
    await second.close();
    expect(at(await bench.consumer().poll(10))).toEqual(['a5']);
  });

  test('tells how far behind it is', async () => {
    await bench.sourceStore.execute([deposit('a', 1n), deposit('b', 1n), deposit('a', 1n)]);
    const consumer = bench.consumer();
    expect(await consumer.lag()).toBe(3n);
    await consumer.acknowledge(await consumer.poll(2));
    expect(await consumer.lag()).toBe(1n);
  });

  test('fetches messages of one key from the owner, whatever it has polled', async () => {
    await bench.sourceStore.execute([1n, 2n, 3n, 4n].flatMap((amount) => [deposit('a', amount), deposit('b', amount)]));
    const consumer = bench.consumer();
    const key = { topic: ACCOUNT_TOPIC, orderingKey: 'a' };
    expect(at(await consumer.fetch(key, 2n, 2))).toEqual(['a2', 'a3']);
    expect(await consumer.fetch(key, 5n, 2)).toEqual([]);
  });

  test('a topic taken up later is read from its beginning', async () => {
    await bench.sourceStore.execute([deposit('a', 1n)]);
    const other = bench.consumer({ topics: ['finality.test.other.v1'] });
    await other.acknowledge(await other.poll(10));
    await other.close();
    expect(at(await bench.consumer({ topics: ['finality.test.other.v1', ACCOUNT_TOPIC] }).poll(10))).toEqual(['a1']);
  });

  test('one that replays begins anew each time, and leaves the service’s progress alone', async () => {
    await bench.sourceStore.execute([deposit('a', 1n), deposit('a', 2n)]);
    const replaying = bench.consumer({ replay: true });
    await replaying.acknowledge(await replaying.poll(10));
    expect(await replaying.lag()).toBe(0n);
    expect(await replaying.poll(10)).toEqual([]);
    expect(at(await bench.consumer({ replay: true }).poll(10))).toEqual(['a1', 'a2']);
    expect(at(await bench.consumer().poll(10))).toEqual(['a1', 'a2']);
  });

  test('says when there may be something new', async () => {
    const consumer = bench.consumer();
    const woken = new Promise<void>((resolve) => consumer.onWake(resolve));
    expect(await consumer.poll(10)).toEqual([]);
    await bench.sourceStore.execute([deposit('a', 1n)]);
    await woken;
    expect(await consumer.poll(10)).toHaveLength(1);
  });

  test('sequences past 2^53 are exact', async () => {
    const { owner, schema } = bench.source;
    await owner.query(`INSERT INTO ${schema}.published_keys VALUES ('${ACCOUNT_TOPIC}', 'a', 9007199254740992)`);
    await bench.sourceStore.execute([deposit('a', 2n ** 53n + 1n)]);
    const [message] = await bench.consumer().poll(10);
    expect([message!.sequence, message!.headers['ce_sequence'], amountOf(message!)]).toEqual([
      2n ** 53n + 1n,
      '9007199254740993',
      2n ** 53n + 1n,
    ]);
  });
}

function testOverlapping(bench: MessagingBench): void {
  test('knows when there is nothing left, until it is woken', async () => {
    const consumer = bench.consumer();
    await consumer.poll(10);
    const woken = new Promise<void>((resolve) => consumer.onWake(resolve));
    await bench.sourceStore.execute([deposit('a', 1n), deposit('a', 2n)]);
    await woken;
    await consumer.poll(2);
    expect(consumer.isDrained).toBe(false);
    await consumer.poll(2);
    expect(consumer.isDrained).toBe(true);
  });

  test('isn’t woken by what nobody waits for, and has it with the next poll', async () => {
    const consumer = bench.consumer({ unhurried: [ACCOUNT_TOPIC] });
    const waiting = bench.consumer();
    let wakes = 0;
    consumer.onWake(() => (wakes += 1));
    const woken = new Promise<void>((resolve) => waiting.onWake(resolve));
    await consumer.poll(10);
    await waiting.poll(10);
    await bench.sourceStore.execute([deposit('a', 1n)]);
    await woken;
    expect(wakes).toBe(0);
    expect(at(await consumer.poll(10))).toEqual(['a1']);
  });

  test('each begins at what was saved when it began', async () => {
    await bench.sourceStore.execute(Array.from({ length: 5 }, () => deposit('a', 1n)));
    const consumer = bench.consumer();
    const polled = await consumer.poll(10);
    await consumer.acknowledge([polled[0]!, polled[2]!, polled[3]!]);
    expect(await consumer.poll(10)).toEqual([]);
    expect(at(await bench.consumer().poll(10))).toEqual(['a2', 'a3', 'a4', 'a5']);
    await consumer.acknowledge([polled[1]!, polled[1]!]);
    expect(await consumer.poll(10)).toEqual([]);
    expect(at(await bench.consumer().poll(10))).toEqual(['a5']);
  });
}

function testWorker(bench: MessagingBench): void {
  test.each([1, 2, 3, 4, 5])(
    'permuted and repeated (seed %i), every message takes effect once, in order per key',
    async (seed) => {
      const random = seededRandom(seed);
      const driver = new PermutingDriver(bench.driver(), { random, repeatProbability: 0.5, holdProbability: 0.3 });
      const worker = bench.worker(driver);
      for (let round = 0; round < 6; round++) {
        const changes = Array.from({ length: 20 }, (_, i) =>
          deposit(`key-${Math.floor(random() * 5)}`, BigInt(round * 100 + i)),
        );
        await bench.sourceStore.execute(changes);
        if (random() < 0.7) await worker.step();
      }
      await drain(worker);
      expect(await bench.amounts(bench.sink)).toEqual(await bench.amounts(bench.source));
      expect(await worker.lag()).toBe(0n);
    },
  );

  test('what a handler couldn’t do is tried again, and nothing behind it is lost', async () => {
    await bench.sourceStore.execute([deposit('a', 1n), deposit('b', 2n)]);
    let failures = 3;
    const worker = bench.worker(undefined, (messages) => {
      if (failures-- > 0) return Promise.reject(new Error('the database is away'));
      return bench.handler(messages);
    });
    for (let i = 0; i < 3; i++) await expect(worker.step()).rejects.toThrow('the database is away');
    expect(await worker.lag()).toBe(2n);
    await drain(worker);
    expect(await bench.amounts(bench.sink)).toEqual(await bench.amounts(bench.source));
    expect(await worker.lag()).toBe(0n);
  });

  test('effects saved but not acknowledged (a crash in between) aren’t repeated by the next process', async () => {
    await bench.sourceStore.execute([deposit('a', 1n), deposit('a', 2n)]);
    const crashing = bench.worker(undefined, async (messages) => {
      await bench.handler(messages);
      throw new Error('kill -9');
    });
    await expect(crashing.step()).rejects.toThrow('kill -9');
    await crashing.close();
    await drain(bench.worker());
    expect(await bench.amounts(bench.sink)).toEqual({ 'account/a': [1n, 2n] });
  });

  test('messages that never came are fetched from their owner', async () => {
    await bench.sourceStore.execute(Array.from({ length: 20 }, (_, i) => deposit(`key-${i % 2}`, BigInt(i))));
    const lossy = new LossyDriver(bench.driver(), (message) => message.sequence % 3n === 0n || message.sequence === 1n);
    await drain(bench.worker(lossy));
    expect(await bench.amounts(bench.sink)).toEqual(await bench.amounts(bench.source));
  });

  test('a gap that the owner can’t fill stays an error, and nothing is acknowledged', async () => {
    await bench.sourceStore.execute([deposit('a', 1n)]);
    const worker = bench.worker(undefined, (messages) =>
      Promise.resolve(messages.map(() => ({ kind: 'gap', expected: 1n }))),
    );
    await expect(worker.step()).rejects.toThrow('is missing in the log of its owner');
    expect(await worker.lag()).toBe(1n);
  });

  test('a message that can’t be handled makes its key wait, until it is replayed', async () => {
    await bench.sourceStore.execute([
      deposit('bad', 1n),
      deposit('good', 2n),
      withdraw('bad', 1n),
      deposit('good', 3n),
    ]);
    let isFixed = false;
    const handler: TopicHandler = (messages) =>
      bench.sinkStore.execute(
        commandsOf<AccountCommand>(messages, {
          type: ACCOUNT_MESSAGE,
          schemaVersionMax: 1,
          interpret: (of) =>
            !isFixed && of.orderingKey === 'bad' && of.sequence === 1n
              ? command({ kind: 'throw', account: 'bad', where: 'handle' })
              : command({ kind: 'deposit', account: of.orderingKey, amount: amountOf(of) }),
        }),
      );
    const worker = bench.worker(undefined, handler);
    await drain(worker);
    expect(await bench.amounts(bench.sink)).toEqual({ 'account/good': [2n, 3n] });
    expect(await worker.lag()).toBe(0n);
    const parked = new ParkedKeys({ ...bench.sink, runtime: bench.runtime });
    const [key] = await parked.list();
    expect(key).toMatchObject({ orderingKey: 'bad', sequence: 1n, messages: 2 });
    isFixed = true;
    expect(await parked.replay(key!, handler)).toEqual({ replayed: 2, parked: false });
    expect(await bench.amounts(bench.sink)).toEqual({ 'account/good': [2n, 3n], 'account/bad': [1n, 1n] });
  });

  test('unknown types and future versions are counted and skipped; what can’t be decoded is parked', async () => {
    await bench.sourceStore.execute([deposit('a', 1n), deposit('b', 1n), deposit('c', 1n), deposit('a', 2n)]);
    const counted: string[] = [];
    const counter = {
      unknown: (of: IncomingMessage) => counted.push(`unknown ${of.orderingKey}`),
      undecodable: (of: IncomingMessage, cause: string) => counted.push(`${cause} ${of.orderingKey}`),
    };
    const changed = (of: IncomingMessage): IncomingMessage => {
      if (of.sequence > 1n || of.orderingKey === 'c') return of;
      return of.orderingKey === 'a' ? { ...of, type: 'finality.test.v1.Newer' } : { ...of, schemaVersion: 2 };
    };
    const handler: TopicHandler = (messages) =>
      bench.sinkStore.execute(
        commandsOf<AccountCommand>(messages.map(changed), {
          type: ACCOUNT_MESSAGE,
          schemaVersionMax: 1,
          counter,
          interpret: (of) => {
            if (of.orderingKey === 'c') throw new Error('invalid wire type');
            return command({ kind: 'deposit', account: of.orderingKey, amount: amountOf(of) });
          },
        }),
      );
    await drain(bench.worker(undefined, handler));
    expect(counted.sort()).toEqual(['invalid wire type c', 'unknown a', 'unknown b']);
    expect(await bench.amounts(bench.sink)).toEqual({ 'account/a': [2n] });
    const parked = new ParkedKeys({ ...bench.sink, runtime: bench.runtime });
    expect(await parked.list()).toMatchObject([{ orderingKey: 'c', cause: 'invalid wire type' }]);
  });

  test('what a message leads to says where it comes from', async () => {
    await bench.sourceStore.execute([deposit('a', 1n)]);
    await drain(bench.worker());
    const [cause] = await all(new EventReader(bench.source).readAll());
    const [effect] = await all(new EventReader(bench.sink).readAll());
    expect(effect).toMatchObject({
      actor: { kind: 'service', id: bench.source.name },
      causationId: cause!.eventId,
      correlationId: cause!.correlationId,
      occurredAt: cause!.occurredAt,
    });
  });
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

/** Loses messages on delivery: a broker whose retention was too short. */
class LossyDriver implements MessageDriver {
  readonly #inner: MessageDriver;
  readonly #isLost: (message: IncomingMessage) => boolean;

  constructor(inner: MessageDriver, isLost: (message: IncomingMessage) => boolean) {
    this.#inner = inner;
    this.#isLost = isLost;
  }

  consumer(options: ConsumerOptions): MessageConsumer {
    const inner = this.#inner.consumer(options);
    return {
      poll: async (limit) => (await inner.poll(limit)).filter((message) => !this.#isLost(message)),
      acknowledge: (messages) => inner.acknowledge(messages),
      fetch: (key, from, limit) => inner.fetch(key, from, limit),
      onWake: (listener) => inner.onWake(listener),
      lag: () => inner.lag(),
      close: () => inner.close(),
    };
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
