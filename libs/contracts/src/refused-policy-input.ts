import { invalid, type RefusedInput } from './refused-row.ts';

const ANY_MODE = 'SETTLEMENT_MODE_UNSPECIFIED';

/** Of what an institution may pay. */
export const POLICY: readonly RefusedInput[] = [
  invalid('SetLimits', 'a limit below 0', 'windows[0].max_sats', {
    windows: [{ window_seconds: '60', max_sats: '-1' }],
  }),
  invalid('SetLimits', 'a limit above 21·10^14', 'transactions[0].max_sats', {
    transactions: [{ max_sats: '2100000000000001' }],
  }),
  invalid('SetLimits', 'a window of 0 seconds', 'windows[0].window_seconds', {
    windows: [{ window_seconds: '0', max_sats: '1' }],
  }),
  invalid('SetLimits', 'a window of 2^63 - 1 seconds', 'windows[0].window_seconds', {
    windows: [{ window_seconds: '9223372036854775807', max_sats: '1' }],
  }),
  invalid('SetLimits', 'room for 0 settlements', 'windows[0].max_count', {
    windows: [{ window_seconds: '60', max_sats: '1', max_count: '0' }],
  }),
  invalid('SetLimits', 'nine windows', 'windows', {
    windows: Array.from({ length: 9 }, (_, i) => ({ window_seconds: `${i + 1}`, max_sats: '1' })),
  }),
  invalid('SetLimits', 'the same window twice', 'windows', {
    windows: ['1', '2'].map((max_sats) => ({ settlement_mode: ANY_MODE, window_seconds: '60', max_sats })),
  }),
  invalid('SetLimits', 'two limits for settlements of all modes', 'transactions', {
    transactions: [{ max_sats: '1' }, { max_sats: '2' }],
  }),
  invalid('SetLimits', 'a mode that there isn’t', 'transactions[0].settlement_mode', {
    transactions: [{ settlement_mode: 77, max_sats: '1' }],
  }),
  invalid('SetLimits', 'no reason', 'reason', { reason: '' }),
  {
    rpc: 'SetLimits',
    input: 'an institution that makes its own wider',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'LIMITS_WIDENED',
    caller: 'payer',
    change: { transactions: [] },
  },
  {
    rpc: 'GetLimits',
    input: 'another institution’s API key',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'FOREIGN_INSTITUTION',
    caller: 'stranger',
  },
  {
    rpc: 'SetLimits',
    input: 'an institution that there isn’t',
    status: 'NOT_FOUND',
    field: 'institution_id',
    reason: 'UNKNOWN_INSTITUTION',
    change: { institution_id: 'nobody-knows-it' },
  },
];
