import { type Aggregate, assert, assertNever, type Instant } from '@finality/kernel';
import { type Money, type TransferId, transferId, type Unit } from '@finality/ledger';

/** A line of the statement of one of the platform's accounts at a bank, as two persons book it. */
export interface BankLine {
  readonly bookingId: BankBookingId;
  /** As the platform sees it: what came in is an institution's from then on, what went out isn't any more. */
  readonly direction: 'in' | 'out';
  readonly institutionId: string;
  readonly money: Money;
  readonly statementLine: string;
  readonly reason: string;
  /** API key. */
  readonly proposedBy: string;
}

/** Lower-case hex: see {@link bankBookingId}. */
export type BankBookingId = TransferId;

/** A line is booked once, whoever says it with whatever key: its id is a hash of what it is called. */
export const bankBookingId = (unit: Unit, statementLine: string): BankBookingId =>
  transferId({ purpose: 'bank_line', object: `${unit} ${statementLine}`, life: 1 });

export type BankBookingEvent = { readonly at: Instant } & (
  | { readonly type: 'bank_booking_proposed'; readonly line: BankLine }
  | { readonly type: 'bank_booking_confirmed' | 'bank_booking_rejected'; readonly by: string; readonly reason: string }
);

export type BankBooking = { readonly status: 'none' } | KnownBankBooking;

export type KnownBankBooking = {
  readonly line: BankLine;
  /** How often it was proposed: the life of its transfers. */
  readonly proposals: number;
  readonly proposedAt: Instant;
} & (
  | { readonly status: 'proposed' }
  | {
      readonly status: 'booked' | 'rejected';
      readonly decidedBy: string;
      readonly decisionReason: string;
      readonly decidedAt: Instant;
    }
);

export const bankBookingAggregate: Aggregate<BankBooking, BankBookingEvent> = {
  name: 'bank_booking',
  initialState: { status: 'none' },
  evolve(state, event) {
    switch (event.type) {
      case 'bank_booking_proposed': {
        assert(state.status === 'none' || state.status === 'rejected', `a line that is ${state.status} isn't proposed`);
        const proposals = state.status === 'none' ? 1 : state.proposals + 1;
        return { status: 'proposed', line: event.line, proposals, proposedAt: event.at };
      }
      case 'bank_booking_confirmed':
      case 'bank_booking_rejected': {
        assert(state.status === 'proposed', `a line that is ${state.status} isn't decided on`);
        return {
          ...state,
          status: event.type === 'bank_booking_confirmed' ? 'booked' : 'rejected',
          decidedBy: event.by,
          decisionReason: event.reason,
          decidedAt: event.at,
        };
      }
      default:
        return assertNever(event, 'bank booking event');
    }
  },
};

/** The line, when it must be there. */
export function knownBooking(booking: BankBooking): KnownBankBooking {
  assert(booking.status !== 'none', 'the line of the bank’s statement is known');
  return booking;
}
