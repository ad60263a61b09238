import type { Runtime } from '@finality/kernel';
import type { Kafka } from 'kafkajs';
import type { Pool } from 'pg';
import type { ConsumerOptions, MessageConsumer, MessageDriver } from '../port.ts';
import { PostgresDriver } from '../postgres.driver.ts';
import { type KafkaConnection, kafkaClient, type KafkaLog, SharedAdmin } from './connection.ts';
import { type ForeignCounter, GroupConsumer } from './group-consumer.ts';
import { MixedConsumer } from './mixed-consumer.ts';
import { OwnerConsumer } from './owner-consumer.ts';
import type { OwnerMessages } from './owner-messages.ts';

export interface KafkaDriverOptions {
  readonly connection: KafkaConnection;
  /** Connections as the service's own role: its progress, and its own topics. One of them listens. */
  readonly pool: Pool;
  readonly schema: string;
  /** Whether the service itself publishes a topic: then it reads its own table. */
  readonly isOwn: (topic: string) => boolean;
  readonly owners: OwnerMessages;
  readonly runtime: Runtime;
  readonly counter?: ForeignCounter;
  readonly log?: KafkaLog;
}

/**
 * Other services' topics over Kafka, one consumer group per service; the service's own ones from its own table, without a detour. Topics are those of
 * {@link ensureTopics}, records as {@link KafkaRelay} sends them. Consumers connect when they are first polled, and poll empty until they have.
 */
export class KafkaDriver implements MessageDriver {
  readonly #options: KafkaDriverOptions;
  readonly #client: Kafka;
  readonly #admin: SharedAdmin;
  readonly #own: PostgresDriver;
  readonly #consumers = new Set<MessageConsumer>();

  constructor(options: KafkaDriverOptions) {
    const { connection, log, pool, schema } = options;
    this.#options = options;
    this.#client = kafkaClient(connection, log);
    this.#admin = new SharedAdmin(this.#client);
    this.#own = new PostgresDriver({ bus: pool, consumer: pool, consumerSchema: schema, schemaOf: () => schema });
  }

  consumer(options: ConsumerOptions): MessageConsumer {
    const { isOwn } = this.#options;
    const own = options.topics.filter(isOwn);
    const foreign = options.topics.filter((topic) => !isOwn(topic));
    const ofOwn = own.length > 0 ? this.#own.consumer({ ...options, topics: own }) : undefined;
    const ofForeign = foreign.length > 0 ? this.#foreignConsumer({ ...options, topics: foreign }) : undefined;
    if (ofForeign) this.#consumers.add(ofForeign);
    if (ofOwn && ofForeign) return new MixedConsumer([ofOwn, ofForeign], (topic) => (isOwn(topic) ? ofOwn : ofForeign));
    const only = ofOwn ?? ofForeign;
    if (!only) throw new Error(`${options.service} consumes no topic`);
    return only;
  }

  /** Closes its consumers: they leave their groups. The pool is the caller's. */
  async close(): Promise<void> {
    await Promise.all([...this.#consumers].map((consumer) => consumer.close()));
    this.#consumers.clear();
    await this.#own.close();
    await this.#admin.close();
  }

  #foreignConsumer({ service, topics, replay = false }: ConsumerOptions): MessageConsumer {
    const { connection, owners, runtime, pool, schema, counter, log } = this.#options;
    if (replay) return new OwnerConsumer(topics, { owners, runtime });
    return new GroupConsumer({
      connection,
      client: this.#client,
      admin: this.#admin,
      cursors: { pool, schema },
      owners,
      runtime,
      service,
      topics,
      ...(counter ? { counter } : {}),
      ...(log ? { log } : {}),
    });
  }
}
