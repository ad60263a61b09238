import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ServiceName } from '@finality/contracts';
import { SERVICE_NAMES } from '@finality/contracts';
import type { Runtime } from '@finality/kernel';
import { silentLog } from '@finality/service';
import { type Btcd, startBtcd } from '@finality/tools/servers/btcd.ts';
import { minerWallet } from '../chain.ts';
import { readEnvironment } from '../config.ts';
import { openDataDirectory } from '../data-dir.ts';
import type { DistributedPlatform } from '../distributed/platform.ts';
import type { ServiceChild } from '../distributed/service-child.ts';
import { startProcesses, TestServers } from '../e2e/distributed.fixture.ts';
import { openLog } from '../output.ts';
import { DatabaseView } from './audit.fixture.ts';
import { MODES, Outside } from './outside.fixture.ts';

const COINS_PER_WALLET = 40;
const READY_MS_MAX = 120_000;
const POLL_MS = 100;
/** Between one kill and the next. */
const PAUSE_MS_MAX = 1_500;
const BLOCK_EVERY_MS = 400;
const REORG = 0.08;
/** As in the other crash suites: nothing is to end in a review. */
const SETTINGS = {
  RISK_REVIEW_SCORE: '100',
  RISK_REJECT_SCORE: '100',
  CHAIN_POLL_MS: '100',
  MINE_INTERVAL_SECONDS: '0',
  SIGNER_SCRYPT_LOG_N: '10',
};

/** Seven services as processes, each of which is killed again and again at moments that follow from a seed, and the world around them. */
export class DistributedRun {
  readonly outside: Outside;
  readonly kills = new Map<ServiceName, number>(SERVICE_NAMES.map((name) => [name, 0]));
  /** Kills when settlements were under way. */
  killsWithWork = 0;
  readonly stepsInterrupted = new Map<string, number>();
  readonly #runtime: Runtime;
  readonly #random: () => number;
  readonly #closing: (() => unknown)[] = [];
  readonly #calm = new AbortController();
  #servers!: TestServers;
  #platform!: DistributedPlatform;
  #btcd!: Btcd;
  #btcdDir = '';
  readonly #betweenRounds: (() => Promise<void>)[] = [];
  #world: Promise<void> | undefined;

  constructor({ random, runtime }: { readonly random: () => number; readonly runtime: Runtime }) {
    this.#random = random;
    this.#runtime = runtime;
    this.outside = new Outside(runtime, COINS_PER_WALLET);
  }

  get postgresDir(): string {
    return this.#servers.postgresDir;
  }

  /** The platform is up, and all have money. */
  async begin(): Promise<void> {
    const runtime = this.#runtime;
    const root = mkdtempSync(path.join(tmpdir(), 'finality-kills-'));
    if (!process.env['CRASH_LOG']) this.#closing.push(() => rmSync(root, { recursive: true, force: true }));
    this.#btcdDir = path.join(root, 'btcd');
    this.#btcd = await startBtcd({ dataDir: this.#btcdDir, miningAddress: minerWallet().address });
    this.#closing.push(() => this.#btcd.stop());
    const { url, user, password } = this.#btcd;
    const environment = {
      ...SETTINGS,
      BITCOIN_RPC_URL: url,
      BITCOIN_RPC_USER: user,
      BITCOIN_RPC_PASSWORD: password,
      FINALITY_DATA_DIR: path.join(root, 'data'),
    };
    const config = readEnvironment(environment);
    const directory = await openDataDirectory(config.FINALITY_DATA_DIR, { fresh: false, chain: 'node', runtime });
    this.#closing.push(() => directory.release());
    const { log, close } = openLog(directory.log, 'info', false);
    this.#closing.push(close);
    this.#servers = await TestServers.start({ directory, runtime });
    this.#closing.push(() => this.#servers.stop());
    const setting = { directory, config, environment, runtime, log: process.env['CRASH_LOG'] ? log : silentLog };
    this.#platform = await startProcesses(setting, this.#servers.environment);
    this.#closing.push(() => this.#platform.stop());
    await this.#untilReady();
    const { operator, secondOperator } = this.#platform.secrets;
    const access = {
      grpc: `${this.#platform.grpc.host}:${this.#platform.grpc.port}`,
      bitcoinRpc: this.#btcd,
      operatorKeys: [operator.apiKey, secondOperator.apiKey] as const,
    };
    await this.outside.meet(access);
    await this.outside.prepare(access);
  }

  /**
   * Each service's writing process is killed so often, two services at a time, in an order that follows from the seed, while settlements are
   * under way.
   */
  async killEach(times: number, disasters: readonly (() => Promise<void>)[]): Promise<void> {
    // From now on calls may fail at any moment.
    this.outside.expectEnd();
    this.#world ??= this.#goOn();
    const victims = shuffled(
      SERVICE_NAMES.flatMap((name) => Array.from({ length: times }, () => name)),
      this.#random,
    );
    const pairs = Array.from({ length: Math.ceil(victims.length / 2) }, (_, i) => victims.slice(2 * i, 2 * i + 2));
    const every = Math.ceil(pairs.length / (disasters.length + 1));
    for (const [i, pair] of pairs.entries()) {
      if (i > 0 && i % every === 0) await disasters[i / every - 1]!();
      await this.#runtime.sleep(this.#random() * PAUSE_MS_MAX);
      const [one, other] = pair;
      if (one === other) for (const victim of pair) await this.#kill([victim]);
      else await this.#kill(pair);
    }
  }

  restartKafka(): Promise<void> {
    return this.#servers.restartKafka();
  }

  restartPostgres(): Promise<void> {
    return this.#servers.restartPostgres();
  }

  /** Its mempool is empty afterwards. Nobody mines until it has its chain again: a miner's reorg would hit the part that is there by then. */
  restartNode(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#betweenRounds.push(() => this.#restartNode().then(resolve, reject));
    return promise;
  }

  async #restartNode(): Promise<void> {
    const port = Number(new URL(this.#btcd.url).port);
    await this.#btcd.stop();
    this.#btcd = await startBtcd({ dataDir: this.#btcdDir, miningAddress: minerWallet().address, port });
  }

  /** Whatever was cut off is asked for again, and blocks are mined until all settlements have ended. */
  async settleDown(): Promise<void> {
    this.#calm.abort();
    await this.#world;
    await this.#untilReady();
    await this.outside.settleDown().catch(async (error: unknown) => {
      throw new Error(`still so: ${await this.#state()}`, { cause: error });
    });
  }

  async stop(): Promise<void> {
    this.#calm.abort();
    await this.#world;
    this.outside.leave();
    for (const close of this.#closing.splice(0).reverse()) await close();
  }

  async #kill(services: readonly ServiceName[]): Promise<void> {
    for (const child of await this.#writersOf(services)) child.kill('SIGKILL');
    const database = await DatabaseView.open(this.postgresDir);
    const steps = await database.unsettled().finally(() => database.close());
    for (const service of services) {
      this.kills.set(service, this.kills.get(service)! + 1);
      if (steps.length > 0) this.killsWithWork += 1;
    }
    for (const step of new Set(steps)) this.stepsInterrupted.set(step, (this.stepsInterrupted.get(step) ?? 0) + 1);
  }

  /** One may be on its way up from the last time. */
  async #writersOf(services: readonly ServiceName[]): Promise<readonly ServiceChild[]> {
    const deadlineMs = this.#runtime.monotonicMs() + READY_MS_MAX;
    for (;;) {
      const children = services.map((service) => this.#platform.leader(service));
      const living = children.filter((child) => child?.pid !== undefined) as readonly ServiceChild[];
      if (living.length === services.length) return living;
      if (this.#runtime.monotonicMs() > deadlineMs) throw new Error(`no process of ${services.join(' or ')} writes`);
      await this.#runtime.sleep(POLL_MS);
    }
  }

  /** Institutions go on submitting, miners go on mining, whatever the platform is going through. */
  async #goOn(): Promise<void> {
    let round = 0;
    while (!this.#calm.signal.aborted) {
      for (const task of this.#betweenRounds.splice(0)) await task();
      if (round++ % 3 === 0) for (const mode of MODES) this.outside.order(mode, this.#random);
      await Promise.all(this.outside.unanswered.map((order) => this.outside.submit(order)));
      if (this.#random() < REORG) await this.outside.reorganise();
      await this.outside.mine();
      await this.outside.depositLate();
      await this.#runtime.sleep(BLOCK_EVERY_MS, this.#calm.signal);
    }
  }

  /** For whoever has to find out what hangs. */
  async #state(): Promise<string> {
    const database = await DatabaseView.open(this.postgresDir);
    const steps = await database.unsettled().finally(() => database.close());
    const { checks } = await this.#platform.health.report();
    return JSON.stringify({ steps, unanswered: this.outside.unanswered.length, checks });
  }

  async #untilReady(): Promise<void> {
    const deadlineMs = this.#runtime.monotonicMs() + READY_MS_MAX;
    for (;;) {
      const report = await this.#platform.health.report();
      if (report.status === 'ready') return;
      if (this.#runtime.monotonicMs() > deadlineMs) throw new Error(`not ready: ${JSON.stringify(report.checks)}`);
      await this.#runtime.sleep(POLL_MS);
    }
  }
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const left = [...items];
  return items.map(() => left.splice(Math.floor(random() * left.length), 1)[0]!);
}
