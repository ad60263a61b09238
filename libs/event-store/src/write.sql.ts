import { encodeJson, type Instant } from '@finality/kernel';
import { bigintArray, bytesArray, integerArray, textArray } from './binary-arrays.ts';
import type { BatchState, MessageDraft } from './batch.ts';
import type { Claims, Decided, FiredTimer } from './decide.ts';
import { headersBegin, headersEnd } from './envelope.ts';
import type { IdempotencyClaim, TimerRef } from './port.ts';
import type { ClientSession } from './session.ts';
import { type Inbox, keyName, type ParkedRecord } from './inbox.ts';

/** Step 5 of the batch, but for the handler's `save`: two statements, and one more for each rare thing. */
export function writeBatch(session: ClientSession, batch: BatchState, claims: Claims, decided: Decided<unknown>): void {
  if (batch.records.length > 0) writeEvents(session, batch);
  writeDerived(session, batch, claims.inbox, decided.restoredTimers);
  if (decided.freedKeys.length > 0) freeKeys(session, decided.freedKeys);
  const { parked, replayed, failedReplays } = claims.inbox;
  if (parked.length > 0) writeParked(session, parked);
  if (replayed.length > 0 || failedReplays.length > 0) updateParked(session, claims.inbox, batch.now);
}

function writeEvents(session: ClientSession, batch: BatchState): void {
  const { records } = batch;
  session.send(
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
    ],
    'write-events',
  );
}

/** Events and the new head. */
const WRITE_EVENTS = `WITH head AS (UPDATE store_head SET position = $1, hash = $2)
  INSERT INTO events (position, stream, version, event_id, type, schema_version, epoch, occurred_at, recorded_at, actor_kind, actor_id,
      institutions, causation_id, correlation_id, traceparent, data, hash)
    SELECT position, stream, version, event_id::uuid, type, schema_version, epoch, occurred_at, recorded_at, actor_kind, actor_id,
      string_to_array(institutions, ','), causation_id, correlation_id, traceparent, data, hash
    FROM unnest($3::bigint[], $4::text[], $5::int[], $6::text[], $7::text[], $8::int[], $9::int[], $10::bigint[], $11::bigint[], $12::text[], $13::text[],
      $14::text[], $15::text[], $16::text[], $17::text[], $18::text[], $19::bytea[])
      AS e(position, stream, version, event_id, type, schema_version, epoch, occurred_at, recorded_at, actor_kind, actor_id,
        institutions, causation_id, correlation_id, traceparent, data, hash)`;

/** How many messages each ordering key gets, and how many of its key come after each message. */
function counted(messages: readonly MessageDraft[]) {
  const keys = new Map<string, { readonly topic: string; readonly orderingKey: string; count: bigint }>();
  const before = messages.map((message) => {
    const name = keyName(message);
    const key = keys.get(name);
    if (key) return key.count++;
    keys.set(name, { topic: message.topic, orderingKey: message.orderingKey, count: 1n });
    return 0n;
  });
  const after = messages.map((message, i) => keys.get(keyName(message))!.count - 1n - before[i]!);
  return { keys: [...keys.values()], after };
}

/** States, published messages, inbox and timers: any of them may be empty. */
function writeDerived(session: ClientSession, batch: BatchState, inbox: Inbox, restored: readonly FiredTimer[]): void {
  const { messages, floor } = batch;
  const states = batch.changedStates();
  const keys = inbox.changes();
  const changes = [...batch.timers.values()];
  const set = [...changes.flatMap(({ timer }) => (timer ? [{ ...timer, attempts: 0 }] : [])), ...restored];
  const cancelled: TimerRef[] = changes.flatMap(({ timer, ref }) => (timer ? [] : [ref]));
  if (states.length + keys.length + set.length + cancelled.length + messages.length === 0) return;
  const published = counted(messages);
  session.send(
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
      textArray(published.keys.map((key) => key.topic)),
      textArray(published.keys.map((key) => key.orderingKey)),
      bigintArray(published.keys.map((key) => key.count)),
      floor,
      bigintArray(messages.map((message) => message.position)),
      integerArray(messages.map((message) => message.ordinal)),
      textArray(messages.map((message) => message.topic)),
      textArray(messages.map((message) => message.orderingKey)),
      bigintArray(published.after),
      textArray(messages.map((message) => headersBegin(message.headers))),
      bytesArray(messages.map((message) => message.payload)),
    ],
    'write-derived',
  );
}

/** Messages of a key get the sequences up to the key's last, in their order; the first of a key in a later epoch than the first says which came before it. */
const WRITE_DERIVED = `WITH states AS (INSERT INTO stream_states (stream, version, state)
    SELECT * FROM unnest($1::text[], $2::int[], $3::text[]) ON CONFLICT (stream) DO UPDATE SET version = excluded.version, state = excluded.state),
  inbox AS (INSERT INTO inbox_keys (topic, ordering_key, last_sequence, parked_at, cause)
    SELECT * FROM unnest($4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::text[])
    ON CONFLICT (topic, ordering_key) DO UPDATE SET last_sequence = excluded.last_sequence, parked_at = excluded.parked_at, cause = excluded.cause),
  cancelled AS (DELETE FROM timers t USING unnest($9::text[], $10::text[], $11::text[]) AS a(stream, kind, id)
    WHERE t.stream = a.stream AND t.kind = a.kind AND t.id = a.id),
  scheduled AS (INSERT INTO timers (stream, kind, id, due_at, fire_at, attempts)
    SELECT stream, kind, id, due_at, due_at, attempts FROM unnest($12::text[], $13::text[], $14::text[], $15::bigint[], $16::int[]) AS a(stream, kind, id, due_at, attempts)
    ON CONFLICT (stream, kind, id) DO UPDATE SET due_at = excluded.due_at, fire_at = excluded.fire_at, attempts = excluded.attempts, cause = NULL),
  keys AS (INSERT INTO published_keys AS k (topic, ordering_key, last_sequence, previous)
    SELECT topic, ordering_key, $20::bigint + added, 0 FROM unnest($17::text[], $18::text[], $19::bigint[]) AS a(topic, ordering_key, added)
    ON CONFLICT (topic, ordering_key) DO UPDATE SET last_sequence = greatest(k.last_sequence, $20::bigint) + excluded.last_sequence - $20::bigint,
      previous = CASE WHEN k.last_sequence <= $20::bigint THEN k.last_sequence ELSE k.previous END
    RETURNING topic, ordering_key, last_sequence, previous)
  INSERT INTO published_messages (position, ordinal, topic, ordering_key, sequence, headers, payload)
    SELECT position, ordinal, topic, ordering_key, sequence, headers || ${headersEnd('sequence', 'CASE WHEN $20::bigint > 0 AND sequence = $20::bigint + 1 THEN previous END')}, payload
    FROM (SELECT m.*, k.last_sequence - m.after AS sequence, k.previous
      FROM unnest($21::bigint[], $22::int[], $23::text[], $24::text[], $25::bigint[], $26::text[], $27::bytea[])
        AS m(position, ordinal, topic, ordering_key, after, headers, payload) JOIN keys k USING (topic, ordering_key)) numbered`;

/** Refused commands use up no key. The table's trigger lets a key go in the transaction that took it only. */
function freeKeys(session: ClientSession, claims: readonly IdempotencyClaim[]): void {
  session.send(
    `DELETE FROM idempotency_keys k USING unnest($1::text[], $2::text[], $3::text[]) AS a(principal, rpc, key)
      WHERE k.principal = a.principal AND k.rpc = a.rpc AND k.key = a.key`,
    [claims.map((claim) => claim.principal), claims.map((claim) => claim.rpc), claims.map((claim) => claim.key)],
  );
}

function writeParked(session: ClientSession, parked: readonly ParkedRecord[]): void {
  session.send(
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

function updateParked(session: ClientSession, inbox: Inbox, now: Instant): void {
  const updates = [
    ...inbox.failedReplays.map(({ message, cause }) => ({ message, cause, done: false })),
    ...inbox.replayed.map((message) => ({ message, cause: null, done: true })),
  ];
  session.send(
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
