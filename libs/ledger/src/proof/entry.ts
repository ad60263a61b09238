import { hash } from 'node:crypto';
import type { Instant } from '@finality/kernel';
import { FieldWriter, HASH_BYTES } from '../fields.ts';
import type { RecordedTransfer } from '../transfer.ts';

/** A transfer with its place in the ledger: entries are numbered from 1, without a gap, in the order of commits. */
export interface LedgerEntry extends RecordedTransfer {
  readonly number: bigint;
  /** Of the last event of the batch that made it, in the settlement service's log. */
  readonly position: bigint;
  readonly recordedAt: Instant;
}

/** What the entries of a batch have in common. */
type Made = Pick<LedgerEntry, 'position' | 'recordedAt'>;

/** SHA-256, 32 bytes. */
export type Hash = Buffer;

export { HASH_BYTES };

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
  return fieldsOf(entry, entry.number, entry);
}

function fieldsOf(transfer: RecordedTransfer, number: bigint, made: Made): readonly string[] {
  return [
    FORMAT,
    `${number}`,
    `${made.position}`,
    transfer.id,
    transfer.kind,
    transfer.debit,
    transfer.credit,
    `${transfer.amount}`,
    transfer.pendingId ?? '',
    transfer.corrects ?? '',
    transfer.purpose,
    transfer.object,
    `${transfer.life}`,
    transfer.settlementId ?? '',
    `${made.recordedAt}`,
  ];
}

/** The entry as a leaf of its segment's Merkle tree. */
export function entryHash(entry: LedgerEntry): Hash {
  return Buffer.from(binaryHash(entry, entry.number, entry), 'binary');
}

/** The ledger's chain after one more entry: SHA-256 over the chain before it and the entry's hash. */
export function chainAfter(chain: Hash, entry: Hash): Hash {
  return hash('sha256', Buffer.concat([chain, entry]), 'buffer');
}

/** The end of a ledger. */
export interface LedgerTail {
  /** Of the last entry; 0 before the first. */
  readonly number: bigint;
  readonly chain: Hash;
}

export interface ChainedEntries {
  /** Of each entry ({@link entryHash}), one after the other. */
  readonly hashes: Buffer;
  readonly tail: LedgerTail;
}

/** Numbers, hashes and chains the transfers of a batch as the ledger's next entries: as {@link entryHash} and {@link chainAfter}, one by one. */
export function chainEntries(tail: LedgerTail, transfers: readonly RecordedTransfer[], made: Made): ChainedEntries {
  const hashes = Buffer.allocUnsafe(transfers.length * HASH_BYTES);
  const link = Buffer.allocUnsafe(2 * HASH_BYTES);
  tail.chain.copy(link);
  let number = tail.number;
  transfers.forEach((transfer, i) => {
    number += 1n;
    hashes.write(binaryHash(transfer, number, made), i * HASH_BYTES, 'binary');
    hashes.copy(link, HASH_BYTES, i * HASH_BYTES, (i + 1) * HASH_BYTES);
    link.write(hash('sha256', link, 'binary'), 'binary');
  });
  return { hashes, tail: { number, chain: link.subarray(0, HASH_BYTES) } };
}

const writer = new FieldWriter();

function binaryHash(transfer: RecordedTransfer, number: bigint, made: Made): string {
  writer.start(LEAF);
  for (const field of fieldsOf(transfer, number, made)) writer.field(field);
  return writer.sha256('binary');
}

/** @internal Fields, each with its length before it, after a prefix. */
export function encodeFields(fields: readonly string[], prefix: Buffer): Buffer {
  writer.start(prefix);
  for (const field of fields) writer.field(field);
  return writer.bytes();
}
