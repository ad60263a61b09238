import { isUtf8 } from 'node:buffer';
import { type MessageRow, publishedMessage, type PublishedMessage } from '@finality/event-store';
import { decodeJson } from '@finality/kernel';
import type { IHeaders, KafkaMessage, Message } from 'kafkajs';

/** In Kafka only: in the owner's table it is a column. Left out of the headers of what is delivered. */
const ORDINAL_HEADER = 'ce_ordinal';

/** Why a record isn't one of ours. A small set: it labels a counter. */
export type ForeignReason =
  'key' | 'payload' | 'headers' | 'source' | 'id' | 'sequence' | 'position' | 'schema version';

/** A published message as a record (docs/topics.md): key, payload, and CloudEvents attributes as headers, all as stored. */
export function recordOf(row: MessageRow): Message & { readonly headers: Record<string, string> } {
  const stored = decodeJson(row.headers) as Record<string, string>;
  return {
    key: row.ordering_key,
    value: row.payload,
    headers: { ...stored, [ORDINAL_HEADER]: stored[ORDINAL_HEADER] ?? `${row.ordinal}` },
  };
}

/** Bytes of a record on the wire, at most: a bound for batches. */
export function recordBytes(row: MessageRow): number {
  return RECORD_OVERHEAD_BYTES + row.payload.length + 3 * row.ordering_key.length + Buffer.byteLength(row.headers);
}

/** Lengths and deltas of a record, and the header that the row hasn't; the JSON syntax of stored headers takes more than their lengths here. */
const RECORD_OVERHEAD_BYTES = 64;

/** The message in a record, exactly as its owner's table has it; or why it can't be one of ours. */
export function messageOf(
  topic: string,
  record: Pick<KafkaMessage, 'key' | 'value' | 'headers'>,
): PublishedMessage | ForeignReason {
  const { key, value } = record;
  if (key === null || key.length === 0 || !isUtf8(key)) return 'key';
  if (value === null) return 'payload';
  const headers = textHeaders(record.headers ?? {});
  if (!headers) return 'headers';
  const { [ORDINAL_HEADER]: ordinal, ...stored } = headers;
  if (!(stored['ce_source'] ?? '').startsWith('/finality/')) return 'source';
  if (!stored['ce_id']) return 'id';
  const sequence = int64(stored['ce_sequence'], 1n);
  if (sequence === undefined) return 'sequence';
  const position = int64(stored['ce_position'], 0n);
  if (position === undefined || !/^\d{1,9}$/.test(ordinal ?? '')) return 'position';
  if (!/^\d{1,9}$/.test(stored['ce_schemaversion'] ?? '')) return 'schema version';
  const place = { position, ordinal: Number(ordinal), topic, orderingKey: key.toString(), sequence };
  return publishedMessage(place, stored, value);
}

/** Headers as texts; `undefined` when one of them is repeated, empty of any value, or no text. */
function textHeaders(headers: IHeaders): Record<string, string> | undefined {
  const texts: Record<string, string> = {};
  for (const name in headers) {
    const value: unknown = headers[name];
    if (!Buffer.isBuffer(value) || !isUtf8(value)) return undefined;
    texts[name] = value.toString();
  }
  return texts;
}

const INT64_MAX = 2n ** 63n - 1n;

function int64(text: string | undefined, min: bigint): bigint | undefined {
  if (text === undefined || !/^(0|[1-9]\d{0,18})$/.test(text)) return undefined;
  const value = BigInt(text);
  return value >= min && value <= INT64_MAX ? value : undefined;
}
