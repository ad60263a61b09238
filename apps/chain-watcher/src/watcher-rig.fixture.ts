import {
  buildPayoutTransaction,
  bytesFromHex,
  type Descriptor,
  deriveScript,
  hexFromBytes,
  MasterKey,
  type ParsedTransaction,
  type ScriptHex,
  signTransaction,
  type Txid,
  type SingleKeyScriptType,
} from '@finality/bitcoin';
import { type BitcoinNode, connectNode } from '@finality/bitcoin-node';
import { RegtestWallet, type Simulator, startSimulator } from '@finality/chain-simulator';
import { addressV1, chainV1, settlementV1, TOPICS, topicNamed, toTimestamp } from '@finality/contracts';
import { PostgresEventStore, type PublicMessage, type StreamType } from '@finality/event-store';
import { assert, type Instant, sats, unwrap } from '@finality/kernel';
import { PermutingDriver, PostgresDriver } from '@finality/messaging';
import { type AssembledService, assembleService, createReadModels, systemRuntime } from '@finality/service';
import { seededRandom, type TestDatabase, testDatabase, TestRuntime } from '@finality/testing';
import {
  CHAIN_STATUS,
  type ChainStatus,
  type ChainWatcherConfig,
  chainWatcherService,
  type ChainWatcherStatus,
} from './index.ts';
import { chainWatcherDdl } from './migrations/create-chain-watcher.migration.ts';

const NEIGHBOURS = ['address-issuer', 'settlement'] as const;
const ROUNDS_MAX = 400;
const CHAIN_START_SECONDS = 1_770_000_000;
/** Coinbases of the payer mature after a hundred blocks. */
const BLOCKS_AT_START = 105;

/** Stands for the services that publish what the watcher consumes: any message, through a real store of its own. */
const published: StreamType<null, { type: 'published'; message: Omit<PublicMessage, 'payload'>; payload: string }> = {
  aggregate: { name: 'test', initialState: null, evolve: () => null },
  institutions: () => [],
  publish: ({ message, payload }) => [{ ...message, payload: bytesFromHex(payload) }],
};

/** A crash at the n-th fault point passed; each of them is passed again after the restart. */
class Crash extends Error {}

export interface RigOptions {
  readonly config?: Partial<ChainWatcherConfig>;
  /** Puts something between the watcher and the node. */
  readonly wrapNode?: (node: BitcoinNode) => BitcoinNode;
  readonly txIndex?: boolean;
  /** Instead of the simulator: the node that the watcher follows. */
  readonly access?: { readonly url: string; readonly user: string; readonly password: string };
  readonly zmq?: boolean;
  readonly second?: BitcoinNode;
  /** Of the watcher's calls to the node; default 2 s. */
  readonly timeoutMs?: number;
}

/** The chain watcher on a real Postgres and a simulated node over HTTP, with the outside world and the neighbouring services by hand. */
export class WatcherRig {
  readonly payer = new RegtestWallet('payer');
  readonly miner = new RegtestWallet('miner');
  readonly runtime = new TestRuntime();
  readonly database: TestDatabase;
  readonly simulator: Simulator;
  readonly node: BitcoinNode;
  /** Of the simulated chain: a second later at each look. */
  readonly clock: { seconds: number };
  readonly #options: RigOptions;
  readonly #publishers = new Map<string, PostgresEventStore<PublicMessage, undefined, undefined>>();
  #service!: AssembledService;
  #stop!: () => Promise<void>;
  #crashIn = Number.POSITIVE_INFINITY;
  crashes = 0;

  private constructor(
    database: TestDatabase,
    simulator: Simulator,
    node: BitcoinNode,
    options: RigOptions,
    clock: { seconds: number },
  ) {
    this.database = database;
    this.simulator = simulator;
    this.node = node;
    this.#options = options;
    this.clock = clock;
  }

  static async start(options: RigOptions = {}): Promise<WatcherRig> {
    const database = await testDatabase(['chain-watcher', ...NEIGHBOURS], {
      ddl: (schema) => (schema.schema === 'chain_watcher' ? chainWatcherDdl(schema) : []),
    });
    const access = { user: 'u', password: 'p' };
    const clock = { seconds: CHAIN_START_SECONDS };
    const simulator = await startSimulator({
      ...access,
      port: 0,
      now: () => (clock.seconds += 1) * 1_000,
      txIndex: options.txIndex ?? true,
      zmq: options.zmq ?? false,
    });
    const node = await connectNode({ ...access, url: simulator.url, network: 'regtest', runtime: systemRuntime() });
    const rig = new WatcherRig(database, simulator, node, options, clock);
    rig.mine(BLOCKS_AT_START, rig.payer);
    await rig.payer.sync(node);
    await rig.assemble();
    return rig;
  }

  async stop(): Promise<void> {
    await this.#stop();
    this.node.close();
    await this.simulator.close();
    await this.database.close();
  }

  /** Drops the process, as a kill would, and starts another. */
  async restart(): Promise<void> {
    await this.#stop();
    await this.assemble();
  }

  async assemble(): Promise<void> {
    const { pool, url } = this.database.service('chain-watcher');
    const inner = new PostgresDriver({
      bus: this.database.bus,
      consumer: pool,
      consumerSchema: 'chain_watcher',
      schemaOf: (topic) => topicNamed(topic).owner.replaceAll('-', '_'),
      listen: false,
    });
    const driver = new PermutingDriver(inner, { random: seededRandom(11), repeatProbability: 0.3 });
    const readModels = await createReadModels(url, {
      schema: 'chain_watcher',
      entities: [],
      applicationName: 'test',
      connectionsMax: 1,
    });
    const config: ChainWatcherConfig = {
      BITCOIN_NETWORK: 'regtest',
      BITCOIN_RPC_URL: this.simulator.url,
      CHAIN_START_HEIGHT: 0,
      CHAIN_DISAGREEMENT_BLOCKS_MAX: 2,
      CHAIN_DISAGREEMENT_MINUTES_MAX: 30,
      WATCH_AHEAD: 10,
      ...this.#options.config,
    };
    this.#service = await assembleService(chainWatcherService, {
      config,
      runtime: this.runtime,
      pool,
      readModels,
      driver,
      connectNode: () => this.#connect(config),
      ...(this.#options.second && { connectSecondNode: () => Promise.resolve(this.#options.second!) }),
      faults: { at: (point) => this.#pass(point) },
    });
    this.#stop = async () => {
      await this.#service.close();
      await driver.close();
      await readModels.destroy();
    };
  }

  async #connect(config: ChainWatcherConfig): Promise<BitcoinNode> {
    const node = await connectNode({
      ...(this.#options.access ?? { url: this.simulator.url, user: 'u', password: 'p' }),
      network: config.BITCOIN_NETWORK,
      runtime: systemRuntime(),
      timeoutMs: this.#options.timeoutMs ?? 2_000,
    });
    return this.#options.wrapNode ? this.#options.wrapNode(node) : node;
  }

  /** The process dies at the n-th point from now. */
  crashIn(points: number): void {
    this.#crashIn = points;
  }

  #pass(point: string): void {
    this.#crashIn -= 1;
    if (this.#crashIn === 0) throw new Crash(point);
  }

  get status(): ChainWatcherStatus {
    return this.#service.get<ChainStatus>(CHAIN_STATUS).status();
  }

  /** Steps everything until nothing is left to do, restarting after each crash. */
  async settle(): Promise<void> {
    for (let round = 0, idle = 0; idle < 2; round++) {
      assert(round < ROUNDS_MAX, 'the watcher comes to rest');
      try {
        const progress = await this.#round();
        idle = progress ? 0 : idle + 1;
      } catch (error) {
        if (!(error instanceof Crash)) throw error;
        this.crashes += 1;
        idle = 0;
        await this.restart();
      }
    }
  }

  /** A step of each of these workers. */
  async step(...names: readonly string[]): Promise<void> {
    for (const worker of this.#service.workers) if (names.includes(worker.name)) await worker.step();
  }

  async #round(): Promise<boolean> {
    let progress = false;
    for (const worker of this.#service.workers) if ((await worker.step()) === 'progress') progress = true;
    return progress;
  }

  mine(count = 1, to: RegtestWallet = this.miner, transactions?: readonly ParsedTransaction[]): void {
    const options = { script: to.script, count };
    unwrap(this.simulator.chain.mine(transactions ? { ...options, transactions } : options));
  }

  reorg(depth: number, transactions: readonly ParsedTransaction[] = []): void {
    unwrap(this.simulator.chain.reorg(depth, { script: this.miner.script, transactions }));
  }

  /** A transaction of the payer to scripts of ours, not sent. */
  payment(
    payments: readonly { readonly script: ScriptHex; readonly valueSats: bigint }[],
    feeSats = 1_000n,
  ): ParsedTransaction {
    return this.payer.pay(payments, { feeSats });
  }

  send(transaction: ParsedTransaction): void {
    unwrap(this.simulator.chain.accept(transaction));
  }

  /** Registers a wallet, as the address issuer would announce it. */
  async addWallet(
    wallet: TestWallet,
    birthdayHeight = this.simulator.chain.tip.height,
    options: { readonly nonCustodial?: boolean; readonly createdAtSeconds?: number; readonly used?: number } = {},
  ): Promise<void> {
    const { nonCustodial = false, createdAtSeconds, used = 0 } = options;
    const { WALLET_KIND_CUSTODIAL, WALLET_KIND_NON_CUSTODIAL } = addressV1.WalletKind;
    const changed = addressV1.WalletChanged.fromPartial({
      externalUsed: used,
      internalUsed: used,
      wallet: {
        walletId: wallet.walletId,
        institutionId: 'bank-a',
        kind: nonCustodial ? WALLET_KIND_NON_CUSTODIAL : WALLET_KIND_CUSTODIAL,
        externalDescriptor: wallet.descriptor.external,
        internalDescriptor: wallet.descriptor.internal,
        birthdayHeight,
        ...(createdAtSeconds !== undefined && { createdAt: toTimestamp((createdAtSeconds * 1_000) as Instant) }),
      },
    });
    await this.publish(TOPICS.wallet, wallet.walletId, addressV1.WalletChanged.encode(changed).finish());
  }

  async issue(wallet: TestWallet, index: number, branch: 0 | 1 = 0): Promise<void> {
    const issued = addressV1.AddressIssued.fromPartial({ address: { walletId: wallet.walletId, branch, index } });
    await this.publish(TOPICS.address, wallet.walletId, addressV1.AddressIssued.encode(issued).finish());
  }

  async transaction(
    lineageId: string,
    transaction: ParsedTransaction,
    status: settlementV1.TransactionStatus = settlementV1.TransactionStatus.TRANSACTION_STATUS_SIGNED,
    version = 1,
  ): Promise<void> {
    const changed = settlementV1.TransactionChanged.fromPartial({
      lineageId,
      version,
      txid: transaction.txid,
      status,
      raw: Buffer.from(transaction.raw),
    });
    await this.publish(TOPICS.transaction, lineageId, settlementV1.TransactionChanged.encode(changed).finish());
  }

  async publish(topic: (typeof TOPICS)[keyof typeof TOPICS], orderingKey: string, payload: Uint8Array): Promise<void> {
    const cause = {
      actor: { kind: 'service', id: 'test' },
      occurredAt: this.runtime.now(),
      correlationId: 'c',
      causationId: 'c',
    } as const;
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
          await batch.loadStreams(
            session,
            commands.map(({ body }) => `test/${body.orderingKey}`),
          );
          return undefined;
        },
        handle: ({ body: { payload, ...message } }, _world, batch) => {
          batch.append(published, message.orderingKey, { type: 'published', message, payload: hexFromBytes(payload) });
          return { kind: 'accepted', reply: undefined };
        },
        save: () => Promise.resolve(),
      },
    });
    this.#publishers.set(service, publisher);
    return publisher;
  }

  /** Every fact published so far about the chain, in order, as consumers read them. */
  async facts(): Promise<readonly chainV1.ChainFact[]> {
    return (await this.everyFact()).filter((fact) => fact.feesEstimated === undefined);
  }

  /** What the node has estimated, told whenever it changed. */
  async fees(): Promise<readonly chainV1.FeesEstimated[]> {
    return (await this.everyFact()).flatMap(({ feesEstimated }) => feesEstimated ?? []);
  }

  /** The whole topic: facts about the chain, and estimates wherever the clock had them asked for. */
  async everyFact(): Promise<readonly chainV1.ChainFact[]> {
    return (await this.#messages(TOPICS.chainFact.name)).map((payload) => chainV1.ChainFact.decode(payload));
  }

  async watchExtended(): Promise<readonly chainV1.WatchExtended[]> {
    return (await this.#messages(TOPICS.watch.name)).map((payload) => chainV1.WatchExtended.decode(payload));
  }

  async #messages(topic: string): Promise<readonly Uint8Array[]> {
    const { rows } = await this.database.bus.query<{ payload: Buffer }>(
      'SELECT payload FROM chain_watcher.published_messages WHERE topic = $1 ORDER BY position, ordinal',
      [topic],
    );
    return rows.map((row) => row.payload);
  }

  /** The facts in short, from a number of facts on: `confirmed <name of txid> @107`. */
  async story(names: Readonly<Record<string, Txid>> = {}, from = 0): Promise<readonly string[]> {
    const nameOf = new Map(Object.entries(names).map(([name, txid]) => [txid as string, name]));
    return (await this.facts()).slice(from).map((fact) => inShort(fact, (txid) => nameOf.get(txid) ?? txid));
  }
}

export interface TestWallet {
  readonly walletId: string;
  readonly descriptor: Descriptor;
  script(branch: 0 | 1, index: number): ScriptHex;
  /** Signed: all of an output of the external branch, less a fee. */
  sweep(deposit: ParsedTransaction, vout: number, index: number, to: ScriptHex): ParsedTransaction;
}

export function testWallet(walletId: string, seed: number, type: SingleKeyScriptType = 'wpkh'): TestWallet {
  const account = new MasterKey(new Uint8Array(32).fill(seed), 'regtest').account(type, 0);
  const { descriptor } = account;
  const script = (branch: 0 | 1, index: number): ScriptHex => deriveScript(descriptor, branch, index).script;
  const sweep: TestWallet['sweep'] = (deposit, vout, index, to) => {
    const { valueSats } = deposit.outputs[vout]!;
    const input = { outpoint: { txid: deposit.txid, vout }, valueSats, script: script(0, index) };
    const outputs = [{ valueSats: sats(valueSats - 1_000n), script: to }];
    const { unsigned } = buildPayoutTransaction({ inputs: [input], outputs, locktime: 0 });
    const keyFor = () => account.signingKey(0, index);
    return unwrap(signTransaction({ unsigned, prevouts: [input], keyFor }));
  };
  return { walletId, descriptor, script, sweep };
}

function inShort(fact: chainV1.ChainFact, name: (txid: string) => string): string {
  const { blockConnected, blockDisconnected, transactionSeen, transactionConfirmed } = fact;
  if (blockConnected) return `connected @${blockConnected.height}`;
  if (blockDisconnected) {
    const { height, forkHeight, depth } = blockDisconnected;
    return `disconnected @${height} fork ${forkHeight} depth ${depth}`;
  }
  if (transactionSeen) return `seen ${name(transactionSeen.transaction!.txid)}`;
  if (transactionConfirmed) {
    return `confirmed ${name(transactionConfirmed.transaction!.txid)} @${transactionConfirmed.height}`;
  }
  if (fact.transactionUnconfirmed) {
    return `unconfirmed ${name(fact.transactionUnconfirmed.txid)} @${fact.transactionUnconfirmed.height}`;
  }
  if (fact.transactionReplaced) {
    const { txid, byTxid, byHeight } = fact.transactionReplaced;
    return `replaced ${name(txid)} by ${name(byTxid)} @${byHeight}`;
  }
  if (fact.transactionEvicted) {
    const { txid, reason, conflictingTxid } = fact.transactionEvicted;
    return `${reason} ${name(txid)}${conflictingTxid && ` by ${name(conflictingTxid)}`}`;
  }
  if (fact.blockAgreed) return `agreed @${fact.blockAgreed.height}`;
  if (fact.blockDisputed) return `disputed @${fact.blockDisputed.height}`;
  assert(fact.transactionBroadcast, 'a fact says something');
  return `broadcast ${name(fact.transactionBroadcast.txid)} ${fact.transactionBroadcast.answer}`;
}
