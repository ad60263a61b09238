import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { acquireLease, LeaseLost } from '@finality/event-store';
import {
  type ConsumerWorker,
  GroupConsumer,
  type IncomingMessage,
  KafkaRelay,
  type KafkaRelayOptions,
} from '@finality/messaging';
import { CompressionTypes } from 'kafkajs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ACCOUNT_TOPIC, deposit } from './account.ts';
import {
  arrived,
  KafkaRig,
  kafkaMissing,
  OTHER_TOPIC,
  PARTITIONS,
  type RelayLoop,
  until,
} from './kafka-rig.fixture.ts';
import { drain, MessagingBench, postgresDriver } from './messaging.contract.ts';

const IDLE_MS = 500;
const IDLE_LOOKS = 4;

if (kafkaMissing === undefined) describe('over Kafka', () => deliveryTests());
else {
  test.skipIf(process.env['CI'] !== 'true')(`over Kafka (${kafkaMissing})`, () => {
    throw new Error(kafkaMissing);
  });
}

function deliveryTests(): void {
  const rig = new KafkaRig();
  let prefix = '';
  let relay: RelayLoop;
  const bench = new MessagingBench((setting) => rig.driver(setting, prefix));
  beforeAll(async () => {
    await Promise.all([rig.open(), bench.open()]);
  });
  beforeEach(async () => {
    await relay?.close();
    await bench.next();
    prefix = `${bench.source.name}.`;
    await rig.topics(prefix);
    relay = rig.relayLoop(bench.source, prefix);
  });
  afterAll(async () => {
    await relay.close();
    await bench.close();
    await rig.close();
  });

  const publish = async (...amounts: readonly [key: string, amount: number][]): Promise<void> => {
    await bench.sourceStore.execute(amounts.map(([key, amount]) => deposit(key, BigInt(amount))));
  };
  /** Follows Kafka from the beginning of its log. */
  const live = async (): Promise<GroupConsumer> => {
    await rig.beginAtStart(prefix, bench.sink.name);
    return bench.consumer() as GroupConsumer;
  };

  test('gives exactly what the postgres driver gives, by Kafka and by backfill', async () => {
    await publish(['a', 1], ['b', 2], ['a', 3]);
    // What the test service doesn't publish: a second message of one event, keys beyond ASCII, empty headers, long sequences, no payload.
    await bench.source.pool.query(`INSERT INTO published_messages
      SELECT position, ordinal + 1, topic, 'ключ/ü ' || ordering_key || position, 9007199254740993, ${headersWith('9007199254740993')}, ''
        FROM published_messages WHERE position > 1`);
    await relay.settle();
    const inOrder = (messages: readonly IncomingMessage[]): IncomingMessage[] =>
      messages.toSorted((a, b) => Number(a.position - b.position) || a.ordinal - b.ordinal);
    const setting = { db: bench.db, consumer: bench.sink, source: bench.source };
    const postgres = postgresDriver(setting);
    const expected = await postgres.consumer({ service: 'any', topics: [ACCOUNT_TOPIC] }).poll(100);
    await postgres.close();
    expect(expected).toHaveLength(5);
    // Which of them are the first to arrive is the broker's, and one may come twice.
    const all = async (consumer: GroupConsumer): Promise<readonly IncomingMessage[]> => {
      const messages = new Map<string, IncomingMessage>();
      const take = (polled: readonly IncomingMessage[]): void =>
        polled.forEach((message) => messages.set(`${message.position}/${message.ordinal}`, message));
      take(await arrived(consumer, 100));
      await until('all have arrived', async () => {
        if (messages.size < expected.length) take(await consumer.poll(100));
        return messages.size >= expected.length;
      });
      return inOrder([...messages.values()]);
    };
    const backfilled = await all(bench.consumer({ service: 'another' }) as GroupConsumer);
    const followed = await all(await live());
    for (const messages of [backfilled, followed]) {
      expect(messages).toStrictEqual(expected);
      expect(messages.map(({ headers }) => Object.keys(headers))).toEqual(
        expected.map(({ headers }) => Object.keys(headers)),
      );
    }
  });

  test('a message is there a moment after it was published, and the consumer is woken', async () => {
    const consumer = await live();
    await arrived(consumer, 10);
    await relay.settle();
    const tookMs: number[] = [];
    for (let i = 0; i < 5; i++) {
      await sleep(50);
      const woken = new Promise<void>((resolve) => consumer.onWake(resolve));
      const published = performance.now();
      await publish(['a', 1]);
      await woken;
      tookMs.push(performance.now() - published);
      expect(await consumer.poll(10)).toHaveLength(1);
    }
    // A few milliseconds; loosely, for machines that are busy.
    expect(Math.min(...tookMs)).toBeLessThan(100);
  });

  test('consumer and relay cost next to nothing while there is nothing to do', async () => {
    await relay.settle();
    await arrived(await live(), 10);
    const shares: number[] = [];
    for (let i = 0; i < IDLE_LOOKS; i++) {
      const before = process.threadCpuUsage();
      await sleep(IDLE_MS);
      const { user, system } = process.threadCpuUsage(before);
      shares.push((user + system) / 1000 / IDLE_MS);
    }
    // The quietest: on a busy machine the broker is late now and then, and what it is asked for comes again.
    expect(Math.min(...shares)).toBeLessThan(0.1);
  });

  test('a new group gets the whole history from the owner, once, and then follows Kafka', async () => {
    await publish(...Array.from({ length: 30 }, (_, i): [string, number] => [`key-${i % 4}`, i]));
    await relay.settle();
    const first = bench.consumer() as GroupConsumer;
    const page = await arrived(first, 12);
    expect(first.backfilling).toEqual([ACCOUNT_TOPIC]);
    await bench.handler(page);
    await first.acknowledge(page.slice(0, 10));
    expect(await first.lag()).toBe(20n);
    await first.close();
    // Not finished: it goes on where it was, not at the end of the topic.
    expect(await rig.committed(prefix, bench.sink.name)).toEqual([]);
    const worker = bench.worker();
    await untilApplied(bench, worker);
    expect(await worker.lag()).toBe(0n);
    expect(rig.listed).toBeGreaterThan(0);
    const listed = rig.listed;
    await publish(['key-1', 100], ['new', 200]);
    await untilApplied(bench, worker);
    expect(rig.listed).toBe(listed);
    await worker.close();
    expect((await rig.committed(prefix, bench.sink.name)).map(({ partition }) => partition)).toEqual([0, 1, 2]);
  });

  test('what the broker has deleted before it was read comes from the owner', async () => {
    const before = await live();
    await publish(...Array.from({ length: 12 }, (_, i): [string, number] => [`key-${i}`, i]));
    await relay.settle();
    const some = await arrived(before, 12);
    await bench.handler(some.slice(0, 2));
    await before.acknowledge(some.slice(0, 2));
    await before.close();
    const { admin } = await rig.client();
    const partitions = Array.from({ length: PARTITIONS }, (_, partition) => ({ partition, offset: '-1' }));
    await admin.fetchTopicOffsets(`${prefix}${ACCOUNT_TOPIC}`);
    await admin.deleteTopicRecords({ topic: `${prefix}${ACCOUNT_TOPIC}`, partitions });
    await untilApplied(bench, bench.worker());
  });

  test('what isn’t ours is counted and skipped; it holds up nothing', async () => {
    await publish(['a', 1]);
    await relay.settle();
    await rig.sendForeign(`${prefix}${ACCOUNT_TOPIC}`);
    await publish(['a', 2], ['b', 3], ['c', 4], ['d', 5]);
    await relay.settle();
    rig.foreign.length = 0;
    const consumer = await live();
    const worker = bench.worker({ consumer: () => consumer, close: () => Promise.resolve() });
    await untilApplied(bench, worker);
    expect(await bench.amounts(bench.sink)).toEqual(await bench.amounts(bench.source));
    await until('everything is counted', async () => (await worker.lag()) === 0n);
    expect(rig.foreign.toSorted()).toEqual(
      [
        ...['headers', 'headers', 'id', 'key', 'key', 'key', 'payload', 'position', 'position', 'schema version'],
        ...['sequence', 'sequence', 'sequence', 'source', 'source', ...Array<string>(3 * PARTITIONS).fill('source')],
      ].toSorted(),
    );
  });

  test('a second member joins in the middle and leaves: none lost, none applied twice', async () => {
    await rig.beginAtStart(prefix, bench.sink.name);
    await relay.settle();
    const stop = new AbortController();
    const handled = [0, 0];
    const loopOf = (index: number, worker: ConsumerWorker, until: AbortSignal): Promise<void> =>
      (async () => {
        while (!until.aborted) if ((await worker.step()) === 'idle') await sleep(5);
        await worker.close();
        expect(handled[index]).toBeGreaterThan(0);
      })();
    const workerOf = (index: number): ConsumerWorker =>
      bench.worker(undefined, async (messages) => {
        const outcomes = await bench.handler(messages);
        handled[index]! += messages.length;
        return outcomes;
      });
    const publishing = (async () => {
      for (let i = 0; i < 50; i++) {
        await publish(...Array.from({ length: 40 }, (_, k): [string, number] => [`key-${k}`, i]));
        await sleep(30);
      }
    })();
    const first = loopOf(0, workerOf(0), stop.signal);
    await until('the first is at work', () => handled[0]! > 100);
    const leave = new AbortController();
    const second = loopOf(1, workerOf(1), leave.signal);
    await until('both are at work', () => handled[1]! > 100);
    leave.abort();
    await Promise.all([second, publishing]);
    await relay.settle();
    const expected = await bench.amounts(bench.source);
    await until('all is applied', async () => count(await bench.amounts(bench.sink)) >= count(expected));
    stop.abort();
    await first;
    expect(await bench.amounts(bench.sink)).toEqual(expected);
  });

  test('own topics come from the own table, also while Kafka is away', async () => {
    await publish(['a', 1]);
    await bench.source.pool.query(
      `INSERT INTO published_messages SELECT position, 1, '${OTHER_TOPIC}', ordering_key, sequence, headers, payload FROM published_messages`,
    );
    await relay.settle();
    await bench.sinkStore.execute([deposit('own', 7n)]);
    const setting = { db: bench.db, consumer: bench.sink, source: bench.source };
    const mixed = { service: bench.sink.name, topics: [ACCOUNT_TOPIC, OTHER_TOPIC] };
    const driver = rig.driver(setting, prefix, (topic) => topic === ACCOUNT_TOPIC);
    const consumer = driver.consumer(mixed);
    const messages: IncomingMessage[] = [];
    await until('both are there', async () => messages.push(...(await consumer.poll(10))) === 2);
    expect(messages.map(({ topic, orderingKey }) => `${topic} ${orderingKey}`).toSorted()).toEqual([
      `${ACCOUNT_TOPIC} own`,
      `${OTHER_TOPIC} a`,
    ]);
    expect(await consumer.lag()).toBe(2n);
    await consumer.acknowledge(messages);
    expect(await consumer.lag()).toBe(0n);
    await driver.close();

    await bench.sinkStore.execute([deposit('own', 8n)]);
    const away = rig.driver(setting, prefix, (topic) => topic === ACCOUNT_TOPIC, ['127.0.0.1:9']);
    const alone = away.consumer(mixed);
    expect(await alone.poll(10)).toMatchObject([{ orderingKey: 'own', sequence: 2n }]);
    const failed = until('it says that the broker is away', async () => (await alone.poll(10)).length > 0);
    await expect(failed).rejects.toMatchObject({ problem: { reason: 'BROKER_UNREACHABLE' } });
    await away.close();
  });

  describe('the relay', () => {
    const payloadOf = (bytes: number): string => `decode(repeat('00', ${bytes}), 'hex')`;
    const topic = (): string => `${prefix}${ACCOUNT_TOPIC}`;
    const relays: KafkaRelay[] = [];
    const another = (more: Partial<KafkaRelayOptions> = {}): KafkaRelay => {
      const made = rig.relay(bench.source, prefix, more);
      relays.push(made);
      return made;
    };
    afterEach(() => Promise.all(relays.map((each) => each.close())));

    test('sends what is too much for one batch in several, in order', async () => {
      await publish(['a', 1]);
      await bench.source.pool.query(`INSERT INTO published_messages
        SELECT 1 + n, 0, topic, 'big', n, ${headersWith('n')}, ${payloadOf(200_000)} FROM published_messages, generate_series(1, 12) AS n`);
      const sent: number[] = [];
      const own = another({ onSent: (count) => sent.push(count) });
      expect(await own.lag()).toBe(13n);
      await drain(own);
      expect(sent.length).toBeGreaterThan(3);
      expect(await own.lag()).toBe(0n);
      const records = await rig.records(topic());
      expect(records.filter(({ key }) => key === 'big').map(({ sequence }) => sequence)).toEqual(
        Array.from({ length: 12 }, (_, i) => BigInt(i + 1)),
      );
    });

    test('works for whoever holds the lease; whoever has lost it saves nothing', async () => {
      await publish(['a', 1]);
      const [first, second] = [another(), another()];
      expect(await first.step()).toBe('progress');
      await publish(['a', 2]);
      expect(await second.step()).toBe('idle');
      await first.close();
      expect(await second.step()).toBe('progress');

      const store = { ...bench.source, runtime: rig.runtime };
      const lost = (await acquireLease(store, { name: 'leader', holder: 'one', ttlMs: 0 }))!;
      const held = (await acquireLease(store, { name: 'leader', holder: 'two', ttlMs: 60_000 }))!;
      await publish(['a', 3]);
      const paused = another({ lease: () => lost });
      await expect(paused.step()).rejects.toThrow(LeaseLost);
      const leader = another({ lease: () => held });
      expect(await leader.lag()).toBe(1n);
      expect(await leader.step()).toBe('progress');
      expect(await another({ lease: () => undefined }).step()).toBe('idle');
      // The last one was sent twice: by its sequence everybody can tell.
      expect((await rig.records(topic())).map(({ sequence }) => sequence)).toEqual([1n, 2n, 3n, 3n]);
    });

    test('a stranger can read the records: key, payload, CloudEvents headers, all of which are documented', async () => {
      await publish(['a', 1], ['b', 2]);
      await relay.settle();
      const [record] = (await rig.records(topic())).filter(({ key }) => key === 'a');
      expect(record!.headers).toMatchObject({
        ce_specversion: '1.0',
        ce_type: 'finality.test.v1.AccountChanged',
        ce_source: `/finality/${bench.source.name}`,
        ce_subject: 'account/a',
        ce_sequence: '1',
        ce_position: '1',
        ce_ordinal: '0',
        'content-type': 'application/protobuf',
      });
      const documented = await readFile(path.resolve(import.meta.dirname, '../../../../docs/topics.md'), 'utf8');
      for (const name of Object.keys(record!.headers)) expect(documented).toContain(`\n| \`${name}\` |`);
      expect(record!.payload).toBe('{"amount":{"$bigint":"1"},"balance":{"$bigint":"1"},"kind":"deposited"}');
    });
  });

  test('records that others have compressed can be read', async () => {
    const { producer } = await rig.client();
    const headers = { ce_source: 'elsewhere' };
    const name = `${prefix}${ACCOUNT_TOPIC}`;
    await producer.send({
      topic: name,
      compression: CompressionTypes.GZIP,
      messages: [{ key: 'a', value: '', headers }],
    });
    await publish(['a', 1]);
    await relay.settle();
    expect(await arrived(await live(), 10)).toHaveLength(1);
  });
}

/** The headers of a message with another sequence, and one header empty: SQL. */
const headersWith = (sequence: string): string =>
  `replace(regexp_replace(headers, '"ce_sequence":"[0-9]+"', '"ce_sequence":"' || ${sequence} || '"'), 'bank-a,bank-b', '')`;

const count = (amounts: Record<string, bigint[]>): number => Object.values(amounts).flat().length;

/** Steps until the sink has all that the source has; fails if it has it in another order, or twice. */
async function untilApplied(bench: MessagingBench, worker: ConsumerWorker): Promise<void> {
  const expected = await bench.amounts(bench.source);
  await until('all is applied', async () => {
    while ((await worker.step()) === 'progress');
    return count(await bench.amounts(bench.sink)) >= count(expected);
  });
  expect(await bench.amounts(bench.sink)).toEqual(expected);
}
