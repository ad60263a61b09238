import 'reflect-metadata';
import { readFile } from 'node:fs/promises';
import { addressV1, institutionV1, topicNamed } from '@finality/contracts';
import { PostgresDriver } from '@finality/messaging';
import type { Instant, Runtime } from '@finality/kernel';
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
import { testDatabase, type TestDatabase } from '@finality/testing';
import { credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import type { QueryRunner } from 'typeorm';
import { type AddressingPort, addressIssuerConfig, addressIssuerService } from './index.ts';
import { createAddresses } from './migrations/create-addresses.migration.ts';
import { type ForeignWallet, KeysOfTest, Neighbour } from './neighbours.fixture.ts';

// The address issuer on a real database, with neighbours that publish what they are told to.

const { AddressPurpose: Purpose, ScriptType } = addressV1;
const { InstitutionStatus: Status, Role } = institutionV1;
const DESCRIPTORS = new URL('../../../libs/contracts/src/generated/descriptors.binpb', import.meta.url);
const SERVICES = ['settlement', 'chain-watcher', 'address-issuer'];
const STEPS_MAX = 300;

export type Caller = 'bank-a' | 'bank-b' | 'operator' | 'auditor' | undefined;
export type Over<Request> = Partial<Request> & { readonly caller?: Caller; readonly on?: Started };

type Unary<Request, Response> = (
  request: Request,
  metadata: Metadata,
  callback: (error: ServiceError | null, response: Response) => void,
) => unknown;

export interface Started {
  readonly service: AssembledService;
  readonly client: addressV1.AddressServiceClient;
  readonly internal: AddressingPort;
  close(): Promise<void>;
}

/** The machine's, but for a clock that can be put forward. */
class LateRuntime implements Runtime {
  readonly #system = systemRuntime();
  lateMs = 0;

  now(): Instant {
    return (this.#system.now() + this.lateMs) as Instant;
  }

  monotonicMs(): number {
    return this.#system.monotonicMs();
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return this.#system.sleep(delayMs, signal);
  }

  randomBytes(length: number): Uint8Array {
    return this.#system.randomBytes(length);
  }

  id(): string {
    return this.#system.id();
  }
}

export class IssuerRig {
  readonly runtime: LateRuntime;
  readonly keys = new KeysOfTest();
  readonly settlement: Neighbour;
  readonly database: TestDatabase;
  readonly #chainWatcher: Neighbour;
  readonly #apiKeys = { 'bank-a': '', 'bank-b': '', operator: '', auditor: '' };
  #keysMade = 0;
  #issuer: Started | undefined;

  private constructor(database: TestDatabase, runtime: LateRuntime) {
    this.database = database;
    this.runtime = runtime;
    this.settlement = new Neighbour('settlement', 'settlement', database.service('settlement').pool, runtime);
    this.#chainWatcher = new Neighbour(
      'chain-watcher',
      'chain_watcher',
      database.service('chain-watcher').pool,
      runtime,
    );
  }

  /** Two banks that have keys; the pool is watched. */
  static async open(): Promise<IssuerRig> {
    const runtime = new LateRuntime();
    const database = await testDatabase(SERVICES);
    const { schema, serviceRole, owner } = database.service('address-issuer');
    const roles = { schema, owner: '', service: serviceRole, bus: database.busRole };
    await new (createAddresses(roles))().up({ query: (text: string) => owner.query(text) } as unknown as QueryRunner);
    const rig = new IssuerRig(database, runtime);
    for (const bank of ['bank-a', 'bank-b'] as const) {
      await rig.settlement.institution(bank, Status.INSTITUTION_STATUS_ACTIVE);
      rig.#apiKeys[bank] = await rig.settlement.apiKey(Role.ROLE_INSTITUTION, bank);
    }
    rig.#apiKeys.operator = await rig.settlement.apiKey(Role.ROLE_OPERATOR);
    rig.#apiKeys.auditor = await rig.settlement.apiKey(Role.ROLE_AUDITOR);
    rig.#issuer = await rig.start();
    await rig.drain();
    await rig.watch('pool', 500, 500);
    return rig;
  }

  async close(): Promise<void> {
    await this.#issuer?.close();
    await this.database.close();
  }

  get issuer(): Started {
    if (!this.#issuer) throw new Error('the rig is open');
    return this.#issuer;
  }

  /** Another process of the service on the same database. */
  async start(faults?: FaultPoints): Promise<Started> {
    const { pool, schema, url } = this.database.service('address-issuer');
    const { runtime } = this;
    const driver = new PostgresDriver({
      bus: this.database.bus,
      consumer: pool,
      consumerSchema: schema,
      schemaOf: (topic) => topicNamed(topic).owner.replaceAll('-', '_'),
      listen: false,
    });
    const { entities } = addressIssuerService;
    const readModels = await createReadModels(url, { schema, entities, applicationName: 'test' });
    const config = readConfig({ ADDRESS_WAIT_MS: '1000' }, addressIssuerConfig);
    const env = { config, runtime, pool, readModels, driver, signer: this.keys, ...(faults && { faults }) };
    const descriptorSet = await readFile(DESCRIPTORS);
    const address = { host: '127.0.0.1', port: 0, portVariable: 'GRPC_PORT' };
    const grpc = new SharedGrpcServer({ ...address, descriptorSet, runtime, log: silentLog });
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
  async drain(of = this.issuer): Promise<void> {
    for (let steps = 0; steps < STEPS_MAX; steps++) {
      const progress = await Promise.all(of.service.workers.map((worker) => worker.step()));
      if (progress.every((each) => each === 'idle')) return;
    }
    throw new Error(`workers aren't idle after ${STEPS_MAX} steps`);
  }

  async watch(walletId: string, external: number, internal = 0, scanning = false): Promise<void> {
    await this.#chainWatcher.watch(walletId, external, internal, scanning);
    await this.drain();
  }

  /** Addresses are paid, and the issuer gets to know. */
  async pay(...addresses: readonly addressV1.Address[]): Promise<void> {
    await this.#chainWatcher.pays(...addresses);
    await this.drain();
  }

  gapReport(request: Partial<addressV1.GetGapReportRequest>, caller: Caller = 'bank-a'): Promise<addressV1.GapReport> {
    const asked = addressV1.GetGapReportRequest.fromPartial({ institutionId: 'bank-a', ...request });
    return this.call(this.issuer.client.getGapReport, asked, caller);
  }

  idempotencyKey(): string {
    this.#keysMade += 1;
    return `key-${this.#keysMade}`;
  }

  metadata(caller: Caller): Metadata {
    const metadata = new Metadata();
    if (caller) metadata.set('authorization', `Bearer ${this.#apiKeys[caller]}`);
    return metadata;
  }

  call<Request, Response>(
    method: Unary<Request, Response>,
    request: Request,
    caller: Caller,
    of = this.issuer,
  ): Promise<Response> {
    const metadata = this.metadata(caller);
    return new Promise((resolve, reject) =>
      method.call(of.client, request, metadata, (error, response) => (error ? reject(error) : resolve(response))),
    );
  }

  register({
    caller = 'bank-a',
    on = this.issuer,
    ...over
  }: Over<addressV1.RegisterWalletRequest> = {}): Promise<addressV1.Wallet> {
    const base = { idempotencyKey: this.idempotencyKey(), institutionId: 'bank-a', birthdayHeight: 0 };
    const keysOf =
      over.descriptors || 'custodial' in over ? {} : { custodial: { scriptType: ScriptType.SCRIPT_TYPE_UNSPECIFIED } };
    return this.call(on.client.registerWallet, { ...base, ...keysOf, ...over }, caller, on);
  }

  challenge({
    caller = 'bank-a',
    on = this.issuer,
    ...over
  }: Over<addressV1.RequestWalletChallengeRequest> = {}): Promise<addressV1.WalletChallenge> {
    const base = { idempotencyKey: this.idempotencyKey(), institutionId: 'bank-a', descriptors: undefined };
    return this.call(on.client.requestWalletChallenge, { ...base, ...over }, caller, on);
  }

  /** Registers a wallet by its descriptors, with proof that its keys are there. */
  async registerOwn(
    wallet: ForeignWallet,
    { descriptors, ...over }: Over<addressV1.RegisterWalletRequest> = {},
  ): Promise<addressV1.Wallet> {
    const pair = descriptors ?? { external: wallet.text, internal: '', scriptType: 0 };
    const { caller = 'bank-a', institutionId = 'bank-a' } = over;
    const { challengeId, message } = await this.challenge({ caller, institutionId, descriptors: pair });
    const proof = { challengeId, signature: wallet.sign(message) };
    return this.register({ ...over, descriptors: pair, proof });
  }

  issue({ on = this.issuer, ...over }: Over<addressV1.IssueAddressRequest> = {}): Promise<addressV1.Address> {
    const caller = 'caller' in over ? over.caller : 'bank-a';
    const base = {
      idempotencyKey: this.idempotencyKey(),
      institutionId: 'bank-a',
      purpose: Purpose.ADDRESS_PURPOSE_CLEARING,
      label: '',
      walletId: '',
      externalId: '',
    };
    const { caller: _caller, ...request } = over;
    return this.call(on.client.issueAddress, { ...base, ...request }, caller, on);
  }

  async issueMany({
    caller = 'bank-a',
    on = this.issuer,
    ...over
  }: Over<addressV1.IssueAddressesRequest> = {}): Promise<addressV1.Address[]> {
    const base = { institutionId: 'bank-a', purpose: Purpose.ADDRESS_PURPOSE_WALLET, walletId: '', addresses: [] };
    const call = on.client.issueAddresses({ ...base, ...over }, this.metadata(caller));
    const issued: addressV1.Address[] = [];
    for await (const address of call as AsyncIterable<addressV1.Address>) issued.push(address);
    return issued;
  }

  /** Repeated as often as it is cut short because too few are watched yet. */
  async issueAll(over: Over<addressV1.IssueAddressesRequest>): Promise<addressV1.Address[]> {
    for (;;) {
      try {
        return await this.issueMany(over);
      } catch (error) {
        if (refusalOf(error)?.reason !== 'ADDRESS_NOT_WATCHED') throw error;
      }
    }
  }

  listWallets(request: addressV1.ListWalletsRequest, caller: Caller): Promise<addressV1.ListWalletsResponse> {
    const { client } = this.issuer;
    return this.call<addressV1.ListWalletsRequest, addressV1.ListWalletsResponse>(client.listWallets, request, caller);
  }

  listAddresses(
    asked: Partial<addressV1.ListAddressesRequest>,
    caller: Caller,
  ): Promise<addressV1.ListAddressesResponse> {
    const { client } = this.issuer;
    const request = addressV1.ListAddressesRequest.fromPartial(asked);
    return this.call<addressV1.ListAddressesRequest, addressV1.ListAddressesResponse>(
      client.listAddresses,
      request,
      caller,
    );
  }

  async messages(topic: {
    readonly name: string;
  }): Promise<{ ordering_key: string; sequence: bigint; payload: Buffer }[]> {
    const text =
      'SELECT ordering_key, sequence, payload FROM published_messages WHERE topic = $1 ORDER BY position, ordinal';
    const { pool } = this.database.service('address-issuer');
    return (await pool.query<{ ordering_key: string; sequence: bigint; payload: Buffer }>(text, [topic.name])).rows;
  }
}

export const onWallet = (walletId: string): Partial<addressV1.IssueAddressRequest> => ({
  purpose: Purpose.ADDRESS_PURPOSE_WALLET,
  walletId,
});

/** Reason of the refusal, and the fields to blame. */
export async function refusalBy(promise: Promise<unknown>): Promise<readonly string[]> {
  const failure: unknown = await promise.then(
    () => new Error('expected a refusal'),
    (error: unknown) => error,
  );
  const refused = refusalOf(failure);
  if (!refused) throw failure;
  return [refused.reason, ...(refused.fields ?? []).map(({ field }) => field)];
}

export const wrong = (field: string): readonly string[] => ['INVALID_ARGUMENT', field];
