import type { Runtime, Worker } from '@finality/kernel';
import { isOutage } from '../outage.ts';
import type { Log } from '../logging/log.ts';
import { errorMessage } from '../startup-error.ts';
import type { ServiceMetrics } from '../telemetry/metrics.ts';

const BACKOFF_MIN_MS = 100;
const BACKOFF_MAX_MS = 30_000;
/** After so many steps without a pause others get a turn, even if no step ever waited for anything. */
const STEPS_IN_A_ROW_MAX = 64;
/** About ten seconds of them. */
const OUTAGES_IN_A_ROW_MAX = 8;

export interface WorkerLoopOptions {
  readonly worker: Worker;
  readonly runtime: Runtime;
  readonly log: Log;
  readonly metrics?: ServiceMetrics;
}

export interface WorkerStatus {
  readonly name: string;
  readonly state: 'new' | 'stepping' | 'waiting' | 'failing' | 'stopped';
  readonly steps: number;
  readonly errors: number;
  /** 0 after a step that succeeded. */
  readonly errorsInARow: number;
  readonly lastError?: string;
  /** How long the present step has been running. */
  readonly stepMs?: number;
}

/**
 * What production drives a `Worker` with: steps until idle, then sleeps until `pollMs` have passed or, once it has rested, somebody wakes it. A step that
 * fails is logged and tried again after a pause that doubles up to 30 s, for ever: the work waits where it is (DESIGN 11).
 */
export class WorkerLoop {
  readonly #worker: Worker;
  readonly #runtime: Runtime;
  readonly #log: Log;
  readonly #steps: { inc(labels: { worker: string; outcome: string }): void } | undefined;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #wake = new AbortController();
  #state: WorkerStatus['state'] = 'new';
  #stepCount = 0;
  #errorCount = 0;
  #errorsInARow = 0;
  #lastError: string | undefined;
  #stepStartedMs: number | undefined;

  constructor(options: WorkerLoopOptions) {
    this.#worker = options.worker;
    this.#runtime = options.runtime;
    this.#log = options.log.child({ worker: options.worker.name });
    this.#steps = options.metrics?.counter('finality_worker_steps_total', 'Steps of background work', [
      'worker',
      'outcome',
    ]);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** There may be something to do: ends the sleep, or makes another step follow the present one. Doesn't shorten the pause after an error. */
  wake(): void {
    // With a reason of our own: the default one is an exception with a stack, made each time.
    this.#wake.abort('woken');
  }

  /** @returns false when the current step didn't end within `deadlineMs`; it is left to itself, and no other follows */
  async stop(deadlineMs: number): Promise<boolean> {
    this.#stopping.abort();
    this.wake();
    if (this.#running === undefined) return true;
    const inTime = new AbortController();
    const ended = this.#running.then(() => true);
    const late = this.#runtime.sleep(deadlineMs, inTime.signal).then(() => false);
    const stopped = await Promise.race([ended, late]);
    inTime.abort();
    if (!stopped) this.#log.warn({ deadlineMs }, 'a step is still running at the deadline');
    return stopped;
  }

  status(): WorkerStatus {
    return {
      name: this.#worker.name,
      state: this.#state,
      steps: this.#stepCount,
      errors: this.#errorCount,
      errorsInARow: this.#errorsInARow,
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }),
      ...(this.#stepStartedMs === undefined ? {} : { stepMs: this.#runtime.monotonicMs() - this.#stepStartedMs }),
    };
  }

  async #run(): Promise<void> {
    let inARow = 0;
    while (!this.#stopping.signal.aborted) {
      // Before the step: a wake-up during it must not be lost.
      if (this.#wake.signal.aborted) this.#wake = new AbortController();
      const outcome = await this.#step();
      if (outcome === 'error') await this.#runtime.sleep(this.#backoffMs(), this.#stopping.signal);
      else if (outcome === 'idle' || this.#worker.isDrained) await this.#idle();
      else if (++inARow % STEPS_IN_A_ROW_MAX === 0) await this.#runtime.sleep(0);
    }
    this.#state = 'stopped';
  }

  async #step(): Promise<'progress' | 'idle' | 'error'> {
    this.#state = 'stepping';
    this.#stepStartedMs = this.#runtime.monotonicMs();
    this.#stepCount++;
    try {
      const progress = await this.#worker.step();
      this.#steps?.inc({ worker: this.#worker.name, outcome: progress });
      if (this.#errorsInARow > 0) this.#log.info({ afterErrors: this.#errorsInARow }, 'a worker works again');
      this.#errorsInARow = 0;
      this.#lastError = undefined;
      return progress;
    } catch (error) {
      this.#state = 'failing';
      this.#errorCount++;
      this.#errorsInARow++;
      this.#lastError = errorMessage(error);
      this.#steps?.inc({ worker: this.#worker.name, outcome: 'error' });
      // What is away comes back, mostly: whoever is called at night is told when it takes long.
      const isPassing = isOutage(error) && this.#errorsInARow < OUTAGES_IN_A_ROW_MAX;
      const fields = { err: error, errorsInARow: this.#errorsInARow };
      this.#log[isPassing ? 'warn' : 'error'](fields, 'a step of background work failed and will be tried again');
      return 'error';
    } finally {
      this.#stepStartedMs = undefined;
    }
  }

  async #idle(): Promise<void> {
    this.#state = 'waiting';
    const { pollMs, restMs = 0 } = this.#worker;
    if (restMs > 0) await this.#runtime.sleep(Math.min(restMs, pollMs), this.#stopping.signal);
    if (pollMs > restMs) await this.#runtime.sleep(pollMs - restMs, this.#wake.signal);
  }

  /** 100 ms, 200, 400, … 30 s, less up to half at random, so that those who failed together don't come back together. */
  #backoffMs(): number {
    const full = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.min(this.#errorsInARow - 1, 20));
    const random = (this.#runtime.randomBytes(1)[0] ?? 0) / 256;
    return full * (1 - random / 2);
  }
}
