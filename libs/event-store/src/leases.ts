import type { Instant, Runtime } from '@finality/kernel';
import type { Pool } from 'pg';
import { LeaseLost } from './errors.ts';
import type { LeaseRef, Session } from './port.ts';
import { poolQuery, quoteIdentifier } from './session.ts';

/** The right to do a piece of work alone, for a while. */
export interface Lease extends LeaseRef {
  readonly holder: string;
  readonly expiresAt: Instant;
}

/**
 * Takes a lease, or prolongs it for its holder. The fencing number grows whenever the holder changes, and whenever a lease had expired.
 *
 * Time is the Runtime's, not the database's: expiry only decides who tries, so a clock that is wrong costs work done twice. What keeps two
 * holders from both saving is the fencing number, checked in the transaction that saves ({@link assertLease}).
 * @returns `undefined` when somebody else holds it
 */
export async function acquireLease(
  store: { readonly pool: Pool; readonly schema: string; readonly runtime: Runtime },
  lease: { readonly name: string; readonly holder: string; readonly ttlMs: number },
): Promise<Lease | undefined> {
  const now = store.runtime.now();
  const expiresAt = (now + lease.ttlMs) as Instant;
  const text = `INSERT INTO ${quoteIdentifier(store.schema)}.leases AS l (name, holder, fencing, expires_at) VALUES ($1, $2, 1, $3)
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at,
      fencing = l.fencing + CASE WHEN l.holder = excluded.holder AND l.expires_at > $4 THEN 0 ELSE 1 END
    WHERE l.holder = excluded.holder OR l.expires_at <= $4
    RETURNING fencing`;
  const rows = await poolQuery<{ fencing: bigint }>(store.pool, text, [lease.name, lease.holder, expiresAt, now]);
  return rows[0] && { name: lease.name, holder: lease.holder, fencing: rows[0].fencing, expiresAt };
}

/** Gives a lease back before its time. What is not held any more stays as it is. */
export async function releaseLease(
  store: { readonly pool: Pool; readonly schema: string },
  lease: Lease,
): Promise<void> {
  const text = `UPDATE ${quoteIdentifier(store.schema)}.leases SET expires_at = 0 WHERE name = $1 AND holder = $2 AND fencing = $3`;
  await poolQuery(store.pool, text, [lease.name, lease.holder, lease.fencing]);
}

/** Throws {@link LeaseLost} unless the lease is still that one; nobody can take it before the session's transaction ends. */
export async function assertLease(session: Session, lease: LeaseRef): Promise<void> {
  const rows = await session.query('SELECT 1 FROM leases WHERE name = $1 AND fencing = $2 FOR SHARE', [
    lease.name,
    lease.fencing,
  ]);
  if (rows.length === 0) throw new LeaseLost(lease.name, lease.fencing);
}
