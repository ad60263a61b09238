import { assert, type Sats } from '@finality/kernel';
import type { FeeBucket } from './fee-policy.ts';
import { type FeeRate, feeRate } from './fees.ts';

/** What a transaction of the mempool pays, alone and together with what has to be mined before it. */
export interface MempoolFee {
  readonly feeSats: Sats;
  readonly vsize: number;
  /** Itself included; where the node doesn't tell, just itself. */
  readonly ancestors: { readonly feeSats: Sats; readonly vsize: number };
}

/** A mempool, or so much of it as could be asked for. */
export interface MempoolSample {
  readonly transactions: readonly MempoolFee[];
  /** Virtual bytes of the whole mempool. */
  readonly vsize: number;
}

/** Below it nobody relays; all that pays less is in the first bucket. */
const LOWEST = 100n;
const HIGHEST = 10_000_000n;
/** Each bucket begins a tenth above the one before: finer than what a payout outbids by. */
const BOUNDS: readonly FeeRate[] = (() => {
  const bounds = [feeRate(LOWEST)];
  for (let bound = (LOWEST * 11n) / 10n; bound <= HIGHEST; bound = (bound * 11n) / 10n) bounds.push(feeRate(bound));
  return bounds;
})();

/**
 * How much of a mempool pays which feerate, dearest first, without empty buckets. A transaction that needs cheaper ones to be mined first counts
 * by what miners get for all of them: they are picked by that (Bitcoin Core's ancestor feerate). Of a sample, what it stands for.
 */
export function feeHistogram({ transactions, vsize }: MempoolSample): readonly FeeBucket[] {
  const sizes = new Map<FeeRate, number>();
  let sampled = 0;
  for (const transaction of transactions) {
    const bound = boundBelow(miningRate(transaction));
    sizes.set(bound, (sizes.get(bound) ?? 0) + transaction.vsize);
    sampled += transaction.vsize;
  }
  const scale = sampled > 0 && vsize > sampled ? vsize / sampled : 1;
  return [...sizes]
    .sort(([a], [b]) => (a > b ? -1 : 1))
    .map(([rate, size]) => ({ feeRate: rate, vsize: Math.round(size * scale) }));
}

function miningRate({ feeSats, vsize, ancestors }: MempoolFee): bigint {
  assert(vsize > 0 && ancestors.vsize > 0, 'a transaction has a size');
  const alone = (feeSats * 1000n) / BigInt(vsize);
  const together = (ancestors.feeSats * 1000n) / BigInt(ancestors.vsize);
  return alone < together ? alone : together;
}

/** The highest bound that isn't above the feerate. */
function boundBelow(rate: bigint): FeeRate {
  let low = 0;
  let high = BOUNDS.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (BOUNDS[middle]! <= rate) low = middle;
    else high = middle - 1;
  }
  return BOUNDS[low]!;
}
