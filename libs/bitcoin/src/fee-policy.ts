import { assert } from '@finality/kernel';
import type { FeeRate } from './fees.ts';

/** Version of the rules below: recorded with each decision, which can be made again from its inputs. */
export const FEE_POLICY_VERSION = 1;

export const FEE_TARGETS = ['fast', 'normal', 'slow'] as const;
export type FeeTarget = (typeof FEE_TARGETS)[number];

/** Blocks until a transaction of this target should be in one. */
export const FEE_TARGET_BLOCKS: { readonly [T in FeeTarget]: number } = { fast: 2, normal: 6, slow: 144 };

/** Transactions of the mempool that pay at least `feeRate`, and less than the next bucket above. */
export interface FeeBucket {
  readonly feeRate: FeeRate;
  /** Virtual bytes of them together. */
  readonly vsize: number;
}

export interface FeeInputs {
  /** What nodes estimate for each target; missing where they have too little history. */
  readonly estimates: { readonly [T in FeeTarget]?: FeeRate };
  /** In any order; undefined where no mempool is known. Empty: there is room for everybody. */
  readonly mempool?: readonly FeeBucket[];
  /** The highest of what the nodes in use relay. */
  readonly floor: FeeRate;
  /** What is agreed to be paid at most. */
  readonly cap: FeeRate;
}

export interface TargetFee {
  readonly feeRate: FeeRate;
  readonly blocks: number;
  /** Until the first confirmation, expected. */
  readonly delaySeconds: number;
  /** What the feerate comes from; `cap`: it would have to be higher, and it may take longer, or not even be relayed (a floor above the cap). */
  readonly basis: 'estimate' | 'mempool' | 'floor' | 'cap';
}

export interface FeeDecision {
  readonly policyVersion: number;
  readonly inputs: FeeInputs;
  readonly targets: { readonly [T in FeeTarget]: TargetFee };
}

const BLOCK_SECONDS = 600;
/** What miners fill of a block's 4,000,000 WU, in virtual bytes. */
const BLOCK_VSIZE = 997_000;
/** Half of the room until a target's block goes to those who come later and pay more. */
const ROOM_DIVISOR = 2;
/** More buckets than any estimator uses. */
const BUCKETS_MAX = 10_000;

/**
 * The feerate for each target: the higher of what nodes estimate, which looks back, and what outbids the mempool, which sees a spike at once; at
 * least the floor, at most the cap; a faster target never pays less than a slower one. Pure: recorded with its inputs, it can be made again.
 */
export function decideFeeRates(inputs: FeeInputs): FeeDecision {
  assert((inputs.mempool?.length ?? 0) <= BUCKETS_MAX, `at most ${BUCKETS_MAX} buckets`);
  const slow = targetFee(inputs, 'slow');
  const normal = atLeast(targetFee(inputs, 'normal'), slow);
  const fast = atLeast(targetFee(inputs, 'fast'), normal);
  return { policyVersion: FEE_POLICY_VERSION, inputs, targets: { fast, normal, slow } };
}

function targetFee({ estimates, mempool, floor, cap }: FeeInputs, target: FeeTarget): TargetFee {
  const blocks = FEE_TARGET_BLOCKS[target];
  const estimate = estimates[target] ?? 0n;
  const outbidding = mempool ? outbid(mempool, (blocks * BLOCK_VSIZE) / ROOM_DIVISOR) : 0n;
  const seen = estimate >= outbidding ? estimate : outbidding;
  const common = { blocks, delaySeconds: blocks * BLOCK_SECONDS };
  if (seen > cap || floor > cap) return { ...common, feeRate: cap, basis: 'cap' };
  if (seen <= floor) return { ...common, feeRate: floor, basis: 'floor' };
  return { ...common, feeRate: seen as FeeRate, basis: estimate >= outbidding ? 'estimate' : 'mempool' };
}

const atLeast = (faster: TargetFee, slower: TargetFee): TargetFee =>
  faster.feeRate >= slower.feeRate ? faster : { ...faster, feeRate: slower.feeRate, basis: slower.basis };

/**
 * A feerate with which about `room` vB of the mempool come before: a tenth more than that of the bucket which the room ends in, as within a bucket nobody
 * knows who comes first, and at most that of the bucket above. 0 where there is room for all.
 */
function outbid(mempool: readonly FeeBucket[], room: number): bigint {
  const buckets = [...mempool].filter(({ vsize }) => vsize > 0).sort((a, b) => (a.feeRate > b.feeRate ? -1 : 1));
  let before = 0;
  let above: FeeRate | undefined;
  for (const { feeRate, vsize } of buckets) {
    before += vsize;
    const more = (feeRate * 11n + 9n) / 10n;
    if (before > room) return above !== undefined && above < more ? above : more;
    above = feeRate;
  }
  return 0n;
}
