import type { Session } from '@finality/event-store';
import {
  assert,
  err,
  fieldError,
  type Instant,
  invalid,
  ok,
  type Refusal,
  refusal,
  type Result,
} from '@finality/kernel';
import type { AccountId, TransferId, TransferKind } from '@finality/ledger';
import { instantOf, TRANSFER_COLUMNS, TRANSFER_JOINS, transferOf, type TransferRow } from './rows.ts';

/** A page of entries has at most this many. */
export const ENTRIES_PAGE_MAX = 1_000;

/** One side of a transfer, as a statement of `account` shows it. */
export interface Entry {
  readonly position: bigint;
  /** Its place in the ledger, from 1. */
  readonly number: bigint;
  readonly transferId: TransferId;
  readonly kind: TransferKind;
  readonly account: AccountId;
  readonly side: 'debit' | 'credit';
  readonly counterAccount: AccountId;
  /** In its accounts' unit; a pending entry reserves it, a void entry releases it. */
  readonly amount: bigint;
  readonly purpose: string;
  readonly object: string;
  readonly life: number;
  readonly settlementId?: string;
  readonly pendingId?: TransferId;
  readonly corrects?: TransferId;
  readonly recordedAt: Instant;
}

export interface EntriesQuery {
  readonly accounts: readonly AccountId[];
  /** 1 to {@link ENTRIES_PAGE_MAX}. */
  readonly pageSize: number;
  /** What the page before gave; empty or missing for the first page. */
  readonly pageToken?: string;
  /** The store's epoch: a token of another one is refused. */
  readonly epoch: number;
  /** A transfer between two of the accounts gives one entry, its debit, instead of two. */
  readonly eachTransferOnce?: boolean;
}

export interface EntriesPage {
  readonly entries: readonly Entry[];
  /** Missing on the last page. */
  readonly nextPageToken?: string;
}

/**
 * The entries of some accounts, oldest first, in the order of the ledger. A transfer between two of them gives two entries, the debit
 * first, unless each is wanted once. Costs O(accounts · page size), whatever the length of the ledger.
 */
export async function listEntries(session: Session, query: EntriesQuery): Promise<Result<EntriesPage, Refusal>> {
  assert(query.pageSize >= 1 && query.pageSize <= ENTRIES_PAGE_MAX, `${query.pageSize} entries can't be a page`);
  const after = parseToken(query.pageToken ?? '', query.epoch);
  if (!after.ok) return after;
  const { number, side } = after.value;
  const rows = await session.query<TransferRow & { side: 0 | 1 }>(
    `WITH wanted AS (SELECT number FROM ledger_accounts WHERE id = ANY ($1::text[])),
          page AS (
            SELECT e.* FROM wanted, LATERAL (
              (SELECT t.*, 0 AS side FROM ledger_transfers t
               WHERE t.debit = wanted.number AND t.number >= $2::bigint AND (t.number, 0) > ($2::bigint, $3::integer)
               ORDER BY t.number LIMIT $4)
              UNION ALL
              (SELECT t.*, 1 AS side FROM ledger_transfers t
               WHERE t.credit = wanted.number AND t.number >= $2::bigint AND (t.number, 1) > ($2::bigint, $3::integer)
                 AND NOT ($5 AND t.debit IN (SELECT number FROM wanted))
               ORDER BY t.number LIMIT $4)
            ) e
            ORDER BY e.number, e.side LIMIT $4)
     SELECT ${TRANSFER_COLUMNS}, t.side FROM page t ${TRANSFER_JOINS} ORDER BY t.number, t.side`,
    [query.accounts, String(number), side, query.pageSize + 1, query.eachTransferOnce === true],
  );
  const entries = rows.slice(0, query.pageSize).map(entryOf);
  const last = entries.at(-1);
  if (rows.length <= query.pageSize || last === undefined) return ok({ entries });
  return ok({ entries, nextPageToken: formatToken(query.epoch, last) });
}

function entryOf(row: TransferRow & { side: 0 | 1 }): Entry {
  const { id, debit, credit, ...transfer } = transferOf(row);
  const isDebit = row.side === 0;
  return {
    ...transfer,
    transferId: id,
    position: BigInt(row.position),
    number: BigInt(row.number),
    account: isDebit ? debit : credit,
    side: isDebit ? 'debit' : 'credit',
    counterAccount: isDebit ? credit : debit,
    recordedAt: instantOf(row.recorded_at),
  };
}

interface Place {
  readonly number: bigint;
  /** 0 debit, 1 credit. */
  readonly side: number;
}

const START: Place = { number: 0n, side: 0 };
const TOKEN = /^e(\d{1,9})\.(\d{1,18})\.([01])$/;

function formatToken(epoch: number, last: Entry): string {
  return toBase64Url(`e${epoch}.${last.number}.${last.side === 'debit' ? 0 : 1}`);
}

function parseToken(token: string, epoch: number): Result<Place, Refusal> {
  if (token === '') return ok(START);
  const match = TOKEN.exec(fromBase64Url(token));
  if (match === null) return err(invalid(fieldError('page_token', 'expected a token that this API gave out')));
  if (Number(match[1]) !== epoch) {
    return err(
      refusal('failed_precondition', 'STALE_PAGE_TOKEN', 'the ledger was restored since this token: start over'),
    );
  }
  return ok({ number: BigInt(match[2] ?? '0'), side: Number(match[3]) });
}

const toBase64Url = (text: string): string => Buffer.from(text, 'utf8').toString('base64url');

const fromBase64Url = (token: string): string => Buffer.from(token, 'base64url').toString('utf8');
