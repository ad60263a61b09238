import type { Runtime } from '@finality/kernel';
import { refusalOf } from '@finality/service';

const POLL_MS = 100;
const RETRIES_MAX = 30;
const RETRY_PAUSE_MS = 500;

/** The scenario didn't go as it should: said to whoever started it, with exit code 1. */
export class ScenarioFailed extends Error {
  override readonly name = 'ScenarioFailed';
}

/**
 * Asks again and again until there is something.
 * @param what `bank-a's deposits are credited`: for the message when it takes longer than `timeoutMs`
 * @throws ScenarioFailed
 */
export async function until<T>(
  what: string,
  options: { readonly runtime: Runtime; readonly timeoutMs: number; readonly stopping: AbortSignal },
  ask: () => Promise<T | undefined>,
): Promise<T> {
  const { runtime, timeoutMs, stopping } = options;
  const start = runtime.monotonicMs();
  for (;;) {
    const found = await ask();
    if (found !== undefined) return found;
    if (stopping.aborted) throw new ScenarioFailed(`stopped before ${what}`);
    if (runtime.monotonicMs() - start > timeoutMs) {
      throw new ScenarioFailed(`after ${timeoutMs / 1_000} s it is still not so that ${what}`);
    }
    await runtime.sleep(POLL_MS, stopping);
  }
}

/** What one service has just been told, another may not have heard of yet. */
const PASSING = ['UNKNOWN_INSTITUTION', 'UNKNOWN_WALLET', 'NO_WALLET', 'API_KEY_INVALID'];

/** Repeats a call that is refused for now: the same key makes that safe. */
export async function patiently<T>(runtime: Runtime, call: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      const refused = refusalOf(error);
      const isPassing = refused !== undefined && (refused.retryable === true || PASSING.includes(refused.reason));
      if (!isPassing || attempt >= RETRIES_MAX) throw error;
      await runtime.sleep(RETRY_PAUSE_MS);
    }
  }
}
