import {
  addressV1,
  amlV1,
  googleRpc,
  institutionV1,
  REFUSED_INPUT,
  type RefusedCaller,
  type RefusedInput,
  reconciliationV1,
  riskV1,
  settlementV1,
  WELL_FORMED_DESCRIPTOR,
} from '@finality/contracts';
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Bank } from '../bank.fixture.ts';
import type { E2e } from '../e2e.fixture.ts';
import { outsideAddress } from '../signatories.fixture.ts';
import { patiently, until } from '../wait.fixture.ts';
import { collateralRequests } from './collateral-requests.fixture.ts';
import { exchangeRequests } from './exchange-requests.fixture.ts';
import { ledgerRequests } from './ledger-requests.fixture.ts';
import { liquidityRequests } from './liquidity-requests.fixture.ts';
import { policyRequests } from './policy-requests.fixture.ts';
import { proposalRequests } from './proposal-requests.fixture.ts';
import { uselessQuotes } from './quotes.fixture.ts';
import { signatures } from './signed-requests.fixture.ts';
import { windowRequests } from './window-requests.fixture.ts';

type Json = Readonly<Record<string, unknown>>;

/** A request that nothing is wrong with, and who may send it. */
export interface Good {
  readonly path: string;
  readonly encode: (json: Json) => Buffer;
  readonly decode: (bytes: Buffer) => unknown;
  /** Goes on until the client leaves. */
  readonly isEndless: boolean;
  readonly caller: RefusedCaller;
  readonly request: Json;
  /** What it is answered, if not OK: it is refused for another reason than its form. */
  readonly answer?: string;
}

/** Makes one, of whoever may send it. */
export type GoodBy = (
  caller: RefusedCaller,
) => <Request>(
  method: Method<Request>,
  message: { fromJSON(json: unknown): Request },
  request: Json,
  answer?: string,
) => Good;

interface Method<Request> {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestSerialize: (request: Request) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => unknown;
}

interface Answered {
  readonly status: string;
  readonly reason: string;
  readonly fields: string;
  readonly responses: readonly unknown[];
}

const STREAMED = 'SubmitSettlements';
/** The longest that a revocation may take to be known everywhere (DESIGN 3). */
const REVOKED_MS_MAX = 5_000;
const CALL_MS_MAX = 30_000;

/** Bad input: what holds whatever the services run on. */
export function badInput(platform: () => E2e): void {
  let e2e: E2e;
  let client: Client;
  let banks: Readonly<Record<'payer' | 'payee' | 'stranger' | 'frozen', Bank>>;
  let keys: Readonly<Record<RefusedCaller, string | undefined>>;
  let good: Readonly<Record<string, Good>>;
  let ids: Readonly<Record<string, string>>;
  let fresh = 0;

  beforeAll(async () => {
    e2e = platform();
    client = new Client(e2e.address, credentials.createInsecure());
    const payer = await e2e.bank({ creditLineSats: 1_000_000n });
    const [payee, stranger, frozen] = [await e2e.bank(), await e2e.bank({ wallet: 'none' }), await e2e.bank()];
    banks = { payer, payee, stranger, frozen };
    const freezing = { idempotencyKey: 'freeze', institutionId: frozen.id, reason: 'test' };
    await e2e.operator.institutions.freezeInstitution(freezing);
    keys = {
      payer: payer.apiKey,
      payee: payee.apiKey,
      stranger: stranger.apiKey,
      operator: e2e.platform.secrets.operator.apiKey,
      compliance: e2e.platform.secrets.compliance.apiKey,
      none: undefined,
      malformed: 'fin_0123',
      unissued: `fin_${'0'.repeat(16)}_${'A'.repeat(43)}`,
      wrong: `${payer.apiKey.slice(0, -43)}${'A'.repeat(43)}`,
      revoked: await revokedKey(payer),
    };
    good = await goodRequests(e2e, banks);
    const quotes = await uselessQuotes(payer, payee, stranger);
    ids = { ...Object.fromEntries(Object.entries(banks).map(([name, { id }]) => [name, id])), ...quotes };
  });

  afterAll(() => client?.close());

  async function revokedKey(bank: Bank): Promise<string> {
    const { apiKey, keyId } = await e2e.issueKey(bank.id, 'revoked');
    const api = e2e.api(apiKey);
    await api.settlements.listSettlements({ pageSize: 1, pageToken: '' });
    await e2e.operator.institutions.revokeApiKey({ idempotencyKey: 'revoke', keyId, reason: 'test' });
    const asked = (): Promise<string> =>
      api.settlements.listSettlements({ pageSize: 1, pageToken: '' }).then(
        () => 'accepted',
        () => 'refused',
      );
    await until('the key is refused', asked, (answer) => answer === 'refused', REVOKED_MS_MAX);
    return apiKey;
  }

  /** `$payer` is the payer's id, `$usedQuote` that of a quote that was used. */
  function named(value: unknown): unknown {
    return typeof value === 'string' && value.startsWith('$') ? ids[value.slice(1)] : value;
  }

  /** With an idempotency key of its own, unless it says which. */
  function requestOf(row: Pick<RefusedInput, 'rpc' | 'change'>): Json {
    const base = good[row.rpc]!.request;
    const change = Object.fromEntries(Object.entries(row.change ?? {}).map(([name, value]) => [name, named(value)]));
    return { ...base, ...('idempotency_key' in base ? { idempotency_key: `bad-${++fresh}` } : {}), ...change };
  }

  function send(rpc: string, caller: RefusedCaller, ...requests: readonly Json[]): Promise<Answered> {
    const { path, encode, decode } = good[rpc]!;
    const metadata = new Metadata();
    const key = keys[caller];
    if (key !== undefined) metadata.set('authorization', `Bearer ${key}`);
    const options = { deadline: Date.now() + CALL_MS_MAX };
    // On the wire every kind of call is a stream of requests and one of answers.
    const call = client.makeBidiStreamRequest(path, encode, decode, metadata, options);
    for (const request of requests) call.write(request);
    call.end();
    return new Promise((resolve) => {
      const responses: unknown[] = [];
      call.on('data', (response: unknown) => responses.push(response));
      call.on('error', (error) => resolve(refused(error as ServiceError, responses)));
      call.on('status', ({ code }) => {
        if (code === status.OK) call.on('end', () => resolve({ status: 'OK', reason: '', fields: '', responses }));
      });
    });
  }

  it.each(REFUSED_INPUT.filter(({ rpc }) => rpc !== STREAMED))(
    '$rpc: $input is $status $field $reason',
    async (row) => {
      const caller = row.caller ?? good[row.rpc]!.caller;
      const request = requestOf(row);
      if (row.repeated) {
        const first = { ...good[row.rpc]!.request, idempotency_key: request['idempotency_key'] };
        expect(await send(row.rpc, caller, first)).toMatchObject({ status: 'OK' });
      }
      expect(await send(row.rpc, caller, request)).toMatchObject({
        status: row.status,
        reason: row.reason,
        fields: row.field,
        responses: [],
      });
    },
  );

  it.each(REFUSED_INPUT.filter(({ rpc }) => rpc === STREAMED))('$rpc: $input', async (row) => {
    const [before, bad, after] = [requestOf({ rpc: STREAMED }), requestOf(row), requestOf({ rpc: STREAMED })];
    const answered = await send(STREAMED, 'payer', before, bad, after);
    expect(answered.status).toBe('OK');
    const results = answered.responses as readonly settlementV1.SubmitSettlementResult[];
    expect(results.map(({ index, idempotencyKey }) => [index, idempotencyKey])).toEqual(
      [before, bad, after].map((request, i) => [BigInt(i), request['idempotency_key']]),
    );
    for (const i of [0, 2]) {
      const { settlementId } = results[i]!.settlement!;
      await banks.payer.settlement(settlementId, 'SETTLED');
    }
    expect(results[1]!.settlement).toBeUndefined();
    expect(explained(results[1]!.error!)).toEqual({ status: row.status, reason: row.reason, fields: row.field });
  });

  it('is all that is wrong with these requests', async () => {
    const answers: Record<string, string> = {};
    const expected: Record<string, string> = {};
    for (const [rpc, { caller, answer = 'OK', isEndless }] of Object.entries(good)) {
      if (isEndless) continue;
      expected[rpc] = answer;
      answers[rpc] = (await send(rpc, caller, requestOf({ rpc }))).status;
    }
    expect(answers).toEqual(expected);
    expect(new Set(Object.keys(good))).toEqual(new Set(REFUSED_INPUT.map(({ rpc }) => rpc)));
  });

  it('is not stored, and uses up no idempotency key', async () => {
    const { pageSize, pageToken } = { pageSize: 1_000, pageToken: '' };
    const count = async (): Promise<number> =>
      (await banks.payer.api.settlements.listSettlements({ pageSize, pageToken })).settlements.length;
    const before = await count();
    const key = { idempotency_key: 'used-once' };
    const bad = { ...requestOf({ rpc: 'SubmitSettlement', change: { amount_sats: '0' } }), ...key };
    expect(await send('SubmitSettlement', 'payer', bad)).toMatchObject({ status: 'INVALID_ARGUMENT' });
    expect(await count()).toBe(before);
    const fine = { ...requestOf({ rpc: 'SubmitSettlement' }), ...key };
    expect(await send('SubmitSettlement', 'payer', fine)).toMatchObject({ status: 'OK' });
    expect(await count()).toBe(before + 1);
  });

  it('is nothing that anybody has to look at', () => expect(e2e.errors).toEqual([]));
}

function refused(error: ServiceError, responses: readonly unknown[]): Answered {
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  const details = Buffer.isBuffer(bytes) ? googleRpc.Status.decode(bytes).details : [];
  return { ...explained({ code: error.code, message: error.details, details }), responses };
}

function explained({ code, details }: googleRpc.Status): Omit<Answered, 'responses'> {
  const [info] = details.filter(({ typeUrl }) => typeUrl.endsWith('/google.rpc.ErrorInfo'));
  const [badRequest] = details.filter(({ typeUrl }) => typeUrl.endsWith('/google.rpc.BadRequest'));
  const violations = badRequest ? googleRpc.BadRequest.decode(badRequest.value).fieldViolations : [];
  expect(violations.every(({ description }) => description !== '')).toBe(true);
  return {
    status: status[code] ?? `${code}`,
    reason: info ? googleRpc.ErrorInfo.decode(info.value).reason : '',
    fields: violations.map(({ field }) => field).join(', '),
  };
}

/** One per rpc of the table. */
async function goodRequests(
  e2e: E2e,
  banks: Readonly<Record<'payer' | 'payee' | 'stranger', Bank>>,
): Promise<Readonly<Record<string, Good>>> {
  const { payer, payee } = banks;
  const settled = await payer.settle({ to: payee, amountSats: 1_000n, mode: 'CENTRALIZED' });
  const report = await e2e.reconcile();
  await patiently(() => payer.address('wallet'));
  const settlement_id = settled.settlementId;
  const institution_id = payer.id;
  const submission = {
    idempotency_key: '',
    from_institution: payer.id,
    to_institution: payee.id,
    amount_sats: '1000',
    settlement_mode: 'SETTLEMENT_MODE_CENTRALIZED',
  };
  const page = { page_size: 10 };
  const decided = { idempotency_key: '', decision: 'REVIEW_DECISION_APPROVE', reason: 'looked at' };
  const outpoint = `${'00'.repeat(32)}:0`;
  const settlements = settlementV1.SettlementServiceService;
  const operations = settlementV1.OperationsServiceService;
  const institutions = institutionV1.InstitutionServiceService;
  const addresses = addressV1.AddressServiceService;
  const destinations = addressV1.DestinationServiceService;
  const signed = await signatures(e2e, payer);
  const unknown = { idempotency_key: '', destination_id: '00000000-0000-7000-8000-000000000000' };
  const reconciliation = reconciliationV1.ReconciliationServiceService;
  const by: GoodBy =
    (caller) =>
    ({ path, requestSerialize, responseDeserialize, requestStream, responseStream }, message, request, answer) => ({
      path,
      encode: (json) => requestSerialize(message.fromJSON(json)),
      decode: responseDeserialize,
      isEndless: responseStream && !requestStream,
      caller,
      request,
      ...(answer === undefined ? {} : { answer }),
    });
  const asPayer = by('payer');
  const asOperator = by('operator');
  const asCompliance = by('compliance');
  return {
    SubmitSettlement: asPayer(settlements.submitSettlement, settlementV1.SubmitSettlementRequest, submission),
    SubmitSettlements: asPayer(settlements.submitSettlements, settlementV1.SubmitSettlementRequest, submission),
    GetSettlement: asPayer(settlements.getSettlement, settlementV1.GetSettlementRequest, { settlement_id }),
    CancelSettlement: asPayer(
      settlements.cancelSettlement,
      settlementV1.CancelSettlementRequest,
      { idempotency_key: '', settlement_id, reason: 'changed our mind' },
      'FAILED_PRECONDITION',
    ),
    ReverseSettlement: by('payee')(settlements.reverseSettlement, settlementV1.ReverseSettlementRequest, {
      idempotency_key: '',
      settlement_id,
      amount_sats: '1',
    }),
    ListIncidents: asOperator(operations.listIncidents, settlementV1.ListIncidentsRequest, {}),
    ConfirmIncident: asOperator(
      operations.confirmIncident,
      settlementV1.ConfirmIncidentRequest,
      { idempotency_key: '', incident_id: 'deep_reorg:0', reason: 'looked at' },
      'NOT_FOUND',
    ),
    GetRecovery: asOperator(operations.getRecovery, settlementV1.GetRecoveryRequest, {}),
    BeginRecovery: asOperator(
      operations.beginRecovery,
      settlementV1.BeginRecoveryRequest,
      { epoch: 7, reason: 'restored' },
      'FAILED_PRECONDITION',
    ),
    FinishRecovery: asOperator(operations.finishRecovery, settlementV1.FinishRecoveryRequest, {
      idempotency_key: '',
      reason: 'looked at',
    }),
    ListLockedCoins: asOperator(operations.listLockedCoins, settlementV1.ListLockedCoinsRequest, page),
    ReleaseCoins: asOperator(
      operations.releaseCoins,
      settlementV1.ReleaseCoinsRequest,
      { idempotency_key: '', lineage_id: 'nowhere', reason: 'looked at' },
      'NOT_FOUND',
    ),
    ConfirmCoinRelease: asOperator(
      operations.confirmCoinRelease,
      settlementV1.ConfirmCoinReleaseRequest,
      { idempotency_key: '', lineage_id: 'nowhere', reason: 'looked at' },
      'NOT_FOUND',
    ),
    ListSuspense: asOperator(operations.listSuspense, settlementV1.ListSuspenseRequest, page),
    ResolveSuspense: asOperator(
      operations.resolveSuspense,
      settlementV1.ResolveSuspenseRequest,
      { idempotency_key: '', outpoint, institution_id, reason: 'looked at', evidence: 'case 1' },
      'NOT_FOUND',
    ),
    ConfirmSuspenseResolution: asOperator(
      operations.confirmSuspenseResolution,
      settlementV1.ConfirmSuspenseResolutionRequest,
      { idempotency_key: '', outpoint, reason: 'looked at' },
      'NOT_FOUND',
    ),
    EstimateFees: asPayer(settlements.estimateFees, settlementV1.EstimateFeesRequest, {}),
    BumpFee: asPayer(
      settlements.bumpFee,
      settlementV1.BumpFeeRequest,
      { idempotency_key: '', settlement_id, fee_rate_sats_per_kvb: '5000' },
      'FAILED_PRECONDITION',
    ),
    PreparePsbt: asPayer(
      settlements.preparePsbt,
      settlementV1.PreparePsbtRequest,
      { idempotency_key: '', settlement_id },
      'FAILED_PRECONDITION',
    ),
    SubmitSignedPsbt: asPayer(
      settlements.submitSignedPsbt,
      settlementV1.SubmitSignedPsbtRequest,
      { idempotency_key: '', settlement_id, psbt: 'cHNidP8=' },
      'FAILED_PRECONDITION',
    ),
    ReviewSettlement: asCompliance(
      settlements.reviewSettlement,
      settlementV1.ReviewSettlementRequest,
      { ...decided, settlement_id },
      'FAILED_PRECONDITION',
    ),
    ListSettlements: asPayer(settlements.listSettlements, settlementV1.ListSettlementsRequest, page),
    ListDeposits: asPayer(settlements.listDeposits, settlementV1.ListDepositsRequest, page),
    ReviewDeposit: asCompliance(
      settlements.reviewDeposit,
      settlementV1.ReviewDepositRequest,
      { ...decided, outpoint },
      'NOT_FOUND',
    ),
    WatchSettlements: asPayer(settlements.watchSettlements, settlementV1.WatchSettlementsRequest, {}),
    CreateInstitution: asOperator(institutions.createInstitution, institutionV1.CreateInstitutionRequest, {
      idempotency_key: '',
      institution_id: 'newcomer',
      name: 'Newcomer',
      credit_line_sats: '0',
    }),
    ListInstitutions: asOperator(institutions.listInstitutions, institutionV1.ListInstitutionsRequest, page),
    RegisterWallet: asPayer(addresses.registerWallet, addressV1.RegisterWalletRequest, {
      idempotency_key: '',
      institution_id,
      custodial: { script_type: 'SCRIPT_TYPE_TR' },
    }),
    RequestWalletChallenge: asPayer(addresses.requestWalletChallenge, addressV1.RequestWalletChallengeRequest, {
      idempotency_key: '',
      institution_id,
      descriptors: { external: WELL_FORMED_DESCRIPTOR },
    }),
    IssueAddress: asPayer(addresses.issueAddress, addressV1.IssueAddressRequest, {
      idempotency_key: '',
      institution_id,
      purpose: 'ADDRESS_PURPOSE_CLEARING',
      label: 'test',
    }),
    IssueAddresses: asPayer(addresses.issueAddresses, addressV1.IssueAddressesRequest, {
      institution_id,
      purpose: 'ADDRESS_PURPOSE_CLEARING',
      addresses: [{ external_id: 'customer', label: 'test' }],
    }),
    ListAddresses: asPayer(addresses.listAddresses, addressV1.ListAddressesRequest, { ...page, institution_id }),
    GetGapReport: asPayer(
      addresses.getGapReport,
      addressV1.GetGapReportRequest,
      { institution_id, wallet_id: 'nowhere' },
      'NOT_FOUND',
    ),
    ListWallets: asPayer(addresses.listWallets, addressV1.ListWalletsRequest, { ...page, institution_id }),
    RegisterSignatory: asOperator(destinations.registerSignatory, addressV1.RegisterSignatoryRequest, {
      idempotency_key: '',
      institution_id,
      ...signed.signatory,
    }),
    RevokeSignatory: asPayer(
      destinations.revokeSignatory,
      addressV1.RevokeSignatoryRequest,
      { idempotency_key: '', institution_id, address: outsideAddress(0), revocation: signed.destination.request },
      'FAILED_PRECONDITION',
    ),
    ListSignatories: asPayer(destinations.listSignatories, addressV1.ListSignatoriesRequest, { institution_id }),
    RegisterDestination: asPayer(destinations.registerDestination, addressV1.RegisterDestinationRequest, {
      idempotency_key: '',
      institution_id,
      ...signed.destination,
    }),
    ApproveDestination: asPayer(
      destinations.approveDestination,
      addressV1.ApproveDestinationRequest,
      { ...unknown, approval: signed.destination.request },
      'NOT_FOUND',
    ),
    ReviewDestination: asCompliance(
      destinations.reviewDestination,
      addressV1.ReviewDestinationRequest,
      { ...unknown, decision: 'DESTINATION_DECISION_APPROVE', reason: 'looked at' },
      'NOT_FOUND',
    ),
    RemoveDestination: asPayer(
      destinations.removeDestination,
      addressV1.RemoveDestinationRequest,
      unknown,
      'NOT_FOUND',
    ),
    ListDestinations: asPayer(destinations.listDestinations, addressV1.ListDestinationsRequest, {
      ...page,
      institution_id,
    }),
    ...ledgerRequests(by, institution_id),
    ...(await windowRequests(e2e, by, { payer, payee })),
    ...liquidityRequests(by, { institution_id, settlement_id }),
    ...collateralRequests(by, institution_id),
    ...(await policyRequests(e2e, by, banks)),
    ...exchangeRequests(by, payer, payee),
    ...proposalRequests(by, payer.id),
    RunReconciliation: asOperator(reconciliation.runReconciliation, reconciliationV1.RunReconciliationRequest, {
      idempotency_key: '',
    }),
    GetReport: asOperator(reconciliation.getReport, reconciliationV1.GetReportRequest, { report_id: report.reportId }),
    ListReports: asOperator(reconciliation.listReports, reconciliationV1.ListReportsRequest, page),
    'RiskService.GetVerdict': asCompliance(riskV1.RiskServiceService.getVerdict, riskV1.GetVerdictRequest, {
      subject_id: settlement_id,
    }),
    'AmlService.GetVerdict': asCompliance(amlV1.AmlServiceService.getVerdict, amlV1.GetVerdictRequest, {
      subject_id: settlement_id,
    }),
  };
}
