import { fromTimestamp, type ledgerV1 } from '@finality/contracts';
import { formatInstant } from '@finality/event-store';

// RFC 4180: CRLF ends every line, quotes around what has a comma, a quote or a line break, quotes within doubled. UTF-8, without a byte order mark.

const COLUMNS = [
  'line',
  'entry_number',
  'recorded_at',
  'transfer_id',
  'kind',
  'purpose',
  'object',
  'settlement_id',
  'reference_id',
  'counter_account',
  'debit',
  'credit',
  'amount',
  'balance',
  'pending_debits',
  'pending_credits',
  'unit',
] as const;

type Line = Partial<Record<(typeof COLUMNS)[number], string | bigint>>;

/** The header, and the opening balance: what the account stood at after the entry named. */
export function openingCsv(summary: ledgerV1.StatementSummary): string {
  return `${COLUMNS.join(',')}\r\n${lineOf({
    line: 'opening',
    entry_number: summary.afterEntry,
    recorded_at: timeOf(summary.fromTime),
    balance: summary.openingBalance,
    pending_debits: summary.openingPendingDebits,
    pending_credits: summary.openingPendingCredits,
    unit: summary.unit,
  })}`;
}

export function entriesCsv(entries: readonly ledgerV1.StatementEntry[], unit: string): string {
  return entries
    .map((entry) =>
      lineOf({
        line: 'entry',
        entry_number: entry.number,
        recorded_at: timeOf(entry.recordedAt),
        transfer_id: entry.transferId,
        kind: entry.kind,
        purpose: entry.purpose,
        object: entry.object,
        settlement_id: entry.settlementId,
        reference_id: inert(entry.referenceId),
        counter_account: entry.counterAccount,
        debit: entry.debit,
        credit: entry.credit,
        amount: entry.amount,
        balance: entry.balance,
        pending_debits: entry.pendingDebits,
        pending_credits: entry.pendingCredits,
        unit,
      }),
    )
    .join('');
}

/** The turnover and the closing balance, and the last entry of the ledger that is taken into account. */
export function closingCsv(summary: ledgerV1.StatementSummary): string {
  return lineOf({
    line: 'closing',
    entry_number: summary.throughEntry,
    recorded_at: timeOf(summary.toTime),
    debit: summary.debits,
    credit: summary.credits,
    balance: summary.closingBalance,
    pending_debits: summary.closingPendingDebits,
    pending_credits: summary.closingPendingCredits,
    unit: summary.unit,
  });
}

const lineOf = (line: Line): string => `${COLUMNS.map((column) => quoted(String(line[column] ?? ''))).join(',')}\r\n`;

const quoted = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** The payer wrote it, the payee opens it: a spreadsheet must show what begins like a formula, not calculate it (OWASP, CSV injection). */
const inert = (text: string): string => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text);

const timeOf = (time: ledgerV1.StatementSummary['fromTime']): string =>
  time === undefined ? '' : formatInstant(fromTimestamp(time));
