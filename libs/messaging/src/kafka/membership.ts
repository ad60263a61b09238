import type { Runtime } from '@finality/kernel';
import type { Batch, Consumer, EachBatchPayload, Kafka } from 'kafkajs';

/** What kafkajs 2.2.4 gives, with the offset that was asked for, which its types leave out. */
export type FetchedBatch = Batch & { readonly fetchedOffset: string };

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface TopicOffset extends TopicPartition {
  readonly offset: bigint;
}

/** Who takes what a member of the group gets. Everything is called with the names of the cluster's topics. */
export interface Feed {
  /** A new assignment: it replaces the former one, and what was fetched under that may still come. */
  assigned(partitions: readonly TopicPartition[]): void;
  /** Aborts when it is decided where the present partitions begin. */
  readonly begun: AbortSignal;
  received(batch: FetchedBatch): void;
  /** A part of the log without any message for consumers (the marks of transactions), up to this offset. */
  passed(partition: TopicPartition, lastOffset: bigint): void;
  readonly hasRoom: boolean;
  readonly room: AbortSignal;
  /** The membership has ended by an error; nothing comes any more. */
  ended(error: unknown): void;
}

/** An idle fetch is answered after so long; a message that arrives answers it at once. */
const FETCH_WAIT_MS = 250;
/** Answers of the broker are at least so far apart: under load they get bigger instead of more. One that ends a pause isn't held up. */
const FETCH_PAUSE_MS = 5;
const FETCH_BYTES_MAX = 4 * 1024 * 1024;
/** Shared by the partitions of an answer; a message that is bigger comes all the same. */
const PARTITION_BYTES_MAX = 1024 * 1024;
/** The least that brokers allow unless configured otherwise: so long the partitions of a process that died wait. */
const SESSION_MS = 6_000;
const HEARTBEAT_MS = 1_500;
const REJOIN_MS_MAX = 10_000;
/** All batches of an answer are handed over at once; waiting for room is common to them. */
const BATCHES_AT_ONCE = 64;
const CLOSE_MS_MAX = 5_000;
/** About ten seconds: the brokers of a cluster have found a new coordinator by then. */
const RETRIES_MAX = 12;

/** Being a member of a consumer group, from joining to leaving or to the first error that kafkajs doesn't get over by itself. */
export class Membership {
  readonly #consumer: Consumer;
  readonly #feed: Feed;
  readonly #runtime: Runtime;
  #isFirstOfAnswer = false;
  #handedOverMs = -Infinity;
  #hasEnded = false;

  constructor(client: Kafka, groupId: string, feed: Feed, runtime: Runtime) {
    this.#feed = feed;
    this.#runtime = runtime;
    this.#consumer = client.consumer({
      groupId,
      allowAutoTopicCreation: false,
      maxWaitTimeInMs: FETCH_WAIT_MS,
      maxBytes: FETCH_BYTES_MAX,
      maxBytesPerPartition: PARTITION_BYTES_MAX,
      sessionTimeout: SESSION_MS,
      heartbeatInterval: HEARTBEAT_MS,
      rebalanceTimeout: REJOIN_MS_MAX,
      // A producer that isn't ours can't hold ours up with a transaction that it never ends.
      readUncommitted: true,
      // As long as it is tried again it stays the same member; a new one waits until the old one's session has ended. After that, whoever polls
      // starts anew, at his own pace.
      retry: { retries: RETRIES_MAX, restartOnFailure: () => Promise.resolve(false) },
    });
    this.#listen();
  }

  /** Joins the group. What goes wrong, now or later, is told by `Feed.ended`. */
  async start(topics: readonly string[]): Promise<void> {
    try {
      await this.#consumer.connect();
      await this.#consumer.subscribe({ topics: [...topics], fromBeginning: true });
      await this.#consumer.run({
        autoCommit: false,
        partitionsConsumedConcurrently: BATCHES_AT_ONCE,
        eachBatch: (payload) => this.#handOver(payload),
      });
    } catch (error) {
      this.#end(error);
    }
  }

  seek({ topic, partition, offset }: TopicOffset): void {
    this.#consumer.seek({ topic, partition, offset: `${offset}` });
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.#consumer.pause(partitions.map(({ topic, partition }) => ({ topic, partitions: [partition] })));
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#consumer.resume(partitions.map(({ topic, partition }) => ({ topic, partitions: [partition] })));
  }

  async commit(offsets: readonly TopicOffset[]): Promise<void> {
    await this.#consumer.commitOffsets(
      offsets.map(({ topic, partition, offset }) => ({ topic, partition, offset: `${offset}` })),
    );
  }

  /** Leaves the group, so that others get its partitions at once. Never rejects; gives up waiting after a while. */
  async stop(): Promise<void> {
    this.#hasEnded = true;
    const inTime = new AbortController();
    const left = this.#consumer.disconnect().catch(() => undefined);
    await Promise.race([left, this.#runtime.sleep(CLOSE_MS_MAX, inTime.signal)]);
    inTime.abort();
  }

  #listen(): void {
    const { GROUP_JOIN, CRASH, FETCH, START_BATCH_PROCESS } = this.#consumer.events;
    this.#consumer.on(GROUP_JOIN, ({ payload: { memberAssignment } }) => {
      if (this.#hasEnded) return;
      const partitions = Object.entries(memberAssignment).flatMap(([topic, numbers]) =>
        numbers.map((partition) => ({ topic, partition })),
      );
      this.#feed.assigned(partitions);
    });
    this.#consumer.on(CRASH, ({ payload: { error } }) => this.#end(error));
    this.#consumer.on(FETCH, () => (this.#isFirstOfAnswer = true));
    this.#consumer.on(START_BATCH_PROCESS, ({ payload: { topic, partition, batchSize, lastOffset } }) => {
      if (batchSize === 0 && !this.#hasEnded) this.#feed.passed({ topic, partition }, BigInt(lastOffset));
    });
  }

  async #handOver({ batch, heartbeat, isRunning, isStale }: EachBatchPayload): Promise<void> {
    const isWanted = (): boolean => isRunning() && !isStale() && !this.#hasEnded;
    while (isWanted() && !this.#feed.begun.aborted) {
      await this.#runtime.sleep(HEARTBEAT_MS, this.#feed.begun);
      await heartbeat();
    }
    if (!isWanted()) return;
    this.#feed.received(batch as FetchedBatch);
    await this.#pause();
    while (isWanted() && !this.#feed.hasRoom) {
      await this.#runtime.sleep(HEARTBEAT_MS, this.#feed.room);
      await heartbeat();
    }
  }

  async #pause(): Promise<void> {
    if (!this.#isFirstOfAnswer) return;
    this.#isFirstOfAnswer = false;
    const pauseMs = this.#handedOverMs + FETCH_PAUSE_MS - this.#runtime.monotonicMs();
    this.#handedOverMs = this.#runtime.monotonicMs();
    if (pauseMs > 0) await this.#runtime.sleep(pauseMs);
  }

  #end(error: unknown): void {
    if (this.#hasEnded) return;
    this.#feed.ended(error);
    void this.stop();
  }
}
