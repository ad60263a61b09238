import type { OutpointKey } from '@finality/bitcoin';
import { type Aggregate, assertNever, type Instant, type Sats } from '@finality/kernel';
import type { NodeFees } from './chain-fact.ts';
import { STALE_WINDOW } from './confirmation-policy.ts';
import type { BlockRef } from './settlement.ts';

export type ChainTipEvent = { readonly at: Instant } & (
  | { readonly type: 'block_connected'; readonly block: BlockRef }
  | { readonly type: 'block_disconnected'; readonly block: BlockRef }
  /** A transaction that isn't ours has spent a coin of ours, in this block: its value is in the wallet's suspense. */
  | { readonly type: 'coin_taken'; readonly coin: TakenCoin; readonly block: BlockRef }
  /** The block in which that had happened is gone. */
  | { readonly type: 'coin_returned'; readonly coin: TakenCoin }
  /** A second node has the block on its best chain, and with it all below; or has it no more. */
  | { readonly type: 'block_agreed'; readonly block: BlockRef }
  | { readonly type: 'block_disputed'; readonly block: BlockRef }
  | { readonly type: 'fees_estimated'; readonly fees: NodeFees }
  | { readonly type: 'incident_opened'; readonly incident: Incident }
  | { readonly type: 'incident_confirmed'; readonly incident: Incident; readonly by: string; readonly reason: string }
);

/**
 * What the platform doesn't go on after without a person (DESIGN 7, issue of the chain): a reorg deeper than any that is to be expected stops
 * crediting and signing; a transaction that spends a coin of ours and isn't ours stops signing, and so does one that was taken for dead when
 * operators released its coins. A participant's default stops nobody else.
 */
export interface Incident {
  readonly incidentId: string;
  readonly kind: 'deep_reorg' | 'unknown_spend' | 'released_coin_spent' | 'participant_default';
  readonly reason: string;
  readonly openedAt: Instant;
}

export interface TakenCoin {
  readonly outpoint: OutpointKey;
  readonly walletId: string;
  /** Its value stands in the wallet's suspense; otherwise its owner has used what is his. */
  readonly inSuspense: boolean;
  readonly valueSats: Sats;
  readonly byTxid: string;
}

/** The last block whose facts the ledger has consumed, and those below it as far as a reorg may reach. */
export interface ChainTip {
  readonly height: number;
  /** Newest last, at most {@link RECENT_BLOCKS_MAX}; empty before the first block. */
  readonly recent: readonly BlockRef[];
  /** The highest block that a second node has too; undefined where none is known, or none is asked. */
  readonly agreed?: BlockRef;
  /** What the node estimated last. */
  readonly fees?: NodeFees & { readonly at: Instant };
  /** Heights at which a reorg took a block, of the last {@link STALE_WINDOW}. */
  readonly stale: readonly number[];
  /** Those that nobody has confirmed yet. */
  readonly incidents: readonly Incident[];
  /** Ids of those that somebody has, newest last, at most {@link CONFIRMED_MAX}: told again, they aren't news. */
  readonly confirmed: readonly string[];
}

export const RECENT_BLOCKS_MAX = 288;
const CONFIRMED_MAX = 1_000;

export const chainTipAggregate: Aggregate<ChainTip, ChainTipEvent> = {
  name: 'chain_tip',
  initialState: { height: 0, recent: [], stale: [], incidents: [], confirmed: [] },
  evolve(state, event) {
    switch (event.type) {
      case 'block_connected':
        return {
          ...state,
          height: event.block.height,
          recent: [...state.recent, event.block].slice(-RECENT_BLOCKS_MAX),
          stale: state.stale.filter((height) => height > event.block.height - STALE_WINDOW),
        };
      case 'block_disconnected':
        return {
          ...below(state, event.block.height),
          height: event.block.height - 1,
          recent: state.recent.filter((block) => block.height < event.block.height),
          stale: [...state.stale, event.block.height].slice(-STALE_WINDOW),
        };
      case 'block_agreed':
        return isOnChain(state, event.block) && (state.agreed?.height ?? -1) < event.block.height
          ? { ...state, agreed: event.block }
          : state;
      case 'block_disputed':
        return below(state, event.block.height);
      case 'fees_estimated':
        return { ...state, fees: { ...event.fees, at: event.at } };
      case 'incident_opened':
        return { ...state, incidents: [...state.incidents, event.incident] };
      case 'incident_confirmed':
        return {
          ...state,
          incidents: state.incidents.filter(({ incidentId }) => incidentId !== event.incident.incidentId),
          confirmed: [...state.confirmed, event.incident.incidentId].slice(-CONFIRMED_MAX),
        };
      case 'coin_taken':
      case 'coin_returned':
        return state;
      default:
        return assertNever(event, 'chain tip event');
    }
  },
};

/** Whatever was agreed about a block ends with it: what is below has to be agreed again. */
function below(state: ChainTip, height: number): ChainTip {
  if (state.agreed === undefined || state.agreed.height < height) return state;
  const { agreed: _ended, ...rest } = state;
  return rest;
}

/** Whether a second node has the block at this height of our chain too. */
export const isAgreed = ({ agreed }: ChainTip, height: number): boolean => (agreed?.height ?? -1) >= height;

/** Nothing is signed while somebody has to look at something that is about the chain. */
export const stopsSigning = ({ incidents }: ChainTip): boolean =>
  incidents.some(({ kind }) => kind !== 'participant_default');

/** After a deep reorg nothing becomes final by itself. */
export const stopsCrediting = ({ incidents }: ChainTip): boolean => incidents.some(({ kind }) => kind === 'deep_reorg');

/** Whether the block is on the chain consumed. One below what is kept can't be told, and isn't taken to be. */
export function isOnChain(tip: ChainTip, block: BlockRef): boolean {
  return tip.recent.some(({ height, hash }) => height === block.height && hash === block.hash);
}

/** Hash of the tip; empty when it isn't known (nothing consumed yet, or a reorg deeper than what is kept). */
export function tipHash(tip: ChainTip): string {
  const last = tip.recent.at(-1);
  return last !== undefined && last.height === tip.height ? last.hash : '';
}
