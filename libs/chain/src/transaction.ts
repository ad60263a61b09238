import {
  type Branch,
  hexFromBytes,
  type OutpointKey,
  outpointKey,
  type ParsedTransaction,
  type ScriptHex,
  type Txid,
} from '@finality/bitcoin';
import type { Instant, Sats } from '@finality/kernel';

/** Where a watched script comes from. */
export interface WatchedScript {
  readonly walletId: string;
  readonly branch: Branch;
  readonly index: number;
  /** Whether the keys are the platform's. A non-custodial wallet is followed as a memo. */
  readonly custodial: boolean;
}

/** A transaction as it was read from a block or the mempool, as far as matching needs it. */
export interface ObservedTransaction {
  readonly txid: Txid;
  readonly coinbase: boolean;
  /** What it spends; empty for a coinbase. */
  readonly spends: readonly OutpointKey[];
  readonly outputs: readonly { readonly vout: number; readonly valueSats: Sats; readonly script: ScriptHex }[];
  /** All of it, where it was read from a block. */
  readonly raw?: Uint8Array;
}

/** What an input spends, as far as it is known. */
export interface Prevout {
  readonly script: ScriptHex;
  readonly valueSats: Sats;
}

export interface WatchedInput {
  readonly outpoint: OutpointKey;
  /** Empty: the node couldn't tell. Screening fails closed on it. */
  readonly script: string;
  /** Empty when the spent output isn't a watched one. */
  readonly walletId: string;
  /** 0 when unknown. */
  readonly valueSats: bigint;
}

export interface WatchedOutput extends WatchedScript {
  readonly vout: number;
  readonly valueSats: bigint;
  readonly script: string;
}

/** A transaction as far as it concerns watched scripts: all inputs, our outputs. */
export interface WatchedTransaction {
  readonly txid: Txid;
  readonly coinbase: boolean;
  readonly inputs: readonly WatchedInput[];
  readonly outputs: readonly WatchedOutput[];
  /** All of it, hex: in a block, and paying a wallet whose owner’s signers may ask for it (BIP174; BIP371: not for P2TR). */
  readonly raw?: string;
}

/** What an unconfirmed transaction of somebody else, that one of ours needs, spends. */
export interface AncestorInput {
  readonly outpoint: OutpointKey;
  readonly ancestor: Txid;
}

/**
 * Where a transaction of ours is. `unconfirmed`: a reorg took its block away, it may or may not be in the mempool. `replaced`: another
 * transaction spends one of its inputs, in the mempool (no block's hash) or in a block. None of them but a final exclusion is an end.
 */
export type TransactionStatus =
  | { readonly kind: 'mempool'; readonly since: Instant }
  | { readonly kind: 'confirmed'; readonly height: number; readonly blockHash: string }
  | { readonly kind: 'unconfirmed' }
  | { readonly kind: 'evicted' }
  | { readonly kind: 'replaced'; readonly byTxid: string; readonly byBlockHash: string };

export interface KnownTransaction {
  readonly transaction: WatchedTransaction;
  readonly status: TransactionStatus;
  /** As they were when it was last seen in the mempool. */
  readonly ancestorInputs: readonly AncestorInput[];
}

/** Larger ones than most are; what isn't there is left out of PSBTs. */
const RAW_BYTES_MAX = 100_000;
const P2TR = '5120';

/** @returns `raw` of a watched transaction with these outputs, if it is to be kept */
export function rawFor(
  { raw }: ObservedTransaction,
  outputs: readonly WatchedOutput[],
): Pick<WatchedTransaction, 'raw'> {
  const isWanted = outputs.some(({ custodial, script }) => !custodial && !script.startsWith(P2TR));
  return isWanted && raw !== undefined && raw.length <= RAW_BYTES_MAX ? { raw: hexFromBytes(raw) } : {};
}

export const observeInBlock = (parsed: ParsedTransaction): ObservedTransaction => ({
  ...observe(parsed),
  raw: parsed.raw,
});

export function observe(parsed: ParsedTransaction): ObservedTransaction {
  return {
    txid: parsed.txid,
    coinbase: parsed.isCoinbase,
    spends: parsed.isCoinbase ? [] : parsed.inputs.map((input) => outpointKey(input.outpoint)),
    outputs: parsed.outputs.map((output, vout) => ({ vout, valueSats: output.valueSats, script: output.script })),
  };
}
