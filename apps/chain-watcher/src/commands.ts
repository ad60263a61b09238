import type { BlockHash, BlockHeader, Branch, ScriptHex, Txid } from '@finality/bitcoin';
import type { BroadcastAnswer } from '@finality/bitcoin-node';
import type {
  Below,
  BlockRef,
  DisconnectedBlock,
  FeeEstimates,
  LookedUp,
  ObservedTransaction,
  Observer,
} from '@finality/chain';
import type { Instant } from '@finality/kernel';

/** A block that has been checked, ready to become facts. */
export interface CheckedBlock {
  readonly height: number;
  readonly header: BlockHeader;
  readonly transactions: readonly ObservedTransaction[];
}

export interface RescannedBlock {
  readonly height: number;
  readonly hash: BlockHash;
  readonly transactions: readonly ObservedTransaction[];
}

/** Everything that changes this service's state. */
export type ChainWatcherCommand =
  | {
      readonly kind: 'connect_block';
      readonly block: CheckedBlock;
      readonly lookedUp: LookedUp;
      readonly observer: Observer;
    }
  | { readonly kind: 'disconnect_blocks'; readonly blocks: readonly DisconnectedBlock[] }
  | {
      readonly kind: 'observe_mempool';
      readonly transactions: readonly ObservedTransaction[];
      readonly lookedUp: LookedUp;
      readonly observer: Observer;
    }
  | {
      readonly kind: 'evict';
      readonly txids: readonly Txid[];
      readonly expiryMs: number | null;
      readonly observer: Observer;
    }
  | { readonly kind: 'agree'; readonly blocks: readonly BlockRef[] }
  | { readonly kind: 'dispute'; readonly blocks: readonly DisconnectedBlock[] }
  | { readonly kind: 'estimate_fees'; readonly fees: FeeEstimates; readonly node: string }
  /** The node has lost its mempool: what we want on the chain is sent again at once. */
  | { readonly kind: 'mempool_lost' }
  | {
      readonly kind: 'add_wallet';
      readonly walletId: string;
      readonly custodial: boolean;
      readonly external: string;
      readonly internal: string;
      readonly birthdayHeight: number;
      readonly createdAt: Instant | null;
      /** Indices below are used up. */
      readonly used: { readonly external: number; readonly internal: number };
    }
  | { readonly kind: 'index_issued'; readonly walletId: string; readonly branch: Branch; readonly index: number }
  | {
      readonly kind: 'store_scripts';
      readonly walletId: string;
      readonly scripts: readonly { readonly script: ScriptHex; readonly branch: Branch; readonly index: number }[];
      readonly watched: Below;
      readonly rescanFrom: number;
    }
  | {
      readonly kind: 'rescan';
      readonly walletId: string;
      readonly blocks: readonly RescannedBlock[];
      /** Every block below it has been read. */
      readonly next: number;
      readonly lookedUp: LookedUp;
    }
  | {
      readonly kind: 'want_broadcast';
      readonly txid: Txid;
      readonly lineageId: string;
      readonly version: number;
      readonly raw: Uint8Array;
    }
  | { readonly kind: 'stop_broadcast'; readonly txid: Txid }
  /** A message that is none of our business. */
  | { readonly kind: 'ignore' }
  | {
      readonly kind: 'record_answer';
      readonly txid: Txid;
      readonly answer: BroadcastAnswer['kind'];
      readonly conflict: string | null;
      readonly dueAt: Instant;
    };

export type CommandOf<Kind extends ChainWatcherCommand['kind']> = Extract<ChainWatcherCommand, { readonly kind: Kind }>;
