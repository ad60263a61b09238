import { assert, type Instant } from '@finality/kernel';
import {
  type Account,
  availableAccount,
  BTC,
  clearingClaim,
  creditBalance,
  pledgeAccount,
  type Unit,
} from '@finality/ledger';
import type { Book } from '../book.ts';
import { type DefaultIn, type KnownCredit, type Obligation, OBLIGATIONS_MAX, termsIn, unpaidOf } from '../credit.ts';
import { taken } from '../postings/pledge.ts';
import { mustPost } from '../postings/post.ts';
import type { Debtor, Position } from '../window.ts';
import { applyLine, cutLine } from './credit-lines.ts';
import { declareDefault, goOnWithDefault, type Overdue } from './defaults.ts';
import { freeze } from './freeze.ts';
import { countedIn, debtOverdue } from './incidents.ts';
import { carryOver, isOwing, repayBearers, REPAYMENT_EVERY_MS } from './repayments.ts';
import type { Deciders } from './second-person.ts';

/** What a restored store doesn't know yet may have been paid: it looks again after so long. */
const RECOVERING_RETRY_MS = 60_000;

/** Who does what nobody has asked for. */
const BY = 'collection';

/**
 * What participants of a window that closes now have drawn in the units of their positions is due by their terms. Whoever is frozen is in an operator's hands already.
 * @returns who owes something, in the order of the positions
 */
export function openObligations(book: Book, windowId: string, positions: readonly Position[]): readonly Debtor[] {
  return positions.flatMap(({ institutionId, unit }) => {
    const credit = book.credits.get(institutionId);
    if (credit.status === 'none') return [];
    const { dueAfterMs, graceMs = 0 } = termsIn(credit.terms, unit);
    if (dueAfterMs === undefined) return [];
    if (book.institutions.get(institutionId).status !== 'active') return [];
    const account = balanceIn(book, institutionId, unit);
    const owed = drawn(account);
    if (owed === 0n || credit.obligations.length + credit.overdue.length >= OBLIGATIONS_MAX) return [];
    const dueAt = (book.now + dueAfterMs) as Instant;
    // Of a default in BTC a timer decides, of others people: money takes longer to be seen at a bank.
    const grace = unit === BTC ? {} : { graceUntil: (dueAt + graceMs) as Instant };
    const obligation = { windowId, unit, owed, credited: account.creditsPosted, dueAt, ...grace };
    const at = book.now;
    book.credits.record(institutionId, { type: 'obligation_opened', at, institutionId, by: BY, obligation });
    scheduleNext(book, institutionId);
    return [{ institutionId, unit }];
  });
}

/**
 * Its timer: what is due has been paid, or is a default, which is decided here, once; one that is being closed out goes on. In another unit than BTC people decide
 * (`declareOverdue`). Too early, or too late: nothing happens.
 */
export function collect(book: Book, institutionId: string): void {
  const credit = book.credits.get(institutionId);
  if (credit.status === 'none') return;
  if (book.recovery.get().status !== 'normal')
    return book.schedule(institutionId, (book.now + RECOVERING_RETRY_MS) as Instant, 'collection');
  if (credit.open !== undefined) {
    const isOver = goOnWithDefault(book, credit.open.defaultId);
    if (isOver) endDefault(book, institutionId, credit.open);
    else book.schedule(institutionId, book.now, 'collection');
    return;
  }
  repayBearers(book, credit);
  const overdue = meetObligations(book, credit);
  if (overdue === undefined) scheduleNext(book, institutionId);
  else openDefault(book, institutionId, overdue);
}

/** All that is owed in the unit is part of it, and is closed out in steps to come. @param persons who say so, where that takes two */
export function openDefault(book: Book, institutionId: string, overdue: Overdue, persons?: Required<Deciders>): string {
  const { unit } = overdue.obligation;
  const defaultId = declareDefault(book, institutionId, overdue, persons);
  for (const each of known(book, institutionId).obligations)
    if (each.unit === unit) endObligation(book, institutionId, each);
  carryOver(book, institutionId, { defaultId, unit });
  const opened = { type: 'default_opened', at: book.now, institutionId, by: BY, defaultId, unit } as const;
  book.credits.record(institutionId, opened);
  book.schedule(institutionId, book.now, 'collection');
  return defaultId;
}

/** Ends those that are due and paid, and leaves to people what isn't in other units than BTC. @returns the first of satoshi that isn't paid */
function meetObligations(book: Book, { institutionId, obligations, overdue }: KnownCredit): Overdue | undefined {
  const by = { at: book.now, institutionId, by: BY };
  for (const obligation of overdue) {
    const { windowId, unit } = obligation;
    if (unpaidNow(book, institutionId, obligation) === 0n)
      book.credits.record(institutionId, { type: 'obligation_met', ...by, windowId, unit });
  }
  for (const obligation of obligations) {
    if (obligation.dueAt > book.now) continue;
    const { windowId, unit } = obligation;
    const unpaid = unpaidNow(book, institutionId, obligation);
    if (unpaid > 0n && unit === BTC) return { obligation, unpaid };
    if (unpaid === 0n) book.credits.record(institutionId, { type: 'obligation_met', ...by, windowId, unit });
    else {
      book.credits.record(institutionId, { type: 'obligation_overdue', ...by, windowId, unit, unpaid });
      leaveToPeople(book, institutionId, { obligation, unpaid });
    }
    endObligation(book, institutionId, obligation);
  }
  return undefined;
}

/** What of an obligation isn't paid by now. */
export function unpaidNow(book: Book, institutionId: string, obligation: Obligation): bigint {
  const account = balanceIn(book, institutionId, obligation.unit);
  return unpaidOf(obligation, account.creditsPosted, drawn(account));
}

/**
 * Whether it has been paid at a bank nobody here can tell before two persons have seen the statement, so nothing is taken from anybody else: its own collateral in the unit
 * pays, which costs it nothing if the money turns out to have come; the institution is frozen, nothing more is lent, and what is drawn beyond stays drawn (ADR 30).
 */
function leaveToPeople(book: Book, institutionId: string, { obligation, unpaid }: Overdue): void {
  const { windowId, unit } = obligation;
  const covered = takeCollateral(book, institutionId, obligation, unpaid);
  const owed = `${countedIn(unpaid, unit)} that were due for window ${windowId}, of which ${covered} are covered by its collateral`;
  debtOverdue(book, institutionId, obligation, owed);
  const reason = `hasn't paid ${owed}`;
  freeze(book, institutionId, reason);
  cutLine(book, institutionId, { unit, amount: drawn(balanceIn(book, institutionId, unit)) }, { reason, by: BY });
}

/** @returns how much of it there was */
function takeCollateral(book: Book, institutionId: string, { windowId, unit }: Obligation, unpaid: bigint): bigint {
  const there = creditBalance(book.ledger.account(pledgeAccount('collateral', institutionId, unit)));
  const amount = there < unpaid ? there : unpaid;
  if (amount === 0n) return amount;
  mustPost(book.ledger, taken(institutionId, windowId, unit, amount));
  const event = { type: 'collateral_taken', at: book.now, institutionId, by: BY, windowId, unit, amount } as const;
  book.credits.record(institutionId, event);
  applyLine(book, institutionId, unit);
  return amount;
}

function endObligation(book: Book, institutionId: string, { windowId, unit }: Obligation): void {
  book.windows.record(windowId, { type: 'obligation_ended', at: book.now, institutionId, unit });
}

function endDefault(book: Book, institutionId: string, of: DefaultIn): void {
  const isOwed = isOwing(book, of.defaultId);
  book.credits.record(institutionId, { type: 'default_ended', at: book.now, institutionId, by: BY, ...of, isOwed });
  scheduleNext(book, institutionId);
}

/** Terms may have become shorter: the next to be due isn't always the oldest. */
function scheduleNext(book: Book, institutionId: string): void {
  const { obligations, overdue, owing } = known(book, institutionId);
  const times = obligations.map(({ dueAt }) => dueAt);
  if (owing.length + overdue.length > 0) times.push((book.now + REPAYMENT_EVERY_MS) as Instant);
  if (times.length === 0) book.cancelTimer(institutionId, 'collection');
  else book.schedule(institutionId, Math.min(...times) as Instant, 'collection');
}

function known(book: Book, institutionId: string): KnownCredit {
  const credit = book.credits.get(institutionId);
  assert(credit.status !== 'none', 'whoever owes something has terms');
  return credit;
}

const balanceIn = ({ ledger }: Book, institutionId: string, unit: Unit): Account =>
  ledger.account(availableAccount(clearingClaim(institutionId, unit)));

/** What is owed on a clearing balance now, reservations included. */
function drawn({ debitsPosted, debitsPending, creditsPosted }: Account): bigint {
  const owed = debitsPosted + debitsPending - creditsPosted;
  return owed > 0n ? owed : 0n;
}
