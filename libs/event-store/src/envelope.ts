import { type Actor, assert, decodeJson, encodeJson, type Instant } from '@finality/kernel';
import { PREVIOUS_SEQUENCE_HEADER } from './epoch.ts';
import type { EventEnvelope, PublicMessage, PublishedMessage, StoredEvent } from './port.ts';

/** A row of `events` as the database gives it (with `pgTypes`). */
export interface EventRow {
  readonly position: bigint;
  readonly stream: string;
  readonly version: number;
  readonly event_id: string;
  readonly type: string;
  readonly schema_version: number;
  readonly epoch: number;
  readonly occurred_at: bigint;
  readonly recorded_at: bigint;
  readonly actor_kind: Actor['kind'];
  readonly actor_id: string;
  readonly institutions: readonly string[];
  readonly causation_id: string;
  readonly correlation_id: string;
  readonly traceparent: string | null;
  readonly data: string;
  readonly hash: Buffer;
}

export const EVENT_COLUMNS =
  'position, stream, version, event_id, type, schema_version, epoch, occurred_at, recorded_at, actor_kind, actor_id, institutions, causation_id, correlation_id, traceparent, data, hash';

/** Everything of a stored event but its data, which may be of an older version. */
export function envelopeOf(row: EventRow): Omit<StoredEvent, 'data'> {
  return {
    position: row.position,
    stream: row.stream,
    version: row.version,
    eventId: row.event_id,
    type: row.type,
    schemaVersion: row.schema_version,
    epoch: row.epoch,
    occurredAt: Number(row.occurred_at) as Instant,
    recordedAt: Number(row.recorded_at) as Instant,
    actor: { kind: row.actor_kind, id: row.actor_id },
    institutions: row.institutions,
    causationId: row.causation_id,
    correlationId: row.correlation_id,
    ...(row.traceparent === null ? {} : { traceparent: row.traceparent }),
  };
}

/** A stored event, its data as stored (not upcast). */
export function eventOf(row: EventRow): StoredEvent {
  return { ...envelopeOf(row), data: decodeJson(row.data) };
}

/**
 * The headers of a published message: CloudEvents 1.0 binary mode plus ours, all with the prefix `ce_` but for the content type and the W3C
 * trace context. The sequence is known only when the batch is written: see {@link headersBegin}.
 */
export function messageHeaders(
  service: string,
  envelope: EventEnvelope,
  position: bigint,
  ordinal: number,
  message: PublicMessage,
): Record<string, string> {
  return {
    ce_specversion: '1.0',
    // The event's own id for its first message, so that causation leads straight to the event.
    ce_id: ordinal === 0 ? envelope.eventId : `${envelope.eventId}-${ordinal}`,
    ce_source: `/finality/${service}`,
    ce_type: message.type,
    ce_subject: envelope.stream,
    ce_time: formatInstant(envelope.occurredAt),
    ce_recordedtime: formatInstant(envelope.recordedAt),
    ce_position: `${position}`,
    ce_epoch: `${envelope.epoch}`,
    ce_schemaversion: `${message.schemaVersion}`,
    ce_correlationid: envelope.correlationId,
    ce_causationid: envelope.causationId,
    ce_actor: `${envelope.actor.kind}:${envelope.actor.id}`,
    ce_institutions: envelope.institutions.join(','),
    'content-type': 'application/protobuf',
    ...(envelope.traceparent === undefined ? {} : { traceparent: envelope.traceparent }),
  };
}

/** The text of the header column before the sequence, which only the database knows, and what ends it: see {@link headersEnd}. */
export function headersBegin(headers: Readonly<Record<string, string>>): string {
  return encodeJson(headers).slice(0, -1);
}

/** SQL: the rest of the header column. `previous` is null where it is the sequence before. */
export const headersEnd = (sequence: string, previous: string): string =>
  `',"ce_sequence":"' || ${sequence} || coalesce('","${PREVIOUS_SEQUENCE_HEADER}":"' || ${previous}, '') || '"}'`;

/** A row of `published_messages` as the database gives it (with `pgTypes`). */
export interface MessageRow {
  readonly position: bigint;
  readonly ordinal: number;
  readonly topic: string;
  readonly ordering_key: string;
  readonly sequence: bigint;
  readonly headers: string;
  readonly payload: Buffer;
}

export const MESSAGE_COLUMNS = 'position, ordinal, topic, ordering_key, sequence, headers, payload';

/** A published message from its row: what every driver delivers (DESIGN 4: the same bytes). */
export function publishedMessageOf(row: MessageRow): PublishedMessage {
  const { position, ordinal, topic, ordering_key: orderingKey, sequence } = row;
  const headers = decodeJson(row.headers) as Record<string, string>;
  return publishedMessage({ position, ordinal, topic, orderingKey, sequence }, headers, row.payload);
}

/** A published message from its place in the log and what it carries. */
export function publishedMessage(
  place: Pick<PublishedMessage, 'position' | 'ordinal' | 'topic' | 'orderingKey' | 'sequence'>,
  headers: Readonly<Record<string, string>>,
  payload: Uint8Array,
): PublishedMessage {
  return {
    ...place,
    id: headers['ce_id'] ?? '',
    type: headers['ce_type'] ?? '',
    schemaVersion: Number(headers['ce_schemaversion']),
    headers,
    payload,
  };
}

const DAY_MS = 86_400_000;
/** Days from 0000-03-01, with which leap days come last in their year, to 1970-01-01. */
const EPOCH_DAYS = 719_468;
const ERA_DAYS = 146_097;

/** RFC 3339 in UTC with milliseconds: `2026-02-03T04:05:06.789Z`. Pure arithmetic (proleptic Gregorian), years 0 to 9999. */
export function formatInstant(instant: Instant): string {
  const days = Math.floor(instant / DAY_MS);
  const ms = instant - days * DAY_MS;
  const { year, month, day } = civilOf(days);
  const two = (value: number): string => `${value}`.padStart(2, '0');
  const date = `${`${year}`.padStart(4, '0')}-${two(month)}-${two(day)}`;
  const time = `${two(Math.floor(ms / 3_600_000))}:${two(Math.floor(ms / 60_000) % 60)}:${two(Math.floor(ms / 1000) % 60)}`;
  return `${date}T${time}.${`${ms % 1000}`.padStart(3, '0')}Z`;
}

/** What {@link formatInstant} wrote. Anything else is `undefined`. */
export function parseInstant(text: string): Instant | undefined {
  const match = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})\.(\d{3})Z$/.exec(text);
  if (!match) return undefined;
  const [year, month, day, hours, minutes, seconds, ms] = match.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const instant = (daysOf(year, month, day) * DAY_MS +
    hours * 3_600_000 +
    minutes * 60_000 +
    seconds * 1000 +
    ms) as Instant;
  return formatInstant(instant) === text ? instant : undefined;
}

/** Gregorian date of a day count since 1970-01-01 (400-year eras that start in March). */
function civilOf(days: number): { year: number; month: number; day: number } {
  const shifted = days + EPOCH_DAYS;
  const era = Math.floor(shifted / ERA_DAYS);
  const ofEra = shifted - era * ERA_DAYS;
  const yearOfEra = Math.floor(
    (ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365,
  );
  const ofYear = ofEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const marchMonth = Math.floor((5 * ofYear + 2) / 153);
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
  return {
    year: era * 400 + yearOfEra + (month <= 2 ? 1 : 0),
    month,
    day: ofYear - Math.floor((153 * marchMonth + 2) / 5) + 1,
  };
}

function daysOf(year: number, month: number, day: number): number {
  const marchYear = month <= 2 ? year - 1 : year;
  const era = Math.floor(marchYear / 400);
  const yearOfEra = marchYear - era * 400;
  const ofYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const ofEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + ofYear;
  return era * ERA_DAYS + ofEra - EPOCH_DAYS;
}

/** Ids that go into comma lists and header values must not break them. */
export function assertPlainId(id: string, what: string): void {
  assert(
    id.length > 0 && !/[,\s\p{Cc}]/u.test(id),
    `${what} ${JSON.stringify(id)} is empty or holds a comma, a space or a control character`,
  );
}
