import { randomBytes } from 'node:crypto';
import { type Instant, type Runtime, uuidV7 } from '@finality/kernel';

/** The machine's clock, timers and randomness: the only place in the product that touches them (DESIGN 5). */
export function systemRuntime(): Runtime {
  const now = (): Instant => Date.now() as Instant;
  const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length));
  return {
    now,
    monotonicMs: () => performance.now(),
    sleep,
    randomBytes: random,
    id: () => uuidV7(now(), random(10)),
  };
}

function sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, delayMs);
    signal?.addEventListener('abort', done, { once: true });
  });
}
