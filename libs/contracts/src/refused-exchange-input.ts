import { invalid, type RefusedInput } from './refused-row.ts';

/** 2^63 − 1: as much as an int64 holds. */
const MOST = '9223372036854775807';

/** −2^63: as little as an int64 holds. */
const LEAST = '-9223372036854775808';

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
    amount: { unit: 'USD', amount: LEAST },
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

const quote = (input: string, status: string, reason: string, change: RefusedInput['change']): RefusedInput => ({
  rpc: 'SubmitSettlement',
  input,
  status,
  field: reason === 'QUOTE_MISMATCH' ? 'amount_sats' : 'quote_id',
  reason,
  change: { amount_sats: '0', ...change },
});

const QUOTES: readonly RefusedInput[] = [
  quote('a quote that was used', 'FAILED_PRECONDITION', 'QUOTE_USED', { quote_id: '$usedQuote' }),
  quote('a quote that has expired', 'FAILED_PRECONDITION', 'QUOTE_EXPIRED', { quote_id: '$expiredQuote' }),
  quote('another institution’s quote', 'NOT_FOUND', 'UNKNOWN_QUOTE', { quote_id: '$foreignQuote' }),
  quote('an amount that wasn’t quoted', 'FAILED_PRECONDITION', 'QUOTE_MISMATCH', {
    quote_id: '$goodQuote',
    amount_sats: '999',
  }),
  invalid('SubmitSettlement', 'a quote on the chain', 'quote_id', {
    quote_id: '$goodQuote',
    settlement_mode: 'SETTLEMENT_MODE_BILATERAL',
  }),
  invalid('SubmitSettlement', 'a quote that can’t be one', 'quote_id', { quote_id: 'mine' }),
  invalid('SubmitSettlement', 'no waiting without a quote', 'fail_on_shortage', { fail_on_shortage: true }),
];

const RATES: readonly RefusedInput[] = [
  invalid('PublishRate', 'a unit that isn’t registered', 'base_unit', { base_unit: 'sat' }),
  invalid('PublishRate', 'a unit for itself', 'counter_unit', { counter_unit: 'BTC' }),
  invalid('PublishRate', 'no price', 'price.numerator, price.denominator', { price: null }),
  invalid('PublishRate', 'a price of nothing', 'price.denominator', { price: { numerator: MOST, denominator: '0' } }),
  invalid('PublishRate', 'a price below nothing', 'price.numerator', { price: { numerator: LEAST, denominator: '1' } }),
  invalid('PublishRate', 'a time in the past', 'valid_until', { valid_until: '2020-01-01T00:00:00Z' }),
  invalid('PublishRate', 'no time', 'valid_until', { valid_until: null }),
  invalid('PublishRate', 'quotes that live for too long', 'quote_seconds', { quote_seconds: 3601 }),
  ...['PublishRate', 'WithdrawRate'].flatMap((rpc): readonly RefusedInput[] => [
    {
      rpc,
      input: 'another institution’s API key',
      status: 'PERMISSION_DENIED',
      field: '',
      reason: 'FOREIGN_INSTITUTION',
      caller: 'stranger',
    },
  ]),
  invalid('ListRates', 'a unit that isn’t registered', 'base_unit', { base_unit: 'XXX' }),
  invalid('RequestQuote', 'no amount', 'buy_amount', { sell_amount: null }),
  invalid('RequestQuote', 'less than nothing', 'sell_amount', { sell_amount: LEAST }),
  invalid('RequestQuote', 'a unit that isn’t registered', 'sell_unit', { sell_unit: 'USDT' }),
  {
    rpc: 'RequestQuote',
    input: 'nobody’s rate',
    status: 'NOT_FOUND',
    field: '',
    reason: 'UNKNOWN_RATE',
  },
  {
    rpc: 'RequestQuote',
    input: 'more than an int64 holds, of what is bought',
    status: 'FAILED_PRECONDITION',
    field: 'buy_amount',
    reason: 'AMOUNT_NOT_QUOTABLE',
    change: { maker_institution: '$stranger', sell_unit: 'BTC', buy_unit: 'USD', sell_amount: null, buy_amount: MOST },
  },
  {
    rpc: 'RequestQuote',
    input: 'another institution’s API key',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'FOREIGN_INSTITUTION',
    caller: 'stranger',
  },
  invalid('GetQuote', 'an id that can’t be one', 'quote_id', { quote_id: 'mine' }),
  {
    rpc: 'GetQuote',
    input: 'somebody else’s',
    status: 'NOT_FOUND',
    field: 'quote_id',
    reason: 'UNKNOWN_QUOTE',
    change: { quote_id: '$foreignQuote' },
  },
];

/** Of units beside BTC, and of what they are exchanged by. */
export const EXCHANGE: readonly RefusedInput[] = [...UNITS, ...CASH, ...QUOTES, ...RATES];
