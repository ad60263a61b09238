import type { Session } from '@finality/event-store';
import { assert } from '@finality/kernel';
import { BTC } from '@finality/ledger';
import { WRONG_CHECKPOINTS } from './checkpoints.ts';
import { verifyEntries } from './verify-entries.ts';

export type LedgerVerification =
  | {
      readonly ok: true;
      readonly accounts: number;
      readonly transfers: bigint;
      readonly position: bigint;
      /** Sealed and signed; what comes after the last of them is chained, and not sealed yet. */
      readonly segments: number;
      /** Hex, of the segments' signatures; undefined before the first. Compare it with the one you know. */
      readonly publicKey: string | undefined;
    }
  | { readonly ok: false; readonly difference: LedgerDifference };

/** The first thing that doesn't fit: an account's total, a transfer that can't be, an entry that isn't what was hashed, a segment. */
export interface LedgerDifference {
  /** An account's id, or `transfer <id>`, `entry <number>`, `segment <number>`, or `ledger` for what is about everything. */
  readonly subject: string;
  readonly field: string;
  /** What follows from everything else. */
  readonly expected: string;
  /** What is stored. */
  readonly found: string;
}

interface DifferenceRow {
  readonly subject: string;
  readonly field: string;
  readonly expected: string;
  readonly found: string;
}

/**
 * Recomputes every balance, and every balance kept at a checkpoint, from the transfers and checks that each transfer makes sense; then makes every
 * entry's id and hash anew, follows the chain over them and the trees and signatures of sealed segments. Reads the whole ledger: run it in a `REPEATABLE READ` transaction when there may be writers.
 * @param publicKey hex of the key that signs heads, where it is known from elsewhere; otherwise the first segment's must have signed all
 */
export async function verifyLedger(session: Session, publicKey?: string): Promise<LedgerVerification> {
  for (const check of [WRONG_UNITS, BROKEN_TRANSFERS, WRONG_TOTALS, NOT_ZERO, WRONG_CHECKPOINTS]) {
    const [difference] = await session.query<DifferenceRow>(check);
    if (difference !== undefined) return { ok: false, difference };
  }
  const entries = await verifyEntries(session, publicKey);
  if ('subject' in entries) return { ok: false, difference: entries };
  const [row] = await session.query<{ accounts: number }>('SELECT count(*)::integer AS accounts FROM ledger_accounts');
  assert(row, 'a count has a row');
  return { ok: true, accounts: row.accounts, ...entries };
}

/** What an account counts stands in its path, which its entries' hashes cover. */
const WRONG_UNITS = `
  SELECT a.id AS subject, 'unit' AS field, path.unit AS expected, a.unit AS found
  FROM ledger_accounts a CROSS JOIN LATERAL (SELECT CASE
    WHEN a.id ~ '^clearing/[^/]+/[^/]+/[^/]+$' THEN split_part(a.id, '/', 3)
    WHEN a.id ~ '^(ccp|nostro|standby)/' THEN split_part(a.id, '/', 2)
    WHEN a.id ~ '^(collateral|default_fund)/[^/]+/[^/]+$' THEN split_part(a.id, '/', 3)
    ELSE '${BTC}' END AS unit) path
  WHERE a.unit <> path.unit
  ORDER BY a.id COLLATE "C" LIMIT 1`;

const BROKEN_TRANSFERS = `
  SELECT 'transfer ' || encode(t.id, 'hex') AS subject, problem.field, problem.expected, problem.found
  FROM ledger_transfers t
  LEFT JOIN ledger_accounts d ON d.number = t.debit
  LEFT JOIN ledger_accounts c ON c.number = t.credit
  LEFT JOIN ledger_transfers p ON p.id = t.pending_id
  LEFT JOIN ledger_transfers w ON w.id = t.corrects
  CROSS JOIN LATERAL (VALUES
    (d.id IS NULL, 'debit', 'an account', t.debit::text),
    (c.id IS NULL, 'credit', 'an account', t.credit::text),
    (d.unit <> c.unit, 'unit', d.unit, c.unit),
    (t.pending_id IS NOT NULL AND p.kind IS DISTINCT FROM 'pending', 'pending_id', 'a pending transfer', coalesce(p.kind, 'none')),
    (t.corrects IS NOT NULL AND w.id IS NULL, 'corrects', 'a transfer', 'none'),
    (p.debit <> t.debit, 'debit', p.debit::text, t.debit::text),
    (p.credit <> t.credit, 'credit', p.credit::text, t.credit::text),
    (t.kind = 'post' AND t.amount > p.amount, 'amount', 'at most ' || p.amount, t.amount::text),
    (t.kind = 'void' AND t.amount <> p.amount, 'amount', p.amount::text, t.amount::text),
    (p.number >= t.number, 'number', 'after ' || p.number, t.number::text),
    (w.number >= t.number, 'number', 'after ' || w.number, t.number::text)
  ) AS problem (is_wrong, field, expected, found)
  WHERE problem.is_wrong
  ORDER BY t.number, problem.field LIMIT 1`;

const WRONG_TOTALS = `
  WITH moves AS (
    SELECT t.debit, t.credit,
           CASE WHEN t.kind IN ('single', 'post', 'correction') THEN t.amount ELSE 0 END AS posted,
           CASE WHEN t.kind = 'pending' AND r.id IS NULL THEN t.amount ELSE 0 END AS pending
    FROM ledger_transfers t LEFT JOIN ledger_transfers r ON r.pending_id = t.id),
  sums AS (
    SELECT number, sum(dp) AS debits_posted, sum(cp) AS credits_posted, sum(dn) AS debits_pending, sum(cn) AS credits_pending
    FROM (SELECT debit AS number, posted AS dp, 0 AS cp, pending AS dn, 0 AS cn FROM moves
          UNION ALL
          SELECT credit, 0, posted, 0, pending FROM moves) sides
    GROUP BY number)
  SELECT a.id AS subject, total.field, total.expected::text, total.found::text
  FROM ledger_accounts a LEFT JOIN sums s ON s.number = a.number
  CROSS JOIN LATERAL (VALUES
    (1, 'debits_posted', coalesce(s.debits_posted, 0), a.debits_posted),
    (2, 'credits_posted', coalesce(s.credits_posted, 0), a.credits_posted),
    (3, 'debits_pending', coalesce(s.debits_pending, 0), a.debits_pending),
    (4, 'credits_pending', coalesce(s.credits_pending, 0), a.credits_pending)
  ) AS total (rank, field, expected, found)
  WHERE total.expected <> total.found
  ORDER BY a.id COLLATE "C", total.rank LIMIT 1`;

const NOT_ZERO = `
  SELECT 'ledger' AS subject, 'sum of ' || unit AS field, '0' AS expected, sum(credits_posted - debits_posted)::text AS found
  FROM ledger_accounts GROUP BY unit
  HAVING sum(credits_posted - debits_posted) <> 0 OR sum(credits_pending - debits_pending) <> 0
  ORDER BY unit LIMIT 1`;
