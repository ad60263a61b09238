import path from 'node:path';
import { silentLog, startPostgres } from '@finality/service';
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
export interface TestServers {
  readonly kafka: RunningKafka;
  readonly postgres: Awaited<ReturnType<typeof startPostgres>>;
}

const servers = new WeakMap<PlatformSetting, Promise<TestServers>>();

/** Each service in a process of its own, over a Kafka and a Postgres of this test's own. */
export const DISTRIBUTED = (setting: PlatformSetting): Promise<DistributedPlatform> => startOn(setting);

async function startOn(setting: PlatformSetting): Promise<DistributedPlatform> {
  const starting = servers.get(setting) ?? startServers(setting);
  servers.set(setting, starting);
  const { kafka, postgres } = await starting;
  const environment = {
    ...process.env,
    ...setting.environment,
    KAFKA_BROKERS: kafka.brokers.join(','),
    DATABASE_ADMIN_URL: postgres.adminUrl,
  };
  const { directory, config, runtime, log } = setting;
  return startDistributed({
    directory,
    config,
    ...readDistributedEnvironment(environment),
    ports: { grpc: 0, http: 0 },
    fresh: false,
    runtime,
    log,
    say: (line) => log.info({}, line),
  });
}

export async function startServers({ directory, runtime, onCleanUp }: PlatformSetting): Promise<TestServers> {
  const [kafka, postgres] = await Promise.all([
    startKafka({ dataDir: path.join(directory.path, 'servers', 'kafka') }),
    startPostgres({
      dataDir: path.join(directory.path, 'servers', 'postgres'),
      durable: false,
      tieToParent: true,
      runtime,
      log: silentLog,
    }),
  ]);
  onCleanUp(() => kafka.stop());
  onCleanUp(() => postgres.stop(2_000));
  return { kafka, postgres };
}
