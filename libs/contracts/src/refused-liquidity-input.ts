import { invalid, type RefusedInput } from './refused-row.ts';

/** Of the service for liquidity. */
export const LIQUIDITY: readonly RefusedInput[] = [
  invalid('SetCreditLine', 'a negative limit', 'limit_sats', { limit_sats: '-1' }),
  invalid('SetCreditLine', 'a limit above 21·10^14', 'limit_sats', { limit_sats: '2100000000000001' }),
  invalid('SetCreditLine', 'an end in the past', 'expires_at', { expires_at: '2020-01-01T00:00:00Z' }),
  invalid('SetCreditLine', 'an end in more than a year', 'expires_at', { expires_at: '2999-01-01T00:00:00Z' }),
  invalid('SetCreditLine', 'an end of no line', 'expires_at', {
    limit_sats: '0',
    expires_at: '2999-01-01T00:00:00Z',
  }),
  invalid('SetCreditLine', 'no reason', 'reason', { reason: '' }),
  {
    rpc: 'SetCreditLine',
    input: 'unknown institution',
    status: 'NOT_FOUND',
    field: 'institution_id',
    reason: 'UNKNOWN_INSTITUTION',
    change: { institution_id: 'nobody-knows-it' },
  },
  {
    rpc: 'SetCreditLine',
    input: 'the API key of the institution',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'ROLE_REQUIRED',
    caller: 'payer',
  },
  {
    rpc: 'GetLiquidity',
    input: 'another institution’s API key',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'FOREIGN_INSTITUTION',
    caller: 'stranger',
  },
];
