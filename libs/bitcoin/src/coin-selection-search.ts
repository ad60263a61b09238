import type { Coin } from './coin-selection.ts';
import { type CoinPool, inputFeeSats, spendKey } from './coin-selection-pool.ts';
import {
  type Candidate,
  changeMinSats,
  cheapest,
  type Draft,
  draftOf,
  feeOf,
  inputsWaste,
  settle,
  type Terms,
  WASTE_UNITS_PER_SAT,
} from './coin-selection-terms.ts';
import { addInput, inputWeight, weightOf } from './fees.ts';

/** Steps of the search for coins that need no change: about a hundred passes over the pool, and enough to look at all of a few coins. */
const STEPS_BASE = 50_000;
const STEPS_PER_COIN = 100;
/** Coins spent beyond the fewest to do without change: in calm times they seem free, but each makes every later bump dearer. */
const MORE_COINS_MAX = 3;
/** What misses the feerate by less than this part of the fee is as good as what doesn't: the search ends. */
const GOOD_ENOUGH_OF_FEE = 1_000n;

/**
 * Ways to pay with what is in `start` and coins of the pool: as few coins as possible, as many of the least value, and what needs no change (branch
 * and bound). The search works on whole satoshi and is exact in a pool of one kind; {@link settle} decides in the end. `effort` scales its steps.
 */
export function searchPool<C extends Coin>(
  terms: Terms,
  pool: CoinPool<C>,
  start: Draft<C>,
  effort: number,
): readonly Candidate<C>[] {
  const fewest = fewestCoins(terms, pool, start);
  if (fewest === undefined) return [];
  const found: Candidate<C>[] = [];
  if (fewest.candidate) {
    found.push(fewest.candidate, ...leastValue(terms, pool, start, fewest.picks));
    // The fewest may leave too little for change and too much to give away.
    found.push(...leastValue(terms, pool, start, fewest.picks + 1));
  }
  let steps = Math.ceil(effort * (STEPS_BASE + STEPS_PER_COIN * pool.coins.length));
  for (let picks = Math.max(1, fewest.picks); picks <= pool.coins.length && steps > 0; picks++) {
    const need = needOf(terms, pool, start, picks);
    if (need.weightMin > terms.weightMax) break;
    const best = cheapest(found);
    const wasteMin = inputsWaste(terms, start.inputs.weight + picks * pool.inputWeightMin);
    const goodEnough = wasteMin + BigInt(need.excessGoodSats) * WASTE_UNITS_PER_SAT;
    if (best && (best.waste <= goodEnough || picks > fewest.picks + MORE_COINS_MAX)) break;
    const search = new ChangelessSearch(pool, picks, need, Math.ceil(steps / 2));
    const indices = search.run();
    steps -= search.steps;
    if (indices)
      found.push(
        ...candidatesOf(
          terms,
          start,
          Array.from(indices, (index) => pool.coins[index]!),
        ),
      );
  }
  return found;
}

/** Adds the most valuable coins until they do. `picks` is how many it takes to pay at all, be it above the cap; undefined: not even all do. */
function fewestCoins<C extends Coin>(
  terms: Terms,
  pool: CoinPool<C>,
  start: Draft<C>,
): { readonly picks: number; readonly candidate: Candidate<C> | undefined } | undefined {
  let { inputs, valueSats } = start;
  let picks: number | undefined;
  for (let count = 0; count <= pool.coins.length && inputs.weight <= terms.weightMax; count++) {
    const outcome = settle(terms, { inputs, valueSats });
    if (outcome.kind !== 'short') picks ??= count;
    if (outcome.kind === 'pays') {
      const draft = draftOf([...start.coins, ...pool.coins.slice(0, count)]);
      return { picks: count, candidate: { ...outcome.payment, draft } };
    }
    if (outcome.kind === 'too_heavy' || (outcome.kind === 'above_cap' && outcome.hasChange)) break;
    const coin = pool.coins[count];
    if (!coin) break;
    inputs = addInput(inputs, coin.spend);
    valueSats += coin.valueSats;
  }
  return picks === undefined ? undefined : { picks, candidate: undefined };
}

/** Of all runs of `picks` neighbours by score, the one of least value that pays with change: it leaves the large coins to other payouts. */
function leastValue<C extends Coin>(
  terms: Terms,
  pool: CoinPool<C>,
  start: Draft<C>,
  picks: number,
): readonly Candidate<C>[] {
  if (picks === 0 || picks > pool.coins.length) return [];
  const need = needOf(terms, pool, start, picks);
  const needed = need.scoreSats + need.changeSats;
  // The sums fall from left to right, so the last run that does is found by halving.
  let low = 0;
  let high = pool.coins.length - picks;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (pool.sums[middle + picks]! - pool.sums[middle]! >= needed) low = middle;
    else high = middle - 1;
  }
  return candidatesOf(terms, start, pool.coins.slice(low, low + picks));
}

function candidatesOf<C extends Coin>(terms: Terms, start: Draft<C>, picked: readonly C[]): readonly Candidate<C>[] {
  const draft = draftOf([...start.coins, ...picked]);
  const outcome = settle(terms, draft);
  return outcome.kind === 'pays' ? [{ ...outcome.payment, draft }] : [];
}

/** What a number of coins of the pool have to bring. */
interface Need {
  /** Sum of scores that pays without change. */
  readonly scoreSats: number;
  /** More above it than this is better kept as change, or above the cap. */
  readonly excessMaxSats: number;
  /** Less above it than this is as good as nothing. */
  readonly excessGoodSats: number;
  /** On top of `scoreSats`: so much is needed to have change. */
  readonly changeSats: number;
  readonly weightMin: number;
}

function needOf<C extends Coin>(terms: Terms, pool: CoinPool<C>, start: Draft<C>, picks: number): Need {
  const [anchor] = start.coins;
  const { kind } = pool;
  const isUniform = kind !== undefined && (!anchor || spendKey(anchor.spend) === spendKey(kind));
  const changeSats =
    inputFeeSats(terms.changeWeight + COUNT_GROWTH_WEIGHT, terms.feeRate) + Number(changeMinSats(terms)) + 1;
  const weight = start.inputs.weight + picks * pool.inputWeightMin;
  const count = start.inputs.count + picks;
  if (!isUniform)
    return { ...needOfMixed(terms, start, count), changeSats, excessMaxSats: changeSats, weightMin: weight };
  const legacyCount = kind.type === 'pkh' ? count : 0;
  const bare = feeOf(terms, { count, legacyCount, weight }, false);
  const feeSats = Number(bare.feeSats);
  const inScores = picks * inputFeeSats(inputWeight(kind), terms.feeRate);
  return {
    scoreSats: Number(terms.targetSats - start.valueSats) + feeSats - inScores,
    excessMaxSats: Math.min(changeSats, Number(terms.feeCapSats) - feeSats),
    excessGoodSats: Number(bare.feeSats / GOOD_ENOUGH_OF_FEE),
    changeSats,
    weightMin: bare.weight,
  };
}

/** One output more can make its count two bytes longer. */
const COUNT_GROWTH_WEIGHT = 8;
/** A weight is rounded up to a virtual byte. */
const ROUNDING_WEIGHT = 3;

/** Of coins of several kinds only what surely suffices is known before they are chosen. */
function needOfMixed<C extends Coin>(
  terms: Terms,
  start: Draft<C>,
  count: number,
): Pick<Need, 'scoreSats' | 'excessGoodSats'> {
  const { outputCount, outputsWeight, feeRate, feeMinSats } = terms;
  const inputs = { count, legacyCount: count - 1, weight: start.inputs.weight };
  const weight = weightOf(inputs, outputCount, outputsWeight) + ROUNDING_WEIGHT;
  const feeSats = Math.max(inputFeeSats(weight, feeRate), Number(feeMinSats));
  const scoreSats = Number(terms.targetSats - start.valueSats) + feeSats;
  return { scoreSats, excessGoodSats: Math.floor(feeSats / Number(GOOD_ENOUGH_OF_FEE)) };
}

/**
 * Searches for a number of coins that need no change: branch and bound (Erhardt 2016), most valuable first, taking a coin before leaving it out; the
 * last two are found together, by one pass from both ends over what is left, which looks at all pairs of thousands of coins in as many steps.
 */
class ChangelessSearch {
  steps = 0;
  readonly #pool: CoinPool<Coin>;
  readonly #picks: number;
  readonly #need: Need;
  readonly #stepsMax: number;
  /** Only what is nearer than this counts. */
  #excess: number;
  #found: Uint32Array | undefined;

  constructor(pool: CoinPool<Coin>, picks: number, need: Need, stepsMax: number) {
    this.#pool = pool;
    this.#picks = picks;
    this.#need = need;
    this.#stepsMax = stepsMax;
    this.#excess = need.excessMaxSats + 1;
  }

  /** Their indices, or undefined when there are none or they weren't found in time. */
  run(): Uint32Array | undefined {
    const { scores, sums, nextOther } = this.#pool;
    const picks = this.#picks;
    if (this.#excess <= 0) return undefined;
    if (picks === 1) return this.#single();
    const path = new Uint32Array(picks);
    let depth = 0;
    let next = 0;
    let sum = 0;
    while (!this.#isOver()) {
      this.steps++;
      if (depth === picks - 2) this.#pair(path, next, sum);
      else {
        const rest = picks - depth;
        const at = this.#firstBelow(next, this.#limit(sum, rest));
        if (at + rest <= scores.length && sum + sums[at + rest]! - sums[at]! >= this.#need.scoreSats) {
          path[depth++] = at;
          sum += scores[at]!;
          next = at + 1;
          continue;
        }
      }
      if (depth === 0) break;
      const left = path[--depth]!;
      sum -= scores[left]!;
      // Coins of the same score make the same sums.
      next = nextOther[left]!;
    }
    return this.#found;
  }

  #isOver(): boolean {
    return this.steps >= this.#stepsMax || this.#excess <= this.#need.excessGoodSats;
  }

  #single(): Uint32Array | undefined {
    const at = this.#firstBelow(0, this.#need.scoreSats) - 1;
    this.steps++;
    return at >= 0 && this.#pool.scores[at]! - this.#need.scoreSats < this.#excess ? Uint32Array.of(at) : undefined;
  }

  /** The best two of the coins from `next` on. */
  #pair(path: Uint32Array, next: number, sum: number): void {
    const { scores } = this.#pool;
    const needed = this.#need.scoreSats - sum;
    let high = scores.length - 1;
    if (high <= next || scores[next]! + scores[next + 1]! < needed) return;
    let low = this.#firstBelow(next, this.#limit(sum, 2));
    while (low < high && !this.#isOver()) {
      this.steps++;
      const excess = scores[low]! + scores[high]! - needed;
      if (excess < 0) high--;
      else {
        if (excess < this.#excess) {
          this.#excess = excess;
          path[path.length - 2] = low;
          path[path.length - 1] = high;
          this.#found = path.slice();
        }
        low++;
      }
    }
  }

  /** A coin of this score or more, with the least valuable others, is too much. */
  #limit(sum: number, rest: number): number {
    const { sums } = this.#pool;
    const last = sums.length - 1;
    const least = sums[last]! - sums[Math.max(0, last - rest + 1)]!;
    return this.#need.scoreSats + this.#excess - sum - least;
  }

  /** Index of the first coin from `from` on whose score is below the limit. */
  #firstBelow(from: number, limit: number): number {
    const { scores } = this.#pool;
    if (from >= scores.length || scores[from]! < limit) return from;
    let low = from;
    let high = scores.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (scores[middle]! < limit) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
