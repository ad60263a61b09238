import { spawn } from 'node:child_process';
import { chmodSync, closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { institutionV1 } from '@finality/contracts';
import { credentials, Metadata } from '@grpc/grpc-js';
import { onlyChildOf } from './processes.ts';

const root = path.resolve(import.meta.dirname, '../..');
const READY_MS_MAX = 90_000;
const STOP_MS_MAX = 20_000;
const POLL_MS = 200;
/** Shown when it doesn't start. */
const LOG_LINES = 20;
const DATABASE = 'finality';
/** No deposits are needed: what the two owe each other stays far below. */
const CREDIT_LINE_SATS = 100_000_000_000n;

export interface Party {
  readonly id: string;
  readonly apiKey: string;
}

/** A platform of its own in a directory of its own, as `npm start` runs it, with two institutions that have credit. */
export interface BenchPlatform {
  /** host:port */
  readonly grpc: string;
  readonly operatorKey: string;
  readonly parties: readonly [Party, Party];
  /** Of Postgres's superuser. */
  readonly databaseUrl: string;
  /** The process of all services, and Postgres's first. */
  readonly processes: readonly [node: number, postgres: number];
  stop(): Promise<void>;
}

/** @param profile a directory that gets a CPU profile of the services */
export async function startPlatform(profile?: string): Promise<BenchPlatform> {
  const directory = mkdtempSync(path.join(tmpdir(), 'finality-bench-'));
  // The database's user isn't always this one.
  chmodSync(directory, 0o755);
  const dataDirectory = path.join(directory, 'data');
  const log = path.join(directory, 'stderr');
  const logFile = openSync(log, 'w');
  const [grpc, http, bitcoinRpc] = [await freePort(), await freePort(), await freePort()];
  const profiling = profile === undefined ? '' : `--cpu-prof --cpu-prof-dir=${path.resolve(profile)}`;
  const child = spawn(process.execPath, [path.join(root, 'tools/run.mjs'), 'start', '--no-demo'], {
    cwd: root,
    stdio: ['ignore', 'ignore', logFile],
    env: {
      ...process.env,
      NODE_OPTIONS: `${process.env['NODE_OPTIONS'] ?? ''} ${profiling}`.trim(),
      FINALITY_DATA_DIR: dataDirectory,
      GRPC_PORT: `${grpc}`,
      HTTP_PORT: `${http}`,
      BITCOIN_RPC_PORT: `${bitcoinRpc}`,
    },
  });
  closeSync(logFile);
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  let stopping: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
    await ended;
    clearTimeout(late);
    rmSync(directory, { recursive: true, force: true });
  };
  const stop = (): Promise<void> => (stopping ??= end());
  // However this process ends, the platform doesn't stay.
  process.once('exit', () => child.kill('SIGTERM'));
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void stop().then(() => process.exit(1)));
  try {
    const operatorKey = await ready(dataDirectory, () => child.exitCode);
    const address = `127.0.0.1:${grpc}`;
    const [first, second] = [
      await admit(address, operatorKey, 'bench-a'),
      await admit(address, operatorKey, 'bench-b'),
    ];
    const postgres = postgresIn(dataDirectory);
    return {
      grpc: address,
      operatorKey,
      parties: [first, second],
      databaseUrl: postgres.url,
      processes: [onlyChildOf(child.pid!), postgres.pid],
      stop,
    };
  } catch (error) {
    const said = readFileSync(log, 'utf8').trim().split('\n').slice(-LOG_LINES).join('\n');
    await stop();
    throw new Error(`the platform didn't start; it said:\n${said}`, { cause: error });
  }
}

/** It writes how it can be reached once it can be. @returns the operator's API key */
async function ready(directory: string, exitCode: () => number | null): Promise<string> {
  const file = path.join(directory, 'demo.json');
  const deadline = performance.now() + READY_MS_MAX;
  while (!existsSync(file)) {
    if (exitCode() !== null) throw new Error(`it ended with exit code ${exitCode()}`);
    if (performance.now() > deadline) throw new Error(`it wasn't up within ${READY_MS_MAX} ms`);
    await sleep(POLL_MS);
  }
  return (JSON.parse(readFileSync(file, 'utf8')) as { operator: { apiKey: string } }).operator.apiKey;
}

/** The embedded Postgres tells in its data directory how to reach it (postmaster.pid: process on line 1, port on line 4). */
function postgresIn(directory: string): { url: string; pid: number } {
  const home = path.join(directory, 'postgres');
  const lines = readFileSync(path.join(home, 'data/postmaster.pid'), 'utf8').split('\n');
  const password = readFileSync(path.join(home, 'password'), 'utf8').trim();
  return { url: `postgres://finality_admin:${password}@127.0.0.1:${lines[3]}/${DATABASE}`, pid: Number(lines[0]) };
}

/** Makes an institution and an API key for it. */
async function admit(address: string, operatorKey: string, id: string): Promise<Party> {
  const client = new institutionV1.InstitutionServiceClient(address, credentials.createInsecure());
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${operatorKey}`);
  try {
    const institution = {
      idempotencyKey: `create-${id}`,
      institutionId: id,
      name: id,
      creditLineSats: CREDIT_LINE_SATS,
    };
    await new Promise<void>((resolve, reject) => {
      client.createInstitution(institution, metadata, (error) => (error ? reject(error) : resolve()));
    });
    const roles = [institutionV1.Role.ROLE_INSTITUTION];
    const key = { idempotencyKey: `key-${id}`, institutionId: id, roles, label: 'bench' };
    const apiKey = await new Promise<string>((resolve, reject) => {
      client.issueApiKey(key, metadata, (error, answer) => (error ? reject(error) : resolve(answer.secret)));
    });
    return { id, apiKey };
  } finally {
    client.close();
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        typeof address === 'object' && address !== null ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}
