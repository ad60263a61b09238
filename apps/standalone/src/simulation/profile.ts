import type { SeededRandom } from '@finality/testing/simulation';

/**
 * What a seed's world is like. Each seed has its own (swarm testing, Groce et al. 2012): some bugs need a fault often, others need it not to get in
 * the way. Weights are relative to 760 for the steps of workers.
 */
export interface Profile {
  readonly workload: number;
  /** Relative to about 140 for the rest of the workload: windows, limits, quotes. */
  readonly dealings: number;
  /** Likewise: lines, collateral, debts that fall due. */
  readonly credit: number;
  /** Likewise: lists of counterparties, approvals by several persons, destinations. */
  readonly rules: number;
  readonly mining: number;
  readonly reorgs: number;
  /** Blocks that a reorg takes away, at most. */
  readonly reorgDepthMax: number;
  readonly evictions: number;
  readonly crashes: number;
  readonly outages: number;
  /** Per step or call: that something goes wrong inside. */
  readonly faultProbability: number;
  /** Per transaction, in a reorg: that the mempool loses it. */
  readonly lossProbability: number;
  readonly longWaitProbability: number;
  readonly repeatProbability: number;
  readonly holdProbability: number;
}

export function profileOf(random: SeededRandom): Profile {
  return {
    workload: random.pick([85, 150, 240]),
    dealings: random.pick([0, 15, 60]),
    mining: random.pick([12, 25, 50]),
    reorgs: random.pick([0, 20, 80]),
    reorgDepthMax: random.pick([1, 1, 1, 3]),
    evictions: random.pick([0, 8, 30]),
    crashes: random.pick([0, 12, 40]),
    outages: random.pick([0, 4, 12]),
    faultProbability: random.pick([0, 0.1, 0.3]),
    lossProbability: random.pick([0, 0.2, 0.8]),
    longWaitProbability: random.pick([0, 0.03, 0.15]),
    repeatProbability: random.pick([0, 0.15, 0.5]),
    holdProbability: random.pick([0, 0.05, 0.3]),
    credit: random.pick([0, 20, 60]),
    rules: random.pick([0, 25, 60]),
  };
}
