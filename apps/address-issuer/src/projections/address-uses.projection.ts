import type { WalletEvent } from '@finality/address';
import type { Branch } from '@finality/bitcoin';
import type { Session, StoredEvent } from '@finality/event-store';
import type { IssuerBody } from '../commands.ts';

/** Of the scripts that are said to be paid, those that were issued and aren't known to be paid yet. */
export async function loadUnused(session: Session, bodies: readonly IssuerBody[]): Promise<Set<string>> {
  const scripts = bodies.flatMap((body) => (body.kind === 'mark_used' ? body.uses.map(({ script }) => script) : []));
  if (scripts.length === 0) return new Set();
  const rows = await session.query<{ script: string }>(
    `SELECT script FROM addresses a WHERE script = ANY($1::text[])
       AND NOT EXISTS (SELECT 1 FROM address_uses u WHERE u.script = a.script)`,
    [scripts],
  );
  return new Set(rows.map(({ script }) => script));
}

/** Which addresses have been paid: kept beside them, as what was issued never changes. */
export async function projectUses(session: Session, events: readonly StoredEvent<WalletEvent>[]): Promise<void> {
  const uses = events.flatMap(({ data, position }) =>
    data.type === 'address_used' ? [{ ...data.use, position }] : [],
  );
  if (uses.length === 0) return;
  await session.query(
    `INSERT INTO address_uses (script, position, wallet_id, branch, index, txid)
     SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::smallint[], $5::int[], $6::text[])`,
    [
      uses.map(({ script }) => script),
      uses.map(({ position }) => position),
      uses.map(({ walletId }) => walletId),
      uses.map(({ branch }) => branch),
      uses.map(({ index }) => index),
      uses.map(({ txid }) => txid),
    ],
  );
}

export interface BranchUse {
  readonly branch: Branch;
  readonly issued: number;
  readonly used: number;
  /** The longest run of issued addresses that aren't used, and its first index; 0 where there is none. */
  readonly largestGap: number;
  readonly largestGapFrom: number;
}

/** How far the addresses of a wallet are used; branches of which none was issued are missing. */
export async function usesOf(session: Session, walletId: string): Promise<readonly BranchUse[]> {
  return session.query<BranchUse>(
    `WITH issued AS (
       SELECT a.branch, a.index, u.script IS NOT NULL AS used FROM addresses a LEFT JOIN address_uses u ON u.script = a.script
       WHERE a.wallet_id = $1),
     runs AS (
       SELECT branch, count(*) AS length, min(index) AS first FROM (
         SELECT branch, index, index - row_number() OVER (PARTITION BY branch ORDER BY index) AS run FROM issued WHERE NOT used) unused
       GROUP BY branch, run),
     longest AS (SELECT DISTINCT ON (branch) branch, length, first FROM runs ORDER BY branch, length DESC, first)
     SELECT i.branch, count(*)::int AS issued, (count(*) FILTER (WHERE used))::int AS used,
       coalesce(min(l.length), 0)::int AS "largestGap", coalesce(min(l.first), 0)::int AS "largestGapFrom"
     FROM issued i LEFT JOIN longest l ON l.branch = i.branch GROUP BY i.branch ORDER BY i.branch`,
    [walletId],
  );
}
