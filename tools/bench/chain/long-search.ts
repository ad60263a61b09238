import { randomFrom } from './random.ts';

/** What a payment costs by how many coins of one kind it spends, in satoshi. */
export interface SearchCosts {
  /** What the coins have to bring without change. */
  readonly needSats: (count: number) => number;
  /** Waste of having change. */
  readonly changeCostSats: (count: number) => number;
  /** Waste of each input. */
  readonly inputCostSats: number;
}

export interface SearchResult {
  readonly wasteSats: number;
  readonly count: number;
  readonly tries: number;
}

const CHECK_EVERY = 1_024;
/** Coins more than the fewest that are tried. */
const MORE_MAX = 3;
/** Coins exchanged at once. */
const EXCHANGED_MAX = 4;
/** So often a worse set is gone on with. */
const WORSE_ACCEPTED = 0.02;

/**
 * The least waste that a long search finds, to compare a quick one with: first depth-first through all sets of coins (branch and bound without a
 * limit of steps), then by exchanging some coins of a set at random and completing it with the coin that fits best. Shares nothing with what it checks.
 */
export class LongSearch {
  readonly #values: Float64Array;
  readonly #costs: SearchCosts;
  readonly #random = randomFrom(4_242);
  readonly #fewest: number;
  #best: SearchResult;
  #tries = 0;

  constructor(values: readonly number[], costs: SearchCosts) {
    this.#values = Float64Array.from(values).sort().reverse();
    this.#costs = costs;
    let sum = 0;
    let count = 0;
    while (count === 0 || sum < costs.needSats(count)) sum += this.#values[count++]!;
    this.#fewest = count;
    const isExact = sum - costs.needSats(count) < costs.changeCostSats(count);
    const rest = isExact ? sum - costs.needSats(count) : costs.changeCostSats(count);
    this.#best = { wasteSats: count * costs.inputCostSats + rest, count, tries: 0 };
  }

  run(ms: number): SearchResult {
    const started = performance.now();
    this.#depthFirst(started + ms / 3);
    for (let more = 0; more <= MORE_MAX; more++) {
      this.#exchange(this.#fewest + more, started + ms / 3 + ((ms * 2) / 3) * ((more + 1) / (MORE_MAX + 1)));
    }
    return { ...this.#best, tries: this.#tries };
  }

  #isOver(until: number): boolean {
    return ++this.#tries % CHECK_EVERY === 0 && performance.now() > until;
  }

  #offer(sum: number, count: number): number {
    const excess = sum - this.#costs.needSats(count);
    if (excess < 0) return Infinity;
    const wasteSats = count * this.#costs.inputCostSats + Math.min(excess, this.#costs.changeCostSats(count));
    if (wasteSats < this.#best.wasteSats) this.#best = { wasteSats, count, tries: this.#tries };
    return excess;
  }

  /** Coins from the largest on, each taken first and then left out. */
  #depthFirst(until: number): void {
    const values = this.#values;
    const countMax = this.#fewest + MORE_MAX;
    const path: number[] = [];
    let sum = 0;
    let next = 0;
    while (!this.#isOver(until)) {
      const count = path.length;
      const isTooMuch = sum > this.#costs.needSats(count + 1) + this.#costs.changeCostSats(count + 1);
      if (count > 0) this.#offer(sum, count);
      if (next < values.length && count < countMax && !isTooMuch) {
        path.push(next);
        sum += values[next++]!;
        continue;
      }
      const left = path.pop();
      if (left === undefined) return;
      sum -= values[left]!;
      next = left + 1;
    }
  }

  /** From the most valuable coins on: some go, others come, and the last is the smallest that does. */
  #exchange(count: number, until: number): void {
    const values = this.#values;
    if (count > values.length) return;
    const need = this.#costs.needSats(count);
    let current = Array.from({ length: count }, (_, i) => i);
    let currentExcess = Infinity;
    while (!this.#isOver(until)) {
      const exchanged = 1 + Math.floor(this.#random() * Math.min(EXCHANGED_MAX, count));
      const kept = new Set(current);
      for (let i = 0; i < exchanged; i++) kept.delete(current[Math.floor(this.#random() * count)]!);
      while (kept.size < count - 1) kept.add(Math.floor(this.#random() ** 2 * values.length));
      while (kept.size > count - 1) kept.delete(current[Math.floor(this.#random() * count)]!);
      let sum = 0;
      for (const index of kept) sum += values[index]!;
      const last = this.#smallestFrom(need - sum, kept);
      if (last === undefined) continue;
      const excess = this.#offer(sum + values[last]!, count);
      if (excess <= currentExcess || this.#random() < WORSE_ACCEPTED) {
        current = [...kept, last];
        currentExcess = excess;
      }
    }
  }

  /** The last coin worth at least this much that isn't taken. */
  #smallestFrom(valueSats: number, taken: ReadonlySet<number>): number | undefined {
    let low = 0;
    let high = this.#values.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#values[middle]! >= valueSats) low = middle + 1;
      else high = middle;
    }
    let last = low - 1;
    while (last >= 0 && taken.has(last)) last--;
    return last < 0 ? undefined : last;
  }
}
