import { setTimeout as sleep } from 'node:timers/promises';
import { refusalOf } from '@finality/service';

const POLL_MS = 25;
const TIMEOUT_MS_DEFAULT = 30_000;

/**
 * Asks until the answer is as expected. No test sleeps for a fixed time.
 * @param what was waited for, in words: for the message, which shows the last answer too
 */
export async function until<T>(
  what: string,
  ask: () => Promise<T>,
  isExpected: (answer: T) => boolean,
  timeoutMs = TIMEOUT_MS_DEFAULT,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (isExpected(answer)) return answer;
    if (performance.now() > deadline)
      throw new Error(`after ${timeoutMs / 1_000} s it is still not so that ${what}; found ${shown(answer)}`);
    await sleep(POLL_MS);
  }
}

/** Repeats a call as long as it is refused for now: the same idempotency key makes that safe. */
export async function patiently<T>(call: () => Promise<T>, timeoutMs = TIMEOUT_MS_DEFAULT): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (refusalOf(error)?.retryable !== true || performance.now() > deadline) throw error;
      await sleep(POLL_MS);
    }
  }
}

/** For messages: JSON with every amount in full. */
export function shown(value: unknown): string {
  return (
    JSON.stringify(value, (_key, each: unknown) => (typeof each === 'bigint' ? each.toString() : each), 1) ?? 'nothing'
  );
}
