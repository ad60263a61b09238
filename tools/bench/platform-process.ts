import { spawn } from 'node:child_process';
import { chmodSync, closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../servers/ports.ts';
import { endsWithUs } from './ending.ts';
import { onlyChildOf } from './processes.ts';

const root = path.resolve(import.meta.dirname, '../..');
const READY_MS_MAX = 90_000;
const STOP_MS_MAX = 20_000;
const POLL_MS = 50;
/** Shown when it doesn't start. */
const LOG_LINES = 20;

/** A platform that is up, as `npm start` or `npm run start:distributed` runs it. */
export interface PlatformProcess {
  /** The process of all services, or the one that runs theirs. */
  readonly pid: number;
  readonly dataDirectory: string;
  readonly operatorKeys: readonly [string, string];
  /** host:port of all services' API. */
  readonly grpc: string;
  /** From the command to ready, in milliseconds. */
  readonly startMs: number;
  /** The last that it said. */
  said(): string;
  stop(): Promise<void>;
}

export interface PlatformProcessOptions {
  readonly command: 'start' | 'start:distributed';
  readonly environment?: Readonly<Record<string, string>>;
  /** Where a platform was before, or is to be again; it stays there when this one stops. Default: a directory of its own. */
  readonly home?: string;
  /** A directory that gets CPU profiles of all its Node processes. */
  readonly profile?: string | undefined;
}

/** Makes a directory that another user's process (Postgres has its own) may look into. */
export function makeDirectory(): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'finality-bench-'));
  chmodSync(directory, 0o755);
  return directory;
}

export const removeDirectory = (directory: string): Promise<void> => rm(directory, { recursive: true, force: true });

/** Starts a platform, an empty one unless it has a home, with data, log and ports of its own. @throws Error with what it said, when it isn't up in time */
export async function startPlatformProcess(options: PlatformProcessOptions): Promise<PlatformProcess> {
  const directory = options.home ?? makeDirectory();
  const dataDirectory = path.join(directory, 'data');
  // It is written once more when it can be reached.
  rmSync(path.join(dataDirectory, 'demo.json'), { force: true });
  const log = path.join(directory, 'stderr');
  const logFile = openSync(log, 'w');
  const ports = { GRPC_PORT: await freePort(), HTTP_PORT: await freePort(), BITCOIN_RPC_PORT: await freePort() };
  const spawnedMs = performance.now();
  const child = spawn(process.execPath, [path.join(root, 'tools/run.mjs'), options.command, '--no-demo'], {
    cwd: root,
    stdio: ['ignore', logFile, logFile],
    env: {
      ...process.env,
      ...Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, `${port}`])),
      ...options.environment,
      ...profiling(options.profile),
      FINALITY_DATA_DIR: dataDirectory,
    },
  });
  closeSync(logFile);
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const killIt = (): boolean => child.kill('SIGTERM');
  // However this process ends, the platform doesn't stay.
  process.once('exit', killIt);
  const stop = endsWithUs(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
    await ended;
    clearTimeout(late);
    process.off('exit', killIt);
    if (options.home === undefined) await removeDirectory(directory);
  });
  const said = (): string => readFileSync(log, 'utf8').trim().split('\n').slice(-LOG_LINES).join('\n');
  try {
    const { grpc, operator, secondOperator } = await ready(dataDirectory, () => child.exitCode);
    const startMs = performance.now() - spawnedMs;
    const pid = onlyChildOf(child.pid!);
    return { pid, dataDirectory, operatorKeys: [operator.apiKey, secondOperator.apiKey], grpc, startMs, said, stop };
  } catch (error) {
    const message = `the platform didn't start; it said:\n${said()}`;
    await stop();
    throw new Error(message, { cause: error });
  }
}

interface Reached {
  readonly grpc: string;
  readonly operator: { readonly apiKey: string };
  readonly secondOperator: { readonly apiKey: string };
}

/** It writes how it can be reached once it can be. */
async function ready(directory: string, exitCode: () => number | null): Promise<Reached> {
  const file = path.join(directory, 'demo.json');
  const deadline = performance.now() + READY_MS_MAX;
  while (!existsSync(file)) {
    if (exitCode() !== null) throw new Error(`it ended with exit code ${exitCode()}`);
    if (performance.now() > deadline) throw new Error(`it wasn't up within ${READY_MS_MAX} ms`);
    await sleep(POLL_MS);
  }
  return JSON.parse(readFileSync(file, 'utf8')) as Reached;
}

function profiling(profile: string | undefined): Record<string, string> {
  if (profile === undefined) return {};
  const flags = `--cpu-prof --cpu-prof-dir=${path.resolve(profile)}`;
  return { NODE_OPTIONS: `${process.env['NODE_OPTIONS'] ?? ''} ${flags}`.trim() };
}
