import type { Runtime, Worker } from '@finality/kernel';
import type { Pool } from 'pg';
import type { EventStore, StoreCommand, Timer } from './port.ts';

export interface TimerWorkerOptions<Body, Reply> {
  readonly name: string;
  readonly store: EventStore<Body, Reply>;
  readonly pool: Pool;
  readonly schema: string;
  readonly runtime: Runtime;
  /** What a due timer asks for. The worker adds the timer itself to the command. */
  readonly commandOf: (timer: Timer) => StoreCommand<Body>;
  readonly timersMax?: number;
  readonly pollMs?: number;
}

/** Fires due timers as commands. Safe to run twice: a timer is deleted by the batch that accepts its command. */
export class TimerWorker<Body, Reply> implements Worker {
  readonly name: string;
  readonly pollMs: number;
  constructor(readonly options: TimerWorkerOptions<Body, Reply>) {
    this.name = options.name;
    this.pollMs = options.pollMs ?? 250;
  }
  step(): Promise<'progress' | 'idle'> {
    throw new Error('being written');
  }
}
