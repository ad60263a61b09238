import { readFile } from 'node:fs/promises';
import {
  buildPayoutTransaction,
  type Branch,
  type Descriptor,
  deriveScript,
  MasterKey,
  type OutpointKey,
  parseOutpointKey,
  type ParsedTransaction,
  type ScriptHex,
  signTransaction,
} from '@finality/bitcoin';
import { type BitcoinNode, connectNode } from '@finality/bitcoin-node';
import { RegtestWallet, type Simulator, startSimulator } from '@finality/chain-simulator';
import {
  addressV1,
  institutionV1,
  ledgerV1,
  reconciliationV1,
  signingV1,
  type Topic,
  topicNamed,
  TOPICS,
} from '@finality/contracts';
import { PostgresEventStore, type PublicMessage, type StreamType } from '@finality/event-store';
import { assert, type Sats, unwrap } from '@finality/kernel';
import { PermutingDriver, PostgresDriver } from '@finality/messaging';
import {
  type AssembledService,
  assembleService,
  createReadModels,
  makeApiKey,
  SharedGrpcServer,
  silentLog,
  systemRuntime,
} from '@finality/service';
import { seededRandom, type TestDatabase, testDatabase, TestRuntime } from '@finality/testing';
import { credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { type ReconciliationConfig, reconciliationService } from './index.ts';
import { reconciliationDdl } from './migrations/create-reconciliation.migration.ts';

const DESCRIPTORS = new URL('../../../libs/contracts/src/generated/descriptors.binpb', import.meta.url);
const NEIGHBOURS = ['address-issuer', 'settlement'] as const;
const ROUNDS_MAX = 400;
const BLOCKS_AT_START = 105;
const FEE_SATS = 1_000n;

const published: StreamType<null, { type: 'published'; message: Omit<PublicMessage, 'payload'>; payload: string }> = {
  aggregate: { name: 'test', initialState: null, evolve: () => null },
  institutions: () => [],
  publish: ({ message, payload }) => [{ ...message, payload: Buffer.from(payload, 'hex') }],
};

/** A wallet of ours, with its keys. */
export interface TestWallet {
  readonly walletId: string;
  readonly descriptor: Descriptor;
  script(branch: Branch, index: number): ScriptHex;
  /** Spends an output of its own, all of it but the fee. */
  spend(outpoint: OutpointKey, valueSats: bigint, index: number, to: ScriptHex): ParsedTransaction;
}

export function testWallet(walletId: string, seed: number): TestWallet {
  const account = new MasterKey(new Uint8Array(32).fill(seed), 'regtest').account('wpkh', 0);
  const { descriptor } = account;
  const script = (branch: Branch, index: number): ScriptHex => deriveScript(descriptor, branch, index).script;
  return {
    walletId,
    descriptor,
    script,
    spend: (outpoint, valueSats, index, to) => {
      const prevout = { valueSats: valueSats as Sats, script: script(0, index) };
      const { unsigned } = buildPayoutTransaction({
        inputs: [{ outpoint: unwrap(parseOutpointKey(outpoint)), ...prevout }],
        outputs: [{ valueSats: (valueSats - FEE_SATS) as Sats, script: to }],
        locktime: 0,
      });
      return unwrap(signTransaction({ unsigned, prevouts: [prevout], keyFor: () => account.signingKey(0, index) }));
    },
  };
}

type Rpc = 'runReconciliation' | 'getReport' | 'listReports';

/** Reconciliation on a real Postgres, a simulated node over HTTP and its own gRPC port; ledger and signer say what the test tells them to. */
export class ReconciliationRig {
  readonly payer = new RegtestWallet('payer');
  readonly miner = new RegtestWallet('miner');
  readonly runtime = new TestRuntime();
  readonly keys = { operator: '', compliance: '', auditor: '', institution: '' };
  /** What settlement answers: a new cut for each call. */
  cut: () => ledgerV1.LedgerCut = () => ledgerV1.LedgerCut.fromPartial({});
  journal: signingV1.JournalEntry[] = [];
  cutsTaken = 0;
  readonly database: TestDatabase;
  readonly simulator: Simulator;
  readonly node: BitcoinNode;
  readonly #publishers = new Map<string, PostgresEventStore<PublicMessage, undefined, undefined>>();
  #service!: AssembledService;
  #client!: reconciliationV1.ReconciliationServiceClient;
  #stop!: () => Promise<void>;

  private constructor(database: TestDatabase, simulator: Simulator, node: BitcoinNode) {
    this.database = database;
    this.simulator = simulator;
    this.node = node;
  }

  static async start(): Promise<ReconciliationRig> {
    const database = await testDatabase(['reconciliation', ...NEIGHBOURS], {
      ddl: (schema) => (schema.schema === 'reconciliation' ? reconciliationDdl(schema) : []),
    });
    const access = { user: 'u', password: 'p' };
    let seconds = 1_770_000_000;
    const simulator = await startSimulator({ ...access, port: 0, now: () => (seconds += 1) * 1000 });
    const node = await connectNode({ ...access, url: simulator.url, network: 'regtest', runtime: systemRuntime() });
    const rig = new ReconciliationRig(database, simulator, node);
    rig.mine(BLOCKS_AT_START, rig.payer);
    await rig.payer.sync(node);
    await rig.#assemble();
    await rig.#issueKeys();
    return rig;
  }

  async stop(): Promise<void> {
    await this.#stop();
    this.node.close();
    await this.simulator.close();
    await this.database.close();
  }

  async restart(): Promise<void> {
    await this.#stop();
    await this.#assemble();
  }

  async #assemble(): Promise<void> {
    const { pool, url, schema } = this.database.service('reconciliation');
    const inner = new PostgresDriver({
      bus: this.database.bus,
      consumer: pool,
      consumerSchema: schema,
      schemaOf: (topic) => topicNamed(topic).owner.replaceAll('-', '_'),
      listen: false,
    });
    const driver = new PermutingDriver(inner, { random: seededRandom(5), repeatProbability: 0.3 });
    const readModels = await createReadModels(url, {
      schema,
      entities: [],
      applicationName: 'test',
      connectionsMax: 1,
    });
    const grpc = new SharedGrpcServer({
      host: '127.0.0.1',
      port: 0,
      portVariable: 'GRPC_PORT',
      descriptorSet: await readFile(DESCRIPTORS),
      runtime: systemRuntime(),
      log: silentLog,
    });
    const config: ReconciliationConfig = {
      BITCOIN_NETWORK: 'regtest',
      BITCOIN_RPC_URL: this.simulator.url,
      CHAIN_START_HEIGHT: 0,
      RECONCILIATION_DERIVE_AHEAD: 10,
    };
    const env = {
      config,
      runtime: this.runtime,
      pool,
      readModels,
      driver,
      ledger: { getLedgerCut: () => this.#takeCut() },
      signer: { listJournal: (request: signingV1.ListJournalRequest) => this.#listJournal(request) },
      connectNode: () => this.#connect(),
    };
    this.#service = await assembleService(reconciliationService, env, { grpc });
    const { port } = await grpc.listen();
    this.#client = new reconciliationV1.ReconciliationServiceClient(`127.0.0.1:${port}`, credentials.createInsecure());
    this.#stop = async () => {
      this.#client.close();
      await grpc.stop(1_000);
      await this.#service.close();
      await driver.close();
      await readModels.destroy();
    };
  }

  #connect(): Promise<BitcoinNode> {
    const { url } = this.simulator;
    return connectNode({
      url,
      user: 'u',
      password: 'p',
      network: 'regtest',
      runtime: systemRuntime(),
      timeoutMs: 2_000,
    });
  }

  #takeCut(): Promise<ledgerV1.LedgerCut> {
    this.cutsTaken += 1;
    return Promise.resolve(this.cut());
  }

  #listJournal({ afterPosition, pageSize }: signingV1.ListJournalRequest): Promise<signingV1.ListJournalResponse> {
    const entries = this.journal.filter(({ position }) => position > afterPosition).slice(0, pageSize);
    return Promise.resolve({ entries, lastPosition: this.journal.at(-1)?.position ?? 0n });
  }

  async #issueKeys(): Promise<void> {
    const { Role } = institutionV1;
    const roles = {
      operator: Role.ROLE_OPERATOR,
      compliance: Role.ROLE_COMPLIANCE,
      auditor: Role.ROLE_AUDITOR,
      institution: Role.ROLE_INSTITUTION,
    };
    for (const name of ['operator', 'compliance', 'auditor', 'institution'] as const) {
      const { keyId, apiKey, secretSha256 } = makeApiKey(this.runtime);
      const institutionId = name === 'institution' ? 'bank-a' : '';
      const changed = institutionV1.ApiKeyChanged.fromPartial({
        apiKey: { keyId, institutionId, roles: [roles[name]] },
        secretSha256: Buffer.from(secretSha256),
      });
      await this.#publish(TOPICS.apiKey, keyId, institutionV1.ApiKeyChanged.encode(changed).finish());
      this.keys[name] = apiKey;
    }
  }

  /** Steps everything until nothing is left to do. */
  async settle(): Promise<void> {
    for (let round = 0, idle = 0; idle < 2; round++) {
      assert(round < ROUNDS_MAX, 'reconciliation comes to rest');
      let progress = false;
      for (const worker of this.#service.workers) if ((await worker.step()) === 'progress') progress = true;
      idle = progress ? 0 : idle + 1;
    }
  }

  run(idempotencyKey: string, key: string | undefined = this.keys.operator): Promise<reconciliationV1.Report> {
    return this.#call('runReconciliation', { idempotencyKey }, key);
  }

  getReport(reportId: string, key: string | undefined = this.keys.auditor): Promise<reconciliationV1.Report> {
    return this.#call('getReport', { reportId }, key);
  }

  listReports(
    request: Partial<reconciliationV1.ListReportsRequest>,
    key: string | undefined = this.keys.compliance,
  ): Promise<reconciliationV1.ListReportsResponse> {
    return this.#call('listReports', { pageSize: 0, pageToken: '', ...request }, key);
  }

  #call<Response>(rpc: Rpc, request: object, key: string | undefined): Promise<Response> {
    const metadata = new Metadata();
    if (key) metadata.set('authorization', `Bearer ${key}`);
    const method = this.#client[rpc].bind(this.#client) as unknown as (
      request: object,
      metadata: Metadata,
      callback: (error: ServiceError | null, response: Response) => void,
    ) => unknown;
    return new Promise((resolve, reject) =>
      method(request, metadata, (error, response) => (error ? reject(error) : resolve(response))),
    );
  }

  mine(count = 1, to: RegtestWallet = this.miner, transactions?: readonly ParsedTransaction[]): void {
    const options = { script: to.script, count };
    unwrap(this.simulator.chain.mine(transactions ? { ...options, transactions } : options));
  }

  reorg(depth: number, transactions: readonly ParsedTransaction[] = []): void {
    unwrap(this.simulator.chain.reorg(depth, { script: this.miner.script, transactions }));
  }

  payment(script: ScriptHex, valueSats: bigint): ParsedTransaction {
    return this.payer.pay([{ script, valueSats }], { feeSats: FEE_SATS });
  }

  /** A cut that agrees with the chain: these coins, and claims for them. */
  cutOf(coins: readonly Partial<ledgerV1.Coin>[], height = this.simulator.chain.tip.height): ledgerV1.LedgerCut {
    const held = coins.map((coin) => ledgerV1.Coin.fromPartial(coin));
    const total = held.reduce((sum, { valueSats }) => sum + valueSats, 0n);
    const wallets = [...new Set(held.map(({ walletId }) => walletId))];
    const accounts = wallets.map((walletId) => ({
      account: `custody/${walletId}`,
      unit: 'BTC',
      debits: held.filter((coin) => coin.walletId === walletId).reduce((sum, { valueSats }) => sum + valueSats, 0n),
      credits: 0n,
    }));
    return {
      position: BigInt(height),
      height,
      blockHash: this.simulator.chain.nodeAt(height)!.hash,
      accounts: [...accounts, { account: 'clearing/bank-a/available', unit: 'BTC', debits: 0n, credits: total }],
      coins: held,
      settlements: [],
      transactions: [],
    };
  }

  async addWallet({ walletId, descriptor }: TestWallet, birthdayHeight = 0, custodial = true): Promise<void> {
    const { WALLET_KIND_CUSTODIAL, WALLET_KIND_NON_CUSTODIAL } = addressV1.WalletKind;
    const changed = addressV1.WalletChanged.fromPartial({
      wallet: {
        walletId,
        institutionId: 'bank-a',
        kind: custodial ? WALLET_KIND_CUSTODIAL : WALLET_KIND_NON_CUSTODIAL,
        externalDescriptor: descriptor.external,
        internalDescriptor: descriptor.internal,
        birthdayHeight,
      },
    });
    await this.#publish(TOPICS.wallet, walletId, addressV1.WalletChanged.encode(changed).finish());
  }

  async issue({ walletId }: TestWallet, index: number, branch: Branch = 0): Promise<void> {
    const issued = addressV1.AddressIssued.fromPartial({ address: { walletId, branch, index } });
    await this.#publish(TOPICS.address, walletId, addressV1.AddressIssued.encode(issued).finish());
  }

  async runCompleted(): Promise<readonly reconciliationV1.RunCompleted[]> {
    const { rows } = await this.database.bus.query<{ payload: Buffer }>(
      'SELECT payload FROM reconciliation.published_messages WHERE topic = $1 ORDER BY position, ordinal',
      [TOPICS.reconciliationRun.name],
    );
    return rows.map((row) => reconciliationV1.RunCompleted.decode(row.payload));
  }

  async #publish(topic: Topic, orderingKey: string, payload: Uint8Array): Promise<void> {
    const actor = { kind: 'service', id: 'test' } as const;
    const cause = { actor, occurredAt: this.runtime.now(), correlationId: 'c', causationId: 'c' };
    const body = { topic: topic.name, orderingKey, type: topic.message, schemaVersion: 1, payload };
    const [outcome] = await this.#publisher(topic.owner).execute([{ body, cause }]);
    assert(outcome?.kind === 'accepted', 'a published message is stored');
  }

  #publisher(service: string): PostgresEventStore<PublicMessage, undefined, undefined> {
    const made = this.#publishers.get(service);
    if (made) return made;
    const { pool, schema } = this.database.service(service);
    const publisher = new PostgresEventStore<PublicMessage, undefined, undefined>({
      pool,
      schema,
      service,
      runtime: this.runtime,
      handler: {
        load: async (session, commands, batch) => {
          await batch.loadStreams(session, [...new Set(commands.map(({ body }) => `test/${body.orderingKey}`))]);
          return undefined;
        },
        handle: ({ body: { payload, ...message } }, _world, batch) => {
          const hex = Buffer.from(payload).toString('hex');
          batch.append(published, message.orderingKey, { type: 'published', message, payload: hex });
          return { kind: 'accepted', reply: undefined };
        },
        save: () => Promise.resolve(),
      },
    });
    this.#publishers.set(service, publisher);
    return publisher;
  }
}
