import { freeKeys } from '@finality/event-store';
import type { Instant, Runtime, Worker } from '@finality/kernel';
import type { Pool } from 'pg';

const DAY_MS = 86_400_000;

export interface FreeKeysOptions {
  readonly service: string;
  readonly pool: Pool;
  readonly schema: string;
  readonly runtime: Pick<Runtime, 'now'>;
  /** How long a caller's idempotency key is kept: the same request after that is a new one. */
  readonly keptDays: number;
}

/** Frees callers' idempotency keys when their time is over, some at a time. */
export class FreeKeys implements Worker {
  readonly name: string;
  readonly pollMs = 60_000;
  readonly #options: FreeKeysOptions;

  constructor(options: FreeKeysOptions) {
    this.name = `${options.service} free keys`;
    this.#options = options;
  }

  async step(): Promise<'progress' | 'idle'> {
    const { pool, schema, runtime, keptDays } = this.#options;
    const before = (runtime.now() - keptDays * DAY_MS) as Instant;
    return (await freeKeys({ pool, schema }, before)) ? 'progress' : 'idle';
  }

  /** Nothing but time makes keys old. */
  onWake(): void {
    // Never.
  }
}
