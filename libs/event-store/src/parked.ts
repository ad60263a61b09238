import type { Instant, Runtime } from '@finality/kernel';
import type { Pool } from 'pg';
import { type MessageRow, publishedMessageOf } from './envelope.ts';
import type { MessageRef, Outcome, PublishedMessage } from './port.ts';
import { lockedTransaction, poolQuery, quoteIdentifier } from './session.ts';

/** A key whose messages wait behind one that can't be handled. */
export interface ParkedKey {
  readonly topic: string;
  readonly orderingKey: string;
  readonly parkedAt: Instant;
  readonly cause: string;
  /** Sequence of the first message waiting. */
  readonly sequence: bigint;
  readonly messages: number;
}

type Key = Pick<MessageRef, 'topic' | 'orderingKey'>;

const LIST_MAX_DEFAULT = 100;
const REPLAY_PAGE_MESSAGES = 100;
/** A replay goes on page by page; what is left past this many messages takes another one. */
const REPLAY_PAGES_MAX = 100;

/** What an operator can do about parked messages (DESIGN 4). */
export class ParkedKeys {
  readonly #store: { readonly pool: Pool; readonly schema: string; readonly runtime: Runtime };
  readonly #schema: string;

  constructor(options: { readonly pool: Pool; readonly schema: string; readonly runtime: Runtime }) {
    this.#store = options;
    this.#schema = quoteIdentifier(options.schema);
  }

  /** Parked keys, the longest parked first. */
  async list(limit = LIST_MAX_DEFAULT): Promise<ParkedKey[]> {
    const rows = await poolQuery<{
      topic: string;
      ordering_key: string;
      parked_at: bigint;
      cause: string;
      sequence: bigint;
      messages: bigint;
    }>(
      this.#store.pool,
      `SELECT k.topic, k.ordering_key, k.parked_at, k.cause, min(p.sequence) AS sequence, count(*) AS messages
        FROM ${this.#schema}.inbox_keys k JOIN ${this.#schema}.parked_messages p USING (topic, ordering_key)
        WHERE k.parked_at IS NOT NULL AND p.resolution IS NULL GROUP BY k.topic, k.ordering_key ORDER BY k.parked_at, k.topic, k.ordering_key LIMIT $1`,
      [limit],
    );
    return rows.map((row) => ({
      topic: row.topic,
      orderingKey: row.ordering_key,
      parkedAt: Number(row.parked_at) as Instant,
      cause: row.cause,
      sequence: row.sequence,
      messages: Number(row.messages),
    }));
  }

  /** How many keys are parked: a metric that should be zero. */
  async count(): Promise<number> {
    const [row] = await poolQuery<{ count: bigint }>(
      this.#store.pool,
      `SELECT count(*) AS count FROM ${this.#schema}.inbox_keys WHERE parked_at IS NOT NULL`,
    );
    return Number(row?.count ?? 0n);
  }

  /** Tries the waiting messages of a key again, in order, through the service's own handler of that topic, until one is parked again or none is left. */
  async replay(
    key: Key,
    handler: (messages: readonly PublishedMessage[]) => Promise<readonly Outcome<unknown>[]>,
  ): Promise<{ readonly replayed: number; readonly parked: boolean }> {
    let replayed = 0;
    for (let page = 0; page < REPLAY_PAGES_MAX; page++) {
      const waiting = await this.#waiting(key, REPLAY_PAGE_MESSAGES);
      if (waiting.length === 0) return { replayed, parked: false };
      const outcomes = await handler(waiting.map((message) => ({ ...message, replay: true })));
      const done = outcomes.filter((outcome) => outcome.kind === 'accepted' || outcome.kind === 'skipped').length;
      replayed += done;
      if (done < waiting.length) return { replayed, parked: true };
    }
    return { replayed, parked: true };
  }

  /** Gives up the first waiting message of a key. It stays on record, with who skipped it and why. */
  async skip(key: Key, by: string, reason: string): Promise<{ readonly skipped: bigint | undefined }> {
    return lockedTransaction(this.#store, async (session) => {
      const [first, next] = await session.query<{ sequence: bigint }>(
        'SELECT sequence FROM parked_messages WHERE topic = $1 AND ordering_key = $2 AND resolution IS NULL ORDER BY sequence LIMIT 2',
        [key.topic, key.orderingKey],
      );
      if (!first) return { skipped: undefined };
      await session.query(
        `UPDATE parked_messages SET resolution = 'skipped', resolved_at = $4, resolved_by = $5, reason = $6 WHERE topic = $1 AND ordering_key = $2 AND sequence = $3`,
        [key.topic, key.orderingKey, first.sequence, this.#store.runtime.now(), by, reason],
      );
      if (!next)
        await session.query(
          'UPDATE inbox_keys SET parked_at = NULL, cause = NULL WHERE topic = $1 AND ordering_key = $2',
          [key.topic, key.orderingKey],
        );
      return { skipped: first.sequence };
    });
  }

  async #waiting(key: Key, limit: number): Promise<PublishedMessage[]> {
    const rows = await poolQuery<Omit<MessageRow, 'position' | 'ordinal'>>(
      this.#store.pool,
      `SELECT topic, ordering_key, sequence, headers, payload FROM ${this.#schema}.parked_messages
        WHERE topic = $1 AND ordering_key = $2 AND resolution IS NULL ORDER BY sequence LIMIT $3`,
      [key.topic, key.orderingKey, limit],
    );
    // Where the message stood in its owner's log doesn't matter any more: only its key's sequence does.
    return rows.map((row) => publishedMessageOf({ ...row, position: 0n, ordinal: 0 }));
  }
}
