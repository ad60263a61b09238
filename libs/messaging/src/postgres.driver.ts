import {
  type MessageRef,
  type MessageRow,
  notifyChannel,
  pgTypes,
  type PublishedMessage,
  publishedMessageOf,
  quoteIdentifier,
  quoteLiteral,
} from '@finality/event-store';
import type { Pool } from 'pg';
import { BusListener } from './bus-listener.ts';
import { loadCursors, Progress, saveCursors, START } from './cursors.ts';
import type { ConsumerOptions, IncomingMessage, MessageConsumer, MessageDriver } from './port.ts';

export interface PostgresDriverOptions {
  /** Connections as the bus role, which can read every owner's published messages and nothing else. One of them listens. */
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
  readonly #owners: readonly string[];
  readonly #listeners: (() => void)[] = [];
  #progress: Map<string, Progress> | undefined;
  #turn = 0;
  #unsubscribe: (() => void) | undefined;
  #isClosed = false;

  constructor(options: PostgresDriverOptions, { topics, replay = false }: ConsumerOptions) {
    this.#options = options;
    this.#topics = topics;
    this.#isReplay = replay;
    this.#owners = [...new Set(topics.map(options.schemaOf))];
  }

  async poll(limit: number): Promise<readonly IncomingMessage[]> {
    if (this.#isClosed) throw new Error('the consumer is closed');
    await this.#listen();
    const progress = await this.#load();
    const messages: IncomingMessage[] = [];
    // Another owner begins each time: none can keep the others waiting by having a lot to say.
    for (let i = 0; i < this.#owners.length && messages.length < limit; i++) {
      const owner = this.#owners[(this.#turn + i) % this.#owners.length]!;
      messages.push(...(await this.#pollOwner(owner, progress, limit - messages.length)));
    }
    this.#turn += 1;
    return messages;
  }

  async acknowledge(messages: readonly IncomingMessage[]): Promise<void> {
    const progress = await this.#load();
    for (const message of messages) progress.get(message.topic)?.acknowledge(message);
    const moved = [...progress.values()].filter((of) => of.advance());
    if (moved.length > 0 && !this.#isReplay) await saveCursors(this.#cursorTable, moved);
  }

  async fetch(
    key: Pick<MessageRef, 'topic' | 'orderingKey'>,
    from: bigint,
    limit: number,
  ): Promise<readonly IncomingMessage[]> {
    const table = this.#tableOf(this.#options.schemaOf(key.topic));
    const rows = await this.#readInOrder(`SELECT ${COLUMNS} FROM ${table} m
      WHERE m.topic = ${quoteLiteral(key.topic)} AND m.ordering_key = ${quoteLiteral(key.orderingKey)} AND m.sequence >= ${from}
      ORDER BY m.sequence LIMIT ${limit}`);
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
          CROSS JOIN LATERAL (SELECT count(*) AS n FROM (SELECT 1 FROM ${this.#tableOf(owner)} m
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

  close(): Promise<void> {
    this.#isClosed = true;
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    return Promise.resolve();
  }

  async #pollOwner(owner: string, progress: Map<string, Progress>, limit: number): Promise<PublishedMessage[]> {
    const of = this.#ofOwner(owner, progress);
    const cursors = of.map(
      ({ topic, polled }) => `(${quoteLiteral(topic)}, ${polled.position}::bigint, ${polled.ordinal})`,
    );
    const rows = await this
      .#readInOrder(`SELECT ${COLUMNS} FROM (VALUES ${cursors.join(', ')}) AS c(topic, position, ordinal)
      CROSS JOIN LATERAL (SELECT * FROM ${this.#tableOf(owner)} t WHERE t.topic = c.topic AND (t.position, t.ordinal) > (c.position, c.ordinal)
        ORDER BY t.position, t.ordinal LIMIT ${limit}) m
      ORDER BY m.position, m.ordinal LIMIT ${limit}`);
    const messages = rows.map(publishedMessageOf);
    for (const message of messages) progress.get(message.topic)!.poll(message);
    return messages;
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
    this.#unsubscribe ??= bus.subscribe(this.#owners.map(notifyChannel), () => {
      for (const listener of this.#listeners) listener();
    });
    await bus.connected();
  }

  #ofOwner(owner: string, progress: Map<string, Progress>): Progress[] {
    return [...progress.values()].filter(({ topic }) => this.#options.schemaOf(topic) === owner);
  }

  #tableOf(owner: string): string {
    return `${quoteIdentifier(owner)}.published_messages`;
  }

  /**
   * Reads along an index, whatever the planner thinks of a table whose statistics are behind: it would rather sort all that is left, for every
   * page of a long backlog. Several statements in one text are one transaction and one round trip; they take no parameters.
   */
  async #readInOrder(select: string): Promise<MessageRow[]> {
    const text = `SET LOCAL enable_bitmapscan = off; SET LOCAL enable_seqscan = off; ${select}`;
    const results: unknown = await this.#options.bus.query({ text, types: pgTypes });
    return (results as { rows: MessageRow[] }[]).at(-1)?.rows ?? [];
  }

  async #query<Row extends object>(pool: Pool, text: string, values: readonly unknown[]): Promise<Row[]> {
    return (await pool.query<Row>({ text, values: [...values], types: pgTypes })).rows;
  }
}
