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
  'debit_sats',
  'credit_sats',
  'amount_sats',
  'balance_sats',
  'pending_debits_sats',
  'pending_credits_sats',
] as const;

type Line = Partial<Record<(typeof COLUMNS)[number], string | bigint>>;

/** The header, and the opening balance: what the account stood at after the entry named. */
export function openingCsv(summary: ledgerV1.StatementSummary): string {
  return `${COLUMNS.join(',')}\r\n${lineOf({
    line: 'opening',
    entry_number: summary.afterEntry,
    recorded_at: timeOf(summary.fromTime),
    balance_sats: summary.openingBalanceSats,
    pending_debits_sats: summary.openingPendingDebitsSats,
    pending_credits_sats: summary.openingPendingCreditsSats,
  })}`;
}

export function entriesCsv(entries: readonly ledgerV1.StatementEntry[]): string {
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
        debit_sats: entry.debitSats,
        credit_sats: entry.creditSats,
        amount_sats: entry.amountSats,
        balance_sats: entry.balanceSats,
        pending_debits_sats: entry.pendingDebitsSats,
        pending_credits_sats: entry.pendingCreditsSats,
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
    debit_sats: summary.debitsSats,
    credit_sats: summary.creditsSats,
    balance_sats: summary.closingBalanceSats,
    pending_debits_sats: summary.closingPendingDebitsSats,
    pending_credits_sats: summary.closingPendingCreditsSats,
  });
}

const lineOf = (line: Line): string => `${COLUMNS.map((column) => quoted(String(line[column] ?? ''))).join(',')}\r\n`;

const quoted = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** The payer wrote it, the payee opens it: a spreadsheet must show what begins like a formula, not calculate it (OWASP, CSV injection). */
const inert = (text: string): string => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text);

const timeOf = (time: ledgerV1.StatementSummary['fromTime']): string =>
  time === undefined ? '' : formatInstant(fromTimestamp(time));
