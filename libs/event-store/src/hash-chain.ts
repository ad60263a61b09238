import { hash } from 'node:crypto';
import type { Actor } from '@finality/kernel';

/** What of an event is hashed: every field of its envelope and the stored bytes of its payload. */
export interface HashedEvent {
  readonly position: bigint;
  readonly stream: string;
  readonly version: number;
  readonly eventId: string;
  readonly type: string;
  readonly schemaVersion: number;
  readonly epoch: number;
  readonly occurredAt: number;
  readonly recordedAt: number;
  readonly actor: Actor;
  readonly institutions: readonly string[];
  readonly causationId: string;
  readonly correlationId: string;
  readonly traceparent?: string | undefined;
  /** Canonical JSON, UTF-8: exactly what stands in the table. */
  readonly payload: string;
}

/** Hash before the first event: 32 zero bytes. */
export const GENESIS_HASH: Buffer = Buffer.alloc(32);

/** First thing hashed of each link. Another list of fields or another encoding is another format with another name. */
const FORMAT = 'finality.event-chain.v1';

/**
 * One link of the store-wide chain: SHA-256 over the previous link (32 bytes), then each field as its length in bytes (unsigned 32 bit, big
 * endian) followed by its UTF-8 bytes. Numbers are decimal text; the institutions are a count followed by each of them; no traceparent is an
 * empty field. Frozen by test vectors.
 */
export function chainHash(previous: Uint8Array, event: HashedEvent): Buffer {
  const fields = [
    FORMAT,
    `${event.position}`,
    event.stream,
    `${event.version}`,
    event.eventId,
    event.type,
    `${event.schemaVersion}`,
    `${event.epoch}`,
    `${event.occurredAt}`,
    `${event.recordedAt}`,
    event.actor.kind,
    event.actor.id,
    `${event.institutions.length}`,
    ...event.institutions,
    event.causationId,
    event.correlationId,
    event.traceparent ?? '',
    event.payload,
  ];
  const lengths = fields.map((field) => Buffer.byteLength(field));
  const bytes = Buffer.allocUnsafe(previous.length + lengths.reduce((sum, length) => sum + 4 + length, 0));
  bytes.set(previous, 0);
  let offset = previous.length;
  fields.forEach((field, i) => {
    offset = bytes.writeUInt32BE(lengths[i]!, offset);
    offset += bytes.write(field, offset);
  });
  return hash('sha256', bytes, 'buffer');
}
