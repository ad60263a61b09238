import { unwrap } from '@finality/kernel';
import { clearingClaim } from '@finality/ledger';
import { describe, expect, it } from 'vitest';
import { EUR, Exchange, refusedFor, USD } from '../spec/exchange.fixture.ts';
import { bankBookingId } from '../bank-booking.ts';
import { AT_BANKS_MAX } from '../unit-debt.ts';
import { type BankLineProposal, confirmBankBooking, proposeBankBooking, rejectBankBooking } from './bank-bookings.ts';
import { freezeInstitution } from './institutions.ts';

const line = (change: Partial<BankLineProposal> = {}): BankLineProposal => ({
  direction: 'in',
  institutionId: 'a',
  money: { unit: USD, amount: 1_000n },
  statementLine: '2026-11-22 #7',
  reason: 'wire',
  proposedBy: 'one',
  ...change,
});
const bookingId = bankBookingId(USD, '2026-11-22 #7');
const by = (person: string) => ({ bookingId, by: person, reason: 'seen' });
const out = line({ direction: 'out' });

describe('what came in', () => {
  it('is on the balance once a second person has seen it, and the bank owes it', () => {
    const exchange = new Exchange('a');
    const { book } = exchange;
    expect(unwrap(proposeBankBooking(book, line()))).toMatchObject({ status: 'proposed', line: { bookingId } });
    expect(exchange.has('a', USD)).toBe(0n);
    expect(unwrap(confirmBankBooking(book, by('two')))).toMatchObject({ status: 'booked', decidedBy: 'two' });
    expect([exchange.has('a', USD), exchange.held(USD)]).toEqual([1_000n, 1_000n]);
    expect([exchange.has('a', EUR), book.ledger.balanceOf({ kind: 'clearing', institutionId: 'a' }).available]).toEqual(
      [0n, 0n],
    );
    book.ledger.assertZeroSum();
  });

  it('is booked once, whoever says it again', () => {
    const { book } = new Exchange('a', 'b');
    unwrap(proposeBankBooking(book, line()));
    refusedFor(proposeBankBooking(book, line({ proposedBy: 'two' })), 'LINE_BOOKED', 'statement_line');
    unwrap(confirmBankBooking(book, by('two')));
    refusedFor(proposeBankBooking(book, line({ institutionId: 'b' })), 'LINE_BOOKED');
    refusedFor(confirmBankBooking(book, by('three')), 'NOT_PROPOSED');
    refusedFor(rejectBankBooking(book, by('three')), 'NOT_PROPOSED');
    // The same line of an account in another unit is another line.
    expect(proposeBankBooking(book, line({ money: { unit: EUR, amount: 1n } }))).toMatchObject({ ok: true });
  });

  it('takes two persons', () => {
    const { book } = new Exchange('a');
    refusedFor(confirmBankBooking(book, by('two')), 'UNKNOWN_BOOKING');
    unwrap(proposeBankBooking(book, line()));
    refusedFor(confirmBankBooking(book, by('one')), 'SAME_PERSON');
  });

  it('can be said otherwise after it was rejected', () => {
    const exchange = new Exchange('a', 'b');
    unwrap(proposeBankBooking(exchange.book, line()));
    unwrap(rejectBankBooking(exchange.book, by('one')));
    const again = unwrap(proposeBankBooking(exchange.book, line({ institutionId: 'b' })));
    expect(again).toMatchObject({ status: 'proposed', proposals: 2 });
    unwrap(confirmBankBooking(exchange.book, by('two')));
    expect([exchange.has('a', USD), exchange.has('b', USD)]).toEqual([0n, 1_000n]);
  });

  it('is an institution’s that is frozen, too; and nobody’s who isn’t known', () => {
    const { book } = new Exchange('a');
    freezeInstitution(book, 'a', 'test');
    expect(proposeBankBooking(book, line())).toMatchObject({ ok: true });
    refusedFor(proposeBankBooking(book, line({ institutionId: 'nobody' })), 'UNKNOWN_INSTITUTION');
  });

  it('never makes a balance that can’t be told', () => {
    const exchange = new Exchange('a');
    exchange.payIn('a', USD, AT_BANKS_MAX);
    refusedFor(proposeBankBooking(exchange.book, line({ money: { unit: USD, amount: 1n } })), 'AMOUNT_TOO_LARGE');
    const other = new Exchange('a');
    unwrap(proposeBankBooking(other.book, line({ money: { unit: USD, amount: 1n } })));
    other.payIn('a', USD, AT_BANKS_MAX);
    refusedFor(confirmBankBooking(other.book, by('two')), 'AMOUNT_TOO_LARGE');
  });
});

describe('what went out', () => {
  const funded = (): Exchange => {
    const exchange = new Exchange('a');
    exchange.payIn('a', USD, 1_500n);
    return exchange;
  };

  it('is reserved at once, and gone when a second person has seen it', () => {
    const exchange = funded();
    unwrap(proposeBankBooking(exchange.book, out));
    expect(exchange.book.ledger.balanceOf(clearingClaim('a', USD))).toMatchObject({
      available: 500n,
      reserved: 1_000n,
    });
    unwrap(confirmBankBooking(exchange.book, by('two')));
    expect([exchange.has('a', USD), exchange.held(USD)]).toEqual([500n, 500n]);
    exchange.book.ledger.assertZeroSum();
  });

  it('is free again when it was rejected, and can be proposed and booked then', () => {
    const exchange = funded();
    unwrap(proposeBankBooking(exchange.book, out));
    unwrap(rejectBankBooking(exchange.book, by('two')));
    expect([exchange.has('a', USD), exchange.held(USD)]).toEqual([1_500n, 1_500n]);
    unwrap(proposeBankBooking(exchange.book, out));
    unwrap(confirmBankBooking(exchange.book, by('two')));
    expect([exchange.has('a', USD), exchange.held(USD)]).toEqual([500n, 500n]);
  });

  it('is no more than there is, in its unit', () => {
    const { book } = funded();
    const more = (unit: typeof USD, amount: bigint) => line({ direction: 'out', money: { unit, amount } });
    refusedFor(proposeBankBooking(book, more(USD, 1_501n)), 'INSUFFICIENT_BALANCE', 'amount.amount');
    refusedFor(proposeBankBooking(book, more(EUR, 1n)), 'INSUFFICIENT_BALANCE');
    freezeInstitution(book, 'a', 'test');
    refusedFor(proposeBankBooking(book, out), 'INSTITUTION_FROZEN', 'institution_id');
  });
});
