import { invalid, type RefusedInput } from './refused-row.ts';

/** One operator's word, where it takes two. */
const alone = (rpc: string, input: string, field: string, change: RefusedInput['change']): RefusedInput => ({
  rpc,
  input,
  status: 'FAILED_PRECONDITION',
  field,
  reason: 'SECOND_PERSON_REQUIRED',
  ...(change !== undefined && { change }),
});

/** The id of nothing. */
const NONE = '0'.repeat(64);

/** Nobody's. */
const KEY = { key_id: '0123456789abcdef', secret_sha256: `${'A'.repeat(43)}=` };

/** Of what takes two operators. */
export const PROPOSALS: readonly RefusedInput[] = [
  alone('SetCreditLine', 'a greater line by one operator', 'limit_sats', { limit_sats: '1000001' }),
  alone('SetLimits', 'none any more by one operator', '', { transactions: [] }),
  alone('SetApprovalPolicy', 'fewer approvals by one operator', 'tiers', { tiers: [] }),
  {
    ...alone('RestrictCounterparties', 'none any more by one operator', 'restricted', { restricted: false }),
    caller: 'operator',
  },
  { ...alone('PublishRate', 'for its maker by one operator', 'maker_institution', {}), caller: 'operator' },
  invalid('CreateInstitution', 'a credit line by one operator', 'credit_line_sats', { credit_line_sats: '1' }),
  invalid('ProposeChange', 'no change', 'change', { change: null }),
  invalid('ProposeChange', 'a change with a reason of its own', 'change', {
    change: { set_credit_line: { institution_id: 'bank-a', limit_sats: '1', reason: 'why' } },
  }),
  invalid('ProposeChange', 'a negative limit', 'limit_sats', {
    change: { set_credit_line: { institution_id: 'bank-a', limit_sats: '-1' } },
  }),
  invalid('ProposeChange', 'no reason', 'reason', { reason: '' }),
  invalid('ProposeChange', 'a key that can’t be one', 'key_id, roles, secret_sha256', {
    change: { issue_api_key: { key_id: 'A1', secret_sha256: 'YWI=' } },
  }),
  invalid('ProposeChange', 'an operator’s key for an institution', 'institution_id', {
    change: { issue_api_key: { ...KEY, institution_id: 'bank-a', roles: ['ROLE_OPERATOR'] } },
  }),
  invalid('ProposeChange', 'a key for an institution and who runs the platform', 'roles', {
    change: { issue_api_key: { ...KEY, institution_id: 'bank-a', roles: ['ROLE_INSTITUTION', 'ROLE_COMPLIANCE'] } },
  }),
  {
    rpc: 'ProposeChange',
    input: 'to unfreeze nobody',
    status: 'NOT_FOUND',
    field: 'institution_id',
    reason: 'UNKNOWN_INSTITUTION',
    change: { change: { unfreeze_institution: { institution_id: 'nobody-knows-it' } } },
  },
  invalid('ProposeChange', 'a default in no unit', 'institution_id, unit', {
    change: { declare_default: { institution_id: '', unit: 'dollars' } },
  }),
  invalid('ProposeChange', 'a default in BTC, which its time declares', 'unit', {
    change: { declare_default: { institution_id: 'bank-a', unit: 'BTC' } },
  }),
  {
    rpc: 'ProposeChange',
    input: 'a default of nobody',
    status: 'NOT_FOUND',
    field: 'institution_id',
    reason: 'UNKNOWN_INSTITUTION',
    change: { change: { declare_default: { institution_id: 'nobody-knows-it', unit: 'USD' } } },
  },
  invalid('ProposeChange', 'a correction of what can’t be a booking', 'booking_id', {
    change: { correct_bank_booking: { booking_id: 'A1', institution_id: 'bank-a' } },
  }),
  invalid('ProposeChange', 'a correction into nothing', 'right.direction, right.institution_id, right.amount', {
    change: { correct_bank_booking: { booking_id: NONE, institution_id: 'bank-a', right: { amount: '0' } } },
  }),
  {
    rpc: 'ProposeChange',
    input: 'a correction of a booking that isn’t there',
    status: 'NOT_FOUND',
    field: '',
    reason: 'UNKNOWN_BOOKING',
    change: { change: { correct_bank_booking: { booking_id: NONE, institution_id: 'bank-a' } } },
  },
  {
    rpc: 'ProposeChange',
    input: 'unknown institution',
    status: 'NOT_FOUND',
    field: 'institution_id',
    reason: 'UNKNOWN_INSTITUTION',
    change: { change: { set_credit_line: { institution_id: 'nobody-knows-it', limit_sats: '1' } } },
  },
  {
    rpc: 'ProposeChange',
    input: 'the API key of the institution',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'ROLE_REQUIRED',
    caller: 'payer',
  },
  ...['ConfirmProposal', 'RejectProposal'].flatMap((rpc): readonly RefusedInput[] => [
    invalid(rpc, 'an id that can’t be one', 'proposal_id', { proposal_id: 'A1' }),
    { rpc, input: 'an id that nothing has', status: 'NOT_FOUND', field: '', reason: 'UNKNOWN_PROPOSAL' },
    {
      rpc,
      input: 'the API key of an institution',
      status: 'PERMISSION_DENIED',
      field: '',
      reason: 'ROLE_REQUIRED',
      caller: 'payer',
    },
  ]),
  invalid('ListProposals', 'a status that isn’t in the enum', 'status', { status: 99 }),
  invalid('ListProposals', 'a page token that no answer gave', 'page_token', { page_token: 'next' }),
  {
    rpc: 'ListProposals',
    input: 'the API key of an institution',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'ROLE_REQUIRED',
    caller: 'payer',
  },
];
