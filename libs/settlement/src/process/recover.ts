import { err, ok, refusal, type Refusal, type Result } from '@finality/kernel';
import type { Book } from '../book.ts';
import type { RecoveryReport } from '../recovery.ts';
import { takenPlans } from './import.ts';

/** The store is found to be older than what was signed: whatever was signed since has to be learned before anything else is decided. */
export function beginRecovery(book: Book, epoch: number, reason: string): void {
  if (book.recovery.get().status === 'importing') return;
  book.recovery.record({ type: 'recovery_begun', at: book.now, epoch, reason });
}

/** Nothing in the journal that isn't known here. */
export function journalChecked(book: Book, position: bigint): void {
  const { status, journalPosition } = book.recovery.get();
  if (status === 'normal' && position > journalPosition)
    book.recovery.record({ type: 'journal_checked', at: book.now, position });
}

export interface ImportedJournal {
  readonly position: bigint;
  /** Of this store's log. */
  readonly ledgerPosition: bigint;
  /** Institutions whose limits count what is paid over a time. */
  readonly limitedIds: readonly string[];
}

const UNCOUNTED =
  'what it paid CENTRALIZED since the copy was made is in no journal, and doesn’t count against its limits';

/**
 * All of the journal is known now. Plans whose coins turned out to be spent by others are given up, as they were before. Whose limits don't count all
 * that was paid an operator has to know, and to end it himself.
 */
export function journalImported(book: Book, { position, ledgerPosition, limitedIds }: ImportedJournal): void {
  if (book.recovery.get().status !== 'importing') return;
  takenPlans(book);
  const at = book.now;
  for (const subject of limitedIds)
    book.recovery.record({ type: 'difference_found', at, difference: { subject, description: UNCOUNTED } });
  book.recovery.record({ type: 'journal_imported', at, position, ledgerPosition });
}

/** Ledger and chain were compared after the import: without a break, and without what the journal contradicts, it is over. */
export function reconciled(book: Book, report: RecoveryReport, ledgerPosition: bigint): void {
  const state = book.recovery.get();
  if (state.status !== 'reconciling' || ledgerPosition < state.ledgerPosition) return;
  book.recovery.record({ type: 'recovery_reported', at: book.now, report });
  if (report.breaks > 0 || state.differences.length > 0) return;
  const reason = `report ${report.reportId} has no break`;
  book.recovery.record({ type: 'recovery_ended', at: book.now, by: 'reconciliation', reason });
}

/** An operator has looked at what differs. */
export function finishRecovery(book: Book, by: string, reason: string): Result<void, Refusal> {
  const { status } = book.recovery.get();
  if (status === 'normal') return ok(undefined);
  if (status === 'importing') {
    const message = 'expected a store that knows all of the signer’s journal, it is being imported';
    return err(refusal('failed_precondition', 'JOURNAL_NOT_IMPORTED', message, { retryable: true }));
  }
  book.recovery.record({ type: 'recovery_ended', at: book.now, by, reason });
  return ok(undefined);
}
