import { readFile } from 'node:fs/promises';
import { DESCRIPTORS_URL, type ServiceName } from '@finality/contracts';
import type { Runtime } from '@finality/kernel';
import {
  type AssembledService,
  grpcHealthWorker,
  HealthRegistry,
  type HttpServer,
  type Log,
  Metrics,
  operate,
  type RunningWorkers,
  SharedGrpcServer,
  startHttp,
  startTracing,
  WorkerLoop,
} from '@finality/service';
import { type Bootstrap, BOOTSTRAP, RecoveryGate } from '@finality/settlement-app';
import { accessOf, type Chain, miningWorker, startChain } from './chain.ts';
import type { StandaloneConfig } from './config.ts';
import { type Database, openDatabase } from './database.ts';
import type { DataDirectory } from './data-dir.ts';
import { HOST } from './ports.ts';
import { firstKeysOf, readOrMakeSecrets, type Secrets } from './secrets.ts';
import { BLUEPRINTS, composeServices } from './services.ts';

const GRPC_DRAIN_MS_MAX = 2_500;
const LOOPS_STOP_MS_MAX = 1_500;
/** Longer, and whoever calls is told to ask again. */
const COMPARED_MS_MAX = 5_000;
const COMPARED_POLL_MS = 10;

export interface PlatformOptions {
  readonly directory: DataDirectory;
  readonly config: StandaloneConfig;
  /** 0 takes a free one. */
  readonly ports: { readonly grpc: number; readonly http: number; readonly bitcoinRpc: number };
  readonly fresh: boolean;
  readonly runtime: Runtime;
  readonly log: Log;
  /** For tests. */
  readonly database?: { readonly durable?: boolean; readonly tieToParent?: boolean };
}

export interface RunningPlatform {
  readonly grpc: { readonly host: string; readonly port: number };
  readonly http: { readonly host: string; readonly port: number };
  readonly chain: Chain;
  readonly secrets: Secrets;
  readonly health: HealthRegistry;
  /** What a service logs in to the database with. */
  databaseUrl(service: ServiceName): string;
  /** From now on a block every MINE_INTERVAL_SECONDS. */
  mine(): void;
  /** Resolves with the cause when it can't go on: the embedded Postgres has gone. */
  readonly lost: Promise<string>;
  /** Ends calls, then work, then sessions, then servers: within 10 s. */
  stop(): Promise<void>;
}

/** What has been started, to be stopped in the reverse order. */
export class Started {
  readonly #stops: (() => Promise<unknown>)[] = [];
  #stopping: Promise<void> | undefined;

  add(stop: () => Promise<unknown>): void {
    this.#stops.push(stop);
  }

  stop(log: Log): Promise<void> {
    return (this.#stopping ??= this.#stop(log));
  }

  async #stop(log: Log): Promise<void> {
    for (const stop of this.#stops.reverse()) {
      await stop().catch((error: unknown) => log.error({ err: error }, 'a part of the platform did not stop well'));
    }
  }
}

/**
 * Starts the whole platform in this process: database, node, services, gRPC, HTTP, and the loops of all background work. Each thing is
 * started before what needs it.
 * @throws StartupError when the machine doesn't let it; what was started by then has been stopped
 */
export async function startPlatform(options: PlatformOptions): Promise<RunningPlatform> {
  const started = new Started();
  try {
    return await start(options, started);
  } catch (error) {
    await started.stop(options.log);
    throw error;
  }
}

/** Who calls as soon as there is somebody to answer shouldn't hear that settlement compares its store with the signer's journal yet. */
async function comparedWithSigner(
  services: ReadonlyMap<ServiceName, AssembledService>,
  runtime: Runtime,
): Promise<void> {
  const gate = services.get('settlement')?.get<RecoveryGate>(RecoveryGate);
  const end = runtime.monotonicMs() + COMPARED_MS_MAX;
  while (gate?.status === 'starting' && runtime.monotonicMs() < end) await runtime.sleep(COMPARED_POLL_MS);
}

async function start(options: PlatformOptions, started: Started): Promise<RunningPlatform> {
  const { directory, config, runtime, log } = options;
  const secrets = await readOrMakeSecrets(directory.secrets, runtime);
  const tracing = await startTracing({
    endpoint: config.OTEL_EXPORTER_OTLP_ENDPOINT,
    serviceName: 'finality-standalone',
    runtime,
  });
  started.add(() => tracing.stop());
  const [database, chain] = await startTogether(options, secrets, started);
  const metrics = new Metrics(log);
  const grpc = new SharedGrpcServer({
    host: HOST,
    port: options.ports.grpc,
    portVariable: 'GRPC_PORT',
    descriptorSet: await readFile(DESCRIPTORS_URL),
    runtime,
    log,
    metrics,
  });
  const services = await composeServices({
    config,
    baseOf: (name) => database.baseOf(name),
    bitcoinRpc: chain.rpc,
    passphraseFile: directory.passphrase,
    grpc,
    logOf: (name) => log.child({ service: name }),
  });
  started.add(() => Promise.all([...services.values()].map((service) => service.close())));
  await registerStaff(services, secrets);
  const health = new HealthRegistry(runtime);
  const http = await openHttp(options, health, metrics);
  started.add(() => http.close());
  const loops = await runAll({ services, database, health, metrics, log, started, config });
  await comparedWithSigner(services, runtime);
  const bound = await grpc.listen();
  const probe = new WorkerLoop({ worker: grpcHealthWorker(health, grpc), runtime, log });
  probe.start();
  const miner = new WorkerLoop({
    worker: miningWorker(chain.node, config.MINE_INTERVAL_SECONDS * 1_000),
    runtime,
    log,
  });
  started.add(async () => {
    health.drain();
    const loops = [probe, miner].map((loop) => loop.stop(LOOPS_STOP_MS_MAX));
    await Promise.all([grpc.stop(GRPC_DRAIN_MS_MAX), ...loops]);
  });
  log.info({ grpc: bound.port, http: http.port, workers: loops }, 'the platform is up');
  return {
    grpc: bound,
    http,
    chain,
    secrets,
    health,
    databaseUrl: (name) => database.urlOf(name),
    mine: () => {
      if (config.MINE_INTERVAL_SECONDS > 0 && config.BITCOIN_NETWORK === 'regtest') miner.start();
    },
    lost: database.lost,
    stop: () => started.stop(log),
  };
}

/** Neither needs the other. When one fails, the other is stopped as well. */
async function startTogether(
  options: PlatformOptions,
  secrets: Secrets,
  started: Started,
): Promise<[database: Database, chain: Chain]> {
  const stopLater = <T extends { close(): Promise<void> }>(part: T): T => {
    started.add(() => part.close());
    return part;
  };
  const starting = [
    startDatabase(options, secrets).then(stopLater),
    startNode(options, secrets).then(stopLater),
  ] as const;
  await Promise.allSettled(starting);
  return Promise.all(starting);
}

function startDatabase(options: PlatformOptions, secrets: Secrets): Promise<Database> {
  const { directory, config, fresh, runtime, log } = options;
  return openDatabase({
    dataDir: directory.postgres,
    url: config.DATABASE_URL,
    secret: secrets.database,
    fresh,
    runtime,
    log,
    ...options.database,
  });
}

function startNode({ directory, config, ports, runtime }: PlatformOptions, secrets: Secrets): Promise<Chain> {
  const simulated = { dataDir: directory.chain, port: ports.bitcoinRpc, password: secrets.bitcoinRpcPassword };
  const external = config.BITCOIN_RPC_URL === undefined ? undefined : accessOf(config);
  return startChain({ network: config.BITCOIN_NETWORK, runtime, external, simulated });
}

/** The first operators and compliance officer: their keys can't be issued by anybody. */
async function registerStaff(services: ReadonlyMap<ServiceName, AssembledService>, secrets: Secrets): Promise<void> {
  const bootstrap = services.get('settlement')!.get<Bootstrap>(BOOTSTRAP);
  for (const key of firstKeysOf(secrets)) await bootstrap.registerKey(key);
}

function openHttp({ ports }: PlatformOptions, health: HealthRegistry, metrics: Metrics): Promise<HttpServer> {
  return startHttp({ host: HOST, port: ports.http, portVariable: 'HTTP_PORT', health, metrics });
}

interface Running {
  readonly services: ReadonlyMap<ServiceName, AssembledService>;
  readonly database: Database;
  readonly health: HealthRegistry;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly started: Started;
  readonly config: StandaloneConfig;
}

/** @returns how many loops run */
async function runAll({ services, database, health, metrics, log, started, config }: Running): Promise<number> {
  const running: RunningWorkers[] = [];
  started.add(() => Promise.all(running.map((workers) => workers.stop(LOOPS_STOP_MS_MAX))));
  for (const { name } of BLUEPRINTS) {
    const base = database.baseOf(name);
    const own = { base, log: log.child({ service: name }) };
    running.push(
      await operate(services.get(name)!, { ...own, health, metrics, keysKeptDays: config.IDEMPOTENCY_KEY_DAYS }),
    );
  }
  return running.reduce((total, { loops }) => total + loops.length, 0);
}
