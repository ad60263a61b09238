import type { BlockHash, FeeBucket, FeeRate, Txid } from '@finality/bitcoin';
import { type Aggregate, assert, assertNever, type Instant } from '@finality/kernel';
import type { AncestorInput, WatchedTransaction } from './transaction.ts';

export interface BlockRef {
  readonly height: number;
  readonly hash: BlockHash;
}

/** What the chain says, one fact after the other. The stream of a network is the only order there is. */
export type ChainEvent =
  | {
      readonly type: 'block_connected';
      readonly height: number;
      readonly hash: BlockHash;
      readonly previousHash: BlockHash;
      /** Seconds since 1970, as its miner says. */
      readonly time: number;
    }
  | {
      readonly type: 'block_disconnected';
      readonly height: number;
      readonly hash: BlockHash;
      readonly previousHash: BlockHash;
      /** Height of the last block that both branches have, and how many blocks this reorg disconnects. */
      readonly forkHeight: number;
      readonly depth: number;
    }
  | {
      readonly type: 'transaction_seen';
      readonly transaction: WatchedTransaction;
      /** What the unconfirmed transactions that it needs spend: whoever else spends one of these excludes it. */
      readonly ancestorInputs: readonly AncestorInput[];
      readonly at: Instant;
    }
  | {
      readonly type: 'transaction_confirmed';
      readonly transaction: WatchedTransaction;
      readonly height: number;
      readonly blockHash: BlockHash;
    }
  | {
      readonly type: 'transaction_unconfirmed';
      readonly txid: Txid;
      readonly height: number;
      readonly blockHash: BlockHash;
    }
  | {
      readonly type: 'transaction_replaced';
      readonly txid: Txid;
      readonly byTxid: Txid;
      /** `txid:vout` that both spend. */
      readonly outpoint: string;
      /** Of the replacement's block; 0 and empty when it is in the mempool. It excludes nothing once that block is disconnected. */
      readonly byHeight: number;
      readonly byBlockHash: string;
      /** As the node that said so names itself. */
      readonly node: string;
    }
  | {
      readonly type: 'transaction_evicted';
      readonly txid: Txid;
      readonly reason: EvictionReason;
      /** With `double_spent` the transaction that was seen, else empty. */
      readonly conflictingTxid: string;
      /** As the node that said so names itself. */
      readonly node: string;
    }
  | {
      readonly type: 'transaction_broadcast';
      readonly txid: Txid;
      readonly lineageId: string;
      readonly answer: BroadcastSuccess;
    }
  /** Of the node, and other than before. */
  | { readonly type: 'fees_estimated'; readonly fees: FeeEstimates; readonly node: string }
  /** A second node has this block, the next after the last agreed on, on its best chain. */
  | { readonly type: 'block_agreed'; readonly height: number; readonly hash: BlockHash }
  /** It has left this block, the last agreed on, for another branch. */
  | {
      readonly type: 'block_disputed';
      readonly height: number;
      readonly hash: BlockHash;
      readonly previousHash: BlockHash;
    };

/** Satoshi per 1,000 virtual bytes; null where the node has seen too little to tell. */
export interface FeeEstimates {
  readonly fast: FeeRate | null;
  readonly normal: FeeRate | null;
  readonly slow: FeeRate | null;
  /** The least that it takes and relays. */
  readonly floor: FeeRate;
  /** What its mempool pays; null where it can't be told. */
  readonly mempool: readonly FeeBucket[] | null;
}

/**
 * Why a transaction isn't in a node's mempool any more. `evicted`: the node doesn't say. `expired`: it had been there for as long as the
 * node keeps any. `double_spent`: a transaction was seen that spends what an unconfirmed ancestor of it spends.
 */
export type EvictionReason = 'evicted' | 'expired' | 'double_spent';

/** Answers of a node that mean: it has the transaction. */
export type BroadcastSuccess = 'accepted' | 'already_in_mempool' | 'already_mined';

export interface ChainState {
  /** The last block whose facts have been published. */
  readonly tip: BlockRef | null;
  /** The last block of our chain that the second node has too. */
  readonly agreed: BlockRef | null;
  /** What the node estimated last. */
  readonly fees: FeeEstimates | null;
  /** How many facts there are: the source position of the latest. */
  readonly facts: bigint;
}

export const chain: Aggregate<ChainState, ChainEvent> = {
  name: 'chain',
  initialState: { tip: null, agreed: null, fees: null, facts: 0n },
  evolve(state, event) {
    const facts = state.facts + 1n;
    switch (event.type) {
      case 'block_connected':
        assert(state.tip === null || state.tip.hash === event.previousHash, 'a block connects to the tip');
        return { ...state, facts, tip: { height: event.height, hash: event.hash } };
      case 'block_disconnected': {
        assert(state.tip?.hash === event.hash, 'the tip is disconnected first');
        const tip = { height: event.height - 1, hash: event.previousHash };
        return { ...state, facts, tip, agreed: state.agreed && state.agreed.height > tip.height ? tip : state.agreed };
      }
      case 'block_agreed':
        return { ...state, facts, agreed: { height: event.height, hash: event.hash } };
      case 'block_disputed':
        return { ...state, facts, agreed: { height: event.height - 1, hash: event.previousHash } };
      case 'fees_estimated':
        return { ...state, facts, fees: event.fees };
      case 'transaction_seen':
      case 'transaction_confirmed':
      case 'transaction_unconfirmed':
      case 'transaction_replaced':
      case 'transaction_evicted':
      case 'transaction_broadcast':
        return { ...state, facts };
      default:
        return assertNever(event, 'chain event');
    }
  },
};
