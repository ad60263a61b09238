import type { SeededRandom } from '../simulation/random.ts';
import type { Trace } from '../simulation/trace.ts';

/** What became of an effect, as far as whoever wanted it knows: without an answer it may have happened or not. */
export type Asked<T> = { readonly answered: true; readonly value: T } | { readonly answered: false };

/** One in so many effects is where somebody crashes. */
const CRASH_EVERY = 12;

/**
 * Where processes end. Everything in this world that outlives a process is changed by an effect, each of them atomic: a crash before it leaves
 * nothing behind, one after it leaves the effect, and whoever waited for it without an answer.
 */
export class Faults {
  /** Nothing goes wrong any more. */
  calm = true;
  crashes = 0;
  readonly #random: SeededRandom;
  readonly #trace: Trace;

  constructor(random: SeededRandom, trace: Trace) {
    this.#random = random;
    this.#trace = trace;
  }

  effect<T>(name: string, happen: () => T): Asked<T> {
    if (this.#strikes()) {
      this.#trace.add(`crash before ${name}`);
      return { answered: false };
    }
    const value = happen();
    if (!this.#strikes()) return { answered: true, value };
    this.#trace.add(`crash after ${name}`);
    return { answered: false };
  }

  #strikes(): boolean {
    if (this.calm || this.#random.below(CRASH_EVERY * 2) !== 0) return false;
    this.crashes += 1;
    return true;
  }
}
