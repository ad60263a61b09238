import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { unwrap } from '@finality/kernel';
import {
  type ConsumerOptions,
  ensureTopics,
  type ForeignReason,
  GroupConsumer,
  type IncomingMessage,
  type KafkaConnection,
  KafkaDriver,
  KafkaRelay,
  type KafkaRelayOptions,
  type MessageConsumer,
  type MessageDriver,
} from '@finality/messaging';
import { messagesOf, ownersMessages, systemRuntime } from '@finality/service';
import { ensureKafka } from '@finality/tools/servers/kafka-install.ts';
import { type KafkaOptions, type RunningKafka, startKafka } from '@finality/tools/servers/kafka.ts';
import {
  type Admin,
  Kafka,
  KafkaJSProtocolError,
  type KafkaMessage,
  logLevel,
  type Message,
  type Producer,
} from 'kafkajs';
import type { TestSchema } from '../database.ts';
import { ACCOUNT_TOPIC } from './account.ts';
import type { DriverSetting } from './messaging.contract.ts';

export const OTHER_TOPIC = 'finality.test.other.v1';
export const PARTITIONS = 3;
export const TEST_TOPICS = [
  { name: ACCOUNT_TOPIC, partitions: PARTITIONS, compacted: false },
  { name: OTHER_TOPIC, partitions: PARTITIONS, compacted: false },
] as const;

const WAIT_MS_MAX = 30_000;
const LOOK_MS = 10;
const ATTEMPTS_MAX = 3;
const RETRY_MS = 100;

/** Why there is no Kafka on this machine. */
export const kafkaMissing = await ensureKafka((line) => process.stdout.write(`${line}\n`)).then(
  () => undefined,
  (error: unknown) => (error instanceof Error ? error.message : String(error)),
);

/** A record as anybody sees it. */
export interface SeenRecord {
  readonly key: string;
  readonly sequence: bigint;
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: string;
}

/** A broker of its own, and what the tests have on it: each pair of services has topics and groups of its own by its prefix. */
export class KafkaRig {
  readonly dataDir = mkdtempSync(path.join(tmpdir(), 'finality-kafka-'));
  readonly runtime = systemRuntime();
  /** Why records were skipped, as counted. */
  readonly foreign: string[] = [];
  /** How often an owner was asked for its history. */
  listed = 0;
  kafka!: RunningKafka;
  readonly #settings: Partial<KafkaOptions>;
  readonly #strangers: Producer[] = [];
  #client: { readonly admin: Admin; readonly producer: Producer } | undefined;

  constructor(settings: Partial<KafkaOptions> = {}) {
    this.#settings = settings;
  }

  async open(): Promise<void> {
    this.kafka = await startKafka({ dataDir: this.dataDir, ...this.#settings });
    // A new broker isn't ready for groups at once; whoever asks first waits for seconds.
    await this.topics('first.');
    await this.beginAtStart('first.', 'group');
  }

  /** A new broker in the place of the present one, which loses all it has. */
  async replace(): Promise<void> {
    await this.kafka.kill();
    await this.#disconnect();
    rmSync(path.join(this.dataDir, 'data'), { recursive: true });
    this.kafka = await startKafka(this.kafka.again);
  }

  async close(): Promise<void> {
    await this.#disconnect();
    // Undefined when it couldn't be started.
    await (this.kafka as RunningKafka | undefined)?.stop();
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  connection(prefix: string): KafkaConnection {
    return { brokers: this.kafka.brokers, clientId: 'test', prefix };
  }

  async topics(prefix: string): Promise<void> {
    unwrap(await ensureTopics(this.connection(prefix), TEST_TOPICS));
  }

  relay(source: TestSchema, prefix: string, more: Partial<KafkaRelayOptions> = {}): KafkaRelay {
    return new KafkaRelay({ ...source, connection: this.connection(prefix), runtime: this.runtime, ...more });
  }

  /** A relay that works by itself. */
  relayLoop(source: TestSchema, prefix: string): RelayLoop {
    return new RelayLoop((onSent) => this.relay(source, prefix, { onSent }));
  }

  driver(
    { consumer, source }: DriverSetting,
    prefix: string,
    isOwn: (topic: string) => boolean = () => false,
    brokers: readonly string[] = this.kafka.brokers,
  ): KafkaDriver {
    const owners = ownersMessages(() => messagesOf(source, [ACCOUNT_TOPIC, OTHER_TOPIC]));
    return new KafkaDriver({
      connection: { ...this.connection(prefix), brokers },
      pool: consumer.pool,
      schema: consumer.schema,
      isOwn,
      owners: {
        list: (...args) => {
          this.listed += 1;
          return owners.list(...args);
        },
        ofKey: (...args) => owners.ofKey(...args),
      },
      runtime: this.runtime,
      counter: { foreign: (_topic: string, reason: ForeignReason) => void this.foreign.push(reason) },
    });
  }

  /** Clients without any of our code. */
  async client(): Promise<{ readonly admin: Admin; readonly producer: Producer }> {
    if (this.#client) return this.#client;
    const kafka = this.#kafka();
    this.#client = { admin: kafka.admin(), producer: kafka.producer({ allowAutoTopicCreation: false }) };
    await this.#client.admin.connect();
    await this.#client.producer.connect();
    return this.#client;
  }

  /** As if the group had begun before anything was published: everything then comes over Kafka, nothing by backfill. */
  async beginAtStart(prefix: string, service: string): Promise<void> {
    const groupId = `${prefix}finality.${service}`;
    const consumer = this.#kafka().consumer({ groupId, allowAutoTopicCreation: false, maxWaitTimeInMs: 10 });
    await consumer.connect();
    await consumer.subscribe({ topics: TEST_TOPICS.map(({ name }) => `${prefix}${name}`) });
    const joined = new Promise<void>((resolve) => consumer.on(consumer.events.GROUP_JOIN, () => resolve()));
    await consumer.run({ eachBatch: () => Promise.resolve() });
    await joined;
    const offsets = TEST_TOPICS.flatMap(({ name, partitions }) =>
      Array.from({ length: partitions }, (_, partition) => ({ topic: `${prefix}${name}`, partition, offset: '0' })),
    );
    await consumer.commitOffsets(offsets);
    await consumer.disconnect();
  }

  /** Where the broker says that a group has come to, by partition. */
  async committed(prefix: string, service: string): Promise<{ readonly partition: number; readonly offset: string }[]> {
    const { admin } = await this.client();
    const topics = [`${prefix}${ACCOUNT_TOPIC}`];
    const [found] = await admin.fetchOffsets({ groupId: `${prefix}finality.${service}`, topics });
    return found!.partitions.filter(({ offset }) => Number(offset) >= 0).toSorted((a, b) => a.partition - b.partition);
  }

  /** All records of a topic, partition by partition in their order. */
  async records(topic: string): Promise<SeenRecord[]> {
    const ends = await this.#offsets(topic);
    const wanted = ends.reduce((sum, { low, high }) => sum + Number(high) - Number(low), 0);
    const consumer = this.#kafka().consumer({ groupId: `stranger-${this.runtime.id()}`, maxWaitTimeInMs: 50 });
    const byPartition = new Map<number, SeenRecord[]>(ends.map(({ partition }) => [partition, []]));
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatch: ({ batch }) => {
        byPartition.get(batch.partition)!.push(...batch.messages.map(seenRecord));
        return Promise.resolve();
      },
    });
    await until('all records were read', () => [...byPartition.values()].flat().length >= wanted);
    await consumer.disconnect();
    return [...byPartition.values()].flat();
  }

  /** The broker may need a moment until it leads the partitions of a new topic, of which it has told already. */
  async #offsets(topic: string): ReturnType<Admin['fetchTopicOffsets']> {
    const { admin } = await this.client();
    let ends: Awaited<ReturnType<Admin['fetchTopicOffsets']>> = [];
    await until('all partitions are led', async () => {
      ends = await admin.fetchTopicOffsets(topic).catch((error: unknown) => {
        if (error instanceof KafkaJSProtocolError && error.type === 'NOT_LEADER_FOR_PARTITION') return [];
        throw error;
      });
      return ends.length > 0;
    });
    return ends;
  }

  /** Everything that a stranger could get onto a topic of ours; three transactions among it, one of which never ends. */
  async sendForeign(topic: string): Promise<void> {
    const { producer } = await this.client();
    await producer.send({ topic, messages: foreignRecords() });
    const stranger = this.#kafka().producer({ transactionalId: topic, idempotent: true, maxInFlightRequests: 1 });
    this.#strangers.push(stranger);
    await stranger.connect();
    const messages = Array.from({ length: PARTITIONS }, (_, partition) => ({ partition, key: 'a', value: 'x' }));
    for (const end of ['commit', 'abort', undefined] as const) {
      const transaction = await stranger.transaction();
      await transaction.send({ topic, messages });
      if (end) await transaction[end]();
    }
  }

  async #disconnect(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await Promise.all(this.#strangers.map((each) => each.disconnect()));
    await client?.producer.disconnect();
    await client?.admin.disconnect();
  }

  #kafka(): Kafka {
    const retry = { initialRetryTime: 100, maxRetryTime: 200, retries: 50 };
    return new Kafka({ clientId: 'stranger', brokers: this.kafka.brokers, logLevel: logLevel.NOTHING, retry });
  }
}

/** Each is foreign by one thing: its key, its payload or a header. */
function foreignRecords(): Message[] {
  const good = {
    ce_specversion: '1.0',
    ce_id: 'x',
    ce_source: '/finality/nobody',
    ce_type: 't',
    ce_sequence: '1',
    ce_position: '1',
    ce_ordinal: '0',
    ce_schemaversion: '1',
  };
  const value = Buffer.of(1);
  const without = (name: keyof typeof good): Record<string, string> =>
    Object.fromEntries(Object.entries(good).filter(([of]) => of !== name));
  return [
    { value, headers: good },
    { key: '', value, headers: good },
    { key: Buffer.of(0xff, 0xfe), value, headers: good },
    { key: 'a', value: null, headers: good },
    { key: 'a', value, headers: { ...good, ce_sequence: ['1', '2'] } },
    { key: 'a', value, headers: { ...good, ce_subject: Buffer.of(0xff) } },
    { key: 'a', value },
    { key: 'a', value, headers: { ...good, ce_source: 'https://elsewhere.example' } },
    { key: 'a', value, headers: without('ce_id') },
    { key: 'a', value, headers: without('ce_sequence') },
    { key: 'a', value, headers: { ...good, ce_sequence: '0' } },
    { key: 'a', value, headers: { ...good, ce_sequence: '9223372036854775808' } },
    { key: 'a', value, headers: without('ce_position') },
    { key: 'a', value, headers: { ...good, ce_ordinal: '-1' } },
    { key: 'a', value, headers: without('ce_schemaversion') },
  ];
}

function seenRecord({ key, value, headers = {} }: KafkaMessage): SeenRecord {
  const texts = Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, String(text)]));
  return { key: String(key), sequence: BigInt(texts['ce_sequence'] ?? '0'), headers: texts, payload: String(value) };
}

/** Works whenever it is woken, as production's loop does; one step at a time. */
export class RelayLoop {
  readonly relay: KafkaRelay;
  #working: Promise<unknown> = Promise.resolve();
  #sent = 0;

  constructor(make: (onSent: (count: number) => void) => KafkaRelay) {
    this.relay = make((count) => (this.#sent += count));
    this.relay.onWake(() => void this.settle().catch(() => undefined));
  }

  /** How many messages were sent. */
  get sent(): number {
    return this.#sent;
  }

  /** Until there is nothing left to send. */
  settle(): Promise<void> {
    const settled = this.#working.then(async () => {
      while ((await this.#step()) === 'progress');
    });
    this.#working = settled.catch(() => undefined);
    return settled;
  }

  /** What fails is tried again, as in production: a partition that was made a moment ago may be without its leader yet. */
  async #step(attempt = 1): Promise<'progress' | 'idle'> {
    try {
      return await this.relay.step();
    } catch (error) {
      if (attempt >= ATTEMPTS_MAX) throw error;
      await sleep(RETRY_MS);
      return this.#step(attempt + 1);
    }
  }

  async close(): Promise<void> {
    await this.#working;
    await this.relay.close();
  }
}

/** Polls give what was published before them: the relay has sent it, and it has arrived. */
export class SettledDriver implements MessageDriver {
  readonly #inner: KafkaDriver;
  readonly #relay: RelayLoop;

  constructor(inner: KafkaDriver, relay: RelayLoop) {
    this.#inner = inner;
    this.#relay = relay;
  }

  consumer(options: ConsumerOptions): MessageConsumer {
    return new SettledConsumer(this.#inner.consumer(options), this.#relay);
  }

  async close(): Promise<void> {
    await this.#inner.close();
    await this.#relay.close();
  }
}

class SettledConsumer implements MessageConsumer {
  readonly #inner: MessageConsumer;
  readonly #relay: RelayLoop;
  #arrived = -1;

  constructor(inner: MessageConsumer, relay: RelayLoop) {
    this.#inner = inner;
    this.#relay = relay;
  }

  async poll(limit: number): Promise<readonly IncomingMessage[]> {
    await this.#relay.settle();
    const { sent } = this.#relay;
    if (!(this.#inner instanceof GroupConsumer) || this.#arrived === sent) return this.#inner.poll(limit);
    const messages = await arrived(this.#inner, limit);
    this.#arrived = sent;
    return messages;
  }

  acknowledge(messages: readonly IncomingMessage[]): Promise<void> {
    return this.#inner.acknowledge(messages);
  }

  fetch(...args: Parameters<MessageConsumer['fetch']>): Promise<readonly IncomingMessage[]> {
    return this.#inner.fetch(...args);
  }

  onWake(listener: () => void): void {
    this.#inner.onWake(listener);
  }

  async lag(): Promise<bigint> {
    await this.#relay.settle();
    return this.#inner.lag();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

/** What a poll gives once everything is there. */
export async function arrived(consumer: GroupConsumer, limit: number): Promise<readonly IncomingMessage[]> {
  let messages: readonly IncomingMessage[] = await consumer.poll(0);
  await until('everything has arrived', async () => {
    if (await consumer.isCaughtUp()) return true;
    // A backfill goes on only when it's polled.
    if (consumer.backfilling.length > 0) messages = await consumer.poll(limit);
    return messages.length > 0;
  });
  return messages.length > 0 ? messages : consumer.poll(limit);
}

/** Looks again and again; what `isSo` throws is thrown. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>, msMax = WAIT_MS_MAX): Promise<void> {
  const deadline = performance.now() + msMax;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`after ${msMax} ms it still isn't so that ${what}`);
    await sleep(LOOK_MS);
  }
}
