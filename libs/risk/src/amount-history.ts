import { assert } from '@finality/kernel';

/** A merchant's amounts so far, as three exact sums: all that mean and standard deviation need. */
export interface AmountHistory {
  readonly count: bigint;
  /** Satoshi. */
  readonly sum: bigint;
  /** Satoshi squared. */
  readonly sumOfSquares: bigint;
}

export const NO_AMOUNTS: AmountHistory = { count: 0n, sum: 0n, sumOfSquares: 0n };

export function observeAmount(history: AmountHistory, amount: bigint): AmountHistory {
  return {
    count: history.count + 1n,
    sum: history.sum + amount,
    sumOfSquares: history.sumOfSquares + amount * amount,
  };
}

/**
 * z² of an amount against a history, as an exact fraction: z = (x − mean) / σ with the population's σ, so
 * z² = (n·x − Σ)² / (n·Σ² − (Σ)²). Integers only: a decision at |z| = 3 can't depend on rounding.
 */
export interface ZScore {
  /** (n·x − Σ)² */
  readonly numerator: bigint;
  /** n·Σ² − (Σ)², greater than zero. */
  readonly denominator: bigint;
  readonly sign: 1 | -1;
}

/** Undefined when all amounts so far are the same (or there are none): there is nothing to measure with. */
export function zScore(history: AmountHistory, amount: bigint): ZScore | undefined {
  const denominator = history.count * history.sumOfSquares - history.sum * history.sum;
  assert(denominator >= 0n, 'a sum of squares is at least the square of the sum over the count');
  if (denominator === 0n) return undefined;
  const distance = history.count * amount - history.sum;
  return { numerator: distance * distance, denominator, sign: distance < 0n ? -1 : 1 };
}

/** Whether |z| > limit, the limit in hundredths. Exact. */
export function exceeds(z: ZScore, limitHundredths: number): boolean {
  const limit = BigInt(limitHundredths);
  return z.numerator * 10_000n > limit * limit * z.denominator;
}

/** ⌊factor · |z|⌋ */
export function floorOfMultiple(z: ZScore, factor: number): bigint {
  return integerSqrt((BigInt(factor) * BigInt(factor) * z.numerator) / z.denominator);
}

/** z with two decimals, rounded towards zero: for people, never for decisions. */
export function formatZ(z: ZScore): string {
  const hundredths = floorOfMultiple(z, 100);
  return `${z.sign < 0 ? '-' : ''}${hundredths / 100n}.${String(hundredths % 100n).padStart(2, '0')}`;
}

/** ⌊√value⌋ by Newton's method, which falls monotonically from any start at or above the root. */
export function integerSqrt(value: bigint): bigint {
  assert(value >= 0n, 'only what is not negative has a square root');
  if (value < 2n) return value;
  let root = 1n << BigInt((value.toString(2).length + 1) >> 1);
  for (let next = (root + value / root) >> 1n; next < root; next = (root + value / root) >> 1n) root = next;
  return root;
}
