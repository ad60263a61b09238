import { assert, type Instant } from '@finality/kernel';
import { timerKey } from './batch.ts';
import { textArray } from './binary-arrays.ts';
import { type Claims, type FiredTimer, isNote, type Item, leaseName } from './decide.ts';
import { claimName, type KeptKey, storedFields } from './idempotency.ts';
import { Inbox, type InboxKeyRow, keyName } from './inbox.ts';
import type { IdempotencyClaim, LeaseRef, MessageRef, StoreCommand, TimerRef } from './port.ts';
import type { ClientSession } from './session.ts';

/** What the database knows of the claims of a batch. */
export interface FoundClaims extends Omit<Claims, 'inbox'> {
  readonly inboxKeys: readonly InboxKeyRow[];
  /** Parked, of keys of which something is replayed. */
  readonly waiting: readonly Pick<MessageRef, 'topic' | 'orderingKey' | 'sequence'>[];
}

/**
 * Step 2 of the batch: inbox, idempotency keys, timers, leases. A statement for each kind that the batch has, sent together.
 * @param now of this clock: when keys were taken, and which timers are due
 */
export async function readClaims<Body>(
  session: ClientSession,
  items: readonly Item<Body>[],
  now: Instant,
): Promise<FoundClaims> {
  const commands = items.filter((item): item is StoreCommand<Body> => !isNote(item));
  const messages = items.flatMap((item) => (item.message ? [item.message] : []));
  const [inboxKeys, waiting, keptKeys, firedTimers, heldLeases] = await Promise.all([
    readInbox(session, distinctKeys(messages)),
    readWaiting(session, distinctKeys(messages.filter((message) => message.replay))),
    takeKeys(
      session,
      commands.flatMap((command) => (command.idempotency ? [command.idempotency] : [])),
      now,
    ),
    takeTimers(
      session,
      commands.flatMap((command) => (command.timer ? [command.timer] : [])),
      now,
    ),
    lockLeases(
      session,
      commands.flatMap((command) => (command.lease ? [command.lease] : [])),
    ),
  ]);
  return { inboxKeys, waiting, keptKeys, firedTimers, heldLeases };
}

/** @param now of the batch */
export function claimsOf({ inboxKeys, waiting, ...claims }: FoundClaims, now: Instant): Claims {
  return { inbox: new Inbox(inboxKeys, waiting, now), ...claims };
}

async function readInbox(session: ClientSession, keys: readonly MessageRef[]): Promise<readonly InboxKeyRow[]> {
  if (keys.length === 0) return [];
  return session.query<InboxKeyRow>(
    `SELECT k.* FROM unnest($1::text[], $2::text[]) AS a(topic, ordering_key) JOIN inbox_keys k USING (topic, ordering_key)`,
    [textArray(keys.map((key) => key.topic)), textArray(keys.map((key) => key.orderingKey))],
    'inbox',
  );
}

async function readWaiting(session: ClientSession, keys: readonly MessageRef[]): Promise<FoundClaims['waiting']> {
  if (keys.length === 0) return [];
  return session.query(
    `SELECT p.topic, p.ordering_key AS "orderingKey", p.sequence FROM unnest($1::text[], $2::text[]) AS a(topic, ordering_key)
      JOIN parked_messages p USING (topic, ordering_key) WHERE p.resolution IS NULL ORDER BY p.sequence`,
    [keys.map((key) => key.topic), keys.map((key) => key.orderingKey)],
  );
}

/**
 * Takes the keys that are new (the unique index decides), and finds what the others were used for. The statement's snapshot is older than its
 * own insertions: a key that it both inserts and finds is impossible.
 */
async function takeKeys(
  session: ClientSession,
  claims: readonly IdempotencyClaim[],
  now: Instant,
): Promise<Map<string, KeptKey>> {
  if (claims.length === 0) return new Map();
  const asked = new Map<string, IdempotencyClaim>();
  for (const claim of claims) if (!asked.has(claimName(claim))) asked.set(claimName(claim), claim);
  const list = [...asked.values()];
  const rows = await session.query<{
    principal: string;
    rpc: string;
    key: string;
    fields: string | null;
    resource_id: string | null;
  }>(
    `WITH asked AS MATERIALIZED (SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) AS a(principal, rpc, key, fields, resource_id)),
      taken AS (INSERT INTO idempotency_keys (principal, rpc, key, fields, resource_id, claimed_at)
        SELECT principal, rpc, key, fields, resource_id, $6::bigint FROM asked ON CONFLICT DO NOTHING RETURNING principal, rpc, key)
    SELECT principal, rpc, key, NULL AS fields, NULL AS resource_id FROM taken
    UNION ALL SELECT k.principal, k.rpc, k.key, k.fields, k.resource_id FROM asked JOIN idempotency_keys k USING (principal, rpc, key)`,
    [
      textArray(list.map((claim) => claim.principal)),
      textArray(list.map((claim) => claim.rpc)),
      textArray(list.map((claim) => claim.key)),
      textArray(list.map(storedFields)),
      textArray(list.map((claim) => claim.resourceId)),
      now,
    ],
    'take-keys',
  );
  assert(rows.length === list.length, `of ${list.length} idempotency keys ${rows.length} are new or known`);
  return new Map(
    rows.flatMap((row) =>
      row.fields === null || row.resource_id === null
        ? []
        : [[claimName(row), { fields: row.fields, resourceId: row.resource_id }]],
    ),
  );
}

async function takeTimers(
  session: ClientSession,
  timers: readonly TimerRef[],
  now: Instant,
): Promise<Map<string, FiredTimer>> {
  if (timers.length === 0) return new Map();
  const rows = await session.query<{ stream: string; kind: string; id: string; due_at: bigint; attempts: number }>(
    `DELETE FROM timers t USING unnest($1::text[], $2::text[], $3::text[]) AS a(stream, kind, id)
      WHERE t.stream = a.stream AND t.kind = a.kind AND t.id = a.id AND t.fire_at <= $4 RETURNING t.stream, t.kind, t.id, t.due_at, t.attempts`,
    [timers.map((timer) => timer.stream), timers.map((timer) => timer.kind), timers.map((timer) => timer.id), now],
  );
  return new Map(rows.map((row) => [timerKey(row), { ...row, dueAt: Number(row.due_at) as Instant }]));
}

/** Shared locks: nobody takes these leases over before the batch has committed. */
async function lockLeases(session: ClientSession, leases: readonly LeaseRef[]): Promise<Set<string>> {
  if (leases.length === 0) return new Set();
  const rows = await session.query<LeaseRef>(
    'SELECT l.name, l.fencing FROM leases l WHERE l.name = ANY($1::text[]) FOR SHARE',
    [[...new Set(leases.map((lease) => lease.name))]],
  );
  return new Set(rows.map(leaseName));
}

function distinctKeys(messages: readonly MessageRef[]): MessageRef[] {
  return [...new Map(messages.map((message) => [keyName(message), message])).values()];
}
