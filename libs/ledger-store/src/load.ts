import type { Session } from '@finality/event-store';
import { type AccountId, LedgerView, type RecordedTransfer, type TransferId } from '@finality/ledger';
import {
  ACCOUNT_COLUMNS,
  accountOf,
  type AccountRow,
  TRANSFER_COLUMNS,
  TRANSFER_JOINS,
  transferOf,
  type TransferRow,
} from './rows.ts';

/** What a batch will ask the ledger. Repeats don't matter. */
export interface LedgerRequest {
  readonly accounts: Iterable<AccountId>;
  /** Pending transfers that may be posted or voided; their accounts are loaded as well. */
  readonly pendings?: Iterable<TransferId>;
  /** Transfers that may exist already, or be corrected. Leave out ids that an event stream already makes unique: saving proves it. */
  readonly transfers?: Iterable<TransferId>;
}

/** The part of the ledger that a batch needs: one round trip, or two when it asks for transfers, however many there are. */
export async function loadLedger(session: Session, request: LedgerRequest): Promise<LedgerView> {
  const transferIds = [...new Set([...(request.pendings ?? []), ...(request.transfers ?? [])])];
  const transfers = await loadTransfers(session, transferIds);
  const accountIds = new Set(request.accounts);
  for (const transfer of transfers) {
    accountIds.add(transfer.debit);
    accountIds.add(transfer.credit);
  }
  const accounts = await loadAccounts(session, [...accountIds]);
  return new LedgerView({ accounts, transfers, lookedFor: { accounts: [...accountIds], transfers: transferIds } });
}

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

async function loadAccounts(session: Session, ids: readonly AccountId[]) {
  if (ids.length === 0) return [];
  const rows = await session.query<AccountRow>(
    `SELECT ${ACCOUNT_COLUMNS} FROM ledger_accounts a WHERE a.id = ANY ($1::text[])`,
    [ids],
  );
  return rows.map(accountOf);
}
