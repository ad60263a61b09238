import { assert, encodeJson, type Instant } from '@finality/kernel';
import { bigintArray, bytesArray, integerArray, textArray } from './binary-arrays.ts';
import type { BatchState, MessageDraft } from './batch.ts';
import type { Claims, Decided, FiredTimer } from './decide.ts';
import { storedHeaders } from './envelope.ts';
import type { IdempotencyClaim, TimerRef } from './port.ts';
import type { ClientSession } from './session.ts';
import { type Inbox, keyName, type ParkedRecord } from './inbox.ts';

/** Step 5 of the batch, but for the handler's `save`: two statements, and one more for each rare thing. */
export async function writeBatch(
  session: ClientSession,
  batch: BatchState,
  claims: Claims,
  decided: Decided<unknown>,
): Promise<void> {
  const keys = batch.records.length > 0 ? await writeEvents(session, batch) : new Map<string, KeyRow>();
  await writeDerived(session, batch, claims.inbox, decided.restoredTimers, sequenced(batch, keys));
  if (decided.freedKeys.length > 0) await freeKeys(session, decided.freedKeys);
  const { parked, replayed, failedReplays } = claims.inbox;
  if (parked.length > 0) await writeParked(session, parked);
  if (replayed.length > 0 || failedReplays.length > 0) await updateParked(session, claims.inbox, batch.now);
}

interface KeyRow {
  readonly topic: string;
  readonly ordering_key: string;
  readonly last_sequence: bigint;
  /** The last of an earlier epoch. */
  readonly previous: bigint;
}

/** Events, the new head, and how many messages each ordering key gets. @returns those keys with their last sequence */
async function writeEvents(session: ClientSession, batch: BatchState): Promise<Map<string, KeyRow>> {
  const { records } = batch;
  const counts = new Map<string, { topic: string; orderingKey: string; count: number }>();
  for (const message of batch.messages) {
    const counted = counts.get(keyName(message));
    if (counted) counted.count += 1;
    else counts.set(keyName(message), { topic: message.topic, orderingKey: message.orderingKey, count: 1 });
  }
  const keys = [...counts.values()];
  const rows = await session.query<KeyRow>(
    WRITE_EVENTS,
    [
      batch.position,
      batch.hash,
      bigintArray(records.map((event) => event.position)),
      textArray(records.map((event) => event.stream)),
      integerArray(records.map((event) => event.version)),
      textArray(records.map((event) => event.eventId)),
      textArray(records.map((event) => event.type)),
      integerArray(records.map((event) => event.schemaVersion)),
      integerArray(records.map((event) => event.epoch)),
      bigintArray(records.map((event) => event.occurredAt)),
      bigintArray(records.map((event) => event.recordedAt)),
      textArray(records.map((event) => event.actor.kind)),
      textArray(records.map((event) => event.actor.id)),
      textArray(records.map((event) => event.institutions.join(','))),
      textArray(records.map((event) => event.causationId)),
      textArray(records.map((event) => event.correlationId)),
      textArray(records.map((event) => event.traceparent)),
      textArray(records.map((event) => event.payload)),
      bytesArray(records.map((event) => event.hash)),
      textArray(keys.map((key) => key.topic)),
      textArray(keys.map((key) => key.orderingKey)),
      bigintArray(keys.map((key) => key.count)),
      batch.floor,
    ],
    'write-events',
  );
  return new Map(rows.map((row) => [keyName({ topic: row.topic, orderingKey: row.ordering_key }), row]));
}

const WRITE_EVENTS = `WITH head AS (UPDATE store_head SET position = $1, hash = $2),
  log AS (INSERT INTO events (position, stream, version, event_id, type, schema_version, epoch, occurred_at, recorded_at, actor_kind, actor_id,
      institutions, causation_id, correlation_id, traceparent, data, hash)
    SELECT position, stream, version, event_id::uuid, type, schema_version, epoch, occurred_at, recorded_at, actor_kind, actor_id,
      string_to_array(institutions, ','), causation_id, correlation_id, traceparent, data, hash
    FROM unnest($3::bigint[], $4::text[], $5::int[], $6::text[], $7::text[], $8::int[], $9::int[], $10::bigint[], $11::bigint[], $12::text[], $13::text[],
      $14::text[], $15::text[], $16::text[], $17::text[], $18::text[], $19::bytea[])
      AS e(position, stream, version, event_id, type, schema_version, epoch, occurred_at, recorded_at, actor_kind, actor_id,
        institutions, causation_id, correlation_id, traceparent, data, hash))
  INSERT INTO published_keys AS k (topic, ordering_key, last_sequence, previous)
    SELECT topic, ordering_key, $23::bigint + added, 0 FROM unnest($20::text[], $21::text[], $22::bigint[]) AS a(topic, ordering_key, added)
    ON CONFLICT (topic, ordering_key) DO UPDATE SET last_sequence = greatest(k.last_sequence, $23::bigint) + excluded.last_sequence - $23::bigint,
      previous = CASE WHEN k.last_sequence <= $23::bigint THEN k.last_sequence ELSE k.previous END
    RETURNING topic, ordering_key, last_sequence, previous`;

interface SequencedMessage extends MessageDraft {
  readonly sequence: bigint;
  /** Of the first message of its key in a later epoch than the first. */
  readonly previous?: bigint;
}

/** Messages of a key get the sequences up to the key's last, in their order. */
function sequenced({ messages, floor }: BatchState, keys: ReadonlyMap<string, KeyRow>): SequencedMessage[] {
  const next = new Map([...keys].map(([name, row]) => [name, row.last_sequence]));
  const backwards = messages.toReversed().map((message): SequencedMessage => {
    const name = keyName(message);
    const sequence = next.get(name);
    assert(sequence !== undefined && sequence > floor, `no sequence for ${name}`);
    next.set(name, sequence - 1n);
    const isFirstOfEpoch = floor > 0n && sequence === floor + 1n;
    return { ...message, sequence, ...(isFirstOfEpoch && { previous: keys.get(name)!.previous }) };
  });
  return backwards.reverse();
}

/** States, published messages, inbox and timers: any of them may be empty. */
async function writeDerived(
  session: ClientSession,
  batch: BatchState,
  inbox: Inbox,
  restored: readonly FiredTimer[],
  messages: readonly SequencedMessage[],
): Promise<void> {
  const states = batch.changedStates();
  const keys = inbox.changes();
  const changes = [...batch.timers.values()];
  const set = [...changes.flatMap(({ timer }) => (timer ? [{ ...timer, attempts: 0 }] : [])), ...restored];
  const cancelled: TimerRef[] = changes.flatMap(({ timer, ref }) => (timer ? [] : [ref]));
  if (states.length + keys.length + set.length + cancelled.length + messages.length === 0) return;
  await session.query(
    WRITE_DERIVED,
    [
      textArray(states.map((state) => state.stream)),
      integerArray(states.map((state) => state.version)),
      textArray(states.map((state) => state.state)),
      textArray(keys.map((key) => key.topic)),
      textArray(keys.map((key) => key.ordering_key)),
      bigintArray(keys.map((key) => key.last_sequence)),
      keys.map((key) => key.parked_at),
      textArray(keys.map((key) => key.cause ?? undefined)),
      textArray(cancelled.map((timer) => timer.stream)),
      textArray(cancelled.map((timer) => timer.kind)),
      textArray(cancelled.map((timer) => timer.id)),
      textArray(set.map((timer) => timer.stream)),
      textArray(set.map((timer) => timer.kind)),
      textArray(set.map((timer) => timer.id)),
      bigintArray(set.map((timer) => timer.dueAt)),
      integerArray(set.map((timer) => timer.attempts)),
      bigintArray(messages.map((message) => message.position)),
      integerArray(messages.map((message) => message.ordinal)),
      textArray(messages.map((message) => message.topic)),
      textArray(messages.map((message) => message.orderingKey)),
      bigintArray(messages.map((message) => message.sequence)),
      textArray(messages.map((message) => storedHeaders(message.headers, message))),
      bytesArray(messages.map((message) => message.payload)),
    ],
    'write-derived',
  );
}

const WRITE_DERIVED = `WITH states AS (INSERT INTO stream_states (stream, version, state)
    SELECT * FROM unnest($1::text[], $2::int[], $3::text[]) ON CONFLICT (stream) DO UPDATE SET version = excluded.version, state = excluded.state),
  inbox AS (INSERT INTO inbox_keys (topic, ordering_key, last_sequence, parked_at, cause)
    SELECT * FROM unnest($4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::text[])
    ON CONFLICT (topic, ordering_key) DO UPDATE SET last_sequence = excluded.last_sequence, parked_at = excluded.parked_at, cause = excluded.cause),
  cancelled AS (DELETE FROM timers t USING unnest($9::text[], $10::text[], $11::text[]) AS a(stream, kind, id)
    WHERE t.stream = a.stream AND t.kind = a.kind AND t.id = a.id),
  scheduled AS (INSERT INTO timers (stream, kind, id, due_at, fire_at, attempts)
    SELECT stream, kind, id, due_at, due_at, attempts FROM unnest($12::text[], $13::text[], $14::text[], $15::bigint[], $16::int[]) AS a(stream, kind, id, due_at, attempts)
    ON CONFLICT (stream, kind, id) DO UPDATE SET due_at = excluded.due_at, fire_at = excluded.fire_at, attempts = excluded.attempts, cause = NULL)
  INSERT INTO published_messages (position, ordinal, topic, ordering_key, sequence, headers, payload)
    SELECT * FROM unnest($17::bigint[], $18::int[], $19::text[], $20::text[], $21::bigint[], $22::text[], $23::bytea[])`;

/** Refused commands use up no key. The table's trigger lets a key go in the transaction that took it only. */
async function freeKeys(session: ClientSession, claims: readonly IdempotencyClaim[]): Promise<void> {
  await session.query(
    `DELETE FROM idempotency_keys k USING unnest($1::text[], $2::text[], $3::text[]) AS a(principal, rpc, key)
      WHERE k.principal = a.principal AND k.rpc = a.rpc AND k.key = a.key`,
    [claims.map((claim) => claim.principal), claims.map((claim) => claim.rpc), claims.map((claim) => claim.key)],
  );
}

async function writeParked(session: ClientSession, parked: readonly ParkedRecord[]): Promise<void> {
  await session.query(
    `INSERT INTO parked_messages (topic, ordering_key, sequence, headers, payload, parked_at, cause)
      SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bytea[], $6::bigint[], $7::text[])`,
    [
      parked.map(({ message }) => message.topic),
      parked.map(({ message }) => message.orderingKey),
      parked.map(({ message }) => message.sequence),
      parked.map(({ message }) => encodeJson(message.headers)),
      parked.map(({ message }) => message.payload),
      parked.map((record) => record.parkedAt),
      parked.map((record) => record.cause),
    ],
  );
}

async function updateParked(session: ClientSession, inbox: Inbox, now: Instant): Promise<void> {
  const updates = [
    ...inbox.failedReplays.map(({ message, cause }) => ({ message, cause, done: false })),
    ...inbox.replayed.map((message) => ({ message, cause: null, done: true })),
  ];
  await session.query(
    `UPDATE parked_messages p SET cause = coalesce(a.cause, p.cause),
        resolution = CASE WHEN a.done THEN 'replayed' END, resolved_at = CASE WHEN a.done THEN $6::bigint END
      FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::boolean[]) AS a(topic, ordering_key, sequence, cause, done)
      WHERE p.topic = a.topic AND p.ordering_key = a.ordering_key AND p.sequence = a.sequence AND p.resolution IS NULL`,
    [
      updates.map(({ message }) => message.topic),
      updates.map(({ message }) => message.orderingKey),
      updates.map(({ message }) => message.sequence),
      updates.map(({ cause }) => cause),
      updates.map(({ done }) => done),
      now,
    ],
  );
}
