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
  invalid('SetCreditLine', 'a limit in a unit that isn’t registered', 'limit.unit', {
    limit_sats: '0',
    limit: { unit: 'usd', amount: '1' },
  }),
  invalid('SetCreditLine', 'a limit of BTC as of another unit', 'limit.unit', {
    limit_sats: '0',
    limit: { unit: 'BTC', amount: '1' },
  }),
  invalid('SetCreditLine', 'a negative limit in another unit', 'limit.amount', {
    limit_sats: '0',
    limit: { unit: 'USD', amount: '-1' },
  }),
  invalid('SetCreditLine', 'a limit above 10^16 in another unit', 'limit.amount', {
    limit_sats: '0',
    limit: { unit: 'USD', amount: '9223372036854775807' },
  }),
  invalid('SetCreditLine', 'a limit of satoshi and of another unit', 'limit_sats', {
    limit: { unit: 'USD', amount: '1' },
  }),
  invalid('SetCreditLine', 'an end of no line in another unit', 'expires_at', {
    limit_sats: '0',
    limit: { unit: 'USD', amount: '0' },
    expires_at: '2999-01-01T00:00:00Z',
  }),
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
  invalid('SubmitSettlement', 'a priority that isn’t in the enum', 'priority', { priority: 99 }),
  invalid('SubmitSettlement', 'a priority in a mode that has none', 'priority', {
    priority: 'SETTLEMENT_PRIORITY_URGENT',
    settlement_mode: 'SETTLEMENT_MODE_BLOCKCHAIN',
  }),
  invalid('ReprioritizeSettlement', 'priority unspecified', 'priority', {
    priority: 'SETTLEMENT_PRIORITY_UNSPECIFIED',
  }),
  {
    rpc: 'ReprioritizeSettlement',
    input: 'a settlement that is settled',
    status: 'FAILED_PRECONDITION',
    field: '',
    reason: 'NOT_QUEUED',
  },
  {
    rpc: 'ReprioritizeSettlement',
    input: 'the payee’s API key',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'NOT_THE_PAYER',
    caller: 'payee',
  },
  {
    rpc: 'ReprioritizeSettlement',
    input: 'another institution’s API key',
    status: 'NOT_FOUND',
    field: '',
    reason: 'UNKNOWN_SETTLEMENT',
    caller: 'stranger',
  },
  invalid('SetLiquidityAlerts', 'a negative level', 'alerts.warn_below', {
    alerts: { warn_below: '-1', critical_below: '0' },
  }),
  invalid('SetLiquidityAlerts', 'a level above 21·10^14 satoshi', 'alerts.warn_below', {
    alerts: { warn_below: '2100000000000001', critical_below: '0' },
  }),
  invalid('SetLiquidityAlerts', 'a critical level above the other one', 'alerts.critical_below', {
    alerts: { warn_below: '1', critical_below: '2' },
  }),
  invalid('SetLiquidityAlerts', 'a unit that isn’t registered', 'unit', { unit: 'usd' }),
  {
    rpc: 'SetLiquidityAlerts',
    input: 'another institution’s API key',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'FOREIGN_INSTITUTION',
    caller: 'stranger',
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
