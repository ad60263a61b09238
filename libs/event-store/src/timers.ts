import type { Instant, Runtime, Worker } from '@finality/kernel';
import type { Pool } from 'pg';
import type { EventStore, Outcome, StoreCommand, Timer } from './port.ts';
import { poolQuery, quoteIdentifier } from './session.ts';

export interface TimerWorkerOptions<Body, Reply> {
  readonly name: string;
  readonly store: EventStore<Body, Reply>;
  readonly pool: Pool;
  readonly schema: string;
  readonly runtime: Runtime;
  /** What a due timer asks for. The worker adds the timer itself to the command. */
  readonly commandOf: (timer: Timer) => StoreCommand<Body>;
  /** Timers fired per step. */
  readonly timersMax?: number;
  readonly pollMs?: number;
}

const TIMERS_MAX_DEFAULT = 500;
const POLL_MS_DEFAULT = 250;
const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 300_000;

interface TimerRow {
  readonly stream: string;
  readonly kind: string;
  readonly id: string;
  readonly due_at: bigint;
  readonly attempts: number;
}

/**
 * Fires due timers (by the Runtime's time) as commands. Running it twice at once is safe: a timer goes with the batch that accepts its command. One whose
 * command is refused or fails stays, is put off ever longer (1 s to 5 min), and says why in its row.
 */
export class TimerWorker<Body, Reply> implements Worker {
  readonly name: string;
  readonly pollMs: number;
  readonly #options: TimerWorkerOptions<Body, Reply>;
  readonly #table: string;

  constructor(options: TimerWorkerOptions<Body, Reply>) {
    this.name = options.name;
    this.pollMs = options.pollMs ?? POLL_MS_DEFAULT;
    this.#options = options;
    this.#table = `${quoteIdentifier(options.schema)}.timers`;
  }

  async step(): Promise<'progress' | 'idle'> {
    const { store, pool, runtime, commandOf, timersMax = TIMERS_MAX_DEFAULT } = this.#options;
    const rows = await poolQuery<TimerRow>(
      pool,
      `SELECT stream, kind, id, due_at, attempts FROM ${this.#table} WHERE fire_at <= $1 ORDER BY fire_at, stream, kind, id LIMIT $2`,
      [runtime.now(), timersMax],
    );
    if (rows.length === 0) return 'idle';
    const outcomes = await store.execute(rows.map((row) => ({ ...commandOf(timerOf(row)), timer: timerOf(row) })));
    await this.#putOff(rows, outcomes);
    return 'progress';
  }

  async #putOff(rows: readonly TimerRow[], outcomes: readonly Outcome<Reply>[]): Promise<void> {
    const { pool, runtime } = this.#options;
    const failed = rows.flatMap((row, i) => {
      const cause = failureOf(outcomes[i]);
      return cause === undefined
        ? []
        : [{ row, cause, fireAt: runtime.now() + Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** row.attempts) }];
    });
    if (failed.length === 0) return;
    await poolQuery(
      pool,
      `UPDATE ${this.#table} t SET fire_at = a.fire_at, attempts = t.attempts + 1, cause = a.cause
        FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[]) AS a(stream, kind, id, due_at, fire_at, cause)
        WHERE t.stream = a.stream AND t.kind = a.kind AND t.id = a.id AND t.due_at = a.due_at`,
      [
        failed.map(({ row }) => row.stream),
        failed.map(({ row }) => row.kind),
        failed.map(({ row }) => row.id),
        failed.map(({ row }) => row.due_at),
        failed.map(({ fireAt }) => fireAt),
        failed.map(({ cause }) => cause),
      ],
    );
  }
}

function timerOf(row: TimerRow): Timer {
  return { stream: row.stream, kind: row.kind, id: row.id, dueAt: Number(row.due_at) as Instant };
}

function failureOf(outcome: Outcome<unknown> | undefined): string | undefined {
  if (outcome?.kind === 'refused') return `${outcome.refusal.reason}: ${outcome.refusal.message}`;
  return outcome?.kind === 'failed' ? `${outcome.error.name}: ${outcome.error.message}` : undefined;
}
