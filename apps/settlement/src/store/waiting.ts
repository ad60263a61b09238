import type { Session } from '@finality/event-store';
import type { Needs } from './needs.ts';

/** How many payouts of an institution are queued that coins of its wallet could pay. */
export async function loadWaiting(session: Session, { consolidating }: Needs): Promise<ReadonlyMap<string, number>> {
  if (consolidating.institutions.size === 0) return new Map();
  const rows = await session.query<{ from_institution: string; waiting: bigint }>(
    `SELECT from_institution, count(*) AS waiting FROM settlements
     WHERE status = 'queued' AND mode <> 'centralized' AND from_institution = ANY($1::text[]) AND waits_for_coins
     GROUP BY from_institution`,
    [[...consolidating.institutions]],
  );
  return new Map(rows.map((row) => [row.from_institution, Number(row.waiting)]));
}
