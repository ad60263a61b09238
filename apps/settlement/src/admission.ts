import { refusal, type Refusal, type Runtime, type Worker } from '@finality/kernel';
import type { Pool } from 'pg';

const POLL_MS = 250;
/** A stream's next requests wait so long for room before they are refused: shorter than clients' usual deadlines. */
const ROOM_WAIT_MS_MAX = 10_000;
/** What is screened comes in batches: how fast it goes is a mean over about eight counts. */
const NEWEST_SHARE = 0.125;
const RETRY_AFTER_MS = { min: 1_000, unknown: 1_000, max: 10_000 };

export interface AdmissionOptions {
  /** As settlement's own role, on its schema. */
  readonly pool: Pool;
  readonly runtime: Runtime;
  /** Settlements that may wait for their screening. */
  readonly waitingMax: number;
}

/**
 * Lets settlements in as fast as they can be screened, and no faster: what is accepted costs what is to be screened its share of the machine, so
 * that without a bound an overload would get ever longer and nothing would ever be settled in time. Counts what waits a few times a second, and
 * adds what it lets in between. Whoever isn't let in is told a time of his own, as far from the one before as one settlement takes: those who come
 * back together would be refused together, or find nothing to do for the machine in between.
 */
export class Admission implements Worker {
  readonly name = 'settlement admission';
  readonly pollMs = POLL_MS;
  /** What is let in between is added up: whatever happens, it isn't counted more often. */
  readonly restMs = POLL_MS;
  readonly #options: AdmissionOptions;
  #waiting = 0;
  #countedMs: number | undefined;
  /** Screened, per millisecond. */
  #perMs = 0;
  /** When the last of those who weren't let in was told to come. */
  #toldMs = 0;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Lets a request in, or says when to ask again. */
  admit(): Refusal | undefined {
    if (this.#waiting >= this.#options.waitingMax) return this.overloaded();
    this.#waiting += 1;
    return undefined;
  }

  /**
   * Lets in as many of a stream's next requests as there is room for, once there is any.
   * @returns how many; 0 when it has taken so long that they are better refused
   */
  async enter(count: number): Promise<number> {
    const { runtime, waitingMax } = this.#options;
    const deadlineMs = runtime.monotonicMs() + ROOM_WAIT_MS_MAX;
    while (this.#waiting >= waitingMax) {
      if (runtime.monotonicMs() >= deadlineMs) return 0;
      await runtime.sleep(POLL_MS);
    }
    const entered = Math.min(count, waitingMax - this.#waiting);
    this.#waiting += entered;
    return entered;
  }

  async step(): Promise<'idle'> {
    const { pool, runtime, waitingMax } = this.#options;
    const before = this.#waiting;
    const { rows } = await pool.query<{ count: number }>(
      `SELECT count(*)::integer AS count FROM (
         SELECT 1 FROM settlements WHERE status IN ('received', 'screening') ORDER BY created_position LIMIT $1) waiting`,
      [waitingMax],
    );
    const letInMeanwhile = this.#waiting - before;
    const now = runtime.monotonicMs();
    const counted = rows[0]?.count ?? 0;
    // Where nothing is left it says how much came, not how much could have been done.
    if (this.#countedMs !== undefined && now > this.#countedMs && counted > 0)
      this.#measured(Math.max(0, before - counted) / (now - this.#countedMs));
    this.#countedMs = now;
    this.#waiting = counted + letInMeanwhile;
    return 'idle';
  }

  /** For whoever isn't let in: when to ask again. */
  overloaded(): Refusal {
    const { waitingMax } = this.#options;
    return refusal(
      'resource_exhausted',
      'OVERLOADED',
      `${waitingMax} settlements wait for their screening already; nothing of this request was stored`,
      { retryable: true, retryAfterMs: this.#retryAfterMs() },
    );
  }

  #measured(perMs: number): void {
    this.#perMs = this.#perMs === 0 ? perMs : this.#perMs + NEWEST_SHARE * (perMs - this.#perMs);
  }

  #retryAfterMs(): number {
    const { min, unknown, max } = RETRY_AFTER_MS;
    if (this.#perMs === 0) return unknown;
    const now = this.#options.runtime.monotonicMs();
    this.#toldMs = Math.min(now + max, Math.max(now + min, this.#toldMs) + 1 / this.#perMs);
    return Math.round(this.#toldMs - now);
  }
}
