import type { BlockHash, FeeRate, MempoolSample, Network, Outpoint, ScriptHex, Txid } from '@finality/bitcoin';
import type { Sats } from '@finality/kernel';
import type { BroadcastAnswer } from './broadcast-answer.ts';
import type { PushFeed } from './push/push.ts';

export interface ChainInfo {
  readonly height: number;
  readonly bestBlockHash: BlockHash;
}

export interface ChainTip {
  readonly height: number;
  readonly hash: BlockHash;
  /** Blocks between this tip and the active chain; 0 for the active tip. */
  readonly branchLength: number;
  readonly status: 'active' | 'valid-fork' | 'valid-headers' | 'headers-only' | 'invalid';
}

/** An output that the active chain holds unspent; what the mempool does with it doesn't count. */
export interface UnspentOutput {
  readonly valueSats: Sats;
  readonly script: ScriptHex;
  readonly confirmations: number;
  readonly coinbase: boolean;
  readonly bestBlockHash: BlockHash;
}

/** What the node's mempool would say to a transaction, without taking it. */
export type MempoolVerdict =
  | { readonly txid: Txid; readonly allowed: true; readonly vsize: number; readonly feeSats: Sats }
  | { readonly txid: Txid; readonly allowed: false; readonly reason: string };

export interface FeeRates {
  /** For confirmation within the target; `undefined` without enough history, as on regtest. */
  readonly estimate: FeeRate | undefined;
  /** The least that this node takes and relays. */
  readonly floor: FeeRate;
}

/**
 * What the platform asks of a Bitcoin node; Bitcoin Core, btcd and the chain simulator all answer it alike.
 * Blocks, headers and transactions are raw bytes: whoever asks parses and checks them (hash, proof of work, merkle root) and takes
 * amounts from them. Every method throws a `NodeError` when the node can't be asked; nothing is retried here, callers bound that.
 */
export interface BitcoinNode {
  readonly kind: 'core' | 'btcd' | 'simulator';
  /** The node's own name and version, as in `/Satoshi:31.0.0/`. */
  readonly version: string;
  readonly network: Network;

  chainInfo(): Promise<ChainInfo>;
  /** Milliseconds since the node was started, to the second: what it holds in memory alone is no older. */
  uptimeMs(): Promise<number>;
  /** Of the active chain; `undefined` above its tip. */
  blockHash(height: number): Promise<BlockHash | undefined>;
  /** A serialized block with witnesses, of any branch that the node has; `undefined` when it hasn't. */
  rawBlock(hash: BlockHash): Promise<Uint8Array | undefined>;
  /** The 80 bytes of a block header, of any branch; `undefined` when the node doesn't know it. */
  rawHeader(hash: BlockHash): Promise<Uint8Array | undefined>;
  chainTips(): Promise<readonly ChainTip[]>;

  /** Txids, in no particular order. One node's opinion: absence says nothing for certain. */
  mempoolTxids(): Promise<readonly Txid[]>;
  /** From the mempool, and from blocks only where the node keeps an index of them; `undefined` when it can't be found. */
  rawTransaction(txid: Txid): Promise<Uint8Array | undefined>;
  unspentOutput(outpoint: Outpoint): Promise<UnspentOutput | undefined>;
  /** For each outpoint, in order, the mempool transaction that spends it. */
  mempoolSpenders(outpoints: readonly Outpoint[]): Promise<readonly (Txid | undefined)[]>;

  /** Idempotent by txid. Never throws for a broken connection: that is `unknown`, and the same bytes are sent again later. */
  sendRawTransaction(raw: Uint8Array): Promise<BroadcastAnswer>;
  /** Verdicts in order. Core takes up to 25 as a package, parents first; btcd looks at each alone. */
  testMempoolAccept(raws: readonly Uint8Array[]): Promise<readonly MempoolVerdict[]>;
  feeRates(confirmationsTarget: number): Promise<FeeRates>;
  /** What the mempool pays: all of it or a part; `undefined` when it is too large for a node that can only tell all at once (btcd). */
  mempoolSample(): Promise<MempoolSample | undefined>;

  /** Listens to what the node tells unasked, in the way that it offers; `undefined` when it offers none and has to be polled. */
  openPush(): Promise<PushFeed | undefined>;

  /** Lets go of connections. Calls under way fail. */
  close(): void;
}

/** A node whose chain can be made to grow and fork: regtest only. */
export interface RegtestNode extends BitcoinNode {
  /**
   * Mines blocks on the active tip, with what is in the mempool, and returns their hashes.
   * Bitcoin Core and the simulator pay `address`; btcd pays the address it was started with (`--miningaddr`), whatever is asked.
   */
  mine(count: number, address: string): Promise<readonly BlockHash[]>;
  /** Takes the block and all on top of it for invalid. The next best chain becomes active. */
  invalidateBlock(hash: BlockHash): Promise<void>;
  reconsiderBlock(hash: BlockHash): Promise<void>;
  /** `undefined` when taken, else the node's reason. */
  submitBlock(raw: Uint8Array): Promise<string | undefined>;
}
