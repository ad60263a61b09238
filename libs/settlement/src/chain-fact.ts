import type { FeeInputs, FeeRate, OutpointKey, ScriptHex, Txid } from '@finality/bitcoin';
import type { Sats } from '@finality/kernel';
import type { BlockRef } from './settlement.ts';

/** A transaction as far as it concerns us. */
export interface WatchedTransaction {
  readonly txid: Txid;
  /** All inputs; `script` is empty where the spent output isn't known. */
  readonly inputs: readonly { readonly outpoint: OutpointKey; readonly script: string; readonly address: string }[];
  /** Outputs to watched scripts. */
  readonly outputs: readonly WatchedOutput[];
  readonly coinbase: boolean;
  /** All of it, hex: in a block, and paying a wallet whose owner’s signers may ask for it. */
  readonly raw?: string;
}

export interface WatchedOutput {
  readonly outpoint: OutpointKey;
  readonly valueSats: Sats;
  readonly script: ScriptHex;
  readonly walletId: string;
  readonly custodial: boolean;
  readonly branch: 0 | 1;
  readonly index: number;
  readonly address: string;
}

/** A node's estimates, satoshi per 1,000 virtual bytes, missing where it has seen too little; and what its mempool pays. */
export interface NodeFees {
  readonly estimates: FeeInputs['estimates'];
  /** Missing where the node can't tell what its mempool pays. */
  readonly mempool?: FeeInputs['mempool'];
  readonly floor: FeeRate;
}

/** What the chain-watcher says, in the order in which it saw it: facts of a block's transactions before the block's own. */
export type ChainFact =
  | { readonly kind: 'block_connected'; readonly block: BlockRef }
  /** `forkHeight`: of the last block that both branches have. */
  | { readonly kind: 'block_disconnected'; readonly block: BlockRef; readonly forkHeight: number }
  | { readonly kind: 'block_agreed' | 'block_disputed'; readonly block: BlockRef }
  | { readonly kind: 'fees_estimated'; readonly fees: NodeFees }
  | { readonly kind: 'transaction_seen'; readonly transaction: WatchedTransaction }
  | { readonly kind: 'transaction_confirmed'; readonly transaction: WatchedTransaction; readonly block: BlockRef }
  | { readonly kind: 'transaction_unconfirmed'; readonly txid: Txid; readonly block: BlockRef }
  | {
      readonly kind: 'transaction_replaced';
      readonly txid: Txid;
      readonly byTxid: Txid;
      readonly outpoint: string;
      readonly byBlock?: BlockRef;
    }
  | { readonly kind: 'transaction_evicted'; readonly txid: Txid }
  | { readonly kind: 'transaction_broadcast'; readonly txid: Txid; readonly answer: string };
