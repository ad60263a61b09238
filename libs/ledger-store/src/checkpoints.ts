import type { Session } from '@finality/event-store';
import { assert } from '@finality/kernel';
import type { LedgerDdlOptions } from './ddl.ts';

/** An account's total at a time adds up no more entries than this to a stored one: some hundredths of a second, and few rows to store. */
export const CHECKPOINT_ENTRIES = 4_096;

/**
 * Totals of accounts as they stood at every so many entries of the ledger, for balances at a time: derived from the entries behind the
 * ledger's back, never by a batch, so that posting pays nothing for them. {@link verifyLedger} compares them with the entries.
 */
export function checkpointDdl({ schema, serviceRole }: LedgerDdlOptions): readonly string[] {
  return [
    // An account has one at each boundary before which, since the boundary before, it had an entry.
    `CREATE TABLE "${schema}".ledger_checkpoints (
       account integer NOT NULL, number bigint NOT NULL,
       debits_posted numeric(38, 0) NOT NULL, credits_posted numeric(38, 0) NOT NULL,
       debits_pending numeric(38, 0) NOT NULL, credits_pending numeric(38, 0) NOT NULL,
       PRIMARY KEY (account, number))`,
    // Up to which entry there are checkpoints.
    `CREATE TABLE "${schema}".ledger_checkpoints_head (
       single boolean PRIMARY KEY DEFAULT true CHECK (single), number bigint NOT NULL)`,
    `INSERT INTO "${schema}".ledger_checkpoints_head (number) VALUES (0)`,
    `GRANT SELECT, INSERT ON "${schema}".ledger_checkpoints TO "${serviceRole}"`,
    `GRANT SELECT, UPDATE (number) ON "${schema}".ledger_checkpoints_head TO "${serviceRole}"`,
  ];
}

/**
 * What the entries of `ledger_transfers t` do to both their accounts, a row each: `(account, number, dp, cp, dn, cn)`, the changes of the
 * four totals. What resolves a pending transfer takes off the whole of it, whatever it posts.
 * @param where conditions on `t`
 */
export const changesOf = (where: string): string => `
  SELECT side.account, t.number, side.dp, side.cp, side.dn, side.cn
  FROM ledger_transfers t
  LEFT JOIN ledger_transfers p ON p.id = t.pending_id
  CROSS JOIN LATERAL (SELECT
    CASE WHEN t.kind IN ('single', 'post', 'correction') THEN t.amount ELSE 0 END::numeric AS posted,
    CASE WHEN t.kind = 'pending' THEN t.amount WHEN t.kind IN ('post', 'void') THEN -p.amount ELSE 0 END::numeric AS pending) change
  CROSS JOIN LATERAL (VALUES (t.debit, posted, 0, pending, 0), (t.credit, 0, posted, 0, pending)) AS side (account, dp, cp, dn, cn)
  WHERE ${where}`;

/**
 * Stores the totals at the next boundary, if the ledger has come that far. In a transaction of its own (READ COMMITTED): the second of
 * two that do it at once waits for the first, and goes on from there.
 * @param every how many entries apart; the same each time
 * @returns whether there was anything to store
 */
export async function writeCheckpoint(session: Session, every = CHECKPOINT_ENTRIES): Promise<boolean> {
  const [head] = await session.query<{ number: string }>('SELECT number::text FROM ledger_checkpoints_head FOR UPDATE');
  assert(head !== undefined, 'checkpoints have a head');
  const after = BigInt(head.number);
  const number = after + BigInt(every);
  const [ledger] = await session.query<{ number: string }>('SELECT number::text FROM ledger_head');
  if (ledger === undefined || BigInt(ledger.number) < number) return false;
  await session.query(
    `INSERT INTO ledger_checkpoints (account, number, debits_posted, credits_posted, debits_pending, credits_pending)
     SELECT m.account, $2::bigint, coalesce(l.debits_posted, 0) + m.dp, coalesce(l.credits_posted, 0) + m.cp,
            coalesce(l.debits_pending, 0) + m.dn, coalesce(l.credits_pending, 0) + m.cn
     FROM (SELECT account, sum(dp) AS dp, sum(cp) AS cp, sum(dn) AS dn, sum(cn) AS cn
           FROM (${changesOf('t.number > $1::bigint AND t.number <= $2::bigint')}) changes GROUP BY account) m
     LEFT JOIN LATERAL (SELECT * FROM ledger_checkpoints c WHERE c.account = m.account ORDER BY c.number DESC LIMIT 1) l ON true`,
    [String(after), String(number)],
  );
  await session.query('UPDATE ledger_checkpoints_head SET number = $1::bigint', [String(number)]);
  return true;
}

/** For {@link verifyLedger}: the first checkpoint that isn't the sum of the entries up to it. */
export const WRONG_CHECKPOINTS = `
  WITH running AS (
    SELECT account, number, stored, sum(dp) OVER w AS dp, sum(cp) OVER w AS cp, sum(dn) OVER w AS dn, sum(cn) OVER w AS cn
    FROM (SELECT account, number, false AS stored, dp, cp, dn, cn FROM (${changesOf('true')}) changes
          UNION ALL SELECT account, number, true, 0, 0, 0, 0 FROM ledger_checkpoints) rows
    WINDOW w AS (PARTITION BY account ORDER BY number, stored))
  SELECT coalesce(a.id, 'account ' || c.account) AS subject, total.field || ' at entry ' || c.number AS field,
         total.expected::text, total.found::text
  FROM ledger_checkpoints c
  JOIN running r ON r.stored AND r.account = c.account AND r.number = c.number
  LEFT JOIN ledger_accounts a ON a.number = c.account
  CROSS JOIN LATERAL (VALUES
    (1, 'debits_posted', r.dp, c.debits_posted), (2, 'credits_posted', r.cp, c.credits_posted),
    (3, 'debits_pending', r.dn, c.debits_pending), (4, 'credits_pending', r.cn, c.credits_pending)
  ) AS total (rank, field, expected, found)
  WHERE total.expected <> total.found
  ORDER BY c.number, c.account, total.rank LIMIT 1`;
