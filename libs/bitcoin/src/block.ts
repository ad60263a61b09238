import { err, ok, type Result } from '@finality/kernel';
import { type Fault, fault } from './fault.ts';
import { sha256d } from './hashing.ts';
import { bytesFromHex, bytesFromReversedHex, hexFromBytes, isHex, reversedHex } from './hex.ts';
import type { BlockHash } from './ids.ts';
import { type Network, networkParams } from './network.ts';
import { Malformed, Reader } from './reader.ts';
import { type ParsedTransaction, readTransaction } from './transaction.ts';

export interface BlockHeader {
  readonly hash: BlockHash;
  readonly previousHash: BlockHash;
  /** 64 hex digits in display order. */
  readonly merkleRoot: string;
  readonly version: number;
  /** Seconds since 1970, as its miner says. */
  readonly time: number;
  /** The target in compact form. */
  readonly bits: number;
  readonly nonce: number;
  /** Expected number of hashes to find it: chains are compared by the sum. 0 where `bits` are not a target. */
  readonly work: bigint;
}

export interface ParsedBlock {
  readonly header: BlockHeader;
  readonly transactions: readonly ParsedTransaction[];
  readonly weight: number;
}

export type BlockFault = Fault<
  | 'MALFORMED_HEADER'
  | 'MALFORMED_BLOCK'
  | 'NOT_LINKED'
  | 'TARGET_TOO_EASY'
  | 'INSUFFICIENT_WORK'
  | 'NO_COINBASE'
  | 'MERKLE_ROOT_MISMATCH'
  | 'MERKLE_TREE_MUTATED'
  | 'WITNESS_COMMITMENT_MISMATCH'
  | 'UNEXPECTED_WITNESS'
  | 'BLOCK_TOO_HEAVY'
>;

export const HEADER_BYTES = 80;
const BLOCK_WEIGHT_MAX = 4_000_000;
const TRANSACTION_BYTES_MIN = 60;
/** OP_RETURN, push of 36 bytes, BIP141's header; 32 bytes of commitment follow. */
const COMMITMENT_PREFIX = '6a24aa21a9ed';
const COMMITMENT_HEX_LENGTH = COMMITMENT_PREFIX.length + 64;

/** Parses an 80-byte block header. Says nothing about its proof of work: {@link checkHeader} does. */
export function parseHeader(raw: string | Uint8Array): Result<BlockHeader, BlockFault> {
  if (typeof raw === 'string' && !isHex(raw)) return err(fault('MALFORMED_HEADER', 'expected whole bytes of hex'));
  const bytes = typeof raw === 'string' ? bytesFromHex(raw) : raw;
  if (bytes.length !== HEADER_BYTES)
    return err(fault('MALFORMED_HEADER', `expected ${HEADER_BYTES} bytes, got ${bytes.length}`));
  return ok(readHeader(new Reader(bytes)));
}

/** Parses a raw block (`getblock <hash> 0`) to its last byte. Checks nothing but its form: {@link checkBlock} does. */
export function parseBlock(raw: string | Uint8Array): Result<ParsedBlock, BlockFault> {
  if (typeof raw === 'string' && !isHex(raw)) return err(fault('MALFORMED_BLOCK', 'expected whole bytes of hex'));
  const reader = new Reader(typeof raw === 'string' ? bytesFromHex(raw) : raw);
  try {
    return ok(readBlock(reader));
  } catch (error) {
    if (error instanceof Malformed) return err(fault('MALFORMED_BLOCK', error.message));
    throw error;
  }
}

/** The target's proof of work holds and is at least as hard as the network's easiest; it follows `expectedPrevious` where that is given. */
export function checkHeader(
  header: BlockHeader,
  network: Network,
  expectedPrevious?: BlockHash,
): Result<BlockHeader, BlockFault> {
  if (expectedPrevious !== undefined && header.previousHash !== expectedPrevious) {
    return err(fault('NOT_LINKED', `expected a block after ${expectedPrevious}, got one after ${header.previousHash}`));
  }
  const target = targetOf(header.bits);
  if (target === undefined || target > networkParams(network).powLimit) {
    return err(fault('TARGET_TOO_EASY', `expected a target of ${network}, got bits ${header.bits.toString(16)}`));
  }
  if (BigInt(`0x${header.hash}`) > target) {
    return err(fault('INSUFFICIENT_WORK', `expected a hash of at most ${target.toString(16)}, got ${header.hash}`));
  }
  return ok(header);
}

/**
 * Parses a raw block and checks everything about it that can be checked without the chain before it (DESIGN 10): link, proof of work
 * against its own target and the network's limit, one coinbase and that first, merkle root (refusing the duplicated lists of
 * CVE-2012-2459), witness commitment (BIP141), weight. Not whether the target is the right one for its height, scripts, amounts or a
 * signet's signature: a node does that. Because the first transaction must be a coinbase, inner nodes can't pass for transactions.
 */
export function checkBlock(
  raw: string | Uint8Array,
  network: Network,
  expectedPrevious?: BlockHash,
): Result<ParsedBlock, BlockFault> {
  const parsed = parseBlock(raw);
  if (!parsed.ok) return parsed;
  const block = parsed.value;
  const header = checkHeader(block.header, network, expectedPrevious);
  if (!header.ok) return header;
  const problem = coinbaseFault(block) ?? merkleFault(block) ?? witnessFault(block);
  if (problem) return err(problem);
  if (block.weight > BLOCK_WEIGHT_MAX) {
    return err(fault('BLOCK_TOO_HEAVY', `expected at most ${BLOCK_WEIGHT_MAX} WU, got ${block.weight}`));
  }
  return parsed;
}

/** The target that compact `bits` stand for; undefined for negative, zero and overflowing ones. */
export function targetOf(bits: number): bigint | undefined {
  const exponent = bits >>> 24;
  const mantissa = BigInt(bits & 0x007f_ffff);
  if ((bits & 0x0080_0000) !== 0 || mantissa === 0n) return undefined;
  const target = exponent <= 3 ? mantissa >> BigInt(8 * (3 - exponent)) : mantissa << BigInt(8 * (exponent - 3));
  return target > 0n && target < 1n << 256n ? target : undefined;
}

/** Expected number of hashes for a block with these `bits`: 2^256 / (target + 1). 0 where they aren't a target. */
export function workOf(bits: number): bigint {
  const target = targetOf(bits);
  return target === undefined ? 0n : (1n << 256n) / (target + 1n);
}

/** Merkle root over hashes in display order (txids, or wtxids), itself in display order. Undefined for a list that CVE-2012-2459 allows to be doubled. */
export function merkleRootOf(hashes: readonly string[]): string | undefined {
  let level = new Uint8Array(32 * hashes.length);
  hashes.forEach((hash, i) => level.set(bytesFromReversedHex(hash), 32 * i));
  for (let count = hashes.length; count > 1;) {
    const parents = (count + 1) >> 1;
    const above = new Uint8Array(32 * parents);
    for (let i = 0; i < parents; i++) {
      const pair = level.subarray(64 * i, 64 * i + 64);
      if (pair.length === 64 && sameHalves(pair)) return undefined;
      above.set(sha256d(pair.length === 64 ? pair : Buffer.concat([pair, pair])), 32 * i);
    }
    level = above;
    count = parents;
  }
  return reversedHex(level);
}

/** The commitment (hex) to the witnesses of a block whose transactions have these wtxids, the coinbase's taken as zero (BIP141). */
export function witnessCommitmentOf(wtxids: readonly string[], reserved: Uint8Array): string | undefined {
  const root = merkleRootOf(['0'.repeat(64), ...wtxids.slice(1)]);
  return root === undefined ? undefined : hexFromBytes(sha256d(Buffer.concat([bytesFromReversedHex(root), reserved])));
}

function readHeader(reader: Reader): BlockHeader {
  const raw = reader.slice(HEADER_BYTES);
  const fields = new Reader(raw);
  const version = fields.u32();
  const previousHash = reversedHex(fields.slice(32)) as BlockHash;
  const merkleRoot = reversedHex(fields.slice(32));
  const time = fields.u32();
  const bits = fields.u32();
  const hash = reversedHex(sha256d(raw)) as BlockHash;
  return { hash, previousHash, merkleRoot, version, time, bits, nonce: fields.u32(), work: workOf(bits) };
}

function readBlock(reader: Reader): ParsedBlock {
  const header = readHeader(reader);
  const count = reader.compactSize();
  if (count * TRANSACTION_BYTES_MIN > reader.remaining)
    throw new Malformed(`expected ${count} transactions, got ${reader.remaining} bytes`);
  const transactionsStart = reader.offset;
  const transactions: ParsedTransaction[] = [];
  for (let i = 0; i < count; i++) transactions.push(readTransaction(reader));
  if (reader.remaining > 0)
    throw new Malformed(`expected the end after ${count} transactions, got ${reader.remaining} bytes more`);
  const weight = transactions.reduce((sum, transaction) => sum + transaction.weight, 4 * transactionsStart);
  return { header, transactions, weight };
}

function coinbaseFault({ transactions }: ParsedBlock): BlockFault | undefined {
  if (transactions[0]?.isCoinbase && !transactions.slice(1).some((transaction) => transaction.isCoinbase))
    return undefined;
  return fault('NO_COINBASE', 'expected the first transaction, and no other, to be a coinbase');
}

function merkleFault({ header, transactions }: ParsedBlock): BlockFault | undefined {
  const root = merkleRootOf(transactions.map((transaction) => transaction.txid));
  if (root === undefined) return fault('MERKLE_TREE_MUTATED', 'expected no repeated part in the list of transactions');
  if (root === header.merkleRoot) return undefined;
  return fault('MERKLE_ROOT_MISMATCH', `expected merkle root ${header.merkleRoot}, got ${root}`);
}

function witnessFault({ transactions }: ParsedBlock): BlockFault | undefined {
  const coinbase = transactions[0]!;
  // Several outputs can look like one; the last counts.
  const script = coinbase.outputs.findLast(
    (o) => o.script.startsWith(COMMITMENT_PREFIX) && o.script.length >= COMMITMENT_HEX_LENGTH,
  )?.script;
  if (script === undefined) {
    const witness = transactions.find((transaction) => transaction.hasWitness);
    return (
      witness && fault('UNEXPECTED_WITNESS', `expected no witness without a commitment, got one in ${witness.txid}`)
    );
  }
  const [reserved, ...more] = coinbase.inputs[0]!.witness;
  if (reserved?.length !== 32 || more.length > 0) {
    return fault('WITNESS_COMMITMENT_MISMATCH', 'expected one reserved value of 32 bytes in the coinbase witness');
  }
  const declared = script.slice(COMMITMENT_PREFIX.length, COMMITMENT_HEX_LENGTH);
  const computed = witnessCommitmentOf(
    transactions.map((transaction) => transaction.wtxid),
    reserved,
  );
  if (computed === declared) return undefined;
  return fault(
    'WITNESS_COMMITMENT_MISMATCH',
    `expected witness commitment ${declared}, got ${computed ?? 'a repeated list'}`,
  );
}

function sameHalves(pair: Uint8Array): boolean {
  for (let i = 0; i < 32; i++) if (pair[i] !== pair[i + 32]) return false;
  return true;
}
