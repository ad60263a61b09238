import { assert, err, fieldError, invalid, ok, refusal, type Refusal, type Result } from '@finality/kernel';
import { isOverdrawn, parseAccountId } from '@finality/ledger';
import { bankCorrectionId, type BankLine, type KnownBankBooking, knownBooking } from '../bank-booking.ts';
import type { Book } from '../book.ts';
import { bookedInstead, takenBack } from '../postings/bank-booking.ts';
import { owedRefusal } from '../unit-debt.ts';
import { mustPost } from '../postings/post.ts';
import { rangeRefusal } from './bank-bookings.ts';
import { freeze } from './freeze.ts';
import { unknownInstitution } from './institutions.ts';
import { type Deciders, secondPersonRequired } from './second-person.ts';

/** What a line should have been booked as, in the unit that it is in. */
export interface RightLine extends Pick<BankLine, 'direction' | 'institutionId'> {
  readonly amount: bigint;
}

export interface BankCorrectionRequest extends Deciders {
  readonly bookingId: string;
  /** Whose it is booked as: nobody takes back another line than he thinks. */
  readonly institutionId: string;
  /** Missing: nothing should have been booked. */
  readonly right?: RightLine;
  readonly reason: string;
}

/**
 * A line that was booked wrongly: taken back whole, and booked as it should have been by a booking of its own, at once. Whoever has spent what wasn't his is
 * overdrawn, and frozen until it is made good.
 * @returns what is corrected; or UNKNOWN_BOOKING, NOT_BOOKED, NOT_THEIR_LINE, UNKNOWN_INSTITUTION, INVALID_ARGUMENT, AMOUNT_TOO_LARGE, SECOND_PERSON_REQUIRED
 */
export function correctBankLine(book: Book, request: BankCorrectionRequest): Result<KnownBankBooking, Refusal> {
  const refused = correctionRefusal(book, request);
  if (refused !== undefined) return err(refused);
  const { bookingId, right, by, confirmedBy, reason } = request;
  if (confirmedBy === undefined) return err(secondPersonRequired('booking_id'));
  const wrong = knownBooking(book.bankBookings.get(bookingId));
  const at = book.now;
  const instead = right && bookedRight(wrong, right, request);
  const { unit } = wrong.line.money;
  const taken = takenBy(wrong, right);
  if (taken > 0n) book.unitDebts.record(unit, { type: 'correction_counted', at, bookingId, amount: taken });
  const transfers = [takenBack(wrong), ...(instead === undefined ? [] : [bookedInstead(instead, wrong)])];
  const overdrawn = mustPost(book.ledger, ...transfers);
  if (instead !== undefined) {
    const confirmed = { type: 'bank_booking_confirmed', at, by: confirmedBy, reason } as const;
    const { line } = instead;
    book.bankBookings.record(line.bookingId, { type: 'bank_booking_proposed', at, line }, confirmed);
  }
  const correction = { by, confirmedBy, reason, ...(instead !== undefined && { replacedBy: instead.line.bookingId }) };
  const corrected = book.bankBookings.record(bookingId, { type: 'bank_booking_corrected', at, correction });
  for (const id of new Set(overdrawn)) {
    const account = parseAccountId(id);
    if (account.kind !== 'claim' || account.claim.kind !== 'clearing' || !isOverdrawn(book.ledger.account(id)))
      continue;
    freeze(book, account.claim.institutionId, `overdrawn by the correction of the bank's line ${bookingId}`);
  }
  return ok(knownBooking(corrected));
}

/** What is wrong with it, whoever asks: see {@link correctBankLine}. */
export function correctionRefusal(book: Book, request: BankCorrectionRequest): Refusal | undefined {
  const { bookingId, right } = request;
  const booking = book.bankBookings.get(bookingId);
  if (booking.status === 'none') return refusal('not_found', 'UNKNOWN_BOOKING', `no booking ${bookingId}`);
  if (booking.status !== 'booked') {
    const message = `expected a line that is booked, got one that is ${booking.status}`;
    return refusal('failed_precondition', 'NOT_BOOKED', message, { fields: [fieldError('booking_id', message)] });
  }
  const { direction, institutionId, money } = booking.line;
  if (request.institutionId !== institutionId) {
    const message = `expected a line of ${request.institutionId}, got one of ${institutionId}`;
    return refusal('failed_precondition', 'NOT_THEIR_LINE', message, {
      fields: [fieldError('institution_id', message)],
    });
  }
  if (right !== undefined && book.institutions.get(right.institutionId).status === 'none')
    return unknownInstitution(right.institutionId);
  if (direction === right?.direction && institutionId === right.institutionId && money.amount === right.amount)
    return invalid(fieldError('right', 'expected something else than what is booked'));
  const amount = (right === undefined ? 0n : signed(right)) - signed({ direction, amount: money.amount });
  return (
    rangeRefusal(book, { direction: 'in', money: { unit: money.unit, amount } }, 'right.amount') ??
    owedRefusal(book, money.unit, takenBy(booking, right), 'right.amount')
  );
}

/** What may be missing on balances by it, whatever their limits. */
const takenBy = ({ line }: Pick<KnownBankBooking, 'line'>, right: RightLine | undefined): bigint =>
  (line.direction === 'in' ? line.money.amount : 0n) + (right?.direction === 'out' ? right.amount : 0n);

/** As what the bank has changes by it. */
const signed = ({ direction, amount }: Pick<RightLine, 'direction' | 'amount'>): bigint =>
  direction === 'in' ? amount : -amount;

function bookedRight(
  wrong: KnownBankBooking,
  { direction, institutionId, amount }: RightLine,
  { by, reason }: BankCorrectionRequest,
): Pick<KnownBankBooking, 'line' | 'proposals'> {
  assert(wrong.status === 'booked', 'what is corrected is booked');
  const { bookingId: corrects, money, statementLine } = wrong.line;
  const bookingId = bankCorrectionId(wrong);
  const what = { direction, institutionId, money: { unit: money.unit, amount }, statementLine };
  return { line: { ...what, bookingId, reason, proposedBy: by, corrects }, proposals: 1 };
}
