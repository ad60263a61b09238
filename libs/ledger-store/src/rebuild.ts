import type { Derived, Session } from '@finality/event-store';
import { assert } from '@finality/kernel';
import { writeCheckpoint } from './checkpoints.ts';

/** The record: entries, how they are chained, and what was signed of them. */
export const LEDGER_RECORD: readonly string[] = ['ledger_transfers', 'ledger_head', 'ledger_segments'];

/** What the entries come to. Which accounts there are, and their limits, stays: {@link verifyLedger} looks whether it fits. */
export const LEDGER_DERIVED: readonly Derived[] = [
  { tables: ['ledger_accounts'], fill: recomputeTotals },
  { tables: ['ledger_checkpoints', 'ledger_checkpoints_head'], fill: recomputeCheckpoints },
];

async function recomputeTotals(session: Session): Promise<void> {
  await session.query(
    `WITH moves AS (
       SELECT t.debit, t.credit,
              CASE WHEN t.kind IN ('single', 'post', 'correction') THEN t.amount ELSE 0 END AS posted,
              CASE WHEN t.kind = 'pending' AND r.id IS NULL THEN t.amount ELSE 0 END AS pending
       FROM ledger_transfers t LEFT JOIN ledger_transfers r ON r.pending_id = t.id),
     sums AS (
       SELECT number, sum(dp) AS dp, sum(cp) AS cp, sum(dn) AS dn, sum(cn) AS cn
       FROM (SELECT debit AS number, posted AS dp, 0 AS cp, pending AS dn, 0 AS cn FROM moves
             UNION ALL SELECT credit, 0, posted, 0, pending FROM moves) sides
       GROUP BY number)
     UPDATE ledger_accounts SET debits_posted = coalesce(s.dp, 0), credits_posted = coalesce(s.cp, 0),
       debits_pending = coalesce(s.dn, 0), credits_pending = coalesce(s.cn, 0)
     FROM ledger_accounts a LEFT JOIN sums s ON s.number = a.number WHERE ledger_accounts.number = a.number`,
  );
}

/** As far as they went before: the service goes on from there. */
async function recomputeCheckpoints(session: Session): Promise<void> {
  const reached = async (): Promise<bigint> => {
    const [head] = await session.query<{ number: string }>('SELECT number::text FROM ledger_checkpoints_head');
    assert(head !== undefined, 'checkpoints have a head');
    return BigInt(head.number);
  };
  const before = await reached();
  await session.query('DELETE FROM ledger_checkpoints');
  await session.query('UPDATE ledger_checkpoints_head SET number = 0');
  while ((await reached()) < before)
    assert(await writeCheckpoint(session), 'entries that had a checkpoint are there still');
}
