import type { MessageRow } from '@finality/event-store';
import { assert } from '@finality/kernel';
import { type Kafka, type Message, Partitioners, type Producer } from 'kafkajs';
import { type KafkaConnection, topicIn } from './connection.ts';
import { recordOf } from './record.ts';

const ALL_IN_SYNC = -1;
const SEND_MS_MAX = 10_000;

/**
 * Sends batches, each in full or not at all as far as the caller can know. kafkajs' own repeats are off: after a partition has moved to another broker,
 * the second attempt of 2.2.4 takes a broker that had acknowledged something for done, and what moved there is never sent. So an attempt that fails
 * is the caller's to repeat, and one that succeeds must have an acknowledgement for each partition that was written to.
 */
export class RelayProducer {
  /** Which cluster the broker belongs to; it changes when its data is made anew. */
  readonly clusterId: string;
  readonly #producer: Producer;
  readonly #connection: KafkaConnection;
  readonly #chosen: Set<string>;

  private constructor(clusterId: string, producer: Producer, connection: KafkaConnection, chosen: Set<string>) {
    this.clusterId = clusterId;
    this.#producer = producer;
    this.#connection = connection;
    this.#chosen = chosen;
  }

  static async connect(client: Kafka, connection: KafkaConnection): Promise<RelayProducer> {
    const clusterId = await clusterIdOf(client);
    const chosen = new Set<string>();
    const producer = client.producer({
      allowAutoTopicCreation: false,
      retry: { retries: 0 },
      createPartitioner: () => {
        // Murmur2 over the key's bytes, as Kafka's Java client does it.
        const choose = Partitioners.DefaultPartitioner();
        return (args) => {
          const partition = choose(args);
          chosen.add(`${args.topic} ${partition}`);
          return partition;
        };
      },
    });
    await producer.connect();
    return new RelayProducer(clusterId, producer, connection, chosen);
  }

  /** Resolves when all replicas in sync have all of it. */
  async send(rows: readonly MessageRow[]): Promise<void> {
    const messages = new Map<string, Message[]>();
    for (const row of rows) {
      const topic = topicIn(this.#connection, row.topic);
      const known = messages.get(topic);
      if (known) known.push(recordOf(row));
      else messages.set(topic, [recordOf(row)]);
    }
    this.#chosen.clear();
    const acknowledged = await this.#producer.sendBatch({
      acks: ALL_IN_SYNC,
      timeout: SEND_MS_MAX,
      topicMessages: [...messages].map(([topic, of]) => ({ topic, messages: of })),
    });
    for (const { topicName, partition, errorCode } of acknowledged) {
      assert(errorCode === 0, `${topicName} ${partition} wasn't written: error ${errorCode}`);
      this.#chosen.delete(`${topicName} ${partition}`);
    }
    assert(this.#chosen.size === 0, `the broker hasn't acknowledged ${[...this.#chosen].join(', ')}`);
  }

  /** Never rejects: what was under way is nobody's business any more. */
  async close(): Promise<void> {
    await this.#producer.disconnect().catch(() => undefined);
  }
}

async function clusterIdOf(client: Kafka): Promise<string> {
  const admin = client.admin();
  try {
    await admin.connect();
    return (await admin.describeCluster()).clusterId;
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}
