import { createHash } from 'node:crypto';
import {
  type MessageRef,
  type MessageRow,
  notifyChannel,
  pgTypes,
  publishedMessageOf,
  quoteIdentifier,
} from '@finality/event-store';
import type { Pool } from 'pg';
import { BusListener } from './bus-listener.ts';
import { loadCursors, Progress, saveCursors, START } from './cursors.ts';
import type { ConsumerOptions, IncomingMessage, MessageConsumer, MessageDriver } from './port.ts';

export interface PostgresDriverOptions {
  /**
   * Connections as the bus role, which can read every owner's published messages and nothing else, along their indices whatever the planner
   * thinks of a table whose statistics are behind. One of them listens.
   */
  readonly bus: Pool;
  /** Connections as the consuming service's role. */
  readonly consumer: Pool;
  /** The consuming service's schema, where its progress is kept. */
  readonly consumerSchema: string;
  /** Schema of a topic's owner. */
  readonly schemaOf: (topic: string) => string;
  /** Whether to LISTEN for new messages. Without it consumers poll only (the simulation schedules them anyway). Default true. */
  readonly listen?: boolean;
}

/** What is counted as lag per topic, at most: behind that it doesn't matter any more. */
const LAG_MAX = 1_000_000;

/** After a crash so many may come again, which their inbox knows. Saving at each would be one more transaction per batch. */
const UNSAVED_MESSAGES_MAX = 2_000;

/** Of a prepared statement's name, which is unique among those of a connection. */
const NAME_DIGITS = 16;
const COLUMNS = 'm.position, m.ordinal, m.topic, m.ordering_key, m.sequence, m.headers, m.payload';

/** Tails the owners' published messages in their own tables (DESIGN 4): no broker, the order of their commits, nothing skipped. */
export class PostgresDriver implements MessageDriver {
  readonly #options: PostgresDriverOptions;
  readonly #consumers = new Set<PostgresConsumer>();

  constructor(options: PostgresDriverOptions) {
    this.#options = options;
  }

  consumer(options: ConsumerOptions): MessageConsumer {
    const consumer = new PostgresConsumer(this.#options, options);
    this.#consumers.add(consumer);
    return consumer;
  }

  /** Closes its consumers. The pools are the caller's. */
  async close(): Promise<void> {
    for (const consumer of this.#consumers) await consumer.close();
    this.#consumers.clear();
  }
}

class PostgresConsumer implements MessageConsumer {
  readonly #options: PostgresDriverOptions;
  readonly #topics: readonly string[];
  /** Progress in memory only. */
  readonly #isReplay: boolean;
  /** What wakes it. */
  readonly #hurried: readonly string[];
  readonly #owners: readonly string[];
  /** One for each owner to begin with. */
  readonly #polls: readonly { readonly name: string; readonly text: string }[];
  readonly #listeners: (() => void)[] = [];
  #progress: Map<string, Progress> | undefined;
  /** What was acknowledged since it was saved. */
  readonly #unsaved = new Set<Progress>();
  #unsavedMessages = 0;
  #turn = 0;
  #unsubscribe: (() => void) | undefined;
  #isDrained = false;
  #isClosed = false;

  constructor(options: PostgresDriverOptions, { topics, replay = false, unhurried = [] }: ConsumerOptions) {
    this.#options = options;
    this.#topics = topics;
    this.#isReplay = replay;
    this.#hurried = topics.filter((topic) => !unhurried.includes(topic));
    this.#owners = [...new Set(topics.map(options.schemaOf))];
    this.#polls = pollsOf(this.#owners);
  }

  get isDrained(): boolean {
    return this.#isDrained && this.#options.listen !== false;
  }

  async poll(limit: number): Promise<readonly IncomingMessage[]> {
    if (this.#isClosed) throw new Error('the consumer is closed');
    await this.#listen();
    const progress = await this.#load();
    const rows = limit === 0 ? [] : await this.#readNext(progress, limit);
    this.#isDrained = rows.length < limit;
    const messages = rows.map(publishedMessageOf);
    for (const message of messages) progress.get(message.topic)!.poll(message);
    if (messages.length === 0) await this.#save();
    this.#turn += 1;
    return messages;
  }

  async acknowledge(messages: readonly IncomingMessage[]): Promise<void> {
    const progress = await this.#load();
    for (const message of messages) progress.get(message.topic)?.acknowledge(message);
    for (const of of progress.values()) if (of.advance()) this.#unsaved.add(of);
    this.#unsavedMessages += messages.length;
    if (this.#unsavedMessages >= UNSAVED_MESSAGES_MAX) await this.#save();
  }

  async fetch(
    key: Pick<MessageRef, 'topic' | 'orderingKey'>,
    from: bigint,
    limit: number,
  ): Promise<readonly IncomingMessage[]> {
    const table = tableOf(this.#options.schemaOf(key.topic));
    const rows = await this.#query<MessageRow>(
      this.#options.bus,
      `SELECT ${COLUMNS} FROM ${table} m WHERE m.topic = $1 AND m.ordering_key = $2 AND m.sequence >= $3 ORDER BY m.sequence LIMIT $4`,
      [key.topic, key.orderingKey, from, limit],
    );
    return rows.map(publishedMessageOf);
  }

  onWake(listener: () => void): void {
    this.#listeners.push(listener);
  }

  async lag(): Promise<bigint> {
    const progress = await this.#load();
    let lag = 0n;
    for (const owner of this.#owners) {
      const of = this.#ofOwner(owner, progress);
      const [row] = await this.#query<{ lag: bigint }>(
        this.#options.bus,
        `SELECT coalesce(sum(n), 0)::bigint AS lag FROM unnest($1::text[], $2::bigint[], $3::int[]) AS c(topic, position, ordinal)
          CROSS JOIN LATERAL (SELECT count(*) AS n FROM (SELECT 1 FROM ${tableOf(owner)} m
            WHERE m.topic = c.topic AND (m.position, m.ordinal) > (c.position, c.ordinal) LIMIT ${LAG_MAX}) behind) counted`,
        [
          of.map(({ topic }) => topic),
          of.map(({ acknowledged }) => acknowledged.position),
          of.map(({ acknowledged }) => acknowledged.ordinal),
        ],
      );
      lag += row?.lag ?? 0n;
    }
    return lag;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    // The database may be away by now: some messages come again then.
    await this.#save().catch(() => undefined);
  }

  async #readNext(progress: Map<string, Progress>, limit: number): Promise<readonly MessageRow[]> {
    const values = this.#owners.flatMap((owner) => {
      const cursors = this.#ofOwner(owner, progress);
      return [
        cursors.map(({ topic }) => topic),
        cursors.map(({ polled }) => polled.position),
        cursors.map(({ polled }) => polled.ordinal),
      ];
    });
    const query = { ...this.#polls[this.#turn % this.#polls.length]!, values: [limit, ...values], types: pgTypes };
    return (await this.#options.bus.query<MessageRow>(query)).rows;
  }

  async #save(): Promise<void> {
    if (this.#unsaved.size > 0 && !this.#isReplay) await saveCursors(this.#cursorTable, [...this.#unsaved]);
    this.#unsaved.clear();
    this.#unsavedMessages = 0;
  }

  async #load(): Promise<Map<string, Progress>> {
    if (this.#progress) return this.#progress;
    const saved = this.#isReplay ? undefined : await loadCursors(this.#cursorTable, this.#topics);
    this.#progress = new Map(
      this.#topics.map((topic): [string, Progress] => [topic, new Progress(topic, saved?.get(topic) ?? START)]),
    );
    return this.#progress;
  }

  get #cursorTable(): { readonly pool: Pool; readonly schema: string } {
    const { consumer, consumerSchema } = this.#options;
    return { pool: consumer, schema: consumerSchema };
  }

  async #listen(): Promise<void> {
    if (this.#options.listen === false) return;
    const bus = BusListener.of(this.#options.bus);
    this.#unsubscribe ??= bus.subscribe({ channels: this.#owners.map(notifyChannel), topics: this.#hurried }, () => {
      for (const listener of this.#listeners) listener();
    });
    await bus.connected();
  }

  #ofOwner(owner: string, progress: Map<string, Progress>): Progress[] {
    return [...progress.values()].filter(({ topic }) => this.#options.schemaOf(topic) === owner);
  }

  async #query<Row extends object>(pool: Pool, text: string, values: readonly unknown[]): Promise<Row[]> {
    return (await pool.query<Row>({ text, values: [...values], types: pgTypes })).rows;
  }
}

const tableOf = (owner: string): string => `${quoteIdentifier(owner)}.published_messages`;

/** The next messages of all owners in one round trip. Another owner begins each time: none can keep the others waiting by having a lot to say. */
function pollsOf(owners: readonly string[]): readonly { readonly name: string; readonly text: string }[] {
  const parts = owners.map((owner, i) => {
    const [topics, positions, ordinals] = [3 * i + 2, 3 * i + 3, 3 * i + 4];
    return `(SELECT ${COLUMNS} FROM unnest($${topics}::text[], $${positions}::bigint[], $${ordinals}::int[]) AS c(topic, position, ordinal)
      CROSS JOIN LATERAL (SELECT * FROM ${tableOf(owner)} t WHERE t.topic = c.topic AND (t.position, t.ordinal) > (c.position, c.ordinal)
        ORDER BY t.position, t.ordinal LIMIT $1) m
      ORDER BY m.position, m.ordinal LIMIT $1)`;
  });
  return owners.map((_owner, first) => {
    const text = `SELECT * FROM (${[...parts.slice(first), ...parts.slice(0, first)].join(' UNION ALL ')}) AS m LIMIT $1`;
    return { name: `poll-${createHash('sha256').update(text).digest('hex').slice(0, NAME_DIGITS)}`, text };
  });
}
