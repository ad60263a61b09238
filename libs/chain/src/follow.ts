import type { BlockHash } from '@finality/bitcoin';
import type { ChainedHeader, HeaderChain } from './header-chain.ts';

/** Why there is nothing to do though the tips differ. Only with equal work may the node have both for valid. */
export type FollowWait = 'node_is_behind' | 'less_work' | 'equal_work';

/** What to do next to get from our tip to the node's. */
export interface FollowPlan {
  /** Tip first. */
  readonly disconnect: readonly ChainedHeader[];
  /** Oldest first; at most as many as a step may take. */
  readonly connect: readonly ChainedHeader[];
  readonly waiting?: FollowWait;
}

export interface FollowOptions {
  readonly tip: BlockHash;
  readonly nodeBest: BlockHash;
  readonly connectMax: number;
  /** The node takes our tip for invalid: its own best is right then, whatever the work. */
  readonly tipInvalid?: boolean;
}

/**
 * Leaves our branch only for one with more work: a node that has fallen behind, or forgotten what it knew, takes nothing back. Blocks
 * up to the fork go first, all of them; those after it come in bounded portions.
 */
export function planFollow(tree: HeaderChain, { tip, nodeBest, connectMax, tipInvalid }: FollowOptions): FollowPlan {
  if (tip === nodeBest) return { disconnect: [], connect: [] };
  const fork = tree.fork(tip, nodeBest);
  const disconnect = tree.branch(tip, fork.hash);
  const connect = tree.branch(nodeBest, fork.hash).toReversed().slice(0, connectMax);
  const [theirs, ours] = [tree.get(nodeBest)!.chainWork, tree.get(tip)!.chainWork];
  if (disconnect.length === 0 || theirs > ours || tipInvalid) return { disconnect, connect };
  const waiting = fork.hash === nodeBest ? 'node_is_behind' : theirs < ours ? 'less_work' : 'equal_work';
  return { disconnect: [], connect: [], waiting };
}
