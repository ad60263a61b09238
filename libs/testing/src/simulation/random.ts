import { createHash } from 'node:crypto';
import { assert } from '@finality/kernel';

/** Numbers from a seed: the same seed, the same numbers on every machine (sfc32). */
export class SeededRandom {
  readonly #seed: string;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: string) {
    this.#seed = seed;
    const digest = createHash('sha256').update(seed).digest();
    this.#a = digest.readInt32LE(0);
    this.#b = digest.readInt32LE(4);
    this.#c = digest.readInt32LE(8);
  }

  /** Numbers of their own: how many are drawn here doesn't change what is drawn there. */
  fork(name: string): SeededRandom {
    return new SeededRandom(`${this.#seed}/${name}`);
  }

  /** Uniform in 0 to 2^32 − 1. */
  next(): number {
    const result = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + result) | 0;
    return result >>> 0;
  }

  /** Uniform in [0, 1). */
  fraction(): number {
    return this.next() / 4_294_967_296;
  }

  /** An integer from 0 to `bound` − 1. */
  below(bound: number): number {
    assert(Number.isInteger(bound) && bound > 0, `expected a positive bound, got ${bound}`);
    return Math.floor(this.fraction() * bound);
  }

  /** An integer from `min` to `max`, both included. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  pick<T>(list: readonly T[]): T {
    assert(list.length > 0, 'nothing to pick from');
    return list[this.below(list.length)]!;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.next() & 0xff);
  }
}

export interface Weighted<T> {
  readonly weight: number;
  readonly value: T;
}

/** One of them, each as likely as its weight says. */
export function pickWeighted<T>(random: SeededRandom, choices: readonly Weighted<T>[]): T {
  const total = choices.reduce((sum, { weight }) => sum + weight, 0);
  let at = random.fraction() * total;
  for (const { weight, value } of choices) {
    at -= weight;
    if (at < 0) return value;
  }
  const last = choices.at(-1);
  assert(last, 'nothing to pick from');
  return last.value;
}
