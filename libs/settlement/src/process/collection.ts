import { availableAccount } from '@finality/ledger';
import type { Instant } from '@finality/kernel';
import type { Book } from '../book.ts';
import { type KnownCredit, type Obligation, OBLIGATIONS_MAX, unpaidSats } from '../credit.ts';
import type { Position } from '../window.ts';
import { declareDefault, goOnWithDefault } from './defaults.ts';
import { drawnSats } from './net-payouts.ts';
import { carryOver, isOwing, repayBearers, REPAYMENT_EVERY_MS } from './repayments.ts';

/** What a restored store doesn't know yet may have been paid: it looks again after so long. */
const RECOVERING_RETRY_MS = 60_000;

/** Who does what nobody has asked for. */
const BY = 'collection';

/**
 * What participants of a window that closes now have drawn is due by their terms. Whoever is frozen is in an operator's hands already.
 * @returns who owes something, in the order of the participants
 */
export function openObligations(book: Book, windowId: string, positions: readonly Position[]): readonly string[] {
  return positions.flatMap(({ institutionId }) => {
    const credit = book.credits.get(institutionId);
    if (credit.status === 'none' || credit.terms.dueAfterMs === undefined) return [];
    if (book.institutions.get(institutionId).status !== 'active') return [];
    const owedSats = drawnSats(book, institutionId);
    if (owedSats === 0n || credit.obligations.length >= OBLIGATIONS_MAX) return [];
    const dueAt = (book.now + credit.terms.dueAfterMs) as Instant;
    const obligation = { windowId, owedSats, creditedSats: creditedSats(book, institutionId), dueAt };
    const at = book.now;
    book.credits.record(institutionId, { type: 'obligation_opened', at, institutionId, by: BY, obligation });
    scheduleNext(book, institutionId);
    return [institutionId];
  });
}

/** Its timer: what is due has been paid, or is a default, which is decided here, once; one that is being closed out goes on. Too early, or too late: nothing happens. */
export function collect(book: Book, institutionId: string): void {
  const credit = book.credits.get(institutionId);
  if (credit.status === 'none') return;
  if (book.recovery.get().status !== 'normal')
    return book.schedule(institutionId, (book.now + RECOVERING_RETRY_MS) as Instant, 'collection');
  if (credit.defaultId !== undefined) {
    const isOver = goOnWithDefault(book, credit.defaultId);
    if (isOver) endDefault(book, institutionId, credit.defaultId);
    else book.schedule(institutionId, book.now, 'collection');
    return;
  }
  repayBearers(book, credit);
  const overdue = meetObligations(book, credit);
  if (overdue === undefined) return scheduleNext(book, institutionId);
  const { obligation, overdueSats } = overdue;
  const defaultId = declareDefault(book, institutionId, obligation.windowId, overdueSats);
  for (const { windowId } of known(book, institutionId).obligations) endObligation(book, windowId, institutionId);
  carryOver(book, institutionId, defaultId);
  book.credits.record(institutionId, { type: 'default_opened', at: book.now, institutionId, by: BY, defaultId });
  book.schedule(institutionId, book.now, 'collection');
}

interface Overdue {
  readonly obligation: Obligation;
  readonly overdueSats: bigint;
}

/** Ends those that are due and paid. @returns the first that isn't */
function meetObligations(book: Book, { institutionId, obligations }: KnownCredit): Overdue | undefined {
  const credited = creditedSats(book, institutionId);
  const drawn = drawnSats(book, institutionId);
  for (const obligation of obligations) {
    if (obligation.dueAt > book.now) continue;
    const overdueSats = unpaidSats(obligation, credited, drawn);
    if (overdueSats > 0n) return { obligation, overdueSats };
    const { windowId } = obligation;
    book.credits.record(institutionId, { type: 'obligation_met', at: book.now, institutionId, by: BY, windowId });
    endObligation(book, windowId, institutionId);
  }
  return undefined;
}

function endObligation(book: Book, windowId: string, institutionId: string): void {
  book.windows.record(windowId, { type: 'obligation_ended', at: book.now, institutionId });
}

function endDefault(book: Book, institutionId: string, defaultId: string): void {
  const isOwed = isOwing(book, defaultId);
  book.credits.record(institutionId, { type: 'default_ended', at: book.now, institutionId, by: BY, defaultId, isOwed });
  scheduleNext(book, institutionId);
}

/** Terms may have become shorter: the next to be due isn't always the oldest. */
function scheduleNext(book: Book, institutionId: string): void {
  const { obligations, owing } = known(book, institutionId);
  const times = obligations.map(({ dueAt }) => dueAt);
  if (owing.length > 0) times.push((book.now + REPAYMENT_EVERY_MS) as Instant);
  if (times.length === 0) book.cancelTimer(institutionId, 'collection');
  else book.schedule(institutionId, Math.min(...times) as Instant, 'collection');
}

function known(book: Book, institutionId: string): KnownCredit {
  const credit = book.credits.get(institutionId);
  if (credit.status === 'none') throw new Error('whoever owes something has terms');
  return credit;
}

/** All that has ever come in on its clearing balance, in satoshi. */
const creditedSats = ({ ledger }: Book, institutionId: string): bigint =>
  ledger.account(availableAccount({ kind: 'clearing', institutionId })).creditsPosted;
