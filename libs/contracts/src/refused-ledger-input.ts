import { invalid, type RefusedInput } from './refused-row.ts';

/** Of the ledger's service. */
export const LEDGER: readonly RefusedInput[] = [
  {
    rpc: 'GetBalances',
    input: 'another institution’s API key',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'FOREIGN_INSTITUTION',
    caller: 'stranger',
  },
  invalid('GetBalances', 'a time in the future', 'at', { at: '2999-01-01T00:00:00Z' }),
  {
    rpc: 'ListBalances',
    input: 'another institution’s API key',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'FOREIGN_INSTITUTION',
    caller: 'stranger',
  },
  invalid('ListBalances', 'everybody’s, by an institution', 'institution_id', { institution_id: '' }),
  invalid('ListBalances', 'a time before 1970', 'at', { at: '1969-12-31T23:59:59Z' }),
  invalid('ListBalances', 'page size 1001', 'page_size', { page_size: 1001 }),
  invalid('ListBalances', 'a page token of its own making', 'page_token', { page_token: 'next' }),
  ...['GetStatement', 'StreamStatement'].flatMap((rpc): readonly RefusedInput[] => [
    invalid(rpc, 'no account', 'account', { account: '' }),
    {
      rpc,
      input: 'an account that doesn’t exist',
      status: 'NOT_FOUND',
      field: '',
      reason: 'UNKNOWN_ACCOUNT',
      change: { account: 'clearing/nobody-knows-it/available' },
    },
    {
      rpc,
      input: 'another institution’s account',
      status: 'NOT_FOUND',
      field: '',
      reason: 'UNKNOWN_ACCOUNT',
      caller: 'stranger',
    },
    invalid(rpc, 'a period that ends before it begins', 'from_time', {
      from_time: '2020-01-02T00:00:00Z',
      to_time: '2020-01-01T00:00:00Z',
    }),
    invalid(rpc, 'a period in the future', 'from_time, to_time', {
      from_time: '2999-01-01T00:00:00Z',
      to_time: '2999-01-02T00:00:00Z',
    }),
  ]),
  invalid('GetStatement', 'page size 1001', 'page_size', { page_size: 1001 }),
  invalid('GetStatement', 'page size negative', 'page_size', { page_size: -1 }),
  invalid('GetStatement', 'a page token of its own making', 'page_token', { page_token: 'next' }),
  // Entries 0 to 1 of epoch 1, after entry 0, of some other account.
  invalid('GetStatement', 'a page token of another statement', 'page_token', {
    page_token: 'czEuMS4wLjEuMC4wMTIzNDU2Nzg5YWJjZGVm',
  }),
  invalid('StreamStatement', 'a format that isn’t in the enum', 'format', { format: 99 }),
  invalid('ListEntries', 'page size 1001', 'page_size', { page_size: 1001 }),
  invalid('GetInclusionProof', 'a transfer id that is none', 'transfer_id', { transfer_id: 'mine' }),
  {
    rpc: 'GetInclusionProof',
    input: 'a transfer that is on no account of the institution',
    status: 'NOT_FOUND',
    field: '',
    reason: 'UNKNOWN_TRANSFER',
  },
  invalid('ListLedgerHeads', 'page size 1001', 'page_size', { page_size: 1001 }),
  invalid('ListLedgerHeads', 'a segment below 0', 'from_segment', { from_segment: -1 }),
];
