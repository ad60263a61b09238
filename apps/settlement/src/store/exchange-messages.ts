import { exchangeV1, toTimestamp } from '@finality/contracts';
import type { Instant } from '@finality/kernel';
import type { KnownBankBooking, KnownQuote, KnownRate } from '@finality/settlement';

const { BankBookingStatus, BankDirection, QuoteStatus } = exchangeV1;

export const BANK_DIRECTIONS = { in: BankDirection.BANK_DIRECTION_IN, out: BankDirection.BANK_DIRECTION_OUT } as const;

export const BANK_BOOKING_STATUSES: Readonly<Record<KnownBankBooking['status'], exchangeV1.BankBookingStatus>> = {
  proposed: BankBookingStatus.BANK_BOOKING_STATUS_PROPOSED,
  booked: BankBookingStatus.BANK_BOOKING_STATUS_BOOKED,
  rejected: BankBookingStatus.BANK_BOOKING_STATUS_REJECTED,
  corrected: BankBookingStatus.BANK_BOOKING_STATUS_CORRECTED,
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
    corrects: line.corrects ?? '',
    correction: booking.status === 'corrected' ? correctionMessage(booking) : undefined,
  };
}

const correctionMessage = ({
  correction: { by, confirmedBy, reason, replacedBy },
  correctedAt,
}: KnownBankBooking & { readonly status: 'corrected' }): exchangeV1.BankCorrection => ({
  replacedBy: replacedBy ?? '',
  reason,
  proposedBy: by,
  confirmedBy,
  correctedAt: toTimestamp(correctedAt),
});

const SECOND_MS = 1_000;

export function rateMessage({ status, rate, version, publishedAt }: KnownRate): exchangeV1.Rate {
  return {
    makerInstitution: rate.makerId,
    baseUnit: rate.base,
    counterUnit: rate.counter,
    price: { ...rate.price },
    validUntil: toTimestamp(rate.validUntil),
    quoteSeconds: rate.quoteMs / SECOND_MS,
    baseMax: rate.baseMax ?? 0n,
    version,
    publishedAt: toTimestamp(publishedAt),
    publishedBy: rate.publishedBy,
    confirmedBy: rate.confirmedBy ?? '',
    withdrawn: status === 'withdrawn',
  };
}

/** As it is at a time: nothing happens when it expires. */
export function quoteMessage(quote: KnownQuote, now: Instant): exchangeV1.Quote {
  const { terms, lockedAt } = quote;
  return {
    quoteId: terms.quoteId,
    status: quoteStatus(quote, now),
    institutionId: terms.institutionId,
    makerInstitution: terms.makerId,
    sell: { ...terms.sell },
    buy: { ...terms.buy },
    price: { ...terms.price },
    remainder: terms.remainder,
    rateVersion: terms.rateVersion,
    lockedAt: toTimestamp(lockedAt),
    expiresAt: toTimestamp(terms.expiresAt),
    settlementId: quote.status === 'used' ? quote.settlementId : '',
  };
}

function quoteStatus({ status, terms }: KnownQuote, now: Instant): exchangeV1.QuoteStatus {
  if (status === 'used') return QuoteStatus.QUOTE_STATUS_USED;
  return terms.expiresAt <= now ? QuoteStatus.QUOTE_STATUS_EXPIRED : QuoteStatus.QUOTE_STATUS_LOCKED;
}
