import type { Session } from '@finality/event-store';
import { assert } from '@finality/kernel';
import { type AccountId, type LedgerTail, LedgerView, type RecordedTransfer, type TransferId } from '@finality/ledger';
import {
  ACCOUNT_COLUMNS,
  accountOf,
  type AccountRow,
  TRANSFER_COLUMNS,
  TRANSFER_JOINS,
  transferOf,
  type TransferRow,
} from './rows.ts';
import { type AccountRecord, type LedgerEnd, RecentLedger, type StoredAccount } from './recent.ts';

/** What a batch will ask the ledger. Repeats don't matter. */
export interface LedgerRequest {
  readonly accounts: Iterable<AccountId>;
  /** Pending transfers that may be posted or voided; their accounts are loaded as well. */
  readonly pendings?: Iterable<TransferId>;
  /** Transfers that may exist already, or be corrected. Leave out ids that an event stream already makes unique: saving proves it. */
  readonly transfers?: Iterable<TransferId>;
}

export interface LoadedLedger extends LedgerEnd {
  readonly view: LedgerView;
  /** Accounts that are in the view: what entries call them, and the position of the batch that changed them last. */
  readonly stored: ReadonlyMap<AccountId, StoredAccount>;
}

/**
 * The part of the ledger that a batch needs: one round trip, or two when it asks for transfers, however many there are; none for what is recent.
 * @param recent what is known from the batches before
 */
export async function loadLedger(
  session: Session,
  request: LedgerRequest,
  recent: RecentLedger = new RecentLedger(),
): Promise<LoadedLedger> {
  const transferIds = [...new Set([...(request.pendings ?? []), ...(request.transfers ?? [])])];
  const transfers = await loadTransfers(session, transferIds);
  const accountIds = new Set(request.accounts);
  for (const transfer of transfers) {
    accountIds.add(transfer.debit);
    accountIds.add(transfer.credit);
  }
  const known = [...accountIds].filter((id) => recent.knows(id));
  const records = known.flatMap((id) => recent.account(id) ?? []);
  if (known.length < accountIds.size || recent.end === undefined) {
    const unknown = [...accountIds].filter((id) => !recent.knows(id));
    const { rows, end } = await loadAccounts(session, unknown);
    const found = rows.map(recordOf);
    recent.loaded(end, unknown, found);
    records.push(...found);
  }
  const accounts = records.map(({ account }) => account);
  const lookedFor = { accounts: [...accountIds], transfers: transferIds };
  const stored = new Map(records.map(({ account, stored: place }) => [account.id, place]));
  return { view: new LedgerView({ accounts, transfers, lookedFor }), ...endOf(recent), stored };
}

function endOf({ end }: RecentLedger): LedgerEnd {
  assert(end !== undefined, 'the end of the ledger comes with whatever is loaded');
  return end;
}

const recordOf = (row: NumberedRow): AccountRecord => ({
  account: accountOf(row),
  stored: { number: row.number, position: row.updated_position },
});

/** The transfers named, and what resolved those that were pending. */
async function loadTransfers(session: Session, ids: readonly TransferId[]): Promise<readonly RecordedTransfer[]> {
  if (ids.length === 0) return [];
  const rows = await session.query<TransferRow>(
    `WITH wanted AS MATERIALIZED (SELECT decode(hex, 'hex') AS id FROM unnest($1::text[]) AS hex),
          found AS (
            SELECT t.* FROM wanted JOIN ledger_transfers t ON t.id = wanted.id
            UNION
            SELECT t.* FROM wanted JOIN ledger_transfers t ON t.pending_id = wanted.id)
     SELECT ${TRANSFER_COLUMNS} FROM found t ${TRANSFER_JOINS}`,
    [ids],
  );
  return rows.map(transferOf);
}

/** With the end of the ledger: one row at least. */
async function loadAccounts(session: Session, ids: readonly AccountId[]) {
  const rows = await session.query<(NumberedRow | { readonly id: null }) & TailRow>(
    LOAD_ACCOUNTS,
    [ids],
    'load-ledger',
  );
  const [head] = rows;
  assert(head !== undefined, 'a ledger has a head');
  const tail: LedgerTail = { number: BigInt(head.tail_number), chain: Buffer.from(head.tail_chain, 'hex') };
  return {
    rows: rows.filter((row): row is NumberedRow & TailRow => row.id !== null),
    end: { tail, accounts: head.tail_accounts },
  };
}

type NumberedRow = AccountRow & { readonly number: number; readonly updated_position: string };

interface TailRow {
  readonly tail_number: string;
  readonly tail_chain: string;
  readonly tail_accounts: number;
}

const LOAD_ACCOUNTS = `
  SELECT h.number::text AS tail_number, encode(h.chain, 'hex') AS tail_chain, h.accounts AS tail_accounts,
         a.number, a.updated_position::text, ${ACCOUNT_COLUMNS}
  FROM ledger_head h LEFT JOIN ledger_accounts a ON a.id = ANY ($1::text[])`;
