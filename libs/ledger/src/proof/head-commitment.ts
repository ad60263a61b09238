import { assert } from '@finality/kernel';
import { HASH_BYTES } from '../fields.ts';
import { headHash, type LedgerHead } from './head.ts';

/** A head of the ledger, by what distinguishes it from any other. */
export interface HeadReference {
  readonly epoch: number;
  readonly segment: number;
  /** Hex: {@link headHash}. */
  readonly hash: string;
}

/** Whoever reads the chain finds what is ours by it, and in which format. */
const MAGIC = Buffer.from('FNLH');
const FORMAT_VERSION = 1;
const NUMBER_BYTES = 4;
/** Magic, format, epoch, segment, hash: 45 bytes, within the 80 that nodes relay behind an OP_RETURN. */
export const COMMITMENT_BYTES = MAGIC.length + 1 + 2 * NUMBER_BYTES + HASH_BYTES;

export const referenceTo = (head: LedgerHead): HeadReference => ({
  epoch: head.epoch,
  segment: head.segment,
  hash: headHash(head).toString('hex'),
});

/** What is written into the Bitcoin chain about a head. Numbers are unsigned, 32 bits, big endian. Frozen by a test vector. */
export function headCommitment({ epoch, segment, hash }: HeadReference): Buffer {
  assert(/^[0-9a-f]{64}$/.test(hash), `"${hash}" is no hash`);
  const numbers = Buffer.alloc(2 * NUMBER_BYTES);
  numbers.writeUInt32BE(epoch, 0);
  numbers.writeUInt32BE(segment, NUMBER_BYTES);
  return Buffer.concat([MAGIC, Buffer.of(FORMAT_VERSION), numbers, Buffer.from(hash, 'hex')]);
}

/** Whether it comes after the other: segments go on, and after a restored backup they may begin lower in a higher epoch. */
export const isLater = (head: HeadReference, than: HeadReference): boolean =>
  head.epoch === than.epoch ? head.segment > than.segment : head.epoch > than.epoch;
