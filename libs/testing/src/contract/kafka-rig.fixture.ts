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
import { type RunningKafka, startKafka } from '@finality/tools/servers/kafka.ts';
import { type Admin, Kafka, logLevel, type Producer } from 'kafkajs';
import type { TestSchema } from '../database.ts';
import { ACCOUNT_TOPIC } from './account.ts';
import type { DriverSetting } from './messaging.contract.ts';

export const OTHER_TOPIC = 'finality.test.other.v1';
export const PARTITIONS = 3;
export const TEST_TOPICS = [
  { name: ACCOUNT_TOPIC, partitions: PARTITIONS, compacted: false },
  { name: OTHER_TOPIC, partitions: PARTITIONS, compacted: false },
] as const;

const ARRIVE_MS_MAX = 20_000;
const LOOK_MS = 10;

/** A broker of its own, and what the tests have on it: each pair of services has topics and groups of its own by its prefix. */
export class KafkaRig {
  readonly dataDir = mkdtempSync(path.join(tmpdir(), 'finality-kafka-'));
  readonly runtime = systemRuntime();
  readonly foreign: string[] = [];
  kafka!: RunningKafka;
  #client: { readonly admin: Admin; readonly producer: Producer } | undefined;

  async open(): Promise<void> {
    this.kafka = await startKafka({
      dataDir: this.dataDir,
      saslUsers: { finality: 'right' },
      say: (line) => process.stdout.write(`${line}\n`),
    });
  }

  async close(): Promise<void> {
    await this.#client?.producer.disconnect();
    await this.#client?.admin.disconnect();
    await this.kafka.stop();
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  connection(prefix: string): KafkaConnection {
    return { brokers: this.kafka.brokers, clientId: 'test', prefix };
  }

  async topics(prefix: string): Promise<void> {
    unwrap(await ensureTopics(this.connection(prefix), TEST_TOPICS));
  }

  relay(source: TestSchema, prefix: string): RelayLoop {
    return new RelayLoop({ ...source, connection: this.connection(prefix), runtime: this.runtime });
  }

  driver(
    { consumer, source }: DriverSetting,
    prefix: string,
    isOwn: (topic: string) => boolean = () => false,
  ): KafkaDriver {
    return new KafkaDriver({
      connection: this.connection(prefix),
      pool: consumer.pool,
      schema: consumer.schema,
      isOwn,
      owners: ownersMessages(() => messagesOf(source, [ACCOUNT_TOPIC, OTHER_TOPIC])),
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
    // A new broker isn't ready for groups at once; until then it is tried again.
    const joined = new Promise<void>((resolve) => consumer.on(consumer.events.GROUP_JOIN, () => resolve()));
    await consumer.run({ eachBatch: () => Promise.resolve() });
    await joined;
    const offsets = TEST_TOPICS.flatMap(({ name, partitions }) =>
      Array.from({ length: partitions }, (_, partition) => ({ topic: `${prefix}${name}`, partition, offset: '0' })),
    );
    await consumer.commitOffsets(offsets);
    await consumer.disconnect();
  }

  #kafka(): Kafka {
    const retry = { initialRetryTime: 100, maxRetryTime: 200, retries: 50 };
    return new Kafka({ clientId: 'stranger', brokers: this.kafka.brokers, logLevel: logLevel.NOTHING, retry });
  }
}

/** Works whenever it is woken, as production's loop does; one step at a time. */
export class RelayLoop {
  readonly relay: KafkaRelay;
  #working: Promise<unknown> = Promise.resolve();
  #sent = 0;

  constructor(options: KafkaRelayOptions) {
    this.relay = new KafkaRelay({ ...options, onSent: (count) => (this.#sent += count) });
    this.relay.onWake(() => void this.settle().catch(() => undefined));
  }

  /** How many messages were sent. */
  get sent(): number {
    return this.#sent;
  }

  /** Until there is nothing left to send. */
  settle(): Promise<void> {
    const settled = this.#working.then(async () => {
      while ((await this.relay.step()) === 'progress');
    });
    this.#working = settled.catch(() => undefined);
    return settled;
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
  const deadline = performance.now() + ARRIVE_MS_MAX;
  await consumer.poll(0);
  while (!(await consumer.isCaughtUp())) {
    const isBackfilling = consumer.backfilling.length > 0;
    const messages = isBackfilling ? await consumer.poll(limit) : [];
    if (messages.length > 0) return messages;
    if (performance.now() > deadline) throw new Error(`nothing arrived in ${ARRIVE_MS_MAX} ms`);
    await sleep(LOOK_MS);
  }
  return consumer.poll(limit);
}
