import {
  type BlockHash,
  bytesFromHex,
  bytesFromReversedHex,
  merkleRootOf,
  parseHeader,
  type ParsedTransaction,
  parseTransaction,
  type ScriptHex,
  witnessCommitmentOf,
} from '@finality/bitcoin';
import { assert, unwrap } from '@finality/kernel';
import { Transaction } from 'bitcoinjs-lib';
import { REGTEST, REGTEST_TARGET } from './consensus.ts';

export interface BlockPlan {
  readonly previousHash: BlockHash;
  readonly height: number;
  /** Seconds since 1970. */
  readonly time: number;
  readonly script: ScriptHex;
  readonly rewardSats: bigint;
  /** Without the coinbase; parents before children. */
  readonly transactions: readonly ParsedTransaction[];
  /** Goes into the coinbase: blocks that differ in nothing else still differ. */
  readonly extraNonce: number;
}

const BLOCK_VERSION = 0x2000_0000;
const COINBASE_TAG = '/Finality simulator/';
const WITNESS_RESERVED = new Uint8Array(32);
const OP_1 = 0x51;
/** At regtest's target every second hash is good enough: that none of these is can't be met. */
const NONCE_MAX = 100_000;

/** A serialized block with BIP34 coinbase, witness commitment, merkle root and proof of work. The same plan always gives the same bytes. */
export function buildBlock(plan: BlockPlan): Uint8Array {
  const coinbase = buildCoinbase(plan);
  const transactions = [coinbase, ...plan.transactions];
  const header = Buffer.alloc(80);
  const merkleRoot = merkleRootOf(transactions.map((transaction) => transaction.txid));
  assert(merkleRoot, 'a block has no repeated transactions');
  header.writeUInt32LE(BLOCK_VERSION, 0);
  header.set(bytesFromReversedHex(plan.previousHash), 4);
  header.set(bytesFromReversedHex(merkleRoot), 36);
  header.writeUInt32LE(plan.time, 68);
  header.writeUInt32LE(REGTEST.bits, 72);
  return Buffer.concat([
    mine(header),
    compactSize(transactions.length),
    ...transactions.map((transaction) => transaction.raw),
  ]);
}

function mine(header: Buffer): Uint8Array {
  for (let nonce = 0; nonce < NONCE_MAX; nonce++) {
    header.writeUInt32LE(nonce, 76);
    if (BigInt(`0x${unwrap(parseHeader(header)).hash}`) <= REGTEST_TARGET) return header;
  }
  throw new Error(`no nonce up to ${NONCE_MAX} gives a proof of work`);
}

function buildCoinbase(plan: BlockPlan): ParsedTransaction {
  const commitment = witnessCommitmentOf(
    ['coinbase', ...plan.transactions.map((transaction) => transaction.wtxid)],
    WITNESS_RESERVED,
  );
  assert(commitment, 'a block has no repeated transactions');
  const coinbase = new Transaction();
  coinbase.version = 2;
  coinbase.addInput(new Uint8Array(32), 0xffff_ffff, 0xffff_ffff, coinbaseScript(plan));
  coinbase.setWitness(0, [WITNESS_RESERVED]);
  coinbase.addOutput(bytesFromHex(plan.script), plan.rewardSats);
  coinbase.addOutput(bytesFromHex(`6a24aa21a9ed${commitment}`), 0n);
  return unwrap(parseTransaction(coinbase.toBuffer()));
}

function coinbaseScript(plan: BlockPlan): Uint8Array {
  const extraNonce = Buffer.alloc(6);
  extraNonce.writeUIntLE(plan.extraNonce, 0, 6);
  const tag = Buffer.from(COINBASE_TAG);
  return Buffer.concat([heightScript(plan.height), push(extraNonce), push(tag)]);
}

/** How BIP34 has a coinbase begin: the height as Bitcoin Core's `CScript() << height` writes it. */
export function heightScript(height: number): Uint8Array {
  if (height === 0) return Uint8Array.of(0);
  if (height <= 16) return Uint8Array.of(OP_1 + height - 1);
  const bytes: number[] = [];
  for (let rest = height; rest > 0; rest = Math.floor(rest / 256)) bytes.push(rest % 256);
  // The top bit is the sign.
  if (bytes.at(-1)! >= 0x80) bytes.push(0);
  return push(Uint8Array.from(bytes));
}

const push = (bytes: Uint8Array): Uint8Array => Buffer.concat([Uint8Array.of(bytes.length), bytes]);

function compactSize(value: number): Uint8Array {
  if (value < 0xfd) return Uint8Array.of(value);
  const bytes = Buffer.alloc(value <= 0xffff ? 3 : 5);
  bytes[0] = value <= 0xffff ? 0xfd : 0xfe;
  if (value <= 0xffff) bytes.writeUInt16LE(value, 1);
  else bytes.writeUInt32LE(value, 1);
  return bytes;
}
