import { pgTypes, quoteIdentifier } from '@finality/event-store';
import type { Pool } from 'pg';
import type { IncomingMessage } from './port.ts';

/** A place in an owner's log: everything up to and with it. */
export interface Cursor {
  readonly position: bigint;
  readonly ordinal: number;
  /** Of the owner's store when the message was written. */
  readonly epoch: number;
}

export const START: Cursor = { position: 0n, ordinal: 0, epoch: 0 };

export function cursorOf(message: IncomingMessage): Cursor {
  return { position: message.position, ordinal: message.ordinal, epoch: Number(message.headers['ce_epoch'] ?? 0) };
}

/** Reading one topic in its owner's order: how far it was polled, and how far acknowledged without a gap. */
export class Progress {
  readonly topic: string;
  #acknowledged: Cursor;
  #polled: Cursor;
  /** By their place, in polled order; the oldest isn't acknowledged. */
  readonly #inFlight = new Map<string, { readonly cursor: Cursor; isDone: boolean }>();

  constructor(topic: string, cursor: Cursor) {
    this.topic = topic;
    this.#acknowledged = cursor;
    this.#polled = cursor;
  }

  /** Where the next poll goes on. */
  get polled(): Cursor {
    return this.#polled;
  }

  /** Stands behind the last message before which everything is acknowledged. */
  get acknowledged(): Cursor {
    return this.#acknowledged;
  }

  get isAcknowledged(): boolean {
    return this.#inFlight.size === 0;
  }

  poll(message: IncomingMessage): void {
    this.#polled = cursorOf(message);
    this.#inFlight.set(placeOf(message), { cursor: this.#polled, isDone: false });
  }

  acknowledge(message: IncomingMessage): void {
    const entry = this.#inFlight.get(placeOf(message));
    if (entry) entry.isDone = true;
  }

  /** @returns whether the cursor moved */
  advance(): boolean {
    let last: Cursor | undefined;
    for (const [place, { cursor, isDone }] of this.#inFlight) {
      if (!isDone) break;
      last = cursor;
      this.#inFlight.delete(place);
    }
    if (!last) return false;
    this.#acknowledged = last;
    return true;
  }
}

const placeOf = ({ position, ordinal }: IncomingMessage): string => `${position}/${ordinal}`;

/** Where a service keeps its progress. */
export interface CursorTable {
  readonly pool: Pool;
  readonly schema: string;
}

export async function loadCursors(table: CursorTable, topics: readonly string[]): Promise<Map<string, Cursor>> {
  const { rows } = await table.pool.query<Cursor & { topic: string }>({
    text: `SELECT topic, position, ordinal, epoch FROM ${nameOf(table)} WHERE topic = ANY($1::text[])`,
    values: [topics],
    types: pgTypes,
  });
  return new Map(rows.map(({ topic, ...cursor }) => [topic, cursor]));
}

/**
 * The inbox has what was handled; a cursor lost in a crash costs repeated messages only, so it needn't wait for the disk. Never goes back: another
 * process of the service may have got further.
 */
export async function saveCursors(table: CursorTable, moved: readonly Progress[]): Promise<void> {
  const cursors = moved.map(({ acknowledged }) => acknowledged);
  await table.pool.query({
    text: `WITH relaxed AS (SELECT set_config('synchronous_commit', 'off', true))
      INSERT INTO ${nameOf(table)} AS saved (topic, position, ordinal, epoch)
        SELECT c.* FROM relaxed, unnest($1::text[], $2::bigint[], $3::int[], $4::int[]) AS c(topic, position, ordinal, epoch)
        ON CONFLICT (topic) DO UPDATE SET position = excluded.position, ordinal = excluded.ordinal, epoch = excluded.epoch
          WHERE (saved.epoch, saved.position, saved.ordinal) < (excluded.epoch, excluded.position, excluded.ordinal)`,
    values: [
      moved.map(({ topic }) => topic),
      cursors.map(({ position }) => position),
      cursors.map(({ ordinal }) => ordinal),
      cursors.map(({ epoch }) => epoch),
    ],
  });
}

const nameOf = ({ schema }: CursorTable): string => `${quoteIdentifier(schema)}.consumer_cursors`;
