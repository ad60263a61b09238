import { randomBytes, randomFillSync } from 'node:crypto';
import { type Instant, type Runtime, uuidV7 } from '@finality/kernel';

/** The machine's clock, timers and randomness: the only place in the product that touches them (DESIGN 5). */
export function systemRuntime(): Runtime {
  const now = (): Instant => Date.now() as Instant;
  const draw = randomness();
  return {
    now,
    monotonicMs: () => performance.now(),
    sleep,
    randomBytes: draw,
    id: () => uuidV7(now(), draw(ID_BYTES)),
  };
}

const ID_BYTES = 10;
const DRAWN_BYTES = 8 * 1024;

/** The system's randomness, drawn for many at once: a draw costs about the same however much it gives. Each byte is used once and doesn't stay. */
function randomness(): (length: number) => Uint8Array {
  const drawn = Buffer.allocUnsafeSlow(DRAWN_BYTES);
  let used = DRAWN_BYTES;
  return (length) => {
    if (length > DRAWN_BYTES) return new Uint8Array(randomBytes(length));
    if (used + length > DRAWN_BYTES) {
      randomFillSync(drawn);
      used = 0;
    }
    const bytes = new Uint8Array(drawn.subarray(used, used + length));
    drawn.fill(0, used, used + length);
    used += length;
    return bytes;
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
