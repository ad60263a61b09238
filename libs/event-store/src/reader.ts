import { decodeJson } from '@finality/kernel';
import type { Pool } from 'pg';
import { streamOf } from './batch.ts';
import { EVENT_COLUMNS, type EventRow, eventOf } from './envelope.ts';
import { answerRepeated, type KeptKey } from './idempotency.ts';
import type { IdempotencyClaim, StoredEvent, StreamType } from './port.ts';
import { poolQuery, quoteIdentifier } from './session.ts';

const PAGE_EVENTS = 1_000;

export interface LoadedState<State> {
  readonly state: State;
  /** 0: the stream has no event, `state` is the initial one. */
  readonly version: number;
}

/** Reads a store outside of its batches: committed events only, in the order of their commits. */
export class EventReader {
  readonly #pool: Pool;
  readonly #schema: string;

  constructor(options: { readonly pool: Pool; readonly schema: string }) {
    this.#pool = options.pool;
    this.#schema = quoteIdentifier(options.schema);
  }

  /** Events of one stream in order, from that version on. */
  async *readStream(stream: string, fromVersion = 1): AsyncGenerator<StoredEvent> {
    const text = `SELECT ${EVENT_COLUMNS} FROM ${this.#schema}.events WHERE stream = $1 AND version >= $2 ORDER BY version LIMIT $3`;
    for (let from = fromVersion; ;) {
      const rows = await this.#query<EventRow>(text, [stream, from, PAGE_EVENTS]);
      for (const row of rows) yield eventOf(row);
      if (rows.length < PAGE_EVENTS) return;
      from = rows.at(-1)!.version + 1;
    }
  }

  /** Events after a position, at most `limit` of them. What is not there yet can only come after what is. */
  async *readAll(after = 0n, limit = Number.MAX_SAFE_INTEGER): AsyncGenerator<StoredEvent> {
    const text = `SELECT ${EVENT_COLUMNS} FROM ${this.#schema}.events WHERE position > $1 ORDER BY position LIMIT $2`;
    let position = after;
    for (let left = limit; left > 0;) {
      const pageSize = Math.min(left, PAGE_EVENTS);
      const rows = await this.#query<EventRow>(text, [position, pageSize]);
      for (const row of rows) yield eventOf(row);
      if (rows.length < pageSize) return;
      position = rows.at(-1)!.position;
      left -= rows.length;
    }
  }

  /** The current state of an aggregate, for queries. */
  async loadState<State, Event extends { readonly type: string }>(
    type: StreamType<State, Event>,
    id: string,
  ): Promise<LoadedState<State>> {
    return (await this.loadStates(type, [id]))[0]!;
  }

  /** Current states of several, in the order asked, by one query. */
  async loadStates<State, Event extends { readonly type: string }>(
    type: StreamType<State, Event>,
    ids: readonly string[],
  ): Promise<LoadedState<State>[]> {
    const rows = await this.#query<{ stream: string; version: number; state: string }>(
      `SELECT stream, version, state FROM ${this.#schema}.stream_states WHERE stream = ANY($1::text[])`,
      [ids.map((id) => streamOf(type, id))],
    );
    const byStream = new Map(rows.map((row) => [row.stream, row]));
    return ids.map((id) => {
      const row = byStream.get(streamOf(type, id));
      return row
        ? { state: decodeJson(row.state) as State, version: row.version }
        : { state: type.aggregate.initialState, version: 0 };
    });
  }

  /** Position, hash and epoch of the end of the log. Position 0: empty. */
  async head(): Promise<{ readonly position: bigint; readonly hash: string; readonly epoch: number }> {
    const [row] = await this.#query<{ position: bigint; hash: Buffer; epoch: number }>(
      `SELECT position, hash, epoch FROM ${this.#schema}.store_head`,
      [],
    );
    if (!row) throw new Error(`${this.#schema}.store_head is empty: its migration hasn't run`);
    return { position: row.position, hash: row.hash.toString('hex'), epoch: row.epoch };
  }

  /** What a request with this key was answered, or why this one isn't the same; undefined: no such request has been accepted. */
  async answered(claim: IdempotencyClaim): Promise<ReturnType<typeof answerRepeated> | undefined> {
    const [kept] = await this.#query<KeptKey>(
      `SELECT fields, resource_id AS "resourceId" FROM ${this.#schema}.idempotency_keys WHERE principal = $1 AND rpc = $2 AND key = $3`,
      [claim.principal, claim.rpc, claim.key],
    );
    return kept && answerRepeated(claim, kept);
  }

  #query<Row extends object>(text: string, values: readonly unknown[]): Promise<Row[]> {
    return poolQuery<Row>(this.#pool, text, values);
  }
}
