import {
  availableAccount,
  clearingClaim,
  correction,
  nostroAccount,
  pending,
  post,
  single,
  type Transfer,
  transferId,
  type TransferId,
  voidPending,
} from '@finality/ledger';
import type { KnownBankBooking } from '../bank-booking.ts';

type Booking = Pick<KnownBankBooking, 'line' | 'proposals'>;

const accountsOf = ({ line: { institutionId, money } }: Booking) => ({
  bank: nostroAccount(money.unit),
  available: availableAccount(clearingClaim(institutionId, money.unit)),
});

const keyOf = ({ line, proposals }: Booking, purpose: string) => ({ purpose, object: line.bookingId, life: proposals });

/** Of the reservation that a payment out rests on; nothing comes in before two have said so. */
export const bankReservationId = (booking: Booking): TransferId => transferId(keyOf(booking, 'bank_out'));

/** It came in: the bank owes it to the platform, the platform to the institution. */
export function cameIn(booking: Booking): Transfer {
  const { bank, available } = accountsOf(booking);
  return single({ ...keyOf(booking, 'bank_in'), debit: bank, credit: available, amount: booking.line.money.amount });
}

/** It is said to have been paid out: nobody else is to pay with it. */
export function goesOut(booking: Booking): Transfer {
  const { bank, available } = accountsOf(booking);
  return pending({ ...keyOf(booking, 'bank_out'), debit: available, credit: bank, amount: booking.line.money.amount });
}

export const wentOut = (booking: Booking): Transfer =>
  post({
    ...keyOf(booking, 'bank_out_confirmed'),
    pendingId: bankReservationId(booking),
    amount: booking.line.money.amount,
  });

export const didNotGoOut = (booking: Booking): Transfer =>
  voidPending({ ...keyOf(booking, 'bank_out_rejected'), pendingId: bankReservationId(booking) });

/** Of the transfer that booked it. */
export const bookedTransferId = (booking: Booking): TransferId =>
  transferId(keyOf(booking, booking.line.corrects === undefined ? BOOKED[booking.line.direction] : CORRECTED));

const BOOKED = { in: 'bank_in', out: 'bank_out_confirmed' } as const;
const CORRECTED = 'bank_corrected';

/** It wasn't so: back from whoever it was booked for, whatever he has by now. */
export const takenBack = (booking: Booking): Transfer =>
  correction({
    ...keyOf(booking, 'bank_correction'),
    corrects: bookedTransferId(booking),
    ...moved(booking, booking.line.direction === 'in' ? 'out' : 'in'),
  });

/** What stands in the place of a booking that was wrong: the bank has done it, whatever the institution has. */
export const bookedInstead = (booking: Booking, wrong: Booking): Transfer =>
  correction({
    ...keyOf(booking, CORRECTED),
    corrects: bookedTransferId(wrong),
    ...moved(booking, booking.line.direction),
  });

function moved(booking: Booking, direction: 'in' | 'out') {
  const { bank, available } = accountsOf(booking);
  const { amount } = booking.line.money;
  return direction === 'in' ? { debit: bank, credit: available, amount } : { debit: available, credit: bank, amount };
}
