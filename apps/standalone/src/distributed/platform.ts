import { type ServiceName, TOPICS } from '@finality/contracts';
import { assert, type Runtime } from '@finality/kernel';
import { dropTopics, ensureTopics, type KafkaConnection, topicsThere } from '@finality/messaging';
import {
  derivePasswords,
  HealthRegistry,
  kafkaConnection,
  type Log,
  provisionDatabase,
  runMigrations,
  busRole,
  rolesOf,
  startHttp,
  StartupError,
  urlWith,
  WorkerLoop,
} from '@finality/service';
import { ensureCertificates } from '@finality/tools/certificates/certificates.ts';
import { type Chain, miningWorker, startChain } from '../chain.ts';
import type { StandaloneConfig } from '../config.ts';
import { type DataDirectory, replaceFile } from '../data-dir.ts';
import { databaseNamed, dropOurs } from '../database.ts';
import { type RunningPlatform, Started } from '../platform.ts';
import { HOST } from '../ports.ts';
import { firstKeysOf, readOrMakeSecrets, type Secrets } from '../secrets.ts';
import { startGateway } from './gateway.ts';
import { environmentOf, FLEET, type Place, placeAll, PUBLIC_SERVICES, publicDefinitions } from './fleet.ts';
import { ProcessMetrics } from './process-metrics.ts';
import { ProcessView } from './process-view.ts';
import { ServiceChild } from './service-child.ts';
import { ensureServers, type Servers } from './servers.ts';
import { type DistributedSettings, type Environment, grpcPortsOf } from './settings.ts';

const LOOPS_STOP_MS_MAX = 1_500;

export interface DistributedOptions {
  readonly directory: DataDirectory;
  readonly config: StandaloneConfig;
  readonly settings: DistributedSettings;
  /** What each process gets its own of. */
  readonly environment: Environment;
  /** Of what stands for the whole; 0 takes a free one. */
  readonly ports: { readonly grpc: number; readonly http: number };
  readonly fresh: boolean;
  readonly runtime: Runtime;
  readonly log: Log;
  readonly say: (line: string) => void;
}

/** The platform as processes, and the processes themselves. */
export interface DistributedPlatform extends RunningPlatform {
  readonly children: readonly ServiceChild[];
  readonly places: readonly Place[];
  readonly servers: Servers;
  /** The process of a service that writes right now; undefined while none does. */
  leader(service: ServiceName): ServiceChild | undefined;
}

/**
 * Starts every service as a process of its own, over Kafka, Postgres and a node: yours, or such as it starts itself. What stands for the whole (one
 * gRPC address, `/readyz`, `/metrics`) is here, where a cluster has an ingress and Prometheus.
 * @throws StartupError
 */
export async function startDistributed(options: DistributedOptions): Promise<DistributedPlatform> {
  const started = new Started();
  try {
    return await start(options, started);
  } catch (error) {
    await started.stop(options.log);
    throw error;
  }
}

async function start(options: DistributedOptions, started: Started): Promise<DistributedPlatform> {
  const { directory, config, settings, runtime, log, say } = options;
  const secrets = await readOrMakeSecrets(directory.secrets, runtime);
  const servers = await ensureServers({ directory, config, settings, say });
  started.add(() => servers.stop());
  const chain = await startNode(options, servers);
  started.add(() => chain.close());
  await makeTopics(options, servers);
  const urls = await provision(options, servers, secrets);
  await writeFirstKeys(directory.firstKeys, secrets);
  const certificates = await ensureCertificates(
    directory.tls,
    FLEET.map(({ blueprint }) => blueprint.name),
  );
  const ports = grpcPortsOf(settings);
  const places = await placeAll((service) => ports[service]);
  const found = {
    KAFKA_BROKERS: servers.kafka.join(','),
    BITCOIN_RPC_URL: chain.rpc.url,
    BITCOIN_RPC_USER: chain.rpc.user,
    BITCOIN_RPC_PASSWORD: chain.rpc.password,
    CHAIN_POLL_MS: String(config.CHAIN_POLL_MS),
    SIGNER_PASSPHRASE_FILE: config.SIGNER_PASSPHRASE_FILE ?? directory.passphrase,
    FIRST_KEYS_FILE: directory.firstKeys,
  };
  const children = places.map((place) => {
    const environment = environmentOf(place, {
      given: options.environment,
      found,
      databaseUrl: urls.get(place.service)!,
      certificates: certificates.get(place.service)!,
      places,
    });
    return new ServiceChild({ ...place, environment, runtime, log: log.child({ service: place.service }), say });
  });
  const platform = await standFor({ options, started, secrets, servers, chain, urls, places, children });
  // They end first: what they have to say to callers still gets through.
  started.add(() => Promise.all(children.map((child) => child.stop())));
  for (const child of children) child.start();
  return platform;
}

interface Parts {
  readonly options: DistributedOptions;
  readonly started: Started;
  readonly secrets: Secrets;
  readonly servers: Servers;
  readonly chain: Chain;
  readonly urls: ReadonlyMap<ServiceName, string>;
  readonly places: readonly Place[];
  readonly children: readonly ServiceChild[];
}

/** What stands for all processes together. */
async function standFor(parts: Parts): Promise<DistributedPlatform> {
  const { options, started, secrets, servers, chain, urls, places, children } = parts;
  const { config, runtime, log } = options;
  const view = new ProcessView({ places, runtime });
  const viewLoop = new WorkerLoop({ worker: view, runtime, log });
  viewLoop.start();
  const health = new HealthRegistry(runtime);
  for (const { service } of places) if (!health.has(service)) health.register(service, () => view.check(service));
  const metrics = new ProcessMetrics(() => places.filter((place) => view.backend(place.service) === place));
  const http = await startHttp({ host: HOST, port: options.ports.http, portVariable: 'HTTP_PORT', health, metrics });
  started.add(() => http.close());
  const grpc = await startGateway({
    host: HOST,
    port: options.ports.grpc,
    services: publicDefinitions(),
    backendOf: (name) => {
      const service = PUBLIC_SERVICES.get(name);
      assert(service, `${name} is one of ours`);
      return `${HOST}:${view.backend(service).ports.grpc}`;
    },
    runtime,
    log,
  });
  const { node } = chain;
  const mining = { worker: miningWorker(node, config.MINE_INTERVAL_SECONDS * 1_000), runtime, log };
  const miner = new WorkerLoop(mining);
  started.add(async () => {
    health.drain();
    await Promise.all([grpc.close(), ...[viewLoop, miner].map((loop) => loop.stop(LOOPS_STOP_MS_MAX))]);
  });
  return {
    grpc,
    http,
    chain,
    secrets,
    health,
    children,
    places,
    servers,
    databaseUrl: (name) => urls.get(name)!,
    leader: (service) => children.find(({ instance }) => instance === view.writer(service)?.instance),
    mine: () => {
      if (config.MINE_INTERVAL_SECONDS > 0 && config.BITCOIN_NETWORK === 'regtest') miner.start();
    },
    // Whatever is gone, the services wait for it and say so.
    lost: new Promise(() => undefined),
    stop: () => started.stop(log),
  };
}

function startNode({ directory, config, runtime }: DistributedOptions, { node }: Servers): Promise<Chain> {
  const simulated = { dataDir: directory.chain, port: 0, password: '' };
  return startChain({ network: config.BITCOIN_NETWORK, runtime, external: node, simulated });
}

/** All at once, rather than each service those that it needs while others do the same. */
async function makeTopics({ settings, fresh, log }: DistributedOptions, { kafka, ours }: Servers): Promise<void> {
  const connection = kafkaConnection({ ...settings, KAFKA_BROKERS: kafka.join(',') }, 'finality');
  if (fresh) await dropOurTopics(connection, ours.has('kafka'));
  const { KAFKA_REPLICATION: replication } = settings;
  const options = { ...(replication === undefined ? {} : { replication }), log };
  const made = await ensureTopics(connection, Object.values(TOPICS), options);
  if (!made.ok) throw new StartupError(made.error.reason, made.error.message, made.error.hint);
}

/** @throws StartupError when the cluster is somebody's own, where nothing is removed */
async function dropOurTopics(connection: KafkaConnection, isOurs: boolean): Promise<void> {
  const topics = Object.values(TOPICS);
  if (isOurs) return dropTopics(connection, topics);
  const [first] = await topicsThere(connection, topics);
  if (first === undefined) return;
  const remedy = 'Remove the topics yourself, or set KAFKA_PREFIX to one that is new';
  throw new StartupError('TOPICS_EXIST', `--fresh doesn't remove topics from your Kafka, which has ${first}`, remedy);
}

/** Every service's schema and roles. @returns the URL that each logs in with */
async function provision(
  { fresh, log }: DistributedOptions,
  { postgres: adminUrl }: Servers,
  secrets: Secrets,
): Promise<ReadonlyMap<ServiceName, string>> {
  const database = databaseNamed(adminUrl);
  const admin = urlWith(adminUrl, 'postgres');
  if (fresh) await dropOurs(admin, database);
  const provisioned = await provisionDatabase({
    adminUrl: admin,
    database,
    services: FLEET.map(({ blueprint: { name, schema } }) => ({ name, schema })),
    passwordOf: derivePasswords(secrets.database),
  });
  await Promise.all(
    FLEET.map(({ blueprint: { name, schema, migrations } }) => {
      const { owner, login } = rolesOf(name);
      const roles = { schema, owner, service: login, bus: busRole() };
      const { ownerUrl } = provisioned.services[name]!;
      return runMigrations({ ownerUrl, schema, serviceRole: login, migrations: migrations(roles), log });
    }),
  );
  return new Map(FLEET.map(({ blueprint: { name } }) => [name, provisioned.services[name]!.url]));
}

/** Of the first operator and the first compliance officer: hashes only. */
function writeFirstKeys(file: string, secrets: Secrets): Promise<void> {
  return replaceFile(file, `${JSON.stringify(firstKeysOf(secrets), undefined, 2)}\n`);
}
