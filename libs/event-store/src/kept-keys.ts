import type { Instant } from '@finality/kernel';
import type { Pool } from 'pg';
import { lockedTransaction, poolQuery, quoteIdentifier } from './session.ts';

const DAY_MS = 86_400_000;

/** Nobody, not even the service itself, can free a key that is younger, by the database's clock: its trigger refuses. */
export const KEYS_KEPT_DAYS_MIN = 30;

/** Keys that are freed at once: batches wait for as long. */
const FREED_AT_ONCE_MAX = 1_000;

/**
 * Keys of callers, which are freed one day. Those of our own services are kept for ever: a store that was restored from an older copy asks again for what it had asked for
 * before, and has to get the same, however long ago that was.
 */
export const CALLERS_KEYS = `NOT starts_with(principal, 'service/')`;

/** A key can be freed by the transaction that took it (its command was refused), or when it is old; by nobody in between. */
export function keptKeysDdl(schema: string): string[] {
  const keptMs = KEYS_KEPT_DAYS_MIN * DAY_MS;
  return [
    `CREATE INDEX idempotency_keys_age ON ${schema}.idempotency_keys (claimed_at) WHERE ${CALLERS_KEYS}`,
    `CREATE FUNCTION ${schema}.refuse_kept_key() RETURNS trigger LANGUAGE plpgsql AS $body$
      BEGIN
        IF OLD.xmin = pg_current_xact_id()::xid THEN RETURN OLD; END IF;
        IF starts_with(OLD.principal, 'service/') OR OLD.claimed_at > extract(epoch FROM clock_timestamp()) * 1000 - ${keptMs} THEN
          RAISE EXCEPTION 'idempotency key % of % is kept', OLD.key, OLD.principal USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN OLD;
      END $body$`,
    `REVOKE ALL ON FUNCTION ${schema}.refuse_kept_key() FROM PUBLIC`,
    `CREATE TRIGGER kept BEFORE DELETE ON ${schema}.idempotency_keys FOR EACH ROW EXECUTE FUNCTION ${schema}.refuse_kept_key()`,
    `ALTER TABLE ${schema}.idempotency_keys ENABLE ALWAYS TRIGGER kept`,
  ];
}

/**
 * Frees some of the callers' keys that were taken before: the oldest first, under the store's lock, so that no batch is between finding a key and relying on it.
 * @returns whether there may be more
 */
export async function freeKeys(
  store: { readonly pool: Pool; readonly schema: string },
  before: Instant,
): Promise<boolean> {
  const table = `${quoteIdentifier(store.schema)}.idempotency_keys`;
  const old = `FROM ${table} WHERE ${CALLERS_KEYS} AND claimed_at < $1`;
  // Nobody is kept waiting to find that there is nothing to do.
  if ((await poolQuery(store.pool, `SELECT 1 ${old} LIMIT 1`, [before])).length === 0) return false;
  const freed = await lockedTransaction(store, (session) =>
    session.query(
      `DELETE FROM ${table} WHERE ctid = ANY (ARRAY(SELECT ctid ${old} ORDER BY claimed_at LIMIT ${FREED_AT_ONCE_MAX})) RETURNING 1`,
      [before],
    ),
  );
  return freed.length === FREED_AT_ONCE_MAX;
}

/** About how many keys there are, of callers' requests and of consumed topics: as the database's statistics have it. */
export async function countKept(store: {
  readonly pool: Pool;
  readonly schema: string;
}): Promise<{ readonly idempotencyKeys: number; readonly inboxKeys: number }> {
  const rows = await poolQuery<{ name: string; rows: number }>(
    store.pool,
    `SELECT relname AS name, greatest(reltuples, 0)::float8 AS rows FROM pg_class
     WHERE relnamespace = $1::regnamespace AND relname IN ('idempotency_keys', 'inbox_keys')`,
    [quoteIdentifier(store.schema)],
  );
  const count = (name: string): number => rows.find((row) => row.name === name)?.rows ?? 0;
  return { idempotencyKeys: count('idempotency_keys'), inboxKeys: count('inbox_keys') };
}
