import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ensureServer } from '../servers/index.ts';
import { endsWithUs } from './ending.ts';
import { type BenchPlatform, withParties } from './platform.ts';
import { makeDirectory, removeDirectory, startPlatformProcess } from './platform-process.ts';
import { processesBelow } from './processes.ts';

const DATABASE = 'finality';
const SETTLEMENT = 'settlement';
const LEADER_MS_MAX = 30_000;
const POLL_MS = 200;

const say = (line: string): void => void process.stderr.write(`  ${line}\n`);

/** Kafka and a durable Postgres of the bench's own. */
export interface BenchServers {
  /** host:port */
  readonly kafka: string;
  readonly postgres: { readonly adminUrl: string; readonly pid: number };
  stop(): Promise<void>;
}

/** The platform as processes, and those of the services. */
export interface DistributedPlatform extends BenchPlatform {
  readonly services: readonly number[];
}

/** @throws ServerUnavailable */
export async function startServers(): Promise<BenchServers> {
  const home = makeDirectory();
  const started: (() => Promise<void>)[] = [() => removeDirectory(home)];
  const stop = endsWithUs(async () => {
    for (const each of started.toReversed()) await each();
  });
  try {
    const kafka = await ensureServer('kafka', say, home);
    started.push(() => kafka.stop());
    const postgres = await ensureServer('postgres', say, home);
    started.push(() => postgres.stop());
    const adminUrl = postgres.env['DATABASE_ADMIN_URL']!;
    return { kafka: kafka.env['KAFKA_BROKERS']!, postgres: { adminUrl, pid: postgres.pid }, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** As `npm run start:distributed` runs it, on these servers; settlement is reached without the gateway. */
export async function startDistributed(
  { kafka, postgres }: BenchServers,
  profile?: string,
): Promise<DistributedPlatform> {
  const environment = { KAFKA_BROKERS: kafka, DATABASE_ADMIN_URL: postgres.adminUrl };
  const platform = await startPlatformProcess({ command: 'start:distributed', environment, profile });
  const url = new URL(postgres.adminUrl);
  url.pathname = `/${DATABASE}`;
  try {
    const services = serviceProcesses(platform.pid);
    const grpc = await leaderOf(services.filter(({ service }) => service === SETTLEMENT));
    const reached = await withParties(platform, { grpc, databaseUrl: url.href, postgres: postgres.pid });
    return { ...reached, services: services.map(({ pid }) => pid) };
  } catch (error) {
    await platform.stop();
    throw error;
  }
}

interface ServiceProcess {
  readonly service: string;
  readonly pid: number;
  readonly grpc: string;
  readonly http: string;
}

/** Which ports they have is in their environments only. */
function serviceProcesses(root: number): ServiceProcess[] {
  return processesBelow(root).flatMap((pid) => {
    const [, service] = /apps\/([a-z-]+)\/src\/main\.ts/.exec(readFileSync(`/proc/${pid}/cmdline`, 'utf8')) ?? [];
    if (service === undefined) return [];
    const text = readFileSync(`/proc/${pid}/environ`, 'utf8');
    const environment = new Map(text.split('\0').map((each) => each.split('=', 2) as [string, string]));
    const at = (kind: string): string =>
      `${environment.get(`${kind}_HOST`) ?? ''}:${environment.get(`${kind}_PORT`) ?? ''}`;
    return [{ service, pid, grpc: at('GRPC'), http: at('HTTP') }];
  });
}

/** One of them writes, whichever came first. @returns where its API is */
async function leaderOf(replicas: readonly ServiceProcess[]): Promise<string> {
  const deadline = performance.now() + LEADER_MS_MAX;
  for (;;) {
    for (const { grpc, http } of replicas) {
      const isReady = await fetch(`http://${http}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      );
      if (isReady) return grpc;
    }
    if (performance.now() > deadline) throw new Error(`no process of ${SETTLEMENT} is ready`);
    await sleep(POLL_MS);
  }
}
