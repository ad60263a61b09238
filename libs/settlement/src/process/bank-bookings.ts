import { assert, err, fieldError, ok, refusal, type Refusal, type Result } from '@finality/kernel';
import { creditBalance, nostroAccount } from '@finality/ledger';
import {
  type BankBooking,
  bankBookingId,
  type BankLine,
  isFree,
  type KnownBankBooking,
  knownBooking,
} from '../bank-booking.ts';
import type { Book } from '../book.ts';
import { AT_BANKS_MAX } from '../unit-debt.ts';
import { cameIn, didNotGoOut, goesOut, wentOut } from '../postings/bank-booking.ts';
import { mustPost } from '../postings/post.ts';
import { unknownInstitution } from './institutions.ts';
import { secondStepRefusal, stepRefusal } from './second-person.ts';

export type BankLineProposal = Omit<BankLine, 'bookingId' | 'corrects'>;

/** The second person's. */
export interface BankDecision {
  readonly bookingId: string;
  /** API key. */
  readonly by: string;
  readonly reason: string;
}

/**
 * What a line of a bank's statement is to be booked as. What came in moves nothing yet; what went out is reserved.
 * @returns UNKNOWN_INSTITUTION, INSTITUTION_FROZEN (for what goes out), LINE_BOOKED, INSUFFICIENT_BALANCE, AMOUNT_TOO_LARGE, KEY_TOO_NEW
 */
export function proposeBankBooking(book: Book, proposal: BankLineProposal): Result<KnownBankBooking, Refusal> {
  const line: BankLine = { ...proposal, bookingId: bankBookingId(proposal.money.unit, proposal.statementLine) };
  const { bookingId, direction, institutionId } = line;
  const before = book.bankBookings.get(bookingId);
  const refused =
    stepRefusal(book, line.proposedBy) ??
    partyRefusal(book, institutionId, direction) ??
    lineRefusal(before) ??
    rangeRefusal(book, line, 'amount.amount');
  if (refused !== undefined) return err(refused);
  const booking = { line, proposals: before.status === 'none' ? 1 : before.proposals + 1 };
  if (direction === 'out') {
    const reserved = book.ledger.post([goesOut(booking)]);
    if (!reserved.ok) {
      assert(reserved.error.kind === 'insufficient', `money can only be lacking: ${reserved.error.kind}`);
      const { available, needed } = reserved.error;
      const message = `expected a balance of ${needed} at least, got ${available}`;
      return failed('INSUFFICIENT_BALANCE', message, 'amount.amount');
    }
  }
  return ok(knownBooking(book.bankBookings.record(bookingId, { type: 'bank_booking_proposed', at: book.now, line })));
}

/** Another person has seen the line, too. @returns UNKNOWN_BOOKING, NOT_PROPOSED, SAME_PERSON, KEY_TOO_NEW, AMOUNT_TOO_LARGE */
export function confirmBankBooking(
  book: Book,
  { bookingId, by, reason }: BankDecision,
): Result<KnownBankBooking, Refusal> {
  const found = proposed(book, bookingId);
  if (!found.ok) return found;
  const booking = found.value;
  const refused = secondStepRefusal(book, booking.line.proposedBy, by) ?? rangeRefusal(book, booking.line);
  if (refused !== undefined) return err(refused);
  mustPost(book.ledger, booking.line.direction === 'in' ? cameIn(booking) : wentOut(booking));
  const confirmed = { type: 'bank_booking_confirmed', at: book.now, by, reason } as const;
  return ok(knownBooking(book.bankBookings.record(bookingId, confirmed)));
}

/** It isn't so: nothing has moved, and what was reserved is free. @returns UNKNOWN_BOOKING, NOT_PROPOSED */
export function rejectBankBooking(
  book: Book,
  { bookingId, by, reason }: BankDecision,
): Result<KnownBankBooking, Refusal> {
  const found = proposed(book, bookingId);
  if (!found.ok) return found;
  if (found.value.line.direction === 'out') mustPost(book.ledger, didNotGoOut(found.value));
  const rejected = { type: 'bank_booking_rejected', at: book.now, by, reason } as const;
  return ok(knownBooking(book.bankBookings.record(bookingId, rejected)));
}

function proposed(book: Book, bookingId: string): Result<KnownBankBooking & { status: 'proposed' }, Refusal> {
  const booking = book.bankBookings.get(bookingId);
  if (booking.status === 'none') return err(refusal('not_found', 'UNKNOWN_BOOKING', `no booking ${bookingId}`));
  if (booking.status === 'proposed') return ok(booking);
  return failed('NOT_PROPOSED', `expected a booking that waits for a decision, got one that is ${booking.status}`);
}

function lineRefusal(before: BankBooking): Refusal | undefined {
  if (before.status === 'none' || isFree(before)) return undefined;
  const message = `expected a line that isn't there yet, got one that is ${before.status} for ${before.line.institutionId}`;
  return refusal('already_exists', 'LINE_BOOKED', message, { fields: [fieldError('statement_line', message)] });
}

/** Money that has come in is an institution's whatever it has done. */
function partyRefusal(book: Book, institutionId: string, direction: BankLine['direction']): Refusal | undefined {
  const { status } = book.institutions.get(institutionId);
  if (status === 'none') return unknownInstitution(institutionId);
  if (status === 'active' || direction === 'in') return undefined;
  const message = 'expected an active institution, got a frozen one';
  return refusal('failed_precondition', 'INSTITUTION_FROZEN', message, {
    fields: [fieldError('institution_id', message)],
  });
}

/** All balances of a unit together are what banks have: see {@link AT_BANKS_MAX}. @returns AMOUNT_TOO_LARGE */
export function rangeRefusal(
  book: Book,
  { direction, money }: Pick<BankLine, 'direction' | 'money'>,
  field?: string,
): Refusal | undefined {
  if (direction === 'out') return undefined;
  const held = -creditBalance(book.ledger.account(nostroAccount(money.unit)));
  if (held + money.amount <= AT_BANKS_MAX) return undefined;
  const message = `expected at most ${AT_BANKS_MAX} in all accounts at banks together, got ${money.amount} more than ${held}`;
  return refusal('failed_precondition', 'AMOUNT_TOO_LARGE', message, {
    fields: field === undefined ? [] : [fieldError(field, message)],
  });
}

const failed = (reason: string, message: string, field?: string): Result<never, Refusal> =>
  err(
    refusal(
      'failed_precondition',
      reason,
      message,
      field === undefined ? {} : { fields: [fieldError(field, message)] },
    ),
  );
