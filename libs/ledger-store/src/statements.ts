import type { Session } from '@finality/event-store';
import { assert, type Instant } from '@finality/kernel';
import type { AccountId, RecordedTransfer, Totals } from '@finality/ledger';
import { changesOf } from './checkpoints.ts';
import { instantOf, TRANSFER_COLUMNS, TRANSFER_JOINS, transferOf, type TransferRow } from './rows.ts';

/** A page of a statement has at most this many entries. */
export const STATEMENT_PAGE_MAX = 1_000;

/** Entries with a number above `after`, up to `through`. What is in it never changes: the ledger only gains entries. */
export interface EntryRange {
  readonly after: bigint;
  readonly through: bigint;
}

/** An entry as a statement of `account` shows it. */
export interface StatementEntry {
  /** Its place in the ledger, from 1. */
  readonly number: bigint;
  readonly transfer: RecordedTransfer;
  readonly side: 'debit' | 'credit';
  readonly counterAccount: AccountId;
  readonly recordedAt: Instant;
  /** Of the pending transfer that it resolves: what isn't reserved any more. 0 for any other kind. */
  readonly released: bigint;
}

/** A statement's account, with what it stood at when the range began and ended. */
export interface StatementTotals {
  readonly opening: Totals;
  readonly closing: Totals;
}

const NOTHING: Totals = { debitsPosted: 0n, creditsPosted: 0n, debitsPending: 0n, creditsPending: 0n };

/** The number of the ledger's last entry; 0 when it has none. */
export async function readLastEntry(session: Session): Promise<bigint> {
  const [head] = await session.query<{ number: string }>('SELECT number::text FROM ledger_head');
  assert(head !== undefined, 'a ledger has a head');
  return BigInt(head.number);
}

/**
 * The number of the last entry posted before a time; 0 when there is none. Times of entries never go back (the store sees to it), so they
 * are searched by halves: O(log n), and no index that posting would pay for.
 */
export async function lastEntryBefore(session: Session, time: Instant): Promise<bigint> {
  const [row] = await session.query<{ number: string }>(
    `WITH RECURSIVE search (low, high) AS (
       SELECT 0::bigint, number FROM ledger_head
       UNION ALL
       SELECT CASE WHEN middle.is_before THEN middle.number ELSE s.low END,
              CASE WHEN middle.is_before THEN s.high ELSE middle.number - 1 END
       FROM search s CROSS JOIN LATERAL (
         SELECT t.number, t.recorded_at < $1::bigint AS is_before FROM ledger_transfers t WHERE t.number = (s.low + s.high + 1) / 2) middle
       WHERE s.low < s.high)
     SELECT low::text AS number FROM search WHERE low = high`,
    [time],
  );
  assert(row !== undefined, 'the numbers of entries have a gap');
  return BigInt(row.number);
}

/**
 * What accounts stood at once an entry had been posted, in the order asked; one that had no entry by then is all zero. Adds to each
 * account's last checkpoint the account's own entries since.
 */
export async function readTotalsAt(
  session: Session,
  accounts: readonly AccountId[],
  through: bigint,
): Promise<readonly Totals[]> {
  const rows = await session.query<TotalsRow>(
    `SELECT a.id, (coalesce(c.debits_posted, 0) + coalesce(s.dp, 0))::text AS debits_posted,
            (coalesce(c.credits_posted, 0) + coalesce(s.cp, 0))::text AS credits_posted,
            (coalesce(c.debits_pending, 0) + coalesce(s.dn, 0))::text AS debits_pending,
            (coalesce(c.credits_pending, 0) + coalesce(s.cn, 0))::text AS credits_pending
     FROM ledger_accounts a
     LEFT JOIN LATERAL (
       SELECT * FROM ledger_checkpoints c WHERE c.account = a.number AND c.number <= $2::bigint ORDER BY c.number DESC LIMIT 1) c ON true
     LEFT JOIN LATERAL (
       SELECT sum(dp) AS dp, sum(cp) AS cp, sum(dn) AS dn, sum(cn) AS cn
       FROM (${changesOf(`t.debit = a.number AND ${SINCE}`)} UNION ALL ${changesOf(`t.credit = a.number AND ${SINCE}`)}) changes
       WHERE changes.account = a.number) s ON true
     WHERE a.id = ANY ($1::text[])`,
    [accounts, String(through)],
  );
  const byId = new Map(rows.map((row) => [row.id, totalsOf(row)]));
  return accounts.map((id) => byId.get(id) ?? NOTHING);
}

const SINCE = 't.number > coalesce(c.number, 0) AND t.number <= $2::bigint';

/** At the beginning and at the end of a range. */
export async function readStatementTotals(
  session: Session,
  account: AccountId,
  { after, through }: EntryRange,
): Promise<StatementTotals> {
  const [opening = NOTHING] = await readTotalsAt(session, [account], after);
  const [closing = NOTHING] = await readTotalsAt(session, [account], through);
  return { opening, closing };
}

/** The first entries of an account in a range, oldest first, and whether they are all. @param limit 1 to {@link STATEMENT_PAGE_MAX} */
export async function readStatementEntries(
  session: Session,
  account: AccountId,
  { after, through }: EntryRange,
  limit: number,
): Promise<{ readonly entries: readonly StatementEntry[]; readonly isLast: boolean }> {
  assert(limit >= 1 && limit <= STATEMENT_PAGE_MAX, `${limit} entries can't be a page`);
  const sideOf = (column: string): string =>
    `(SELECT * FROM ledger_transfers WHERE ${column} = (SELECT number FROM ledger_accounts WHERE id = $1)
        AND number > $2::bigint AND number <= $3::bigint ORDER BY number LIMIT $4)`;
  const rows = await session.query<TransferRow & { released: string }>(
    `SELECT ${TRANSFER_COLUMNS}, coalesce(p.amount, 0)::text AS released
     FROM (${sideOf('debit')} UNION ALL ${sideOf('credit')} ORDER BY number LIMIT $4) t
     ${TRANSFER_JOINS} LEFT JOIN ledger_transfers p ON p.id = t.pending_id ORDER BY t.number`,
    [account, String(after), String(through), limit + 1],
  );
  const entries = rows.slice(0, limit).map((row) => entryOf(account, row));
  return { entries, isLast: rows.length <= limit };
}

function entryOf(account: AccountId, row: TransferRow & { readonly released: string }): StatementEntry {
  const transfer = transferOf(row);
  const isDebit = transfer.debit === account;
  return {
    number: BigInt(row.number),
    transfer,
    side: isDebit ? 'debit' : 'credit',
    counterAccount: isDebit ? transfer.credit : transfer.debit,
    recordedAt: instantOf(row.recorded_at),
    released: BigInt(row.released),
  };
}

/** What an account stands at after one more entry. */
export function totalsAfter(totals: Totals, { transfer, side, released }: StatementEntry): Totals {
  const posted = transfer.kind === 'pending' || transfer.kind === 'void' ? 0n : transfer.amount;
  const pending = (transfer.kind === 'pending' ? transfer.amount : 0n) - released;
  return side === 'debit'
    ? { ...totals, debitsPosted: totals.debitsPosted + posted, debitsPending: totals.debitsPending + pending }
    : { ...totals, creditsPosted: totals.creditsPosted + posted, creditsPending: totals.creditsPending + pending };
}

/** An account and what it stood at. */
export interface AccountTotals extends Totals {
  readonly account: AccountId;
}

/**
 * Every account of the ledger that comes after one, by its id, as it stood once an entry had been posted: what a trial balance lists. Also
 * accounts opened later, as all zero.
 */
export async function listTotalsAt(
  session: Session,
  { afterAccount, through, limit }: { readonly afterAccount: string; readonly through: bigint; readonly limit: number },
): Promise<readonly AccountTotals[]> {
  const rows = await session.query<{ id: AccountId }>(
    'SELECT id FROM ledger_accounts WHERE id COLLATE "C" > $1 ORDER BY id COLLATE "C" LIMIT $2',
    [afterAccount, limit],
  );
  const accounts = rows.map(({ id }) => id);
  const totals = await readTotalsAt(session, accounts, through);
  return accounts.map((account, i) => ({ account, ...(totals[i] ?? NOTHING) }));
}

interface TotalsRow {
  readonly id: AccountId;
  readonly debits_posted: string;
  readonly credits_posted: string;
  readonly debits_pending: string;
  readonly credits_pending: string;
}

const totalsOf = (row: TotalsRow): Totals => ({
  debitsPosted: BigInt(row.debits_posted),
  creditsPosted: BigInt(row.credits_posted),
  debitsPending: BigInt(row.debits_pending),
  creditsPending: BigInt(row.credits_pending),
});
