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
  /** The booking of the same line that was wrong, and in whose place this one stands. */
  readonly corrects?: BankBookingId;
}

/** Lower-case hex: see {@link bankBookingId}. */
export type BankBookingId = TransferId;

/** A line is booked once, whoever says it with whatever key: its id is a hash of what it is called. */
export const bankBookingId = (unit: Unit, statementLine: string): BankBookingId =>
  transferId({ purpose: 'bank_line', object: `${unit} ${statementLine}`, life: 1 });

/** Of what stands in the place of a booking that was wrong: each is corrected once. */
export const bankCorrectionId = ({ line, proposals }: Pick<KnownBankBooking, 'line' | 'proposals'>): BankBookingId =>
  transferId({ purpose: 'bank_line_corrected', object: line.bookingId, life: proposals });

/** That a booking was wrong, as two persons have found out. */
export interface BankCorrection {
  /** API keys: who proposed it, and who agreed. */
  readonly by: string;
  readonly confirmedBy: string;
  readonly reason: string;
  /** What stands in its place; missing: there shouldn't have been anything. */
  readonly replacedBy?: BankBookingId;
}

export type BankBookingEvent = { readonly at: Instant } & (
  | { readonly type: 'bank_booking_proposed'; readonly line: BankLine }
  | { readonly type: 'bank_booking_confirmed' | 'bank_booking_rejected'; readonly by: string; readonly reason: string }
  | { readonly type: 'bank_booking_corrected'; readonly correction: BankCorrection }
);

export type BankBooking = { readonly status: 'none' } | KnownBankBooking;

export type KnownBankBooking = {
  readonly line: BankLine;
  /** How often it was proposed: the life of its transfers. */
  readonly proposals: number;
  readonly proposedAt: Instant;
} & (
  | { readonly status: 'proposed' }
  | ({ readonly status: 'booked' | 'rejected' } & Decision)
  | ({ readonly status: 'corrected'; readonly correction: BankCorrection; readonly correctedAt: Instant } & Decision)
);

interface Decision {
  readonly decidedBy: string;
  readonly decisionReason: string;
  readonly decidedAt: Instant;
}

/** Whether nothing of the line is booked, or to be. */
export const isFree = (booking: BankBooking): boolean =>
  booking.status === 'none' ||
  booking.status === 'rejected' ||
  (booking.status === 'corrected' && booking.correction.replacedBy === undefined);

export const bankBookingAggregate: Aggregate<BankBooking, BankBookingEvent> = {
  name: 'bank_booking',
  initialState: { status: 'none' },
  evolve(state, event) {
    switch (event.type) {
      case 'bank_booking_proposed': {
        assert(isFree(state), `a line that is ${state.status} isn't proposed`);
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
      case 'bank_booking_corrected': {
        assert(state.status === 'booked', `a line that is ${state.status} isn't corrected`);
        const { correction, at: correctedAt } = event;
        return { ...state, status: 'corrected', correction, correctedAt };
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
