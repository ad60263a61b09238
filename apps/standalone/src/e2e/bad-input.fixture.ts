import { addressV1, institutionV1, settlementV1 } from '@finality/contracts';
import { Metadata } from '@grpc/grpc-js';
import type { Member, TestPlatform } from './platform.fixture.ts';
import { collect, settlementStreams } from './streams.fixture.ts';

/** What the requests below need to exist. */
export interface BadInputWorld {
  readonly platform: TestPlatform;
  readonly alice: Member;
  readonly bob: Member;
  /** Neither pays nor is paid. */
  readonly eve: Member;
  readonly walletless: Member;
  readonly frozen: Member;
  readonly revokedKey: string;
  /** From alice to bob, settled. */
  readonly settledId: string;
}

type Send = (world: BadInputWorld) => Promise<unknown>;

const { SettlementMode } = settlementV1;
const NOWHERE = '00000000-0000-7000-8000-000000000000';
const long = (length: number): string => 'x'.repeat(length);

let made = 0;
/** Of a request that would be good. */
function submission(world: BadInputWorld): settlementV1.SubmitSettlementRequest {
  return {
    idempotencyKey: `bad-input-${++made}`,
    fromInstitution: world.alice.id,
    toInstitution: world.bob.id,
    amountSats: 1_000n,
    settlementMode: SettlementMode.SETTLEMENT_MODE_CENTRALIZED,
    referenceId: '',
  };
}

const submit =
  (change: Partial<settlementV1.SubmitSettlementRequest>, key?: (world: BadInputWorld) => string): Send =>
  (world) =>
    (key ? world.platform.as(key(world)) : world.alice.clients).settlements.submitSettlement({
      ...submission(world),
      ...change,
    });

const otherSecret = (apiKey: string): string => apiKey.replace(/_[^_]{43}$/, `_${'A'.repeat(43)}`);

export const SUBMISSIONS: Readonly<Record<string, Send>> = {
  'no API key': (world) => settlementStreams(world.platform.address).submit(submission(world), new Metadata()),
  'something that is no API key': submit({}, () => 'sesame'),
  'an API key that was never issued': submit({}, () => `fin_${'0'.repeat(16)}_${'A'.repeat(43)}`),
  'an API key with another secret': submit({}, ({ alice }) => otherSecret(alice.apiKey)),
  'a revoked API key': submit({}, ({ revokedKey }) => revokedKey),
  'the API key of another institution than from_institution': submit({}, ({ bob }) => bob.apiKey),
  "an operator's API key": submit({}, ({ platform }) => platform.running.secrets.operator.apiKey),
  'empty idempotency_key': submit({ idempotencyKey: '' }),
  'idempotency_key of 129 characters': submit({ idempotencyKey: long(129) }),
  'the idempotency_key of an earlier request, with another amount': async (world) => {
    const request = submission(world);
    await world.alice.clients.settlements.submitSettlement(request);
    return world.alice.clients.settlements.submitSettlement({ ...request, amountSats: 1_001n });
  },
  'amount_sats 0': submit({ amountSats: 0n }),
  'amount_sats -1': submit({ amountSats: -1n }),
  'amount_sats 2100000000000001 (over 21·10^14)': submit({ amountSats: 2_100_000_000_000_001n }),
  'amount_sats 9007199254740993 (2^53 + 1)': submit({ amountSats: 9_007_199_254_740_993n }),
  'amount_sats 329 on the chain (dust)': submit({
    amountSats: 329n,
    settlementMode: SettlementMode.SETTLEMENT_MODE_BILATERAL,
  }),
  'to_institution the same as from_institution': (world) => submit({ toInstitution: world.alice.id })(world),
  'from_institution "Bank A"': submit({ fromInstitution: 'Bank A' }),
  'to_institution with a capital letter': submit({ toInstitution: 'Bob-bank' }),
  'to_institution unknown': submit({ toInstitution: 'nobody-bank' }),
  'to_institution frozen': (world) => submit({ toInstitution: world.frozen.id })(world),
  'BILATERAL to an institution without a wallet': (world) =>
    submit({ toInstitution: world.walletless.id, settlementMode: SettlementMode.SETTLEMENT_MODE_BILATERAL })(world),
  'settlement_mode UNSPECIFIED': submit({ settlementMode: SettlementMode.SETTLEMENT_MODE_UNSPECIFIED }),
  'settlement_mode 99': submit({ settlementMode: 99 }),
  'reference_id of 129 characters': submit({ referenceId: long(129) }),
  'callback_url that is no URL': submit({ callbackUrl: 'call me' }),
  'callback_url with http to another host': submit({ callbackUrl: 'http://example.org/hook' }),
  'callback_url with a password': submit({ callbackUrl: 'https://user:secret@example.org/hook' }),
};

const get =
  (settlementId: (world: BadInputWorld) => string, who: 'alice' | 'eve' = 'alice'): Send =>
  (world) =>
    world[who].clients.settlements.getSettlement({ settlementId: settlementId(world) });

const list =
  (change: Partial<settlementV1.ListSettlementsRequest>): Send =>
  ({ alice }) =>
    alice.clients.settlements.listSettlements({ pageSize: 0, pageToken: '', ...change });

const cancel =
  (who: 'alice' | 'bob' | 'eve', reason = 'no'): Send =>
  (world) =>
    world[who].clients.settlements.cancelSettlement({
      idempotencyKey: `bad-input-${++made}`,
      settlementId: world.settledId,
      reason,
    });

const review =
  (
    change: Partial<settlementV1.ReviewSettlementRequest>,
    who: 'alice' | 'operator' | 'compliance' = 'compliance',
  ): Send =>
  ({ platform, alice, settledId }) =>
    (who === 'alice' ? alice.clients : platform[who]).settlements.reviewSettlement({
      idempotencyKey: `bad-input-${++made}`,
      settlementId: settledId,
      decision: settlementV1.ReviewDecision.REVIEW_DECISION_APPROVE,
      reason: 'fine',
      ...change,
    });

const OTHER_SETTLEMENT_CALLS: Readonly<Record<string, Readonly<Record<string, Send>>>> = {
  SubmitSettlements: {
    'one item with amount_sats 0 among good ones': async (world) => {
      const { results } = settlementStreams(world.platform.address).submitMany(
        [submission(world), { ...submission(world), amountSats: 0n }, submission(world)],
        world.alice.apiKey,
      );
      const [first, second, third] = await collect(results, 3);
      if (!first?.settlement || !third?.settlement) throw new Error('the good items went under');
      throw second?.error ?? new Error('the bad item went through');
    },
  },
  GetSettlement: {
    'settlement_id that is no UUID': get(() => 'settlement-1'),
    'a settlement that does not exist': get(() => NOWHERE),
    'a settlement of others': get(({ settledId }) => settledId, 'eve'),
  },
  ListSettlements: {
    'page_size -1': list({ pageSize: -1 }),
    'page_size 1001': list({ pageSize: 1_001 }),
    'page_token that was made up': list({ pageToken: 'bm8' }),
    'status 99': list({ status: 99 }),
    'counterparty "Bank A"': list({ counterparty: 'Bank A' }),
  },
  CancelSettlement: {
    'reason of 501 characters': cancel('alice', long(501)),
    'a settlement that is settled': cancel('alice'),
    'by the payee': cancel('bob'),
    'a settlement of others': cancel('eve'),
  },
  ReviewSettlement: {
    "an institution's API key": review({}, 'alice'),
    "an operator's API key": review({}, 'operator'),
    'decision UNSPECIFIED': review({ decision: settlementV1.ReviewDecision.REVIEW_DECISION_UNSPECIFIED }),
    'empty reason': review({ reason: '' }),
    'a settlement that is not under review': review({}),
  },
  WatchSettlements: {
    'after_cursor that was made up': ({ platform, alice }) =>
      collect(settlementStreams(platform.address).watch('bm8', alice.apiKey), 1),
  },
};

const create =
  (change: Partial<institutionV1.CreateInstitutionRequest>, who: 'operator' | 'alice' = 'operator'): Send =>
  ({ platform, alice }) =>
    (who === 'alice' ? alice.clients : platform.operator).institutions.createInstitution({
      idempotencyKey: `bad-input-${++made}`,
      institutionId: `new-bank-${made}`,
      name: 'New',
      creditLineSats: 0n,
      ...change,
    });

const issueKey =
  (change: Partial<institutionV1.IssueApiKeyRequest>): Send =>
  ({ platform, alice }) =>
    platform.operator.institutions.issueApiKey({
      idempotencyKey: `bad-input-${++made}`,
      institutionId: alice.id,
      roles: [institutionV1.Role.ROLE_INSTITUTION],
      label: '',
      ...change,
    });

const INSTITUTION_CALLS: Readonly<Record<string, Readonly<Record<string, Send>>>> = {
  CreateInstitution: {
    "an institution's API key": create({}, 'alice'),
    'institution_id of 2 characters': create({ institutionId: 'ab' }),
    'credit_line_sats -1': create({ creditLineSats: -1n }),
    'credit_line_sats 9007199254740993 (2^53 + 1)': create({ creditLineSats: 9_007_199_254_740_993n }),
    'an institution_id that is taken': (world) => create({ institutionId: world.alice.id })(world),
  },
  GetInstitution: {
    'unknown institution_id': ({ platform }) =>
      platform.operator.institutions.getInstitution({ institutionId: 'nobody-bank' }),
  },
  ListInstitutions: {
    'page_size 1001': ({ platform }) =>
      platform.operator.institutions.listInstitutions({ pageSize: 1_001, pageToken: '' }),
  },
  FreezeInstitution: {
    'unknown institution_id': ({ platform }) =>
      platform.operator.institutions.freezeInstitution({
        idempotencyKey: `bad-input-${++made}`,
        institutionId: 'nobody-bank',
        reason: 'test',
      }),
  },
  IssueApiKey: {
    'no roles': issueKey({ roles: [] }),
    'roles institution and operator together': issueKey({
      roles: [institutionV1.Role.ROLE_INSTITUTION, institutionV1.Role.ROLE_OPERATOR],
    }),
    'role institution without institution_id': issueKey({ institutionId: '' }),
    'unknown institution_id': issueKey({ institutionId: 'nobody-bank' }),
  },
  RevokeApiKey: {
    'unknown key_id': ({ platform }) =>
      platform.operator.institutions.revokeApiKey({
        idempotencyKey: `bad-input-${++made}`,
        keyId: '0'.repeat(16),
        reason: 'test',
      }),
  },
};

const registerWallet =
  (change: Partial<addressV1.RegisterWalletRequest>, who: 'operator' | 'alice' = 'operator'): Send =>
  ({ platform, alice }) =>
    (who === 'alice' ? alice.clients : platform.operator).addresses.registerWallet({
      idempotencyKey: `bad-input-${++made}`,
      institutionId: alice.id,
      custodial: { scriptType: addressV1.ScriptType.SCRIPT_TYPE_WPKH },
      descriptors: undefined,
      birthdayHeight: 0,
      ...change,
    });

const issueAddress =
  (
    change: (world: BadInputWorld) => Partial<addressV1.IssueAddressRequest>,
    who: 'alice' | 'walletless' = 'alice',
  ): Send =>
  (world) =>
    world[who].clients.addresses.issueAddress({
      idempotencyKey: `bad-input-${++made}`,
      institutionId: world[who].id,
      purpose: addressV1.AddressPurpose.ADDRESS_PURPOSE_WALLET,
      label: '',
      walletId: '',
      ...change(world),
    });

const ADDRESS_CALLS: Readonly<Record<string, Readonly<Record<string, Send>>>> = {
  RegisterWallet: {
    "another institution's institution_id": (world) => registerWallet({ institutionId: world.bob.id }, 'alice')(world),
    'neither custodial nor descriptors': registerWallet({ custodial: undefined }),
    'a descriptor that can not be parsed': registerWallet({
      custodial: undefined,
      descriptors: { external: 'wpkh(', internal: '' },
    }),
    'birthday_height -1': registerWallet({ birthdayHeight: -1 }),
    'unknown institution_id': registerWallet({ institutionId: 'nobody-bank' }),
  },
  IssueAddress: {
    "another institution's institution_id": issueAddress(({ bob }) => ({ institutionId: bob.id })),
    'purpose UNSPECIFIED': issueAddress(() => ({ purpose: addressV1.AddressPurpose.ADDRESS_PURPOSE_UNSPECIFIED })),
    'purpose CHANGE': issueAddress(() => ({ purpose: addressV1.AddressPurpose.ADDRESS_PURPOSE_CHANGE })),
    'label of 129 characters': issueAddress(() => ({ label: long(129) })),
    'wallet_id of another institution': issueAddress(({ bob }) => ({ walletId: bob.walletId! })),
    'an institution without a wallet': issueAddress(() => ({}), 'walletless'),
  },
  ListAddresses: {
    'page_size 1001': ({ alice }) =>
      alice.clients.addresses.listAddresses({ institutionId: alice.id, pageSize: 1_001, pageToken: '' }),
    "another institution's institution_id": ({ alice, bob }) =>
      alice.clients.addresses.listAddresses({ institutionId: bob.id, pageSize: 0, pageToken: '' }),
  },
  ListWallets: {
    'page_size -1': ({ alice }) =>
      alice.clients.addresses.listWallets({ institutionId: alice.id, pageSize: -1, pageToken: '' }),
  },
};

const OTHER_CALLS: Readonly<Record<string, Readonly<Record<string, Send>>>> = {
  GetBalances: {
    "another institution's institution_id": ({ alice, bob }) =>
      alice.clients.ledger.getBalances({ institutionId: bob.id }),
    'unknown institution_id': ({ platform }) => platform.operator.ledger.getBalances({ institutionId: 'nobody-bank' }),
  },
  ListEntries: {
    'page_size 1001': ({ alice }) =>
      alice.clients.ledger.listEntries({ institutionId: alice.id, claim: '', pageSize: 1_001, pageToken: '' }),
    "another institution's institution_id": ({ alice, bob }) =>
      alice.clients.ledger.listEntries({ institutionId: bob.id, claim: '', pageSize: 0, pageToken: '' }),
  },
  RunReconciliation: {
    "an institution's API key": ({ alice }) => alice.clients.reconciliation.runReconciliation({ idempotencyKey: 'x' }),
    'empty idempotency_key': ({ platform }) =>
      platform.operator.reconciliation.runReconciliation({ idempotencyKey: '' }),
  },
  GetReport: {
    'a report that does not exist': ({ platform }) => platform.operator.reconciliation.getReport({ reportId: NOWHERE }),
  },
  ListReports: {
    'page_size 1001': ({ platform }) =>
      platform.operator.reconciliation.listReports({ pageSize: 1_001, pageToken: '' }),
  },
  'risk.v1.RiskService/GetVerdict': {
    'nothing was screened under this id': ({ platform }) => platform.compliance.risk.getVerdict({ subjectId: NOWHERE }),
  },
  'aml.v1.AmlService/GetVerdict': {
    'nothing was monitored under this id': ({ platform }) => platform.compliance.aml.getVerdict({ subjectId: NOWHERE }),
  },
};

/** How each row of the table is sent: by rpc, then by what is wrong. */
export const BAD_INPUT: Readonly<Record<string, Readonly<Record<string, Send>>>> = {
  SubmitSettlement: SUBMISSIONS,
  ...OTHER_SETTLEMENT_CALLS,
  ...INSTITUTION_CALLS,
  ...ADDRESS_CALLS,
  ...OTHER_CALLS,
};
