import { hash } from 'node:crypto';
import type { Instant } from '@finality/kernel';
import type { RecordedTransfer } from '../transfer.ts';

/** A transfer with its place in the ledger: entries are numbered from 1, without a gap, in the order of commits. */
export interface LedgerEntry extends RecordedTransfer {
  readonly number: bigint;
  /** Of the last event of the batch that made it, in the settlement service's log. */
  readonly position: bigint;
  readonly recordedAt: Instant;
}

/** SHA-256, 32 bytes. */
export type Hash = Buffer;

/** First thing hashed of each entry. Another list of fields or another encoding is another format with another name. */
const FORMAT = 'finality.ledger-entry.v1';

/** RFC 9162, 2.1.1: a leaf's hash begins with another byte than a node's, so that neither can pass for the other. */
const LEAF = Buffer.of(0x00);

/** Before the first entry: 32 zero bytes. */
export const GENESIS: Hash = Buffer.alloc(32);

/**
 * The fields of an entry in this order, each as its length in bytes (unsigned 32 bit, big endian) followed by its UTF-8 bytes. Numbers are
 * decimal text; what an entry doesn't have is an empty field. Frozen by test vectors.
 */
export function entryFields(entry: LedgerEntry): readonly string[] {
  return [
    FORMAT,
    `${entry.number}`,
    `${entry.position}`,
    entry.id,
    entry.kind,
    entry.debit,
    entry.credit,
    `${entry.amount}`,
    entry.pendingId ?? '',
    entry.corrects ?? '',
    entry.purpose,
    entry.object,
    `${entry.life}`,
    entry.settlementId ?? '',
    `${entry.recordedAt}`,
  ];
}

/** The entry as a leaf of its segment's Merkle tree. */
export function entryHash(entry: LedgerEntry): Hash {
  return hash('sha256', encodeFields(entryFields(entry), LEAF), 'buffer');
}

/** The ledger's chain after one more entry: SHA-256 over the chain before it and the entry's hash. */
export function chainAfter(chain: Hash, entry: Hash): Hash {
  return hash('sha256', Buffer.concat([chain, entry]), 'buffer');
}

/** @internal Fields, each with its length before it, after a prefix. */
export function encodeFields(fields: readonly string[], prefix: Buffer): Buffer {
  const lengths = fields.map((field) => Buffer.byteLength(field));
  const bytes = Buffer.allocUnsafe(prefix.length + lengths.reduce((sum, length) => sum + 4 + length, 0));
  let offset = prefix.copy(bytes);
  fields.forEach((field, i) => {
    offset = bytes.writeUInt32BE(lengths[i]!, offset);
    offset += bytes.write(field, offset);
  });
  return bytes;
}
