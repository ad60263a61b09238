import type { Runtime } from '@finality/kernel';

/** A reason of our own: the default one is an exception with a stack, made each time. */
const WOKEN = 'woken';

/** Tells those who wait that something has been committed by this process. */
export class Wakeups {
  readonly #runtime: Runtime;
  readonly #waiting = new Set<AbortController>();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  notify(): void {
    for (const waiting of this.#waiting) waiting.abort(WOKEN);
    this.#waiting.clear();
  }

  /**
   * Resolves at the next commit, after `timeoutMs`, or when `signal` aborts. Ask before looking, wait after: nothing is missed.
   * @returns whether something was committed
   */
  async next(timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    const waiting = new AbortController();
    this.#waiting.add(waiting);
    const stop = (): void => waiting.abort('stopped');
    signal.addEventListener('abort', stop, { once: true });
    await this.#runtime.sleep(timeoutMs, waiting.signal);
    signal.removeEventListener('abort', stop);
    this.#waiting.delete(waiting);
    return waiting.signal.reason === WOKEN;
  }
}
