import type { MessageRef } from '@finality/event-store';
import type { Runtime } from '@finality/kernel';
import type { Kafka } from 'kafkajs';
import { type Cursor, type CursorTable, loadCursors, type Progress, saveCursors, START } from '../cursors.ts';
import type { IncomingMessage, MessageConsumer } from '../port.ts';
import { Assignment, groupBehind } from './assignment.ts';
import { Backfill, countAfter } from './backfill.ts';
import { BrokerOffsets, type GroupOffsets } from './broker-offsets.ts';
import { groupIn, type KafkaConnection, type KafkaLog, type SharedAdmin, topicIn } from './connection.ts';
import { type Feed, type FetchedBatch, Membership, type TopicPartition } from './membership.ts';
import type { OwnerMessages } from './owner-messages.ts';
import { ArrivalBuffer, type Entry, type PartitionLog } from './partition-log.ts';
import { kafkaErrorOf } from './problem.ts';
import { type ForeignReason, messageOf } from './record.ts';

/** Who counts records on our topics that can't be messages of ours: they are skipped. */
export interface ForeignCounter {
  foreign(topic: string, reason: ForeignReason): void;
}

export interface GroupConsumerOptions {
  readonly connection: KafkaConnection;
  readonly client: Kafka;
  readonly admin: SharedAdmin;
  readonly cursors: CursorTable;
  readonly owners: OwnerMessages;
  readonly runtime: Runtime;
  readonly service: string;
  readonly topics: readonly string[];
  readonly counter?: ForeignCounter;
  readonly log?: KafkaLog;
}

/** Acknowledgements of so long are committed together: what a crash in between repeats, the inbox knows. */
const COMMIT_MS = 250;
/** A broker that is away doesn't keep anybody from closing. */
const LAST_COMMIT_MS_MAX = 2_000;
/** After a membership has ended by an error. */
const REJOIN_MS = 1_000;
const BEGIN_ATTEMPTS_MAX = 10;
const BEGIN_RETRY_MS = 500;

/**
 * Topics of other owners over a consumer group. How nothing can fall between the owner's log and the broker's: where the group has no progress in a
 * partition, or the broker hasn't got what comes next any more, the broker's end is noted first; then all is read from the owner, from the saved
 * cursor until it has no more; when that is handled, the partition is followed from the end noted. What lies before it was in the owner's log before
 * it was in the broker's. The group's progress is committed only then: a crash before begins again, at the cursor.
 */
export class GroupConsumer implements MessageConsumer, Feed {
  readonly #options: GroupConsumerOptions;
  readonly #offsets: BrokerOffsets;
  readonly #listeners: (() => void)[] = [];
  readonly #buffer = new ArrivalBuffer();
  readonly #polled = new WeakMap<IncomingMessage, Entry>();
  readonly #closing = new AbortController();
  #membership: Membership | undefined;
  #assignment: Assignment | undefined;
  #failure: { readonly error: unknown } | undefined;
  #rejoinAtMs = -Infinity;
  #isCommitDue = false;
  #committing: Promise<void> = Promise.resolve();

  constructor(options: GroupConsumerOptions) {
    this.#options = options;
    const { connection, admin, service, topics, runtime } = options;
    const names = topics.map((topic) => topicIn(connection, topic));
    this.#offsets = new BrokerOffsets(admin, groupIn(connection, service), names, runtime);
  }

  async poll(limit: number): Promise<readonly IncomingMessage[]> {
    if (this.#closing.signal.aborted) throw new Error('the consumer is closed');
    this.#throwFailure();
    this.#join();
    const messages = await this.#pollBackfills(limit);
    for (const { message, entry } of this.#buffer.take(limit - messages.length)) {
      this.#polled.set(message, entry);
      messages.push(message);
    }
    return messages;
  }

  async acknowledge(messages: readonly IncomingMessage[]): Promise<void> {
    for (const message of messages) {
      const entry = this.#polled.get(message);
      if (entry) entry.isDone = true;
      else this.#assignment?.backfills.get(message.topic)?.progress.acknowledge(message);
    }
    this.#commitSoon();
    const backfills = [...(this.#assignment?.backfills.values() ?? [])];
    await this.#saveBackfills(backfills);
  }

  fetch(
    key: Pick<MessageRef, 'topic' | 'orderingKey'>,
    from: bigint,
    limit: number,
  ): Promise<readonly IncomingMessage[]> {
    return this.#options.owners.ofKey(key, from, limit);
  }

  onWake(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Of the partitions that this process has; of all while it isn't a member. What the broker knows may be a second old. */
  async lag(): Promise<bigint> {
    const { connection, topics } = this.#options;
    const [offsets, cursors] = [await this.#recentOffsets(), await this.#cursors()];
    let lag = 0n;
    for (const topic of topics) {
      const ofTopic = offsets.get(topicIn(connection, topic));
      const known = this.#assignment?.behind(topic, ofTopic) ?? groupBehind(ofTopic);
      if (known.isLive) {
        lag += known.count;
        continue;
      }
      const after = this.#assignment?.backfills.get(topic)?.progress.acknowledged ?? cursors.get(topic) ?? START;
      const rest = await countAfter(this.#options.owners, topic, after);
      lag += rest.isAll || rest.count > known.count ? rest.count : known.count;
    }
    return lag;
  }

  /** The topics that are being read from their owners. */
  get backfilling(): readonly string[] {
    return [...(this.#assignment?.backfills.keys() ?? [])];
  }

  /** Whether all that owners and broker have at this moment has arrived here, polled or not. */
  async isCaughtUp(): Promise<boolean> {
    const assignment = this.#assignment;
    if (!assignment?.hasBegun || [...assignment.backfills.values()].some(({ isExhausted }) => !isExhausted))
      return false;
    const offsets = await this.#offsets.now();
    return (
      assignment === this.#assignment &&
      assignment.hasReached((topic) => offsets.get(topicIn(this.#options.connection, topic)))
    );
  }

  /** Commits what was acknowledged and leaves the group. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort('closed');
    const inTime = new AbortController();
    const committed = this.#committing.then(() => this.#commit());
    await Promise.race([committed, this.#options.runtime.sleep(LAST_COMMIT_MS_MAX, inTime.signal)]);
    inTime.abort('committed');
    this.#drop();
    await this.#membership?.stop();
    this.#membership = undefined;
  }

  get begun(): AbortSignal {
    return this.#assignment?.begun ?? AbortSignal.abort('none');
  }

  get hasRoom(): boolean {
    return this.#buffer.hasRoom;
  }

  get room(): AbortSignal {
    return this.#buffer.room;
  }

  assigned(partitions: readonly TopicPartition[]): void {
    this.#drop();
    const { connection, topics } = this.#options;
    const ours = new Map(topics.map((topic) => [topicIn(connection, topic), topic]));
    const known = partitions.flatMap(({ topic, partition }) => {
      const name = ours.get(topic);
      return name === undefined ? [] : [{ topic: name, partition }];
    });
    this.#assignment = new Assignment(known);
    void this.#begin(this.#assignment);
  }

  received(batch: FetchedBatch): void {
    const log = this.#logOf(batch);
    if (log?.next === undefined) return;
    if (BigInt(batch.fetchedOffset) !== log.next) {
      this.#takeUpAnew(log);
      return;
    }
    const before = this.#buffer.size;
    for (const record of batch.messages) this.#arrive(log, record);
    log.next = BigInt(batch.lastOffset()) + 1n;
    if (this.#buffer.size > before) this.#wake();
    else this.#commitSoon();
  }

  passed(partition: TopicPartition, lastOffset: bigint): void {
    const log = this.#logOf(partition);
    if (log?.next === undefined || lastOffset < log.next) return;
    log.next = lastOffset + 1n;
    this.#commitSoon();
  }

  ended(error: unknown): void {
    const { connection, runtime } = this.#options;
    this.#failure = { error: kafkaErrorOf(error, connection.brokers) };
    this.#membership = undefined;
    this.#rejoinAtMs = runtime.monotonicMs() + REJOIN_MS;
    this.#drop();
    this.#wake();
  }

  #arrive(log: PartitionLog, record: Parameters<typeof messageOf>[1] & { readonly offset: string }): void {
    const entry = log.take(BigInt(record.offset));
    const message = messageOf(log.topic, record);
    if (typeof message === 'string') {
      this.#options.counter?.foreign(log.topic, message);
      entry.isDone = true;
    } else if (this.#assignment?.hasBackfilled(message)) {
      entry.isDone = true;
    } else {
      this.#buffer.push({ message, entry });
    }
  }

  #join(): void {
    const { client, connection, runtime, service, topics } = this.#options;
    if (this.#membership || runtime.monotonicMs() < this.#rejoinAtMs) return;
    this.#membership = new Membership(client, groupIn(connection, service), this, runtime);
    void this.#membership.start(topics.map((topic) => topicIn(connection, topic)));
  }

  /**
   * Decides where each partition begins that hasn't begun: from the owner, or from the broker. Until then what the broker gives has to wait; it will
   * mostly be what is wanted.
   */
  async #begin(assignment: Assignment): Promise<void> {
    if (assignment.isBeginning) return;
    assignment.isBeginning = true;
    for (let attempt = 1; assignment === this.#assignment && !assignment.hasBegun; attempt++) {
      try {
        const [offsets, cursors] = [await this.#offsets.now(), await this.#cursors()];
        if (assignment === this.#assignment) this.#beginAt(assignment, offsets, cursors);
      } catch (error) {
        if (assignment !== this.#assignment) break;
        if (attempt >= BEGIN_ATTEMPTS_MAX) {
          void this.#membership?.stop();
          this.ended(error);
          break;
        }
        await this.#options.runtime.sleep(BEGIN_RETRY_MS, this.#closing.signal);
      }
    }
    assignment.isBeginning = false;
    assignment.haveBegun();
    this.#wake();
  }

  #beginAt(assignment: Assignment, offsets: GroupOffsets, cursors: ReadonlyMap<string, Cursor>): void {
    const { connection } = this.#options;
    const { waiting, begun } = assignment.begin((topic) => offsets.get(topicIn(connection, topic)), cursors);
    for (const topic of new Set(waiting.map((log) => log.topic))) {
      const from = cursors.get(topic) ?? START;
      this.#options.log?.info({ topic, position: `${from.position}` }, 'a topic’s history is read from its owner');
      assignment.backfills.set(topic, new Backfill(topic, from, this.#options));
    }
    this.#membership?.pause(waiting.map((log) => this.#nameOf(log)));
    this.#follow(begun.filter((log) => log.resumeAt !== undefined));
    // By itself kafkajs begins where the group has come to.
    this.#membership?.resume(begun.map((log) => this.#nameOf(log)));
  }

  async #pollBackfills(limit: number): Promise<IncomingMessage[]> {
    const assignment = this.#assignment;
    const messages: IncomingMessage[] = [];
    for (const backfill of assignment?.nextBackfills() ?? []) {
      if (messages.length >= limit) break;
      const page = await backfill.tryPoll(limit - messages.length);
      // Meanwhile the partitions may have gone to others; what was read is as good as ever.
      messages.push(...page);
      if (page.length === 0 && backfill.isDone && assignment === this.#assignment) this.#finish(backfill);
    }
    return messages;
  }

  async #saveBackfills(backfills: readonly Backfill[]): Promise<void> {
    const moved: Progress[] = backfills.map(({ progress }) => progress).filter((progress) => progress.advance());
    if (moved.length > 0) await saveCursors(this.#options.cursors, moved);
    for (const backfill of backfills) if (backfill.isDone) this.#finish(backfill);
  }

  /** The topic's partitions are followed from now on. */
  #finish(backfill: Backfill): void {
    const assignment = this.#assignment;
    if (assignment?.backfills.get(backfill.topic) !== backfill) return;
    this.#options.log?.info({ topic: backfill.topic }, 'a topic’s history has been read; it is followed from Kafka');
    this.#follow(assignment.finish(backfill));
    this.#commitSoon();
  }

  #follow(logs: readonly PartitionLog[]): void {
    const partitions = logs.map((log) => this.#nameOf(log));
    partitions.forEach((partition, i) => this.#membership?.seek({ ...partition, offset: logs[i]!.next! }));
    this.#membership?.resume(partitions);
  }

  /** The batch isn't the one asked for: it was on its way when partitions were assigned anew, or the broker has lost what we were to read. */
  #takeUpAnew(log: PartitionLog): void {
    const assignment = this.#assignment;
    if (!assignment) return;
    assignment.replace(log);
    void this.#begin(assignment);
  }

  #commitSoon(): void {
    if (this.#isCommitDue || this.#closing.signal.aborted) return;
    this.#isCommitDue = true;
    const { runtime } = this.#options;
    this.#committing = runtime.sleep(COMMIT_MS, this.#closing.signal).then(() => {
      this.#isCommitDue = false;
      return this.#commit();
    });
  }

  /** What isn't committed now, because the group is about to change or the broker is away, is committed with what follows, or comes again. */
  async #commit(): Promise<void> {
    const dirty = this.#assignment?.uncommitted() ?? [];
    if (dirty.length === 0 || !this.#membership) return;
    try {
      await this.#membership.commit(dirty.map(({ log, offset }) => ({ ...this.#nameOf(log), offset })));
      for (const { log, offset } of dirty) log.committed = offset;
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error);
      this.#options.log?.debug({ cause }, 'progress couldn’t be committed');
    }
  }

  #drop(): void {
    this.#assignment?.end();
    this.#assignment = undefined;
    this.#buffer.clear();
  }

  #throwFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure.error;
  }

  #logOf({ topic, partition }: TopicPartition): PartitionLog | undefined {
    return this.#assignment?.log(topic.slice((this.#options.connection.prefix ?? '').length), partition);
  }

  #nameOf({ topic, partition }: TopicPartition): TopicPartition {
    return { topic: topicIn(this.#options.connection, topic), partition };
  }

  #cursors(): Promise<Map<string, Cursor>> {
    return loadCursors(this.#options.cursors, this.#options.topics);
  }

  async #recentOffsets(): Promise<GroupOffsets> {
    try {
      return await this.#offsets.recent();
    } catch (error) {
      throw kafkaErrorOf(error, this.#options.connection.brokers);
    }
  }

  #wake(): void {
    for (const listener of this.#listeners) listener();
  }
}
