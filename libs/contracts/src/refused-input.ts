import { LEDGER } from './refused-ledger-input.ts';
import { invalid, type RefusedCaller, type RefusedInput } from './refused-row.ts';

export type { RefusedCaller, RefusedInput } from './refused-row.ts';

// Read by `npm run generate` before there is any generated code: it imports nothing that is.

/** Of a wallet on regtest whose keys are nobody's secret. */
export const WELL_FORMED_DESCRIPTOR =
  'wpkh([c163c532/84h/1h/0h]tpubDC8wxcMxXLeuuu8gy2NGKV9tGAQVCbU8ZuSWWAVTnZ3SQosrFspPbpNcwfoDBhMrhi5oK3UpbfrsrYMZFbwGXTfsfEpkjgYVAa1GA4Jns77/<0;1>/*)#00ldv5m2';

const KEY_TOO_LONG = 'k'.repeat(129);

const SUBMITTED: readonly RefusedInput[] = [
  invalid('SubmitSettlement', 'amount 0', 'amount_sats', { amount_sats: '0' }),
  invalid('SubmitSettlement', 'amount negative', 'amount_sats', { amount_sats: '-1' }),
  invalid('SubmitSettlement', 'amount above 21·10^14', 'amount_sats', { amount_sats: '2100000000000001' }),
  invalid('SubmitSettlement', 'amount 2^53 + 1', 'amount_sats', { amount_sats: '9007199254740993' }),
  invalid('SubmitSettlement', 'amount below 330 sat in a mode that pays on-chain', 'amount_sats', {
    amount_sats: '329',
    settlement_mode: 'SETTLEMENT_MODE_BLOCKCHAIN',
  }),
  invalid('SubmitSettlement', 'the same institution twice', 'to_institution', { to_institution: '$payer' }),
  invalid('SubmitSettlement', 'an institution id that can’t be one', 'to_institution', { to_institution: 'No Bank' }),
  {
    rpc: 'SubmitSettlement',
    input: 'unknown institution',
    status: 'NOT_FOUND',
    field: 'to_institution',
    reason: 'UNKNOWN_INSTITUTION',
    change: { to_institution: 'nobody-knows-it' },
  },
  {
    rpc: 'SubmitSettlement',
    input: 'an institution that is frozen',
    status: 'FAILED_PRECONDITION',
    field: 'to_institution',
    reason: 'INSTITUTION_FROZEN',
    change: { to_institution: '$frozen' },
  },
  {
    rpc: 'SubmitSettlement',
    input: 'on-chain to an institution without a wallet',
    status: 'FAILED_PRECONDITION',
    field: 'to_institution',
    reason: 'NO_WALLET',
    change: { to_institution: '$stranger', settlement_mode: 'SETTLEMENT_MODE_BILATERAL' },
  },
  {
    rpc: 'SubmitSettlement',
    input: 'a wallet that isn’t the payer’s',
    status: 'NOT_FOUND',
    field: 'payer_wallet_id',
    reason: 'UNKNOWN_WALLET',
    change: { payer_wallet_id: 'somebody-elses', settlement_mode: 'SETTLEMENT_MODE_BILATERAL' },
  },
  invalid('SubmitSettlement', 'a wallet for a mode that pays from none', 'payer_wallet_id', {
    payer_wallet_id: 'any',
    settlement_mode: 'SETTLEMENT_MODE_CENTRALIZED',
  }),
  invalid('SubmitSettlement', 'mode unspecified', 'settlement_mode', {
    settlement_mode: 'SETTLEMENT_MODE_UNSPECIFIED',
  }),
  invalid('SubmitSettlement', 'a mode that isn’t in the enum', 'settlement_mode', { settlement_mode: 99 }),
  invalid('SubmitSettlement', 'a fee payer that isn’t in the enum', 'fee_payer', { fee_payer: 99 }),
  invalid('SubmitSettlement', 'a fee payer where there is no network fee', 'fee_payer', {
    fee_payer: 'FEE_PAYER_PAYEE',
  }),
  invalid('SubmitSettlement', 'idempotency key empty', 'idempotency_key', { idempotency_key: '' }),
  invalid('SubmitSettlement', 'idempotency key of 129 characters', 'idempotency_key', {
    idempotency_key: KEY_TOO_LONG,
  }),
  invalid('SubmitSettlement', 'reference of 129 characters', 'reference_id', { reference_id: 'r'.repeat(129) }),
  invalid('SubmitSettlement', 'callback URL malformed', 'callback_url', { callback_url: 'not a URL' }),
  invalid('SubmitSettlement', 'callback URL neither https nor on loopback', 'callback_url', {
    callback_url: 'http://example.com/hook',
  }),
  invalid('SubmitSettlement', 'callback URL with a password', 'callback_url', {
    callback_url: 'https://user:password@example.com/hook',
  }),
  invalid('SubmitSettlement', 'several things at once', 'idempotency_key, amount_sats', {
    idempotency_key: '',
    amount_sats: '0',
  }),
  {
    rpc: 'SubmitSettlement',
    input: 'the same idempotency key with another amount',
    status: 'ALREADY_EXISTS',
    field: 'amount_sats',
    reason: 'IDEMPOTENCY_KEY_REUSED',
    change: { amount_sats: '1234' },
    repeated: true,
  },
  invalid('SubmitSettlements', 'one item with amount 0 among good ones, which go through', 'amount_sats', {
    amount_sats: '0',
  }),
];

const CALLERS: readonly RefusedInput[] = [
  ['no API key', 'none', 'UNAUTHENTICATED', 'API_KEY_MISSING'],
  ['something that is no API key', 'malformed', 'UNAUTHENTICATED', 'API_KEY_MALFORMED'],
  ['an API key that was never issued', 'unissued', 'UNAUTHENTICATED', 'API_KEY_INVALID'],
  ['an API key with a wrong secret', 'wrong', 'UNAUTHENTICATED', 'API_KEY_INVALID'],
  ['an API key that was revoked', 'revoked', 'UNAUTHENTICATED', 'API_KEY_INVALID'],
  ['an API key of another institution than from_institution', 'payee', 'PERMISSION_DENIED', 'FOREIGN_INSTITUTION'],
  ['an operator’s API key', 'operator', 'PERMISSION_DENIED', 'ROLE_REQUIRED'],
].map(([input, caller, status, reason]) => ({
  rpc: 'SubmitSettlement',
  input: input!,
  status: status!,
  field: '',
  reason: reason!,
  caller: caller as RefusedCaller,
}));

const SETTLEMENTS: readonly RefusedInput[] = [
  {
    rpc: 'GetSettlement',
    input: 'a settlement between others',
    status: 'NOT_FOUND',
    field: '',
    reason: 'UNKNOWN_SETTLEMENT',
    caller: 'stranger',
  },
  {
    rpc: 'GetSettlement',
    input: 'a settlement that doesn’t exist',
    status: 'NOT_FOUND',
    field: '',
    reason: 'UNKNOWN_SETTLEMENT',
    change: { settlement_id: '00000000-0000-7000-8000-000000000000' },
  },
  invalid('GetSettlement', 'an id that isn’t a UUID', 'settlement_id', { settlement_id: '42' }),
  {
    rpc: 'CancelSettlement',
    input: 'a settlement between others',
    status: 'NOT_FOUND',
    field: '',
    reason: 'UNKNOWN_SETTLEMENT',
    caller: 'stranger',
  },
  {
    rpc: 'CancelSettlement',
    input: 'the payee’s API key',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'NOT_THE_PAYER',
    caller: 'payee',
  },
  invalid('CancelSettlement', 'idempotency key empty', 'idempotency_key', { idempotency_key: '' }),
  {
    rpc: 'ConfirmIncident',
    input: 'an institution’s API key',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'ROLE_REQUIRED',
    caller: 'payer',
  },
  invalid('ConfirmIncident', 'no reason', 'reason', { reason: '' }),
  {
    rpc: 'ListIncidents',
    input: 'an institution’s API key',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'ROLE_REQUIRED',
    caller: 'payer',
  },
  ...['GetRecovery', 'BeginRecovery', 'FinishRecovery'].map((rpc): RefusedInput => ({
    rpc,
    input: 'an institution’s API key',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'ROLE_REQUIRED',
    caller: 'payer',
  })),
  ...['ListLockedCoins', 'ReleaseCoins', 'ConfirmCoinRelease'].map((rpc): RefusedInput => ({
    rpc,
    input: 'an institution’s API key',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'ROLE_REQUIRED',
    caller: 'payer',
  })),
  ...['ReleaseCoins', 'ConfirmCoinRelease'].flatMap((rpc) => [
    invalid(rpc, 'no reason', 'reason', { reason: '' }),
    invalid(rpc, 'no lineage', 'lineage_id', { lineage_id: '' }),
    invalid(rpc, 'idempotency key empty', 'idempotency_key', { idempotency_key: '' }),
  ]),
  invalid('ListLockedCoins', 'page of more than 1,000', 'page_size', { page_size: 1_001 }),
  invalid('ListLockedCoins', 'a page token of nowhere', 'page_token', { page_token: 'nowhere' }),
  invalid('BeginRecovery', 'no reason', 'reason', { reason: '' }),
  invalid('FinishRecovery', 'no reason', 'reason', { reason: '' }),
  invalid('FinishRecovery', 'idempotency key empty', 'idempotency_key', { idempotency_key: '' }),
  {
    rpc: 'EstimateFees',
    input: 'an API key with a wrong secret',
    status: 'UNAUTHENTICATED',
    field: '',
    reason: 'API_KEY_INVALID',
    caller: 'wrong',
  },
  {
    rpc: 'BumpFee',
    input: 'the payee’s API key',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'NOT_THE_PAYER',
    caller: 'payee',
  },
  invalid('BumpFee', 'less than 1 sat/vB', 'fee_rate_sats_per_kvb', { fee_rate_sats_per_kvb: '999' }),
  invalid('BumpFee', 'more than 10,000 sat/vB', 'fee_rate_sats_per_kvb', { fee_rate_sats_per_kvb: '10000001' }),
  {
    rpc: 'PreparePsbt',
    input: 'a settlement that its payer has nothing to sign of',
    status: 'FAILED_PRECONDITION',
    field: '',
    reason: 'NOT_AWAITING_SIGNATURE',
  },
  {
    rpc: 'PreparePsbt',
    input: 'the payee’s API key',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'NOT_THE_PAYER',
    caller: 'payee',
  },
  {
    rpc: 'PreparePsbt',
    input: 'a settlement between others',
    status: 'NOT_FOUND',
    field: '',
    reason: 'UNKNOWN_SETTLEMENT',
    caller: 'stranger',
  },
  invalid('PreparePsbt', 'an id that isn’t a UUID', 'settlement_id', { settlement_id: '42' }),
  invalid('PreparePsbt', 'idempotency key empty', 'idempotency_key', { idempotency_key: '' }),
  {
    rpc: 'SubmitSignedPsbt',
    input: 'a settlement that its payer has nothing to sign of',
    status: 'FAILED_PRECONDITION',
    field: '',
    reason: 'NOT_AWAITING_SIGNATURE',
  },
  {
    rpc: 'SubmitSignedPsbt',
    input: 'the payee’s API key',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'NOT_THE_PAYER',
    caller: 'payee',
  },
  {
    rpc: 'SubmitSignedPsbt',
    input: 'a settlement between others',
    status: 'NOT_FOUND',
    field: '',
    reason: 'UNKNOWN_SETTLEMENT',
    caller: 'stranger',
  },
  invalid('SubmitSignedPsbt', 'no PSBT', 'psbt', { psbt: '' }),
  invalid('SubmitSignedPsbt', 'a PSBT of more than 1,500,000 characters', 'psbt', { psbt: 'A'.repeat(1_500_001) }),
  {
    rpc: 'ReviewSettlement',
    input: 'an institution’s API key',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'ROLE_REQUIRED',
    caller: 'payer',
  },
  invalid('ReviewSettlement', 'decision unspecified', 'decision', { decision: 'REVIEW_DECISION_UNSPECIFIED' }),
  invalid('ReviewSettlement', 'no reason', 'reason', { reason: '' }),
  invalid('ListSettlements', 'page size 1001', 'page_size', { page_size: 1001 }),
  invalid('ListSettlements', 'page size negative', 'page_size', { page_size: -1 }),
  invalid('ListSettlements', 'a page token that no answer gave', 'page_token', { page_token: 'MQ' }),
  invalid('ListSettlements', 'a status that isn’t in the enum', 'status', { status: 99 }),
  invalid('ListDeposits', 'page size 1001', 'page_size', { page_size: 1001 }),
  invalid('ReviewDeposit', 'decision unspecified', 'decision', { decision: 'REVIEW_DECISION_UNSPECIFIED' }),
  invalid('WatchSettlements', 'a cursor that no event gave', 'after_cursor', { after_cursor: 'MQ' }),
];

const OTHERS: readonly RefusedInput[] = [
  invalid('CreateInstitution', 'an id that can’t be one', 'institution_id', { institution_id: 'No Bank' }),
  invalid('CreateInstitution', 'an id that is the platform’s own', 'institution_id', { institution_id: 'platform' }),
  invalid('CreateInstitution', 'credit line negative', 'credit_line_sats', { credit_line_sats: '-1' }),
  {
    rpc: 'CreateInstitution',
    input: 'an institution’s API key',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'ROLE_REQUIRED',
    caller: 'payer',
  },
  invalid('ListInstitutions', 'page size 1001', 'page_size', { page_size: 1001 }),
  invalid('IssueApiKey', 'no role', 'roles', { roles: [], institution_id: '' }),
  invalid('IssueApiKey', 'an operator’s key for an institution', 'institution_id', { roles: ['ROLE_OPERATOR'] }),
  invalid('RegisterWallet', 'neither custodial nor descriptors', 'keys', { custodial: null }),
  invalid('RegisterWallet', 'a descriptor that can’t be parsed', 'descriptors.external', {
    custodial: null,
    descriptors: { external: 'wpkh(nothing)', internal: '' },
    proof: { challenge_id: 'c', signature: 'smp' },
  }),
  invalid('RegisterWallet', 'descriptors without proof of control', 'proof.challenge_id, proof.signature', {
    custodial: null,
    descriptors: { external: WELL_FORMED_DESCRIPTOR, internal: '' },
  }),
  invalid('RequestWalletChallenge', 'a private key', 'descriptors.external', {
    descriptors: { external: 'xprv', internal: '' },
  }),
  invalid('IssueAddress', 'purpose unspecified', 'purpose', { purpose: 'ADDRESS_PURPOSE_UNSPECIFIED' }),
  invalid('IssueAddress', 'label of 129 characters', 'label', { label: 'l'.repeat(129) }),
  {
    rpc: 'IssueAddress',
    input: 'another institution’s API key',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'FOREIGN_INSTITUTION',
    caller: 'stranger',
  },
  invalid('IssueAddresses', 'no addresses', 'addresses', { addresses: [] }),
  invalid('ListAddresses', 'page size 1001', 'page_size', { page_size: 1001 }),
  invalid('GetGapReport', 'gap limit negative', 'gap_limit', { gap_limit: -1 }),
  invalid('ListWallets', 'page size 1001', 'page_size', { page_size: 1001 }),
  ...LEDGER,
  invalid('RunReconciliation', 'idempotency key empty', 'idempotency_key', { idempotency_key: '' }),
  {
    rpc: 'GetReport',
    input: 'a report that doesn’t exist',
    status: 'NOT_FOUND',
    field: '',
    reason: 'UNKNOWN_REPORT',
    change: { report_id: '00000000-0000-7000-8000-000000000000' },
  },
  invalid('ListReports', 'page size 1001', 'page_size', { page_size: 1001 }),
  invalid('RiskService.GetVerdict', 'no subject', 'subject_id', { subject_id: '' }),
  invalid('AmlService.GetVerdict', 'no subject', 'subject_id', { subject_id: '' }),
];

const unknownDestination = (rpc: string, caller: RefusedCaller): RefusedInput => ({
  rpc,
  input: 'another institution’s destination, or none',
  status: 'NOT_FOUND',
  field: 'destination_id',
  reason: 'UNKNOWN_DESTINATION',
  caller,
});

/** Of signatures, `apps/standalone/src/e2e/suites/destinations.fixture.ts` knows more. */
const DESTINATIONS: readonly RefusedInput[] = [
  invalid('SubmitSettlement', 'a destination in a mode that pays nothing on-chain', 'destination_id', {
    destination_id: '00000000-0000-7000-8000-000000000000',
  }),
  {
    rpc: 'SubmitSettlement',
    input: 'a destination that doesn’t exist',
    status: 'NOT_FOUND',
    field: 'destination_id',
    reason: 'UNKNOWN_DESTINATION',
    change: {
      settlement_mode: 'SETTLEMENT_MODE_BILATERAL',
      destination_id: '00000000-0000-7000-8000-000000000000',
    },
  },
  invalid('RegisterSignatory', 'no proof', 'proof', { proof: null }),
  {
    rpc: 'RegisterSignatory',
    input: 'without endorsement by an institution itself',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'ROLE_REQUIRED',
    caller: 'payer',
  },
  {
    rpc: 'RegisterDestination',
    input: 'an address of another network',
    status: 'INVALID_ARGUMENT',
    field: 'address',
    reason: 'WRONG_NETWORK',
    change: { address: 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4' },
  },
  {
    rpc: 'RegisterDestination',
    input: 'an address that pays a script which anybody can spend',
    status: 'INVALID_ARGUMENT',
    field: 'address',
    reason: 'UNSUPPORTED_SCRIPT',
    change: { address: 'bcrt1pfeesnyr2tx' },
  },
  {
    rpc: 'RegisterDestination',
    input: 'an address that isn’t one',
    status: 'INVALID_ARGUMENT',
    field: 'address',
    reason: 'INVALID_ADDRESS',
    change: { address: 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt081' },
  },
  invalid('RegisterDestination', 'no signed request', 'request', { request: null }),
  {
    rpc: 'RegisterDestination',
    input: 'another institution’s API key',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'FOREIGN_INSTITUTION',
    caller: 'stranger',
  },
  invalid('ApproveDestination', 'no signed approval', 'approval', { approval: null }),
  unknownDestination('ApproveDestination', 'payer'),
  invalid('ReviewDestination', 'no decision', 'decision', { decision: 'DESTINATION_DECISION_UNSPECIFIED' }),
  unknownDestination('ReviewDestination', 'compliance'),
  unknownDestination('RemoveDestination', 'payer'),
  invalid('ListDestinations', 'page size 1001', 'page_size', { page_size: 1001 }),
  {
    rpc: 'ListSignatories',
    input: 'another institution’s API key',
    status: 'PERMISSION_DENIED',
    field: '',
    reason: 'FOREIGN_INSTITUTION',
    caller: 'stranger',
  },
];

/**
 * In a `change`, `$payer` stands for the id of the institution that pays in the good request, `$stranger` for one that has no wallet, and
 * `$frozen` for one that is frozen.
 */
export const REFUSED_INPUT: readonly RefusedInput[] = [
  ...SUBMITTED,
  ...CALLERS,
  ...SETTLEMENTS,
  ...OTHERS,
  ...DESTINATIONS,
];
