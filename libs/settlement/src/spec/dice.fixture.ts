import { assert } from '@finality/kernel';

/** As many choices as it takes from the few numbers of an action: the same numbers, the same choices. */
export class Dice {
  #state: number;

  constructor(...numbers: readonly number[]) {
    this.#state = numbers.reduce(
      (state, number) => Math.imul(state ^ number, 0x9e37_79b1) ^ (state >>> 15),
      0x2545_f491,
    );
  }

  /** From 0 to 1, without 1 (mulberry32). */
  #next(): number {
    this.#state = (this.#state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  chance(probability: number): boolean {
    return this.#next() < probability;
  }

  /** Nothing of nothing. */
  maybe<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.#next() * list.length)];
  }

  pick<T>(list: readonly T[]): T {
    assert(list.length > 0, 'there is something to choose from');
    return this.maybe(list)!;
  }
}
