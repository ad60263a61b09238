import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { claimData, type DataClaim } from './data-owner.ts';
import { ensureKafka, kafkaCommand, type KafkaProgram } from './kafka-install.ts';
import { kafkaProperties } from './kafka-properties.ts';
import { askKafka } from './kafka-protocol.ts';
import { freePort, requireFreePort } from './ports.ts';
import { lastLines, ServerUnavailable } from './program.ts';
import { type EndingSignal, type PausingSignal, ServerProcess } from './server-process.ts';

export interface KafkaOptions {
  /** Made if it isn't there; holds the log, its settings and its output. */
  readonly dataDir: string;
  /** Of the listener without authentication; default: any free one. */
  readonly port?: number | undefined;
  /** Passwords by user, of letters, digits and `._~-`: opens a second listener with SASL PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512. SCRAM knows those of the first start only. */
  readonly saslUsers?: Readonly<Record<string, string>> | undefined;
  /** Of the listener with SASL; default: any free one. */
  readonly saslPort?: number | undefined;
  /** Broker settings (`server.properties` names) over our own. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Whether it goes on when this process ends. Default: it ends with it, however it ends. */
  readonly detached?: boolean;
  /** Gets a line when Kafka has to be fetched first. */
  readonly say?: (line: string) => void;
}

export interface RunningKafka {
  /** host:port without authentication. */
  readonly brokers: string[];
  /** host:port with SASL over plain text; only with `saslUsers`. */
  readonly saslBrokers?: string[];
  readonly clusterId: string;
  readonly pid: number;
  /** What `startKafka` starts it again with: the same data and ports. */
  readonly again: KafkaOptions;
  /** Resolves when it has ended, for whatever reason. */
  readonly ended: Promise<void>;
  /** SIGTERM, then SIGKILL if it doesn't end in time. */
  stop(): Promise<void>;
  /** Default SIGKILL; resolves once it has ended, at once for SIGSTOP and SIGCONT. */
  kill(signal?: EndingSignal | PausingSignal): Promise<void>;
}

const HOST = '127.0.0.1';
const FORMAT_MS_MAX = 60_000;
const READY_MS_MAX = 90_000;
/** Another program may take a free port between our look and Kafka's. */
const START_ATTEMPTS_MAX = 3;
/** One node that is up in about two seconds; quick to compile rather than quick for ever, and small. */
const JVM_OPTIONS = ['-Xms128m', '-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-XX:-UsePerfData'];

/**
 * Starts one Apache Kafka broker (KRaft, its own controller) on loopback and waits until it answers as itself. On data of an earlier one it goes on
 * from there; after a kill that takes some seconds longer, for a broker's session has to end before it may register anew.
 * @throws ServerUnavailable `JAVA_MISSING`, `JAVA_TOO_OLD`, `NOT_FETCHED`, `PORT_TAKEN`, `DATA_IN_USE`, `NOT_STARTED`
 */
export async function startKafka(options: KafkaOptions): Promise<RunningKafka> {
  const program = await ensureKafka(options.say ?? (() => undefined));
  const dataDir = path.resolve(options.dataDir);
  for (const port of [options.port, options.saslPort]) if (port !== undefined) await requireFreePort(port, 'Kafka');
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  for (let attempt = 1; ; attempt++) {
    const claim = claimData(dataDir, 'Kafka');
    try {
      return await startOnPorts(program, await choosePorts(options), { ...options, dataDir }, claim);
    } catch (error) {
      claim.release();
      const isOurChoice = error instanceof ServerUnavailable && error.reason === 'PORT_TAKEN';
      if (!isOurChoice || attempt >= START_ATTEMPTS_MAX) throw error;
    }
  }
}

interface Ports {
  readonly plain: number;
  readonly sasl: number | undefined;
  readonly controller: number;
}

async function choosePorts({ port, saslPort, saslUsers }: KafkaOptions): Promise<Ports> {
  const plain = port ?? (await freePort());
  const sasl = saslUsers === undefined ? undefined : (saslPort ?? (await freePort()));
  return { plain, sasl, controller: await freePort() };
}

async function startOnPorts(
  program: KafkaProgram,
  ports: Ports,
  options: KafkaOptions,
  claim: DataClaim,
): Promise<RunningKafka> {
  const { dataDir, detached = false } = options;
  const scratch = path.join(dataDir, 'tmp');
  mkdirSync(scratch, { recursive: true });
  const settingsFile = path.join(dataDir, 'server.properties');
  writeFileSync(settingsFile, kafkaProperties(options, ports), { mode: 0o600 });
  const clusterId = await format(program, dataDir, settingsFile, options.saslUsers ?? {});
  // Native libraries are unpacked there; a killed JVM leaves them behind.
  const jvm = [...JVM_OPTIONS, `-Djava.io.tmpdir=${scratch}`];
  const [file, ...args] = kafkaCommand(program, 'kafka.Kafka', [settingsFile], jvm);
  const server = await ServerProcess.start({
    name: 'Kafka',
    file,
    args,
    cwd: dataDir,
    env: javaEnvironment(),
    outputFile: path.join(dataDir, 'kafka.out'),
    detached,
  });
  const brokers = [`${HOST}:${ports.plain}`];
  claim.handTo({ pid: server.pid, detached, env: { KAFKA_BROKERS: brokers.join(',') } });
  const isReady = async (): Promise<boolean> => {
    const cluster = await askKafka(ports.plain);
    return cluster?.id === clusterId && cluster.brokers.length > 0;
  };
  try {
    await server.untilReady(isReady, READY_MS_MAX);
  } catch (error) {
    throw explain(server.output()) ?? error;
  }
  return {
    brokers,
    ...(ports.sasl === undefined ? {} : { saslBrokers: [`${HOST}:${ports.sasl}`] }),
    clusterId,
    pid: server.pid,
    again: { ...options, port: ports.plain, saslPort: ports.sasl },
    ended: server.ended,
    stop: () => server.stop(),
    kill: (signal = 'SIGKILL') => server.kill(signal),
  };
}

/** Prepares a new data directory, once. @returns the cluster's id */
async function format(
  program: KafkaProgram,
  dataDir: string,
  settingsFile: string,
  saslUsers: Readonly<Record<string, string>>,
): Promise<string> {
  const data = path.join(dataDir, 'data');
  const known = clusterIdOf(data);
  if (known !== undefined) return known;
  // What is there without an id is left from a format that was killed: no broker has ever run on it.
  rmSync(data, { recursive: true, force: true });
  // Kafka's own tools take what begins with a dash for an option.
  const clusterId = randomBytes(16).toString('base64url').replace(/^-/, '_');
  const scram = Object.entries(saslUsers).flatMap(([user, password]) =>
    ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
      '--add-scram',
      `${mechanism}=[name=${user},password=${password}]`,
    ]),
  );
  const args = ['format', '--cluster-id', clusterId, '--config', settingsFile, ...scram];
  const [file, ...all] = kafkaCommand(program, 'kafka.tools.StorageTool', args, JVM_OPTIONS);
  await new Promise<void>((resolve, reject) => {
    execFile(file, all, { timeout: FORMAT_MS_MAX, env: javaEnvironment() }, (error, stdout, stderr) => {
      if (!error) resolve();
      else {
        const said = lastLines(stderr + stdout || error.message);
        reject(new ServerUnavailable('NOT_STARTED', `Kafka's data directory ${data} can't be made:\n${said}`));
      }
    });
  });
  return clusterId;
}

/** The id of the cluster to which a data directory belongs. */
function clusterIdOf(data: string): string | undefined {
  const file = path.join(data, 'meta.properties');
  return existsSync(file) ? /^cluster\.id=(.+)$/m.exec(readFileSync(file, 'utf8'))?.[1] : undefined;
}

/** Not ours: what we are started with may hold secrets. */
function javaEnvironment(): NodeJS.ProcessEnv {
  const { PATH, LD_LIBRARY_PATH } = process.env;
  return { PATH, LD_LIBRARY_PATH, TZ: 'UTC' };
}

function explain(output: string): ServerUnavailable | undefined {
  const line = output.split('\n').find((each) => each.includes('Address already in use'));
  if (line === undefined) return undefined;
  return new ServerUnavailable('PORT_TAKEN', `another program took a port that Kafka was to have: ${line}`);
}
