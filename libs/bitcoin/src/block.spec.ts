import { unwrap } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import { checkBlock, merkleRootOf, parseBlock, parseHeader, targetOf, witnessCommitmentOf, workOf } from './block.ts';
import { sha256d } from './hashing.ts';
import { bytesFromHex, bytesFromReversedHex, hexFromBytes } from './hex.ts';
import type { BlockHash } from './ids.ts';
import { parseTransaction } from './transaction.ts';
import bip143 from './vectors/bip143.json' with { type: 'json' };
import bip341 from './vectors/bip341.json' with { type: 'json' };
import blocks from './vectors/blocks.json' with { type: 'json' };

const [legacy, segwit] = blocks as [(typeof blocks)[number], (typeof blocks)[number]];
const PREVIOUS = '5a'.repeat(32) as BlockHash;
const REGTEST_BITS = 0x207fffff;
const WITH_WITNESS = [bip143.signed, bip341.keyPathSpending[0]!.auxiliary.fullySignedTx];
const WITHOUT_WITNESS = [bip143.unsigned];
/** One P2WPKH input, two outputs: what most transactions are. */
const USUAL =
  `02000000000101${'44'.repeat(32)}0000000000fdffffff02${`e80300000000000016${`0014${'22'.repeat(20)}`}`.repeat(2)}` +
  `0247${'55'.repeat(71)}21${'66'.repeat(33)}00000000`;

describe('blocks', () => {
  it('accepts a real block without witnesses and refuses it on an easier or another chain', () => {
    const block = unwrap(checkBlock(legacy.raw, 'testnet4'));
    expect(block.header.hash).toBe(legacy.hash);
    expect(block.transactions).toHaveLength(10);
    expect(checkBlock(legacy.raw, 'testnet4', block.header.previousHash).ok).toBe(true);
    expect(checkBlock(legacy.raw, 'testnet4', PREVIOUS)).toMatchObject({ error: { reason: 'NOT_LINKED' } });
  });

  it('accepts a real block with a witness commitment', () => {
    const block = unwrap(checkBlock(segwit.raw, 'mainnet'));
    expect(block.header.hash).toBe(segwit.hash);
    expect(block.weight).toBe(4 * 81 + block.transactions.reduce((sum, { weight }) => sum + weight, 0));
  });

  it('notices any changed byte of a block', () => {
    const raw = bytesFromHex(segwit.raw);
    for (let at = 0; at < raw.length; at += 7) {
      const changed = Uint8Array.from(raw);
      changed[at]! ^= 1;
      expect(checkBlock(changed, 'mainnet').ok, `byte ${at}`).toBe(false);
    }
    for (const end of [0, 79, 80, 81, raw.length - 1])
      expect(checkBlock(raw.subarray(0, end), 'mainnet').ok).toBe(false);
    expect(checkBlock(`${segwit.raw}00`, 'mainnet')).toMatchObject({ error: { reason: 'MALFORMED_BLOCK' } });
  });

  it('accepts a mined block with and without witnesses', () => {
    expect(checkBlock(mine({ transactions: WITHOUT_WITNESS }), 'regtest', PREVIOUS).ok).toBe(true);
    expect(checkBlock(mine({ transactions: WITH_WITNESS, commitment: 'right' }), 'regtest', PREVIOUS).ok).toBe(true);
    expect(checkBlock(mine({ transactions: [] }), 'regtest', PREVIOUS).ok).toBe(true);
  });

  it('refuses a target easier than the network has', () => {
    const raw = mine({ transactions: [] });
    expect(checkBlock(raw, 'mainnet', PREVIOUS)).toMatchObject({ error: { reason: 'TARGET_TOO_EASY' } });
    expect(checkBlock(mine({ transactions: [], bits: 0x2100ffff }), 'regtest')).toMatchObject({
      error: { reason: 'TARGET_TOO_EASY' },
    });
    expect(checkBlock(mine({ transactions: [], bits: 0x20800001 }), 'regtest')).toMatchObject({
      error: { reason: 'TARGET_TOO_EASY' },
    });
  });

  it('refuses a hash above the target', () => {
    const raw = mine({ transactions: [], accept: (hash) => BigInt(`0x${hash}`) > targetOf(REGTEST_BITS)! });
    expect(checkBlock(raw, 'regtest')).toMatchObject({ error: { reason: 'INSUFFICIENT_WORK' } });
  });

  it('refuses witnesses that the coinbase does not commit to', () => {
    expect(checkBlock(mine({ transactions: WITH_WITNESS }), 'regtest')).toMatchObject({
      error: { reason: 'UNEXPECTED_WITNESS' },
    });
    for (const commitment of ['wrong', 'no reserved value'] as const) {
      const raw = mine({ transactions: WITH_WITNESS, commitment });
      expect(checkBlock(raw, 'regtest')).toMatchObject({ error: { reason: 'WITNESS_COMMITMENT_MISMATCH' } });
    }
  });

  it('refuses a list of transactions doubled at its end (CVE-2012-2459), which has the same merkle root', () => {
    const transactions = [...WITHOUT_WITNESS, otherThan(bip143.unsigned)];
    const raw = mine({ transactions });
    expect(checkBlock(raw, 'regtest').ok).toBe(true);
    const doubled = raw.slice(0, 160) + '04' + raw.slice(162) + transactions[1]!;
    expect(unwrap(parseBlock(doubled)).header.hash).toBe(unwrap(parseBlock(raw)).header.hash);
    expect(checkBlock(doubled, 'regtest')).toMatchObject({ error: { reason: 'MERKLE_TREE_MUTATED' } });
  });

  it('refuses other transactions, no coinbase and a second coinbase', () => {
    const raw = mine({ transactions: WITHOUT_WITNESS });
    const swapped = raw.replace(bip143.unsigned, otherThan(bip143.unsigned));
    expect(checkBlock(swapped, 'regtest')).toMatchObject({ error: { reason: 'MERKLE_ROOT_MISMATCH' } });
    expect(checkBlock(mine({ transactions: [coinbase('03')] }), 'regtest')).toMatchObject({
      error: { reason: 'NO_COINBASE' },
    });
    expect(checkBlock(mine({ first: bip143.unsigned, transactions: [] }), 'regtest')).toMatchObject({
      error: { reason: 'NO_COINBASE' },
    });
  });

  it('reads compact targets as Bitcoin Core does', () => {
    expect(targetOf(0x1d00ffff)).toBe(0xffffn << 208n);
    expect(targetOf(0x1b0404cb)).toBe(BigInt('0x00000000000404cb000000000000000000000000000000000000000000000000'));
    expect(targetOf(0x01120000)).toBe(0x12n);
    expect(targetOf(0x02123400)).toBe(0x1234n);
    for (const bits of [0, 0x00123456, 0x01003456, 0x04923456, 0x01fedcba, 0xff123456, 0x2300ffff]) {
      expect(targetOf(bits), bits.toString(16)).toBeUndefined();
      expect(workOf(bits)).toBe(0n);
    }
    expect(workOf(0x1d00ffff)).toBe(0x100010001n);
    expect(workOf(REGTEST_BITS)).toBe(2n);
  });

  it('parses headers of 80 bytes only', () => {
    expect(unwrap(parseHeader(segwit.raw.slice(0, 160))).hash).toBe(segwit.hash);
    expect(parseHeader(segwit.raw.slice(0, 158))).toMatchObject({ error: { reason: 'MALFORMED_HEADER' } });
  });

  it('checks a block of 4,000 transactions', () => {
    const transactions = Array.from({ length: 4_000 }, (_, i) => otherThan(USUAL, i));
    const raw = Buffer.from(mine({ transactions, commitment: 'right' }), 'hex');
    expect(checkBlock(raw, 'regtest')).toMatchObject({ ok: true });
  });
});

interface Mining {
  readonly transactions: readonly string[];
  readonly first?: string;
  readonly commitment?: 'right' | 'wrong' | 'no reserved value';
  readonly bits?: number;
  readonly accept?: (hash: string) => boolean;
}

/** A block on regtest's terms, as hex; nothing of the library under test but its merkle tree and parser is used. */
function mine({ transactions, first, commitment, bits = REGTEST_BITS, accept = isMined }: Mining): string {
  const wtxids = ['00'.repeat(32), ...transactions.map((raw) => unwrap(parseTransaction(raw)).wtxid)];
  const right = commitment && witnessCommitmentOf(wtxids, new Uint8Array(32));
  const body = [
    first ?? coinbase('02', commitment === 'wrong' ? '77'.repeat(32) : right, commitment !== 'no reserved value'),
    ...transactions,
  ];
  const root = merkleRootOf(body.map((raw) => unwrap(parseTransaction(raw)).txid))!;
  const header = Buffer.concat([
    u32(0x20000000),
    bytesFromReversedHex(PREVIOUS),
    bytesFromReversedHex(root),
    u32(1_700_000_000),
    u32(bits),
    u32(0),
  ]);
  for (let nonce = 0; nonce < 1_000; nonce++) {
    header.writeUInt32LE(nonce, 76);
    if (accept(hexFromBytes(sha256d(header).toReversed()))) break;
  }
  const count = body.length < 0xfd ? Buffer.of(body.length) : Buffer.of(0xfd, body.length & 0xff, body.length >> 8);
  return `${header.toString('hex')}${count.toString('hex')}${body.join('')}`;
}

const isMined = (hash: string): boolean => BigInt(`0x${hash}`) <= targetOf(REGTEST_BITS)!;

function coinbase(extra: string, commitment?: string, reserved = true): string {
  const input = `${'00'.repeat(32)}ffffffff0301${extra}00ffffffff`;
  const output = `00f2052a010000001600${`14${'33'.repeat(20)}`}`;
  if (!commitment) return `0200000001${input}01${output}00000000`;
  const witness = reserved ? `0120${'00'.repeat(32)}` : `0110${'00'.repeat(16)}`;
  return `02000000000101${input}02${output}000000000000000026${`6a24aa21a9ed${commitment}`}${witness}00000000`;
}

/** The same transaction with another locktime. */
const otherThan = (raw: string, locktime = 7): string => raw.slice(0, -8) + u32(locktime).toString('hex');

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
