import type { Worker } from '@finality/kernel';
import type { Pool, PoolClient } from 'pg';
import { StoreUnavailable } from './errors.ts';
import type { LeaseRef } from './port.ts';
import { lockedTransaction, pgTypes, quoteIdentifier, quoteLiteral } from './session.ts';

export const WRITER_LEASE = 'writer';
const POLL_MS = 500;
const BEAT_MS = 1_000;
/** A writer that hasn't said anything for so long has stalled: its session is ended, and with it its right. */
const STALLED_MS = 4_000;

/** This process stands by: another one appends. Asking that one, or this one later, is safe. */
export class NotTheWriter extends StoreUnavailable {
  constructor(schema: string) {
    super(`this process of ${schema} stands by while another one writes`);
  }
}

export interface WriterOptions {
  readonly pool: Pool;
  readonly schema: string;
  /** Who this is, for those who look into the table: `settlement-0`. */
  readonly holder: string;
  /** It may append from now on. */
  readonly onLeading?: () => void;
  /** Another process has taken over from this one, which must end: what it holds in memory is of the past. */
  readonly onSuperseded?: () => void;
}

/**
 * The right of one process at a time to append to a store (DESIGN 4: one writer, the others stand by).
 *
 * It rests on a session: an advisory lock that is free the moment the process or its connection is gone. A writer whose session lives on although it
 * doesn't (a stopped process) misses its beats, and whoever stands by ends that session. What keeps the old one from saving anything afterwards is
 * the fencing number: raised under the store's lock, between two batches, and compared at the beginning of each. All
 * times are the database's.
 */
export class Writer implements Worker {
  readonly name = 'writer';
  readonly pollMs = POLL_MS;
  readonly #options: WriterOptions;
  #session: PoolClient | undefined;
  #lease: LeaseRef | undefined;
  /** The number it led with before it lost its session. */
  #ledWith: bigint | undefined;
  #isSuperseded = false;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** Undefined while it stands by. */
  get lease(): LeaseRef | undefined {
    return this.#lease;
  }

  get schema(): string {
    return this.#options.schema;
  }

  async step(): Promise<'progress' | 'idle'> {
    if (this.#isSuperseded) return 'idle';
    const session = (this.#session ??= await this.#connect());
    if (this.#lease) {
      if (!(await this.#beat(session, this.#lease))) this.superseded();
      return 'idle';
    }
    if (await this.#tryLock(session)) {
      await this.#lead(session);
      return 'progress';
    }
    if (this.#ledWith !== undefined) this.superseded();
    else await this.#endStalled(session);
    return 'idle';
  }

  /** Somebody has found out that the lease is another process's by now. */
  superseded(): void {
    if (this.#isSuperseded) return;
    this.#isSuperseded = true;
    this.#lease = undefined;
    this.#options.onSuperseded?.();
  }

  /** Gives the right back: whoever stands by has it with its next step. */
  close(): Promise<void> {
    this.#lease = undefined;
    this.#ledWith = undefined;
    const session = this.#session;
    this.#session = undefined;
    session?.release(true);
    return Promise.resolve();
  }

  async #connect(): Promise<PoolClient> {
    const session = await this.#options.pool.connect();
    const lost = (): void => {
      if (this.#session !== session) return;
      this.#session = undefined;
      this.#ledWith = this.#lease?.fencing ?? this.#ledWith;
      this.#lease = undefined;
      session.release(true);
    };
    session.on('error', lost);
    session.on('end', lost);
    return session;
  }

  async #tryLock(session: PoolClient): Promise<boolean> {
    const { rows } = await session.query<{ locked: boolean }>(
      `SELECT pg_try_advisory_lock(${this.#lockKey()}) AS locked`,
    );
    return rows[0]?.locked === true;
  }

  /** Under the store's lock: a batch that the one before has under way is saved or lost by then. */
  async #lead(lockedBy: PoolClient): Promise<void> {
    const { pool, schema, holder, onLeading } = this.#options;
    const text = `INSERT INTO leases AS l (name, holder, fencing, expires_at) VALUES ($1, $2, 1, ${STALLED_AT})
      ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at, fencing = l.fencing + 1
      RETURNING fencing`;
    const [row] = await lockedTransaction({ pool, schema }, (session) =>
      session.query<{ fencing: bigint }>(text, [WRITER_LEASE, holder]),
    );
    if (this.#session !== lockedBy) throw new StoreUnavailable('the session that the right to write rests on was lost');
    // It was before, and nobody else has been meanwhile: nothing has changed.
    if (this.#ledWith !== undefined && row!.fencing !== this.#ledWith + 1n) return this.superseded();
    this.#ledWith = undefined;
    this.#lease = { name: WRITER_LEASE, fencing: row!.fencing };
    onLeading?.();
  }

  /** @returns whether the lease is still this one */
  async #beat(session: PoolClient, lease: LeaseRef): Promise<boolean> {
    const text = `UPDATE ${this.#table()} SET expires_at = ${STALLED_AT} WHERE name = $1 AND fencing = $2
      AND expires_at < ${STALLED_AT} - ${BEAT_MS}`;
    const { rowCount } = await session.query(text, [lease.name, lease.fencing]);
    if (rowCount === 1) return true;
    const values = [lease.name, lease.fencing];
    const known = await session.query(`SELECT 1 FROM ${this.#table()} WHERE name = $1 AND fencing = $2`, values);
    return known.rowCount === 1;
  }

  async #endStalled(session: PoolClient): Promise<void> {
    const text = `SELECT pg_terminate_backend(l.pid) FROM pg_locks l, ${this.#table()} w
      WHERE w.name = $1 AND w.expires_at < ${NOW_MS} AND l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (l.classid::bigint << 32) | l.objid::bigint = ${this.#lockKey()} AND l.pid <> pg_backend_pid()`;
    await session.query({ text, values: [WRITER_LEASE], types: pgTypes });
  }

  #table(): string {
    return `${quoteIdentifier(this.#options.schema)}.leases`;
  }

  #lockKey(): string {
    return `hashtextextended(${quoteLiteral(`finality.writer/${this.#options.schema}`)}, 0)`;
  }
}

const NOW_MS = '(extract(epoch FROM clock_timestamp()) * 1000)::bigint';
const STALLED_AT = `${NOW_MS} + ${STALLED_MS}`;
