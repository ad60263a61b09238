import { randomBytes } from 'node:crypto';
import { type Instant, type Runtime, uuidV7 } from '@finality/kernel';

/** The machine's clock, timers and randomness: the only place in the product that touches them (DESIGN 5). */
export function systemRuntime(): Runtime {
  const now = (): Instant => Date.now() as Instant;
  const idBytes = idRandomness();
  return {
    now,
    monotonicMs: () => performance.now(),
    sleep,
    randomBytes: (length) => new Uint8Array(randomBytes(length)),
    id: () => uuidV7(now(), idBytes()),
  };
}

const ID_BYTES = 10;
const IDS_PER_DRAW = 512;

/** Randomness for ids, drawn for many at once: a draw costs about the same however much it gives. Each byte is used once. */
function idRandomness(): () => Uint8Array {
  let drawn = new Uint8Array();
  let used = 0;
  return () => {
    if (used === drawn.length) {
      drawn = new Uint8Array(randomBytes(ID_BYTES * IDS_PER_DRAW));
      used = 0;
    }
    used += ID_BYTES;
    return drawn.subarray(used - ID_BYTES, used);
  };
}

function sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  if (delayMs === 0) return new Promise((resolve) => void setImmediate(resolve));
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
