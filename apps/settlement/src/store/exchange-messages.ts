import { exchangeV1, toTimestamp } from '@finality/contracts';
import type { KnownBankBooking } from '@finality/settlement';

const { BankBookingStatus, BankDirection } = exchangeV1;

export const BANK_DIRECTIONS = { in: BankDirection.BANK_DIRECTION_IN, out: BankDirection.BANK_DIRECTION_OUT } as const;

export const BANK_BOOKING_STATUSES: Readonly<Record<KnownBankBooking['status'], exchangeV1.BankBookingStatus>> = {
  proposed: BankBookingStatus.BANK_BOOKING_STATUS_PROPOSED,
  booked: BankBookingStatus.BANK_BOOKING_STATUS_BOOKED,
  rejected: BankBookingStatus.BANK_BOOKING_STATUS_REJECTED,
};

export function bankBookingMessage(booking: KnownBankBooking): exchangeV1.BankBooking {
  const { line, status, proposals, proposedAt } = booking;
  const decision = booking.status === 'proposed' ? undefined : booking;
  return {
    bookingId: line.bookingId,
    direction: BANK_DIRECTIONS[line.direction],
    institutionId: line.institutionId,
    amount: { ...line.money },
    statementLine: line.statementLine,
    status: BANK_BOOKING_STATUSES[status],
    reason: line.reason,
    proposedBy: line.proposedBy,
    decidedBy: decision?.decidedBy ?? '',
    decisionReason: decision?.decisionReason ?? '',
    proposedAt: toTimestamp(proposedAt),
    decidedAt: decision && toTimestamp(decision.decidedAt),
    proposals,
  };
}
