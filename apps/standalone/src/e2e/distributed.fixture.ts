import path from 'node:path';
import { type EmbeddedPostgres, silentLog, startPostgres } from '@finality/service';
import { ensureKafka } from '@finality/tools/servers/kafka-install.ts';
import { type RunningKafka, startKafka } from '@finality/tools/servers/kafka.ts';
import { readDistributedEnvironment } from '../config.ts';
import { type DistributedPlatform, startDistributed } from '../distributed/platform.ts';
import type { PlatformSetting } from './e2e.fixture.ts';

/** Why there is no Kafka here, if there isn't. */
export const kafkaMissing: string | undefined = await ensureKafka((line) => process.stdout.write(`${line}\n`)).then(
  () => undefined,
  (error: unknown) => (error instanceof Error ? error.message : String(error)),
);

/** The servers under one test's platform: they outlive the platform's restarts, and end with the test. */
export class TestServers {
  readonly #setting: Pick<PlatformSetting, 'directory' | 'runtime'>;
  #kafka: RunningKafka;
  #postgres: EmbeddedPostgres;

  private constructor(
    setting: Pick<PlatformSetting, 'directory' | 'runtime'>,
    kafka: RunningKafka,
    postgres: EmbeddedPostgres,
  ) {
    this.#setting = setting;
    this.#kafka = kafka;
    this.#postgres = postgres;
  }

  static async start(setting: Pick<PlatformSetting, 'directory' | 'runtime'>): Promise<TestServers> {
    const dataDir = path.join(setting.directory.path, 'servers', 'kafka');
    const [kafka, postgres] = await Promise.all([startKafka({ dataDir }), postgresOf(setting)]);
    return new TestServers(setting, kafka, postgres);
  }

  get environment(): { readonly KAFKA_BROKERS: string; readonly DATABASE_ADMIN_URL: string } {
    return { KAFKA_BROKERS: this.#kafka.brokers.join(','), DATABASE_ADMIN_URL: this.#postgres.adminUrl };
  }

  get postgresDir(): string {
    return postgresDirOf(this.#setting);
  }

  /** kill -9 and a new start on the same data and port. */
  async restartKafka(): Promise<void> {
    await this.#kafka.kill();
    this.#kafka = await startKafka(this.#kafka.again);
  }

  /** Every session ends; a new start on the same data and port. */
  async restartPostgres(): Promise<void> {
    const { port } = this.#postgres;
    await this.#postgres.stop();
    this.#postgres = await postgresOf(this.#setting, port);
  }

  async stop(): Promise<void> {
    await Promise.all([this.#kafka.stop(), this.#postgres.stop(POSTGRES_STOP_MS_MAX)]);
  }
}

const POSTGRES_STOP_MS_MAX = 2_000;
const postgresDirOf = ({ directory }: Pick<PlatformSetting, 'directory'>): string =>
  path.join(directory.path, 'servers', 'postgres');

function postgresOf(setting: Pick<PlatformSetting, 'directory' | 'runtime'>, port = 0): Promise<EmbeddedPostgres> {
  const { runtime } = setting;
  return startPostgres({
    dataDir: postgresDirOf(setting),
    port,
    durable: false,
    tieToParent: true,
    runtime,
    log: silentLog,
  });
}

const servers = new WeakMap<PlatformSetting, Promise<TestServers>>();

/** Each service in a process of its own, over a Kafka and a Postgres of this test's own. */
export async function DISTRIBUTED(setting: PlatformSetting): Promise<DistributedPlatform> {
  const starting = servers.get(setting) ?? startServers(setting);
  servers.set(setting, starting);
  const { environment } = await starting;
  return startProcesses(setting, environment);
}

/** The processes of a platform on servers that are there. */
export function startProcesses(
  { directory, config, runtime, log, environment }: Omit<PlatformSetting, 'onCleanUp'>,
  servers: TestServers['environment'],
): Promise<DistributedPlatform> {
  return startDistributed({
    directory,
    config,
    ...readDistributedEnvironment({ ...process.env, ...environment, ...servers }),
    ports: { grpc: 0, http: 0 },
    fresh: false,
    runtime,
    log,
    say: (line) => log.info({}, line),
  });
}

async function startServers(setting: PlatformSetting): Promise<TestServers> {
  const started = await TestServers.start(setting);
  setting.onCleanUp(() => started.stop());
  return started;
}
