import 'reflect-metadata';
import { readFile } from 'node:fs/promises';
import { deriveScript, parseDescriptor } from '@finality/bitcoin';
import { addressV1, institutionV1, topicNamed, TOPICS } from '@finality/contracts';
import { PostgresDriver } from '@finality/messaging';
import {
  assembleService,
  type AssembledService,
  createReadModels,
  type FaultPoints,
  INTERNAL_API,
  readConfig,
  refusalOf,
  SharedGrpcServer,
  silentLog,
  systemRuntime,
} from '@finality/service';
import { unwrap } from '@finality/kernel';
import { testDatabase, type TestDatabase } from '@finality/testing';
import { credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import type { QueryRunner } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AddressingPort, addressIssuerConfig, addressIssuerService } from './index.ts';
import { createAddresses } from './migrations/create-addresses.migration.ts';
import { foreignDescriptor, KeysOfTest, Neighbour } from './neighbours.fixture.ts';

const { AddressPurpose: Purpose, ScriptType } = addressV1;
const { InstitutionStatus: Status, Role } = institutionV1;
const DESCRIPTORS = new URL('../../../libs/contracts/src/generated/descriptors.binpb', import.meta.url);
const SERVICES = ['settlement', 'chain-watcher', 'address-issuer'];
const STEPS_MAX = 300;

const runtime = systemRuntime();
const keys = new KeysOfTest();
let database: TestDatabase;
let settlement: Neighbour;
let chainWatcher: Neighbour;
let issuer: Started;
const apiKeys = { 'bank-a': '', 'bank-b': '', operator: '', auditor: '' };
type Caller = keyof typeof apiKeys | undefined;

interface Started {
  readonly service: AssembledService;
  readonly client: addressV1.AddressServiceClient;
  readonly internal: AddressingPort;
  close(): Promise<void>;
}

async function start(faults?: FaultPoints): Promise<Started> {
  const { pool, schema, url } = database.service('address-issuer');
  const driver = new PostgresDriver({
    bus: database.bus,
    consumer: pool,
    consumerSchema: schema,
    schemaOf: (topic) => topicNamed(topic).owner.replaceAll('-', '_'),
    listen: false,
  });
  const { entities } = addressIssuerService;
  const readModels = await createReadModels(url, { schema, entities, applicationName: 'test' });
  const config = readConfig({ ADDRESS_WAIT_MS: '300' }, addressIssuerConfig);
  const env = { config, runtime, pool, readModels, driver, signer: keys, ...(faults && { faults }) };
  const descriptorSet = await readFile(DESCRIPTORS);
  const grpc = new SharedGrpcServer({
    host: '127.0.0.1',
    port: 0,
    portVariable: 'GRPC_PORT',
    descriptorSet,
    runtime,
    log: silentLog,
  });
  const service = await assembleService(addressIssuerService, env, { grpc });
  const { port } = await grpc.listen();
  const client = new addressV1.AddressServiceClient(`127.0.0.1:${port}`, credentials.createInsecure());
  return {
    service,
    client,
    internal: service.get<AddressingPort>(INTERNAL_API),
    close: async () => {
      client.close();
      await grpc.stop(1_000);
      await service.close();
      await driver.close();
      await readModels.destroy();
    },
  };
}

/** Steps all workers until none has anything to do. */
async function drain(of = issuer): Promise<void> {
  for (let steps = 0; steps < STEPS_MAX; steps++) {
    const progress = await Promise.all(of.service.workers.map((worker) => worker.step()));
    if (progress.every((each) => each === 'idle')) return;
  }
  throw new Error(`workers aren't idle after ${STEPS_MAX} steps`);
}

beforeAll(async () => {
  database = await testDatabase(SERVICES);
  const { schema, serviceRole, owner } = database.service('address-issuer');
  const roles = { schema, owner: '', service: serviceRole, bus: database.busRole };
  await new (createAddresses(roles))().up({ query: (text: string) => owner.query(text) } as unknown as QueryRunner);
  settlement = new Neighbour('settlement', 'settlement', database.service('settlement').pool, runtime);
  chainWatcher = new Neighbour('chain-watcher', 'chain_watcher', database.service('chain-watcher').pool, runtime);
  for (const bank of ['bank-a', 'bank-b'] as const) {
    await settlement.institution(bank, Status.INSTITUTION_STATUS_ACTIVE);
    apiKeys[bank] = await settlement.apiKey(Role.ROLE_INSTITUTION, bank);
  }
  apiKeys.operator = await settlement.apiKey(Role.ROLE_OPERATOR);
  apiKeys.auditor = await settlement.apiKey(Role.ROLE_AUDITOR);
  issuer = await start();
  await drain();
  await watch('pool', 500, 500);
});

afterAll(async () => {
  await issuer.close();
  await database.close();
});

async function watch(walletId: string, external: number, internal = 0): Promise<void> {
  await chainWatcher.watch(walletId, external, internal);
  await drain();
}

type Unary<Request, Response> = (
  request: Request,
  metadata: Metadata,
  callback: (error: ServiceError | null, response: Response) => void,
) => unknown;

function call<Request, Response>(
  method: Unary<Request, Response>,
  request: Request,
  caller: Caller,
  of = issuer,
): Promise<Response> {
  const metadata = new Metadata();
  if (caller) metadata.set('authorization', `Bearer ${apiKeys[caller]}`);
  return new Promise((resolve, reject) =>
    method.call(of.client, request, metadata, (error, response) => (error ? reject(error) : resolve(response))),
  );
}

const listWallets = (request: addressV1.ListWalletsRequest, caller: Caller): Promise<addressV1.ListWalletsResponse> =>
  call<addressV1.ListWalletsRequest, addressV1.ListWalletsResponse>(issuer.client.listWallets, request, caller);

const listAddresses = (
  request: addressV1.ListAddressesRequest,
  caller: Caller,
): Promise<addressV1.ListAddressesResponse> =>
  call<addressV1.ListAddressesRequest, addressV1.ListAddressesResponse>(issuer.client.listAddresses, request, caller);

let keysMade = 0;
const idempotencyKey = (): string => `key-${++keysMade}`;

type Over<Request> = Partial<Request> & { readonly caller?: Caller; readonly on?: Started };

function register({
  caller = 'bank-a',
  on = issuer,
  ...over
}: Over<addressV1.RegisterWalletRequest> = {}): Promise<addressV1.Wallet> {
  const base = { idempotencyKey: idempotencyKey(), institutionId: 'bank-a', birthdayHeight: 0 };
  const keysOf =
    over.descriptors || 'custodial' in over ? {} : { custodial: { scriptType: ScriptType.SCRIPT_TYPE_UNSPECIFIED } };
  return call(on.client.registerWallet, { ...base, ...keysOf, ...over }, caller, on);
}

function issue({ on = issuer, ...over }: Over<addressV1.IssueAddressRequest> = {}): Promise<addressV1.Address> {
  const caller = 'caller' in over ? over.caller : 'bank-a';
  const base = {
    idempotencyKey: idempotencyKey(),
    institutionId: 'bank-a',
    purpose: Purpose.ADDRESS_PURPOSE_CLEARING,
    label: '',
    walletId: '',
  };
  const { caller: _caller, ...request } = over;
  return call(on.client.issueAddress, { ...base, ...request }, caller, on);
}

const onWallet = (walletId: string): Partial<addressV1.IssueAddressRequest> => ({
  purpose: Purpose.ADDRESS_PURPOSE_WALLET,
  walletId,
});

/** Reason of the refusal, and the fields to blame. */
async function refusalBy(promise: Promise<unknown>): Promise<readonly string[]> {
  const failure: unknown = await promise.then(
    () => new Error('expected a refusal'),
    (error: unknown) => error,
  );
  const refused = refusalOf(failure);
  if (!refused) throw failure;
  return [refused.reason, ...(refused.fields ?? []).map(({ field }) => field)];
}

async function messages(topic: {
  readonly name: string;
}): Promise<{ ordering_key: string; sequence: bigint; payload: Buffer }[]> {
  const text =
    'SELECT ordering_key, sequence, payload FROM published_messages WHERE topic = $1 ORDER BY position, ordinal';
  return (
    await database
      .service('address-issuer')
      .pool.query<{ ordering_key: string; sequence: bigint; payload: Buffer }>(text, [topic.name])
  ).rows;
}

function expectDerived(address: addressV1.Address, wallet: addressV1.Wallet): void {
  const descriptor = unwrap(parseDescriptor([wallet.externalDescriptor, wallet.internalDescriptor], 'regtest'));
  const derived = deriveScript(descriptor, address.branch === 0 ? 0 : 1, address.index);
  expect([address.script, address.address]).toEqual([derived.script, derived.address]);
}

const wrong = (field: string): readonly string[] => ['INVALID_ARGUMENT', field];

describe('the pool wallet', () => {
  it('is made once, and published', async () => {
    const again = await start();
    await drain(again);
    await again.close();
    const { wallets } = await listWallets({ institutionId: 'platform', pageSize: 0, pageToken: '' }, 'operator');
    expect(wallets).toMatchObject([
      { walletId: 'pool', institutionId: 'platform', scriptType: ScriptType.SCRIPT_TYPE_WPKH },
    ]);
    const changes = (await messages(TOPICS.wallet)).filter(({ ordering_key }) => ordering_key === 'pool');
    expect(changes.map(({ payload }) => addressV1.WalletChanged.decode(payload).wallet)).toEqual(wallets);
  });
});

describe('RegisterWallet', () => {
  it('gives a custodial wallet the signer’s keys, once per idempotency key', async () => {
    const request = { idempotencyKey: 'wallet-once', custodial: { scriptType: ScriptType.SCRIPT_TYPE_TR } };
    const wallet = await register(request);
    expect(wallet.externalDescriptor).toMatch(/^tr\(\[[0-9a-f]{8}\/86h\/1h\/\d+h\]tpub/);
    expect(await register(request)).toEqual(wallet);
    expect(await refusalBy(register({ ...request, birthdayHeight: 5 }))).toContain('birthday_height');
  });

  it('takes an institution’s own keys as a pair or as one text', async () => {
    const [first, second] = [foreignDescriptor(0), foreignDescriptor(1)];
    const pair = await register({ descriptors: { external: first.external, internal: first.internal } });
    expect(pair).toMatchObject({ externalDescriptor: first.external, internalDescriptor: first.internal, kind: 2 });
    expect(await register({ descriptors: { external: second.text, internal: '' } })).toMatchObject({
      externalDescriptor: second.external,
    });
  });

  it('lets nobody register scripts of another wallet, of whatever origin they are said to be', async () => {
    const own = foreignDescriptor(2);
    await register({ descriptors: { external: own.text, internal: '' } });
    const stolen = (text: string): Promise<readonly string[]> =>
      refusalBy(register({ caller: 'bank-b', institutionId: 'bank-b', descriptors: { external: text, internal: '' } }));
    expect(await stolen(own.text)).toEqual(['KEYS_ALREADY_REGISTERED', 'descriptors']);
    expect(await stolen(`wpkh([00000000/1h]${own.xpub}/<0;1>/*)`)).toEqual(['KEYS_ALREADY_REGISTERED', 'descriptors']);
    const custodial = await register();
    expect(await stolen(custodial.externalDescriptor.replace(/\/0\/\*\)#.*$/, '/<0;1>/*)'))).toEqual([
      'KEYS_ALREADY_REGISTERED',
      'descriptors',
    ]);
  });

  it('goes on where an absent signer left it, by asking again or by itself', async () => {
    keys.isDown = true;
    const requests = [{ idempotencyKey: 'down-1' }, { idempotencyKey: 'down-2' }];
    for (const request of requests) expect(await refusalBy(register(request))).toEqual(['SIGNER_UNAVAILABLE']);
    keys.isDown = false;
    const resumed = await register(requests[0]!);
    await drain();
    const completed = await register(requests[1]!);
    expect(resumed.walletId).not.toBe(completed.walletId);
    expect(await register(requests[0]!)).toEqual(resumed);
  });

  const pair = foreignDescriptor(3);
  const xprv =
    'tprv8ZgxMBicQKsPd7Uf69XL1XwhmjHopUGep8GuEiJDZmbQz6o58LninorQAfcKZWARbtRtfnLcJ5MQ2AtHcQJCCRUcMRvmDUjyEmNUWwx8UbK';
  it.each<[string, Over<addressV1.RegisterWalletRequest>, readonly string[]]>([
    ['no keys', { custodial: undefined }, wrong('keys')],
    ['an unknown script type', { custodial: { scriptType: ScriptType.UNRECOGNIZED } }, wrong('custodial.script_type')],
    [
      'a descriptor of another network',
      { descriptors: { external: pair.text.replace('tpub', 'xpub').replace(/#.*/, ''), internal: '' } },
      wrong('descriptors.external'),
    ],
    [
      'a wrong checksum',
      { descriptors: { external: `${pair.text.slice(0, -1)}${pair.text.endsWith('q') ? 'p' : 'q'}`, internal: '' } },
      wrong('descriptors.external'),
    ],
    [
      'a private key',
      { descriptors: { external: `wpkh(${xprv}/<0;1>/*)`, internal: '' } },
      wrong('descriptors.external'),
    ],
    ['one branch only', { descriptors: { external: pair.external, internal: '' } }, wrong('descriptors.external')],
    [
      'branches of two keys',
      { descriptors: { external: pair.external, internal: foreignDescriptor(4).internal } },
      wrong('descriptors.internal'),
    ],
    ['an empty idempotency key', { idempotencyKey: '' }, wrong('idempotency_key')],
    ['an over-long idempotency key', { idempotencyKey: 'x'.repeat(129) }, wrong('idempotency_key')],
    ['a negative birthday', { birthdayHeight: -1 }, wrong('birthday_height')],
    ['another institution', { institutionId: 'bank-b' }, ['FOREIGN_INSTITUTION']],
    [
      'an unknown institution',
      { institutionId: 'bank-x', caller: 'operator' },
      ['UNKNOWN_INSTITUTION', 'institution_id'],
    ],
    ['an auditor', { caller: 'auditor' }, ['ROLE_REQUIRED']],
  ])('refuses %s', async (_what, over, refused) => {
    expect(await refusalBy(register(over))).toEqual(refused);
  });
});

describe('IssueAddress', () => {
  it('gives addresses of the pool to institutions, and says for whom they are', async () => {
    const { wallets } = await listWallets({ institutionId: 'platform', pageSize: 1, pageToken: '' }, 'auditor');
    const first = await issue({ label: 'Kasse' });
    const second = await issue({ caller: 'bank-b', institutionId: 'bank-b' });
    expect([first.walletId, first.institutionId, first.label]).toEqual(['pool', 'bank-a', 'Kasse']);
    expect([second.walletId, second.institutionId, second.index]).toEqual(['pool', 'bank-b', first.index + 1]);
    for (const address of [first, second]) expectDerived(address, wallets[0]!);
    const published = (await messages(TOPICS.address)).map(
      ({ payload }) => addressV1.AddressIssued.decode(payload).address,
    );
    expect(published).toContainEqual(first);
    expect(published).toContainEqual(second);
  });

  it('gives nothing beyond what is watched, and waits for a moment', async () => {
    const { walletId } = await register();
    expect(await refusalBy(issue(onWallet(walletId)))).toEqual(['ADDRESS_NOT_WATCHED']);
    const waiting = issue(onWallet(walletId));
    await watch(walletId, 2);
    expect((await waiting).index).toBe(0);
    expect((await issue(onWallet(walletId))).index).toBe(1);
    expect(await refusalBy(issue(onWallet(walletId)))).toEqual(['ADDRESS_NOT_WATCHED']);
  });

  it('gives 100 addresses of 100 indices to 100 who ask at once', async () => {
    const wallet = await register();
    const before = keys.derivations;
    await watch(wallet.walletId, 150);
    expect(keys.derivations - before).toBe(1);
    const addresses = await Promise.all(Array.from({ length: 100 }, () => issue(onWallet(wallet.walletId))));
    expect(addresses.map(({ index }) => index).sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    for (const address of addresses) expectDerived(address, wallet);
  });

  it('gives the same address for the same key, also after a crash between taking the index and answering', async () => {
    const wallet = await register();
    await watch(wallet.walletId, 50);
    const faults = {
      at: (): never => {
        throw new Error('killed');
      },
    };
    const crashing = await start(faults);
    const requests = Array.from({ length: 10 }, () => ({
      idempotencyKey: idempotencyKey(),
      ...onWallet(wallet.walletId),
    }));
    const lost = await Promise.allSettled(requests.map((request) => issue({ ...request, on: crashing })));
    expect(lost.every(({ status }) => status === 'rejected')).toBe(true);
    await crashing.close();
    const again = await start();
    const [repeated, fresh] = await Promise.all([
      Promise.all(requests.map((request) => issue({ ...request, on: again }))),
      Promise.all(requests.map(() => issue({ ...onWallet(wallet.walletId), on: again }))),
    ]);
    expect(await Promise.all(requests.map((request) => issue({ ...request, on: again })))).toEqual(repeated);
    const indices = (of: readonly addressV1.Address[]): number[] => of.map(({ index }) => index).sort((a, b) => a - b);
    expect([indices(repeated), indices(fresh)]).toEqual([
      Array.from({ length: 10 }, (_, i) => i),
      Array.from({ length: 10 }, (_, i) => i + 10),
    ]);
    await again.close();
    const issued = (await messages(TOPICS.address)).filter(({ ordering_key }) => ordering_key === wallet.walletId);
    expect(issued.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 20 }, (_, i) => BigInt(i + 1)));
    expect(await refusalBy(issue({ ...requests[0], label: 'other' }))).toContain('label');
  });

  it('gives nothing of a wallet whose scripts the signer derives differently', async () => {
    const wallet = await register();
    keys.wrongFrom = 3;
    await watch(wallet.walletId, 5, 5);
    keys.wrongFrom = Number.POSITIVE_INFINITY;
    await watch(wallet.walletId, 10, 10);
    expect(await refusalBy(issue(onWallet(wallet.walletId)))).toEqual(['WALLET_BLOCKED']);
  });

  it('takes the only wallet of an institution where none is named', async () => {
    const purpose = Purpose.ADDRESS_PURPOSE_WALLET;
    const mine = { caller: 'bank-b', institutionId: 'bank-b' } as const;
    expect(await refusalBy(issue({ ...mine, purpose }))).toEqual(['NO_WALLET']);
    const wallet = await register(mine);
    await watch(wallet.walletId, 5, 5);
    expect((await issue({ ...mine, purpose })).walletId).toBe(wallet.walletId);
    await register(mine);
    expect(await refusalBy(issue({ ...mine, purpose }))).toEqual(wrong('wallet_id'));
    expect(await refusalBy(issue(onWallet(wallet.walletId)))).toEqual(['UNKNOWN_WALLET', 'wallet_id']);
  });

  it.each<[string, Over<addressV1.IssueAddressRequest>, readonly string[]]>([
    ['no key', { caller: undefined }, ['API_KEY_MISSING']],
    ['an auditor', { caller: 'auditor' }, ['ROLE_REQUIRED']],
    ['another institution', { institutionId: 'bank-b' }, ['FOREIGN_INSTITUTION']],
    [
      'an unknown institution',
      { institutionId: 'bank-x', caller: 'operator' },
      ['UNKNOWN_INSTITUTION', 'institution_id'],
    ],
    ['no institution', { institutionId: '' }, wrong('institution_id')],
    ['no purpose', { purpose: Purpose.ADDRESS_PURPOSE_UNSPECIFIED }, wrong('purpose')],
    ['change', { purpose: Purpose.ADDRESS_PURPOSE_CHANGE }, wrong('purpose')],
    ['an over-long label', { label: 'x'.repeat(129) }, wrong('label')],
    ['a label of control characters', { label: 'a\nb' }, wrong('label')],
    ['an unknown wallet', onWallet('nowhere'), ['UNKNOWN_WALLET', 'wallet_id']],
    ['the pool as wallet', onWallet('pool'), wrong('wallet_id')],
    ['a wallet for clearing', { walletId: 'pool' }, wrong('wallet_id')],
    ['an empty idempotency key', { idempotencyKey: '' }, wrong('idempotency_key')],
  ])('refuses %s', async (_what, over, refused) => {
    expect(await refusalBy(issue(over))).toEqual(refused);
  });
});

describe('IssueInternalAddress', () => {
  const request = (purpose: addressV1.AddressPurpose, walletId: string): addressV1.IssueInternalAddressRequest => ({
    idempotencyKey: idempotencyKey(),
    walletId,
    purpose,
    label: 'settlement',
  });

  it('gives change on the internal branch and payees’ addresses on the external one, also while the institution is frozen', async () => {
    await settlement.institution('bank-f', Status.INSTITUTION_STATUS_ACTIVE);
    await drain();
    const wallet = await register({ caller: 'operator', institutionId: 'bank-f' });
    await watch(wallet.walletId, 10, 10);
    await settlement.institution('bank-f', Status.INSTITUTION_STATUS_FROZEN);
    await drain();
    const frozen = issue({ caller: 'operator', institutionId: 'bank-f', ...onWallet(wallet.walletId) });
    expect(await refusalBy(frozen)).toEqual(['INSTITUTION_NOT_ACTIVE']);
    const asked = request(Purpose.ADDRESS_PURPOSE_CHANGE, wallet.walletId);
    const change = await issuer.internal.issueInternalAddress(asked);
    const payee = await issuer.internal.issueInternalAddress(
      request(Purpose.ADDRESS_PURPOSE_SETTLEMENT, wallet.walletId),
    );
    expect([change.branch, change.index, payee.branch, payee.index, payee.institutionId]).toEqual([
      1,
      0,
      0,
      0,
      'bank-f',
    ]);
    for (const address of [change, payee]) expectDerived(address, wallet);
    expect(await issuer.internal.issueInternalAddress(asked)).toEqual(change);
  });

  it.each([
    ['no purpose', Purpose.ADDRESS_PURPOSE_UNSPECIFIED, 'pool', wrong('purpose')],
    ['what institutions ask for', Purpose.ADDRESS_PURPOSE_CLEARING, 'pool', wrong('purpose')],
    ['an unknown wallet', Purpose.ADDRESS_PURPOSE_CHANGE, 'nowhere', ['UNKNOWN_WALLET', 'wallet_id']],
    ['no wallet', Purpose.ADDRESS_PURPOSE_CHANGE, '', wrong('wallet_id')],
  ])('refuses %s', async (_what, purpose, walletId, refused) => {
    expect(await refusalBy(issuer.internal.issueInternalAddress(request(purpose, walletId)))).toEqual(refused);
  });
});

describe('lists', () => {
  it('show each institution its own, page by page', async () => {
    const seen: addressV1.Address[] = [];
    for (let pageToken = ''; ;) {
      const page = await listAddresses({ institutionId: 'bank-a', pageSize: 50, pageToken }, 'bank-a');
      seen.push(...page.addresses);
      pageToken = page.nextPageToken;
      if (pageToken === '') break;
      expect(page.addresses).toHaveLength(50);
    }
    expect(seen.length).toBeGreaterThan(100);
    expect(new Set(seen.map(({ script }) => script)).size).toBe(seen.length);
    expect(seen.every(({ institutionId }) => institutionId === 'bank-a')).toBe(true);
  });

  it.each<[string, Partial<addressV1.ListAddressesRequest>, readonly string[]]>([
    ['another institution', { institutionId: 'bank-b' }, ['FOREIGN_INSTITUTION']],
    ['a page too large', { pageSize: 1_001 }, wrong('page_size')],
    ['a negative page', { pageSize: -1 }, wrong('page_size')],
    ['a made-up token', { pageToken: 'abc' }, wrong('page_token')],
    ['a token of another epoch', { pageToken: Buffer.from('7.1').toString('base64url') }, wrong('page_token')],
  ])('refuse %s', async (_what, over, refused) => {
    const request = { institutionId: 'bank-a', pageSize: 0, pageToken: '', ...over };
    expect(await refusalBy(listAddresses(request, 'bank-a'))).toEqual(refused);
    expect(await refusalBy(listWallets(request, 'bank-a'))).toEqual(refused);
  });
});
