import { type BlockHash, type ParsedTransaction, type ScriptHex, networkParams, targetOf } from '@finality/bitcoin';

/** Rules of regtest, as in Bitcoin Core's `CRegTestParams`. All of BIP34, 65, 66, 68, 141 and 341 hold from block 1. */
export const REGTEST = {
  bits: 0x207f_ffff,
  genesisHash: networkParams('regtest').genesisHash,
  coinbaseMaturity: networkParams('regtest').coinbaseMaturity,
  halvingInterval: 150,
  subsidySats: 50n * 100_000_000n,
  blockWeightMax: 4_000_000,
  medianTimeSpan: 11,
  /** A block's time may be this far ahead of the clock. */
  futureTimeSecondsMax: 7_200,
} as const;

export const REGTEST_TARGET = targetOf(REGTEST.bits)!;

/** The genesis block that Bitcoin Core compiles in for regtest. Its coinbase output can't be spent. */
export const GENESIS_HEX =
  '0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a' +
  'dae5494dffff7f200200000001010000000100000000000000000000000000000000000000000000000000000000000000' +
  '00ffffffff4d04ffff001d0104455468652054696d65732030332f4a616e2f32303039204368616e63656c6c6f72206f6e20' +
  '6272696e6b206f66207365636f6e64206261696c6f757420666f722062616e6b73ffffffff0100f2052a0100000043410467' +
  '8afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec112de5c384d' +
  'f7ba0b8d578a4c702b6bf11d5fac00000000';

/** A block of the tree, with what later rules need from it. */
export interface BlockNode {
  readonly hash: BlockHash;
  readonly parent: BlockNode | undefined;
  readonly height: number;
  readonly time: number;
  /** Sum of the expected hashes up to here: chains are compared by it. */
  readonly chainWork: bigint;
  readonly raw: Uint8Array;
  readonly transactionCount: number;
  /** Order of arrival: of two chains with the same work, the one seen first is followed. */
  readonly sequence: number;
  /** Found or declared invalid, or on top of such a block. */
  failed: boolean;
  /** Outputs that its transactions spent, in order; there once it has been connected. */
  spent?: readonly Coin[];
}

/** An unspent output. */
export interface Coin {
  readonly valueSats: bigint;
  readonly script: ScriptHex;
  readonly height: number;
  readonly coinbase: boolean;
}

/** What a block at this height may pay its miner besides the fees. */
export function subsidySats(height: number): bigint {
  const halvings = Math.floor(height / REGTEST.halvingInterval);
  return halvings >= 64 ? 0n : REGTEST.subsidySats >> BigInt(halvings);
}

/** Median of the times of the last eleven blocks up to this one (BIP113). */
export function medianTimePast(node: BlockNode): number {
  const times: number[] = [];
  for (let at: BlockNode | undefined = node; at && times.length < REGTEST.medianTimeSpan; at = at.parent)
    times.push(at.time);
  return times.sort((a, b) => a - b)[times.length >> 1]!;
}

const LOCKTIME_IS_TIME = 500_000_000;
const SEQUENCE_FINAL = 0xffff_ffff;
const SEQUENCE_NO_RELATIVE_LOCK = 0x8000_0000;
const SEQUENCE_IS_TIME = 0x0040_0000;
const SEQUENCE_MASK = 0xffff;
const SEQUENCE_SECONDS_SHIFT = 9;

/** Whether nLockTime allows the transaction in a block at `height` after blocks with this median time (BIP113). */
export function isFinal(transaction: ParsedTransaction, height: number, medianTime: number): boolean {
  const { locktime } = transaction;
  if (locktime === 0 || locktime < (locktime < LOCKTIME_IS_TIME ? height : medianTime)) return true;
  return transaction.inputs.every((input) => input.sequence === SEQUENCE_FINAL);
}

/** Where relative locks are counted from: the block after which a transaction is to be mined. */
export interface LockContext {
  readonly tip: BlockNode;
  /** The block at a height of the same chain. */
  ancestorAt(height: number): BlockNode;
}

/** Whether the relative locks of BIP68 allow the transaction, whose inputs spend `coins`, in the next block. */
export function relativeLocksHold(
  transaction: ParsedTransaction,
  coins: readonly Coin[],
  context: LockContext,
): boolean {
  if (transaction.version < 2) return true;
  return transaction.inputs.every(({ sequence }, i) => {
    if ((sequence & SEQUENCE_NO_RELATIVE_LOCK) !== 0) return true;
    const span = sequence & SEQUENCE_MASK;
    const coinHeight = coins[i]!.height;
    if ((sequence & SEQUENCE_IS_TIME) === 0) return coinHeight + span <= context.tip.height + 1;
    const since = context.ancestorAt(Math.min(Math.max(coinHeight - 1, 0), context.tip.height));
    return medianTimePast(since) + (span << SEQUENCE_SECONDS_SHIFT) <= medianTimePast(context.tip);
  });
}
