import { exchangeV1, fromTimestamp } from '@finality/contracts';
import { formatInstant } from '@finality/event-store';
import type { Bank } from '../bank.fixture.ts';
import type { Good, GoodBy } from './bad-input.fixture.ts';
import { inAnHour } from './quotes.fixture.ts';

/** One per rpc about money beside the chain's. */
export function exchangeRequests(
  by: GoodBy,
  { id: institution_id }: Bank,
  { id: payee_id }: Bank,
): Readonly<Record<string, Good>> {
  const cash = exchangeV1.CashServiceService;
  const exchange = exchangeV1.ExchangeServiceService;
  const validUntil = fromTimestamp(inAnHour());
  const units = { base_unit: 'BTC', counter_unit: 'USD' };
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
    PublishRate: by('payer')(exchange.publishRate, exchangeV1.PublishRateRequest, {
      idempotency_key: '',
      maker_institution: institution_id,
      ...units,
      price: { numerator: '13', denominator: '200' },
      valid_until: formatInstant(validUntil),
    }),
    WithdrawRate: by('payer')(
      exchange.withdrawRate,
      exchangeV1.WithdrawRateRequest,
      { idempotency_key: '', maker_institution: institution_id, base_unit: 'JPY', counter_unit: 'USD' },
      'NOT_FOUND',
    ),
    ListRates: by('payer')(exchange.listRates, exchangeV1.ListRatesRequest, units),
    RequestQuote: by('payee')(
      exchange.requestQuote,
      exchangeV1.RequestQuoteRequest,
      {
        idempotency_key: '',
        institution_id: payee_id,
        maker_institution: institution_id,
        sell_unit: 'JPY',
        buy_unit: 'USD',
        sell_amount: '1000',
      },
      'NOT_FOUND',
    ),
    GetQuote: by('payer')(
      exchange.getQuote,
      exchangeV1.GetQuoteRequest,
      { quote_id: '00000000-0000-7000-8000-000000000000' },
      'NOT_FOUND',
    ),
    ListBankBookings: by('payer')(cash.listBankBookings, exchangeV1.ListBankBookingsRequest, { institution_id }),
  };
}
