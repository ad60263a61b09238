import { type Instant, type Runtime, uuidV7 } from '@finality/kernel';
import type { SeededRandom } from './random.ts';

const START_MS = 1_770_000_000_000;

/** The time of a simulated world: stands still until it is told to go on. */
export class VirtualClock {
  #now = START_MS;

  now(): Instant {
    return this.#now as Instant;
  }

  advance(ms: number): void {
    this.#now += ms;
  }
}

/** What a service gets for the machine: the world's time, and randomness of its own from the seed. Whoever sleeps moves the clock. */
export class VirtualRuntime implements Runtime {
  readonly #clock: VirtualClock;
  readonly #random: SeededRandom;

  constructor(clock: VirtualClock, random: SeededRandom) {
    this.#clock = clock;
    this.#random = random;
  }

  now(): Instant {
    return this.#clock.now();
  }

  monotonicMs(): number {
    return this.#clock.now();
  }

  sleep(delayMs: number): Promise<void> {
    this.#clock.advance(delayMs);
    return Promise.resolve();
  }

  randomBytes(length: number): Uint8Array {
    return this.#random.bytes(length);
  }

  id(): string {
    return uuidV7(this.now(), this.randomBytes(10));
  }
}
