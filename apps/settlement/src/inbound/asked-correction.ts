import type { exchangeV1 } from '@finality/contracts';
import { type FieldError, fieldError, type Principal } from '@finality/kernel';
import { TRANSFER_AMOUNT_MAX } from '@finality/ledger';
import type { AskedChange } from './asked-change.ts';
import { checkBookingId } from './bank-booking-view.ts';
import { checkInstitutionId, refuseInvalid } from './fields.ts';
import { BANK_LINE_DIRECTIONS } from './propose-bank-booking.rpc.ts';

/** Of a bank's line that was booked wrongly. @throws RefusalException */
export function askedCorrection(
  { bookingId, institutionId, right: asked }: exchangeV1.CorrectBankBooking,
  { idempotencyKey, reason }: { readonly idempotencyKey: string; readonly reason: string },
  { keyId }: Principal,
): AskedChange {
  const direction = asked && BANK_LINE_DIRECTIONS[asked.direction];
  refuseInvalid(
    checkBookingId(bookingId),
    checkInstitutionId('institution_id', institutionId),
    ...(asked === undefined ? [] : rightProblems(asked)),
  );
  const right =
    asked && direction ? { direction, institutionId: asked.institutionId, amount: asked.amount } : undefined;
  const fields = {
    version: '1',
    booking_id: bookingId,
    institution_id: institutionId,
    right: right === undefined ? '' : `${right.direction} ${right.institutionId} ${right.amount}`,
    reason,
  };
  return {
    change: {
      type: 'correct_bank_line',
      request: { bookingId, institutionId, reason, by: keyId, ...(right !== undefined && { right }) },
    },
    claim: { rpc: 'CorrectBankBooking', key: idempotencyKey, resourceId: bookingId, fields },
  };
}

const rightProblems = ({
  direction,
  institutionId,
  amount,
}: exchangeV1.RightBooking): readonly (FieldError | undefined)[] => [
  BANK_LINE_DIRECTIONS[direction] === undefined
    ? fieldError('right.direction', 'expected IN or OUT, got neither')
    : undefined,
  checkInstitutionId('right.institution_id', institutionId),
  amount >= 1n && amount <= TRANSFER_AMOUNT_MAX
    ? undefined
    : fieldError('right.amount', `expected 1 to ${TRANSFER_AMOUNT_MAX}, got ${amount}`),
];
