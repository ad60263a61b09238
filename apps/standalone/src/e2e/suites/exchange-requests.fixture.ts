import { exchangeV1 } from '@finality/contracts';
import type { Good, GoodBy } from './bad-input.fixture.ts';

/** One per rpc about money beside the chain's. */
export function exchangeRequests(by: GoodBy, institution_id: string): Readonly<Record<string, Good>> {
  const cash = exchangeV1.CashServiceService;
  const decision = { idempotency_key: '', booking_id: '00'.repeat(32), reason: 'looked at' };
  return {
    ProposeBankBooking: by('operator')(cash.proposeBankBooking, exchangeV1.ProposeBankBookingRequest, {
      idempotency_key: '',
      direction: 'BANK_DIRECTION_IN',
      institution_id,
      amount: { unit: 'JPY', amount: '1000' },
      statement_line: '2026-11-22 #1',
      reason: 'wire',
    }),
    ConfirmBankBooking: by('operator')(
      cash.confirmBankBooking,
      exchangeV1.DecideBankBookingRequest,
      decision,
      'NOT_FOUND',
    ),
    RejectBankBooking: by('operator')(
      cash.rejectBankBooking,
      exchangeV1.DecideBankBookingRequest,
      decision,
      'NOT_FOUND',
    ),
    ListBankBookings: by('payer')(cash.listBankBookings, exchangeV1.ListBankBookingsRequest, { institution_id }),
  };
}
