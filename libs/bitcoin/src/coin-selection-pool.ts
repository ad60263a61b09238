import { assert } from '@finality/kernel';
import type { Coin } from './coin-selection.ts';
import type { Terms } from './coin-selection-terms.ts';
import { inputWeight, type SpendKind } from './fees.ts';

/**
 * Coins worth spending, as columns: a wallet may have hundreds of thousands. Amounts are whole satoshi in float64, which holds them exactly: all money
 * there is stays below 2^53.
 */
export interface CoinPool<C extends Coin> {
  /** Sorted by score, largest first; of equals by outpoint, so that the order they came in doesn't matter. */
  readonly coins: readonly C[];
  /** Value less the fee for the input, rounded up: what a coin adds to the payment. */
  readonly scores: Float64Array;
  /** `sums[i]` is the sum of the first `i` scores. */
  readonly sums: Float64Array;
  /** Where the next coin of another score is. */
  readonly nextOther: Uint32Array;
  /** What all coins are, if they are all alike. */
  readonly kind: SpendKind | undefined;
  readonly inputWeightMin: number;
}

/** Names a kind: kinds of the same name weigh the same. */
export const spendKey = (kind: SpendKind): string =>
  'keys' in kind ? `${kind.type} ${kind.required}/${kind.keys}` : kind.type;

export function poolOf<C extends Coin>({ feeRate }: Terms, coins: readonly C[]): CoinPool<C> {
  const costs = new Map<string, InputCost>();
  const scored: C[] = [];
  const scores = new Float64Array(coins.length);
  for (const coin of coins) {
    const { feeSats } = costOf(costs, coin.spend, feeRate);
    const score = Number(coin.valueSats) - feeSats;
    if (score > 0) scores[scored.push(coin) - 1] = score;
  }
  const order = orderOf(scores.subarray(0, scored.length), scored);
  const sorted = Array.from(order, (index) => scored[index]!);
  const kinds = [...costs.values()];
  return columnsOf({
    coins: sorted,
    scores: Float64Array.from(order, (index) => scores[index]!),
    kind: kinds.length === 1 ? kinds[0]!.kind : undefined,
    inputWeightMin: Math.min(...kinds.map(({ weight }) => weight)),
  });
}

/** Whether a coin is in pools at all: it brings more than its input costs. */
export const isWorthSpending = ({ feeRate }: Terms, { valueSats, spend }: Coin): boolean =>
  Number(valueSats) > inputFeeSats(inputWeight(spend), feeRate);

/** The same coins but one. */
export function without<C extends Coin>(pool: CoinPool<C>, coin: C): CoinPool<C> {
  const index = pool.coins.indexOf(coin);
  if (index < 0) return pool;
  const scores = new Float64Array(pool.scores.length - 1);
  scores.set(pool.scores.subarray(0, index));
  scores.set(pool.scores.subarray(index + 1), index);
  const { kind, inputWeightMin } = pool;
  return columnsOf({ coins: pool.coins.toSpliced(index, 1), scores, kind, inputWeightMin });
}

/** Bits that one pass of the sort looks at. */
const DIGIT_BITS = 11;
const DIGITS = 2 ** DIGIT_BITS;

/** Indices by score, largest first; of equals by outpoint. By digits, as comparing hundreds of thousands takes several times as long. */
function orderOf(scores: Float64Array, coins: readonly Coin[]): Uint32Array {
  const scoreMax = scores.reduce((max, score) => Math.max(max, score), 0);
  let order = Uint32Array.from(scores.keys());
  let sorted = new Uint32Array(scores.length);
  for (let unit = 1; unit <= scoreMax; unit *= DIGITS) {
    const ends = new Uint32Array(DIGITS + 1);
    // Larger digits come first; `&` takes the lowest bits, however large the number is.
    const digitOf = (index: number): number => DIGITS - 1 - ((scores[index]! / unit) & (DIGITS - 1));
    for (const index of order) ends[digitOf(index) + 1]!++;
    for (let digit = 0; digit < DIGITS; digit++) ends[digit + 1]! += ends[digit]!;
    for (const index of order) sorted[ends[digitOf(index)]!++] = index;
    [order, sorted] = [sorted, order];
  }
  for (let from = 0, to = 1; from < order.length; from = to++) {
    while (to < order.length && scores[order[to]!] === scores[order[from]!]) to++;
    if (to - from > 1) order.subarray(from, to).sort((a, b) => compareOutpoints(coins[a]!, coins[b]!));
  }
  return order;
}

/** By txid, then by place. */
export function compareOutpoints({ outpoint: a }: Coin, { outpoint: b }: Coin): number {
  if (a.txid !== b.txid) return a.txid < b.txid ? -1 : 1;
  return a.vout - b.vout;
}

interface InputCost {
  readonly kind: SpendKind;
  readonly weight: number;
  readonly feeSats: number;
}

function costOf(costs: Map<string, InputCost>, kind: SpendKind, feeRate: bigint): InputCost {
  const key = spendKey(kind);
  const known = costs.get(key);
  if (known) return known;
  const weight = inputWeight(kind);
  const cost = { kind, weight, feeSats: inputFeeSats(weight, feeRate) };
  costs.set(key, cost);
  return cost;
}

/** Rounded up from 1/4000 sat. */
export const inputFeeSats = (weight: number, feeRate: bigint): number =>
  Number((BigInt(weight) * feeRate + 3_999n) / 4_000n);

function columnsOf<C extends Coin>(
  pool: Pick<CoinPool<C>, 'coins' | 'scores' | 'kind' | 'inputWeightMin'>,
): CoinPool<C> {
  const { scores } = pool;
  const sums = new Float64Array(scores.length + 1);
  for (let i = 0; i < scores.length; i++) sums[i + 1] = sums[i]! + scores[i]!;
  assert(sums[scores.length]! <= Number.MAX_SAFE_INTEGER, 'the coins of a wallet are an amount');
  const nextOther = new Uint32Array(scores.length);
  for (let i = scores.length - 1; i >= 0; i--) nextOther[i] = scores[i] === scores[i + 1] ? nextOther[i + 1]! : i + 1;
  return { ...pool, sums, nextOther };
}
