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
  {
    rpc: 'SubmitSettlement',
    input: 'a payee who isn’t on the payer’s list',
    status: 'FAILED_PRECONDITION',
    field: 'to_institution',
    reason: 'COUNTERPARTY_NOT_ALLOWED',
    caller: 'stranger',
    change: { from_institution: '$stranger' },
  },
  invalid('RestrictCounterparties', 'no reason', 'reason', { reason: '' }),
  {
    rpc: 'RestrictCounterparties',
    input: 'an institution that frees itself',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'OPERATOR_REQUIRED',
    change: { restricted: false },
  },
  invalid('AllowCounterparty', 'the institution itself', 'counterparty_id', { counterparty_id: '$stranger' }),
  {
    rpc: 'AllowCounterparty',
    input: 'an institution that there isn’t',
    status: 'NOT_FOUND',
    field: 'counterparty_id',
    reason: 'UNKNOWN_INSTITUTION',
    change: { counterparty_id: 'nobody-knows-it' },
  },
  {
    rpc: 'AllowCounterparty',
    input: 'another institution’s list',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'FOREIGN_INSTITUTION',
    change: { institution_id: '$payee' },
  },
  {
    rpc: 'RemoveCounterparty',
    input: 'an institution that isn’t on the list',
    status: 'NOT_FOUND',
    field: 'counterparty_id',
    reason: 'UNKNOWN_COUNTERPARTY',
    change: { counterparty_id: '$payee' },
  },
  {
    rpc: 'ListCounterparties',
    input: 'another institution’s list',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'FOREIGN_INSTITUTION',
    change: { institution_id: '$payer' },
  },
  invalid('SetApprovalPolicy', 'a tier above a negative amount', 'tiers[0].above_sats', {
    tiers: [{ above_sats: '-1', approvals: 1 }],
  }),
  invalid('SetApprovalPolicy', 'a tier without approvals', 'tiers[0].approvals', {
    tiers: [{ above_sats: '1', approvals: 0 }],
  }),
  invalid('SetApprovalPolicy', 'a quorum of 6', 'tiers[0].approvals', {
    tiers: [{ above_sats: '1', approvals: 6 }],
  }),
  invalid('SetApprovalPolicy', 'fewer approvals above more', 'tiers[1]', {
    tiers: [
      { above_sats: '1', approvals: 2 },
      { above_sats: '2', approvals: 1 },
    ],
  }),
  invalid('SetApprovalPolicy', 'six tiers', 'tiers', {
    tiers: Array.from({ length: 6 }, (_, i) => ({ above_sats: `${i}`, approvals: 1 })),
  }),
  invalid('SetApprovalPolicy', 'no reason', 'reason', { reason: '' }),
  {
    rpc: 'SetApprovalPolicy',
    input: 'an institution that asks for fewer approvals of its own',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'APPROVALS_LOWERED',
    caller: 'stranger',
    change: { tiers: [] },
  },
  {
    rpc: 'GetApprovalPolicy',
    input: 'another institution’s rules',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'FOREIGN_INSTITUTION',
    change: { institution_id: '$payer' },
  },
  {
    rpc: 'ReviewSettlement',
    input: 'an approval by an institution that isn’t a party',
    status: 'NOT_FOUND',
    field: '',
    reason: 'UNKNOWN_SETTLEMENT',
    caller: 'stranger',
  },
  {
    rpc: 'ReviewSettlement',
    input: 'an approval by the payee',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'NOT_THE_PAYER',
    caller: 'payee',
  },
  {
    rpc: 'ReviewSettlement',
    input: 'an approval of one’s own request',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'OWN_REQUEST',
    caller: 'payer',
  },
  invalid('ReviewSettlement', 'a signed approval by nobody of the payer’s', 'signed_approval', {
    signed_approval: { signatory: 'bcrt1q', nonce: 'n', valid_until: '2030-01-01T00:00:00Z', signature: 'smp' },
  }),
  invalid('RequireApprovals', 'a quorum of 6', 'approvals', { approvals: 6 }),
  invalid('RequireApprovals', 'above a negative amount', 'above_sats', { above_sats: '-1' }),
  invalid('RequireApprovals', 'no second signature', 'approval', { approval: null }),
  {
    rpc: 'RequireApprovals',
    input: 'another institution’s API key',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'FOREIGN_INSTITUTION',
    caller: 'stranger',
  },
];
