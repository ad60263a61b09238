import type { OutpointKey } from '@finality/bitcoin';
import { type Aggregate, assertNever, type Instant, type Sats } from '@finality/kernel';
import type { BlockRef } from './settlement.ts';

export type ChainTipEvent = { readonly at: Instant } & (
  | { readonly type: 'block_connected'; readonly block: BlockRef }
  | { readonly type: 'block_disconnected'; readonly block: BlockRef }
  /** A transaction that isn't ours has spent a coin of ours, in this block: its value is in the wallet's suspense. */
  | { readonly type: 'coin_taken'; readonly coin: TakenCoin; readonly block: BlockRef }
  /** The block in which that had happened is gone. */
  | { readonly type: 'coin_returned'; readonly coin: TakenCoin }
);

export interface TakenCoin {
  readonly outpoint: OutpointKey;
  readonly walletId: string;
  readonly valueSats: Sats;
  readonly byTxid: string;
}

/** The last block whose facts the ledger has consumed, and those below it as far as a reorg may reach. */
export interface ChainTip {
  readonly height: number;
  /** Newest last, at most {@link RECENT_BLOCKS_MAX}; empty before the first block. */
  readonly recent: readonly BlockRef[];
}

export const RECENT_BLOCKS_MAX = 288;

export const chainTipAggregate: Aggregate<ChainTip, ChainTipEvent> = {
  name: 'chain_tip',
  initialState: { height: 0, recent: [] },
  evolve(state, event) {
    switch (event.type) {
      case 'block_connected':
        return { height: event.block.height, recent: [...state.recent, event.block].slice(-RECENT_BLOCKS_MAX) };
      case 'block_disconnected':
        return {
          height: event.block.height - 1,
          recent: state.recent.filter((block) => block.height < event.block.height),
        };
      case 'coin_taken':
      case 'coin_returned':
        return state;
      default:
        return assertNever(event, 'chain tip event');
    }
  },
};

/** Whether the block is on the chain consumed. One below what is kept can't be told, and isn't taken to be. */
export function isOnChain(tip: ChainTip, block: BlockRef): boolean {
  return tip.recent.some(({ height, hash }) => height === block.height && hash === block.hash);
}

/** Hash of the tip; empty when it isn't known (nothing consumed yet, or a reorg deeper than what is kept). */
export function tipHash(tip: ChainTip): string {
  const last = tip.recent.at(-1);
  return last !== undefined && last.height === tip.height ? last.hash : '';
}
