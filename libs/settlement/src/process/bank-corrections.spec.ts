import { unwrap } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import { bankBookingId, bankCorrectionId, knownBooking } from '../bank-booking.ts';
import { AT_BANKS_MAX } from '../unit-debt.ts';
import { Exchange, refusedFor, USD } from '../spec/exchange.fixture.ts';
import { type BankCorrectionRequest, correctBankLine, type RightLine } from './bank-corrections.ts';
import { confirmBankBooking, proposeBankBooking } from './bank-bookings.ts';

const LINE = '2026-11-22 #7';
const bookingId = bankBookingId(USD, LINE);
const correction = (right?: RightLine, change: Partial<BankCorrectionRequest> = {}): BankCorrectionRequest => ({
  bookingId,
  institutionId: 'a',
  reason: 'misread',
  by: 'one',
  confirmedBy: 'two',
  ...(right !== undefined && { right }),
  ...change,
});
const to = (institutionId: string, amount: bigint, direction: 'in' | 'out' = 'in'): RightLine => ({
  direction,
  institutionId,
  amount,
});

function booked(direction: 'in' | 'out' = 'in', amount = 1_000n): Exchange {
  const exchange = new Exchange('a', 'b');
  if (direction === 'out') exchange.payIn('a', USD, 5_000n);
  const line = { direction, institutionId: 'a', money: { unit: USD, amount }, statementLine: LINE };
  unwrap(proposeBankBooking(exchange.book, { ...line, reason: 'wire', proposedBy: 'one' }));
  unwrap(confirmBankBooking(exchange.book, { bookingId, by: 'two', reason: 'seen' }));
  return exchange;
}

const bookedAs = ({ book }: Exchange, id = bookingId) => knownBooking(book.bankBookings.get(id));
const statusOf = ({ book }: Exchange, id: string): string => book.institutions.get(id).status;

describe('a line that was booked wrongly', () => {
  it('for another institution moves to whose it is, by a booking that names what it corrects', () => {
    const exchange = booked();
    const corrected = unwrap(correctBankLine(exchange.book, correction(to('b', 1_000n))));
    expect([exchange.has('a', USD), exchange.has('b', USD), exchange.held(USD)]).toEqual([0n, 1_000n, 1_000n]);
    const replacedBy = bankCorrectionId(corrected);
    const who = { by: 'one', confirmedBy: 'two', reason: 'misread' };
    expect(corrected).toMatchObject({ status: 'corrected', correction: { ...who, replacedBy } });
    expect(bookedAs(exchange, replacedBy)).toMatchObject({
      status: 'booked',
      line: { corrects: bookingId, institutionId: 'b', statementLine: LINE, proposedBy: 'one' },
      decidedBy: 'two',
    });
    expect(statusOf(exchange, 'a')).toBe('active');
    exchange.book.ledger.assertZeroSum();
  });

  it('is taken back and booked by corrections of the transfer that booked it', () => {
    const exchange = booked();
    unwrap(correctBankLine(exchange.book, correction(to('a', 100n))));
    const [first, ...corrections] = exchange.book.ledger.changes().transfers;
    expect(corrections.map(({ kind, purpose, amount }) => [kind, purpose, amount])).toEqual([
      ['correction', 'bank_correction', 1_000n],
      ['correction', 'bank_corrected', 100n],
    ]);
    for (const made of corrections) expect(made).toMatchObject({ corrects: first!.id });
  });

  it.each([
    ['in, of another amount', 'in', to('a', 100n), 100n, 100n],
    ['in, and went out', 'in', to('a', 400n, 'out'), -400n, -400n],
    ['in, and never came', 'in', undefined, 0n, 0n],
    ['out, of another amount', 'out', to('a', 100n, 'out'), 4_900n, 4_900n],
    ['out, and came in', 'out', to('a', 100n), 5_100n, 5_100n],
    ['out, and never went', 'out', undefined, 5_000n, 5_000n],
  ] as const)('as %s: what the bank has and what is owed are right', (_what, direction, right, has, held) => {
    const exchange = booked(direction);
    unwrap(correctBankLine(exchange.book, correction(right)));
    expect([exchange.has('a', USD), exchange.held(USD)]).toEqual([has, held]);
    expect(statusOf(exchange, 'a')).toBe(has < 0n ? 'frozen' : 'active');
    exchange.book.ledger.assertZeroSum();
  });

  it('freezes who has spent what wasn’t his, and nobody who ends with enough', () => {
    const exchange = booked();
    const out = { direction: 'out', institutionId: 'a', money: { unit: USD, amount: 900n } } as const;
    const said = { statementLine: 'spent', reason: 'wire', proposedBy: 'one' };
    const spent = unwrap(proposeBankBooking(exchange.book, { ...out, ...said })).line.bookingId;
    unwrap(confirmBankBooking(exchange.book, { bookingId: spent, by: 'two', reason: 'seen' }));
    unwrap(correctBankLine(exchange.book, correction(to('a', 950n))));
    expect([exchange.has('a', USD), statusOf(exchange, 'a')]).toEqual([50n, 'active']);
    const again = { bookingId: bankCorrectionId(bookedAs(exchange)) };
    unwrap(correctBankLine(exchange.book, correction(to('b', 950n), again)));
    expect([exchange.has('a', USD), exchange.has('b', USD)]).toEqual([-900n, 950n]);
    expect([statusOf(exchange, 'a'), statusOf(exchange, 'b')]).toEqual(['frozen', 'active']);
  });

  it('is corrected once; what stands in its place can be, too', () => {
    const { book } = booked();
    const { line } = unwrap(correctBankLine(book, correction(to('b', 1_000n))));
    refusedFor(correctBankLine(book, correction()), 'NOT_BOOKED', 'booking_id');
    const say = { direction: 'in', institutionId: 'a', money: line.money, statementLine: LINE } as const;
    refusedFor(proposeBankBooking(book, { ...say, reason: '', proposedBy: 'one' }), 'LINE_BOOKED');
    const again = { bookingId: bankCorrectionId(knownBooking(book.bankBookings.get(bookingId))), institutionId: 'b' };
    expect(unwrap(correctBankLine(book, correction(to('a', 999n), again)))).toMatchObject({ status: 'corrected' });
  });

  it('that shouldn’t have been there can be proposed anew, and booked', () => {
    const exchange = booked();
    unwrap(correctBankLine(exchange.book, correction()));
    const say = { direction: 'in', institutionId: 'b', money: { unit: USD, amount: 7n }, statementLine: LINE } as const;
    unwrap(proposeBankBooking(exchange.book, { ...say, reason: '', proposedBy: 'one' }));
    unwrap(confirmBankBooking(exchange.book, { bookingId, by: 'two', reason: '' }));
    expect([exchange.has('a', USD), exchange.has('b', USD), exchange.held(USD)]).toEqual([0n, 7n, 7n]);
    unwrap(correctBankLine(exchange.book, correction(to('b', 8n), { institutionId: 'b' })));
    expect(exchange.has('b', USD)).toBe(8n);
  });
});

describe('is refused', () => {
  it.each([
    ['by one person', correction(undefined, { confirmedBy: undefined as never }), 'SECOND_PERSON_REQUIRED'],
    ['of a line that isn’t there', correction(undefined, { bookingId: '00' }), 'UNKNOWN_BOOKING'],
    ['of another one’s', correction(undefined, { institutionId: 'b' }), 'NOT_THEIR_LINE'],
    ['for nobody who is known', correction(to('nobody', 1n)), 'UNKNOWN_INSTITUTION'],
    ['into what it is', correction(to('a', 1_000n)), 'INVALID_ARGUMENT'],
  ])('%s', (_what, request, reason) => {
    refusedFor(correctBankLine(booked().book, request), reason);
  });

  it('past what can be told', () => {
    const exchange = booked();
    exchange.payIn('b', USD, AT_BANKS_MAX - 1_000n);
    refusedFor(correctBankLine(exchange.book, correction(to('a', 1_001n))), 'AMOUNT_TOO_LARGE', 'right.amount');
    expect(correctBankLine(exchange.book, correction(to('b', 1_000n)))).toMatchObject({ ok: true });
  });

  it('while it waits for its second person', () => {
    const { book } = new Exchange('a');
    const line = {
      direction: 'in',
      institutionId: 'a',
      money: { unit: USD, amount: 1n },
      statementLine: LINE,
    } as const;
    unwrap(proposeBankBooking(book, { ...line, reason: '', proposedBy: 'one' }));
    refusedFor(correctBankLine(book, correction()), 'NOT_BOOKED');
  });
});
