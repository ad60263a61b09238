import type { Instant } from '@finality/kernel';
import type {
  Account,
  AccountId,
  LedgerEntry,
  Limit,
  RecordedTransfer,
  TransferId,
  TransferKind,
  Unit,
} from '@finality/ledger';

/** Numbers come as text, whatever type parsers the process has set: nothing here depends on them. */
export interface AccountRow {
  readonly id: string;
  readonly unit: Unit;
  readonly limit_kind: Limit['kind'];
  readonly overdraft: string;
  readonly debits_posted: string;
  readonly credits_posted: string;
  readonly debits_pending: string;
  readonly credits_pending: string;
}

export const ACCOUNT_COLUMNS = `a.id, a.unit, a.limit_kind, a.overdraft::text, a.debits_posted::text, a.credits_posted::text,
  a.debits_pending::text, a.credits_pending::text`;

export function accountOf(row: AccountRow): Account {
  return {
    id: row.id as AccountId,
    unit: row.unit,
    limit: limitOf(row),
    debitsPosted: BigInt(row.debits_posted),
    creditsPosted: BigInt(row.credits_posted),
    debitsPending: BigInt(row.debits_pending),
    creditsPending: BigInt(row.credits_pending),
  };
}

function limitOf(row: AccountRow): Limit {
  return row.limit_kind === 'debits_must_not_exceed_credits'
    ? { kind: row.limit_kind, overdraft: BigInt(row.overdraft) }
    : { kind: row.limit_kind };
}

export interface TransferRow {
  readonly id: string;
  readonly number: string;
  readonly position: string;
  readonly kind: TransferKind;
  readonly debit: string;
  readonly credit: string;
  readonly amount: string;
  readonly pending_id: string | null;
  readonly corrects: string | null;
  readonly purpose: string;
  readonly object: string;
  readonly life: number;
  readonly settlement_id: string | null;
  readonly recorded_at: string;
}

export const TRANSFER_COLUMNS = `encode(t.id, 'hex') AS id, t.number::text, t.position::text, t.kind, d.id AS debit, c.id AS credit,
  t.amount::text, encode(t.pending_id, 'hex') AS pending_id, encode(t.corrects, 'hex') AS corrects, t.purpose, t.object, t.life,
  t.settlement_id, t.recorded_at::text`;

export const TRANSFER_JOINS = `JOIN ledger_accounts d ON d.number = t.debit JOIN ledger_accounts c ON c.number = t.credit`;

export function transferOf(row: TransferRow): RecordedTransfer {
  return {
    id: row.id as TransferId,
    kind: row.kind,
    debit: row.debit as AccountId,
    credit: row.credit as AccountId,
    amount: BigInt(row.amount),
    purpose: row.purpose,
    object: row.object,
    life: row.life,
    ...(row.pending_id === null ? {} : { pendingId: row.pending_id as TransferId }),
    ...(row.corrects === null ? {} : { corrects: row.corrects as TransferId }),
    ...(row.settlement_id === null ? {} : { settlementId: row.settlement_id }),
  };
}

export const instantOf = (text: string): Instant => Number(text) as Instant;

export function ledgerEntryOf(row: TransferRow): LedgerEntry {
  return {
    ...transferOf(row),
    number: BigInt(row.number),
    position: BigInt(row.position),
    recordedAt: instantOf(row.recorded_at),
  };
}
