import { invalid, type RefusedInput } from './refused-row.ts';

/** 2^63 − 1: as much as an int64 holds. */
const MOST = '9223372036854775807';

const UNITS: readonly RefusedInput[] = [
  invalid('SubmitSettlement', 'an amount of a unit that isn’t registered', 'amount.unit', {
    amount_sats: '0',
    amount: { unit: 'usd', amount: '1' },
  }),
  invalid('SubmitSettlement', 'BTC as another unit', 'amount.unit', {
    amount_sats: '0',
    amount: { unit: 'BTC', amount: '1' },
  }),
  invalid('SubmitSettlement', 'nothing of another unit', 'amount.amount', {
    amount_sats: '0',
    amount: { unit: 'USD', amount: '0' },
  }),
  invalid('SubmitSettlement', 'less than nothing of another unit', 'amount.amount', {
    amount_sats: '0',
    amount: { unit: 'USD', amount: '-9223372036854775808' },
  }),
  invalid('SubmitSettlement', 'satoshi and another unit', 'amount_sats', { amount: { unit: 'USD', amount: MOST } }),
  invalid('SubmitSettlement', 'another unit on the chain', 'amount', {
    amount_sats: '0',
    amount: { unit: 'USD', amount: MOST },
    settlement_mode: 'SETTLEMENT_MODE_BLOCKCHAIN',
  }),
];

const CASH: readonly RefusedInput[] = [
  invalid('ProposeBankBooking', 'no direction', 'direction', { direction: 'BANK_DIRECTION_UNSPECIFIED' }),
  invalid('ProposeBankBooking', 'no amount', 'amount', { amount: null }),
  invalid('ProposeBankBooking', 'BTC at a bank', 'amount.unit', { amount: { unit: 'BTC', amount: '1' } }),
  invalid('ProposeBankBooking', 'a unit that isn’t registered', 'amount.unit', {
    amount: { unit: 'XAU', amount: '1' },
  }),
  invalid('ProposeBankBooking', 'amount 0', 'amount.amount', { amount: { unit: 'USD', amount: '0' } }),
  invalid('ProposeBankBooking', 'no line of a statement', 'statement_line', { statement_line: '' }),
  invalid('ProposeBankBooking', 'no reason', 'reason', { reason: '' }),
  {
    rpc: 'ProposeBankBooking',
    input: 'unknown institution',
    status: 'NOT_FOUND',
    field: 'institution_id',
    reason: 'UNKNOWN_INSTITUTION',
    change: { institution_id: 'nobody-knows-it', statement_line: 'of nobody' },
  },
  {
    rpc: 'ProposeBankBooking',
    input: 'paid out more than there is',
    status: 'FAILED_PRECONDITION',
    field: 'amount.amount',
    reason: 'INSUFFICIENT_BALANCE',
    change: { direction: 'BANK_DIRECTION_OUT', amount: { unit: 'JPY', amount: MOST }, statement_line: 'too much' },
  },
  {
    rpc: 'ProposeBankBooking',
    input: 'the API key of the institution',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'ROLE_REQUIRED',
    caller: 'payer',
  },
  ...['ConfirmBankBooking', 'RejectBankBooking'].flatMap((rpc): readonly RefusedInput[] => [
    invalid(rpc, 'an id that can’t be one', 'booking_id', { booking_id: 'A1' }),
    {
      rpc,
      input: 'an id that nothing has',
      status: 'NOT_FOUND',
      field: '',
      reason: 'UNKNOWN_BOOKING',
    },
  ]),
  {
    rpc: 'ListBankBookings',
    input: 'another institution’s API key',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'FOREIGN_INSTITUTION',
    caller: 'stranger',
  },
  invalid('ListBankBookings', 'everybody’s, by an institution', 'institution_id', { institution_id: '' }),
];

/** Of units beside BTC, and of what they are exchanged by. */
export const EXCHANGE: readonly RefusedInput[] = [...UNITS, ...CASH];
