import { invalid, type RefusedInput } from './refused-row.ts';

const MOVES = ['PostCollateral', 'ReleaseCollateral'] as const;

/** Of the service for collateral. */
export const COLLATERAL: readonly RefusedInput[] = [
  ...MOVES.flatMap((rpc) => [
    invalid(rpc, 'amount 0', 'amount_sats', { amount_sats: '0' }),
    invalid(rpc, 'amount negative', 'amount_sats', { amount_sats: '-9223372036854775808' }),
    invalid(rpc, 'amount above 21·10^14', 'amount_sats', { amount_sats: '2100000000000001' }),
    invalid(rpc, 'pledge unspecified', 'pledge', { pledge: 'PLEDGE_UNSPECIFIED' }),
    invalid(rpc, 'a pledge that isn’t in the enum', 'pledge', { pledge: 99 }),
    invalid(rpc, 'idempotency key empty', 'idempotency_key', { idempotency_key: '' }),
    foreign(rpc),
  ]),
  {
    rpc: 'PostCollateral',
    input: 'more than it has',
    status: 'FAILED_PRECONDITION',
    field: 'amount_sats',
    reason: 'INSUFFICIENT_BALANCE',
    change: { amount_sats: '2100000000000000' },
  },
  {
    rpc: 'PostCollateral',
    input: 'an operator’s API key',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'ROLE_REQUIRED',
    caller: 'operator',
  },
  {
    rpc: 'ReleaseCollateral',
    input: 'more than was pledged',
    status: 'FAILED_PRECONDITION',
    field: 'amount_sats',
    reason: 'PLEDGE_NEEDED',
    change: { amount_sats: '2100000000000000' },
  },
  {
    rpc: 'ReleaseCollateral',
    input: 'a contribution, by its institution',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'OPERATOR_REQUIRED',
    change: { pledge: 'PLEDGE_DEFAULT_FUND' },
  },
  {
    rpc: 'ReleaseCollateral',
    input: 'an institution that is frozen',
    status: 'FAILED_PRECONDITION',
    field: 'institution_id',
    reason: 'INSTITUTION_FROZEN',
    caller: 'operator',
    change: { institution_id: '$frozen' },
  },
  foreign('GetCollateral'),
  {
    rpc: 'GetCollateral',
    input: 'unknown institution',
    status: 'NOT_FOUND',
    field: '',
    reason: 'UNKNOWN_INSTITUTION',
    caller: 'operator',
    change: { institution_id: 'nobody-knows-it' },
  },
  invalid('SetCreditTerms', 'a haircut of all', 'haircut_bps', { haircut_bps: 10_000 }),
  invalid('SetCreditTerms', 'due at once', 'due_after_seconds', { due_after_seconds: 0 }),
  invalid('SetCreditTerms', 'due in more than a month', 'due_after_seconds', { due_after_seconds: 2_678_401 }),
  invalid('SetCreditTerms', 'no reason', 'reason', { reason: '' }),
  {
    rpc: 'SetCreditTerms',
    input: 'unknown institution',
    status: 'NOT_FOUND',
    field: 'institution_id',
    reason: 'UNKNOWN_INSTITUTION',
    change: { institution_id: 'nobody-knows-it' },
  },
  {
    rpc: 'SetCreditTerms',
    input: 'the API key of the institution',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'ROLE_REQUIRED',
    caller: 'payer',
  },
  invalid('ListDefaults', 'page size 1001', 'page_size', { page_size: 1001 }),
  invalid('ListDefaults', 'a status that isn’t in the enum', 'status', { status: 99 }),
  invalid('ListDefaults', 'a page token of somebody else’s', 'page_token', { page_token: 'nonsense' }),
  invalid('GetDefault', 'an id that can’t be one', 'default_id', { default_id: 'first' }),
  {
    rpc: 'GetDefault',
    input: 'a default that doesn’t exist',
    status: 'NOT_FOUND',
    field: '',
    reason: 'UNKNOWN_DEFAULT',
  },
  ...(['ListDefaults', 'GetDefault'] as const).map((rpc): RefusedInput => ({
    rpc,
    input: 'an institution’s API key',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'ROLE_REQUIRED',
    caller: 'payer',
  })),
];

function foreign(rpc: string): RefusedInput {
  return {
    rpc,
    input: 'another institution’s API key',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'FOREIGN_INSTITUTION',
    caller: 'stranger',
  };
}
