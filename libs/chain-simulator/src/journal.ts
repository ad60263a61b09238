import { createHash } from 'node:crypto';
import { type BlockHash, bytesFromHex, hexFromBytes, type Txid } from '@finality/bitcoin';

/** Everything that changes a simulated chain: applied in the same order to the same start, the same chain comes out. */
export type JournalRecord =
  | { readonly kind: 'block'; readonly raw: Uint8Array }
  | { readonly kind: 'invalidated'; readonly hash: BlockHash }
  | { readonly kind: 'reconsidered'; readonly hash: BlockHash }
  /** Taken into the mempool at `time` (seconds). */
  | { readonly kind: 'transaction'; readonly time: number; readonly raw: Uint8Array }
  | { readonly kind: 'evicted'; readonly txid: Txid };

/** Where a chain writes its records, each before it takes effect. */
export interface Journal {
  append(record: JournalRecord): void;
}

/** Says what a journal file is and of which version. */
export const JOURNAL_MAGIC = Buffer.from('finality regtest journal 1\n');

const KINDS = ['block', 'invalidated', 'reconsidered', 'transaction', 'evicted'] as const;
const HEAD_BYTES = 9;
const CHECKSUM_BYTES = 4;

/** kind (1 byte), length of the payload (4, little-endian), checksum over both and the payload (4), payload. */
export function encodeRecord(record: JournalRecord): Uint8Array {
  const payload = encodePayload(record);
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt8(KINDS.indexOf(record.kind), 0);
  head.writeUInt32LE(payload.length, 1);
  head.set(checksum(head.subarray(0, 5), payload), 5);
  return Buffer.concat([head, payload]);
}

export interface DecodedJournal {
  readonly records: readonly JournalRecord[];
  /** Bytes up to the end of the last whole record: what follows was torn off while it was being written. */
  readonly wholeBytes: number;
}

/** Reads a journal file's bytes. A last record that isn't whole is left out; anything else that is wrong throws, as nothing we do makes it. */
export function decodeJournal(bytes: Uint8Array): DecodedJournal {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = file.subarray(0, JOURNAL_MAGIC.length);
  if (start.length < JOURNAL_MAGIC.length && JOURNAL_MAGIC.subarray(0, start.length).equals(start))
    return { records: [], wholeBytes: 0 };
  if (!start.equals(JOURNAL_MAGIC))
    throw new Error(`expected a regtest journal that begins with ${JSON.stringify(`${JOURNAL_MAGIC}`)}`);
  const records: JournalRecord[] = [];
  let offset = JOURNAL_MAGIC.length;
  while (offset + HEAD_BYTES <= file.length) {
    const head = file.subarray(offset, offset + HEAD_BYTES);
    const end = offset + HEAD_BYTES + head.readUInt32LE(1);
    if (end > file.length) break;
    const payload = file.subarray(offset + HEAD_BYTES, end);
    if (!checksum(head.subarray(0, 5), payload).equals(head.subarray(5))) {
      if (end === file.length) break;
      throw new Error(`journal record at byte ${offset} is damaged: its checksum doesn't match`);
    }
    records.push(decodePayload(head.readUInt8(0), payload));
    offset = end;
  }
  return { records, wholeBytes: offset };
}

function encodePayload(record: JournalRecord): Uint8Array {
  switch (record.kind) {
    case 'block':
      return record.raw;
    case 'invalidated':
    case 'reconsidered':
      return bytesFromHex(record.hash);
    case 'evicted':
      return bytesFromHex(record.txid);
    case 'transaction': {
      const time = Buffer.alloc(6);
      time.writeUIntLE(record.time, 0, 6);
      return Buffer.concat([time, record.raw]);
    }
  }
}

function decodePayload(kindIndex: number, payload: Buffer): JournalRecord {
  const kind = KINDS[kindIndex];
  switch (kind) {
    case 'block':
      return { kind, raw: payload };
    case 'invalidated':
    case 'reconsidered':
      return { kind, hash: hexFromBytes(payload) as BlockHash };
    case 'evicted':
      return { kind, txid: hexFromBytes(payload) as Txid };
    case 'transaction':
      return { kind, time: payload.readUIntLE(0, 6), raw: payload.subarray(6) };
    default:
      throw new Error(`journal record of unknown kind ${kindIndex}`);
  }
}

function checksum(head: Uint8Array, payload: Uint8Array): Buffer {
  return createHash('sha256').update(head).update(payload).digest().subarray(0, CHECKSUM_BYTES);
}
