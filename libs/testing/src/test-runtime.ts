import { randomBytes } from 'node:crypto';
import { type Instant, type Runtime, uuidV7 } from '@finality/kernel';

/** A runtime whose clock stands still until told to go on; ids are random. Sleeping moves the clock. */
export class TestRuntime implements Runtime {
  #now: number;

  constructor(now = 1_770_000_000_000) {
    this.#now = now;
  }

  now(): Instant {
    return this.#now as Instant;
  }

  monotonicMs(): number {
    return this.#now;
  }

  sleep(delayMs: number): Promise<void> {
    this.advance(delayMs);
    return Promise.resolve();
  }

  randomBytes(length: number): Uint8Array {
    return new Uint8Array(randomBytes(length));
  }

  id(): string {
    return uuidV7(this.now(), this.randomBytes(10));
  }

  advance(ms: number): void {
    this.#now += ms;
  }
}

/** Uniform numbers in [0, 1) from a seed (mulberry32): the same seed, the same numbers. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
