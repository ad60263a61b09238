import { createHash } from 'node:crypto';
import { type BlockHash, type ParsedTransaction, parseTransaction, type ScriptHex } from '@finality/bitcoin';
import { buildBlock } from '@finality/chain-simulator';
import { unwrap } from '@finality/kernel';

/** A block as full as those of the main chain. */
export const TRANSACTIONS_PER_BLOCK = 4_000;

const INPUTS = 2;
const OUTPUTS = 2;
const SIGNATURE_BYTES = 72;
const PUBLIC_KEY_BYTES = 33;
const REWARD_SATS = 50_000_000n;
/** Seconds between the blocks of a chain that is made up. */
const BLOCK_SECONDS = 600;
const FIRST_SECONDS = 1_700_000_000;

/** Bytes that look random and are the same for the same words. */
export function bytesOf(words: string, length: number): Buffer {
  return createHash('shake256', { outputLength: length }).update(words).digest();
}

/** P2WPKH. */
export const scriptOf = (words: string): ScriptHex => `0014${bytesOf(words, 20).toString('hex')}` as ScriptHex;

/**
 * A transaction as common ones are: two inputs with signatures, two P2WPKH outputs. Well formed, and nothing that a node would accept: whoever
 * follows a chain checks blocks, and leaves signatures to its node.
 */
export function transactionOf(words: string, pays: ScriptHex = scriptOf(`${words} pays`)): ParsedTransaction {
  const random = bytesOf(words, INPUTS * 36 + INPUTS * (SIGNATURE_BYTES + PUBLIC_KEY_BYTES));
  let at = 0;
  const take = (length: number): Buffer => random.subarray(at, (at += length));
  const u32 = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
  };
  const input = (): Buffer => Buffer.concat([take(32), u32(take(4)[0]! % 4), Buffer.of(0), u32(0xffff_fffd)]);
  const output = (script: string, sats: number): Buffer => {
    const value = Buffer.alloc(8);
    value.writeBigUInt64LE(BigInt(sats));
    const bytes = Buffer.from(script, 'hex');
    return Buffer.concat([value, Buffer.of(bytes.length), bytes]);
  };
  const item = (length: number): Buffer => Buffer.concat([Buffer.of(length), take(length)]);
  const raw = Buffer.concat([
    ...[u32(2), Buffer.of(0, 1, INPUTS), input(), input()],
    ...[Buffer.of(OUTPUTS), output(pays, 50_000), output(scriptOf(`${words} change`), 70_000)],
    ...Array.from({ length: INPUTS }, () =>
      Buffer.concat([Buffer.of(2), item(SIGNATURE_BYTES), item(PUBLIC_KEY_BYTES)]),
    ),
    u32(0),
  ]);
  return unwrap(parseTransaction(raw));
}

export const transactionsOf = (words: string, count: number): readonly ParsedTransaction[] =>
  Array.from({ length: count }, (_, i) => transactionOf(`${words} ${i}`));

/** A block on top of another, with these transactions and a coinbase of its own. */
export function blockOn(
  previousHash: BlockHash,
  height: number,
  transactions: readonly ParsedTransaction[],
): Uint8Array {
  return buildBlock({
    previousHash,
    height,
    time: FIRST_SECONDS + height * BLOCK_SECONDS,
    script: scriptOf('miner'),
    rewardSats: REWARD_SATS,
    transactions,
    extraNonce: height,
  });
}
