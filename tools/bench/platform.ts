import { readFileSync } from 'node:fs';
import path from 'node:path';
import { institutionV1 } from '@finality/contracts';
import { credentials, Metadata } from '@grpc/grpc-js';
import { type PlatformProcess, startPlatformProcess } from './platform-process.ts';

const DATABASE = 'finality';
/** No deposits are needed: what the two owe each other stays far below. */
const CREDIT_LINE_SATS = 100_000_000_000n;

export interface Party {
  readonly id: string;
  readonly apiKey: string;
}

/** A platform of its own in a directory of its own, with two institutions that have credit. */
export interface BenchPlatform {
  /** host:port of settlement's API. */
  readonly grpc: string;
  readonly operatorKey: string;
  readonly parties: readonly [Party, Party];
  /** Of Postgres's superuser. */
  readonly databaseUrl: string;
  /** The process of all services or the one that runs theirs, and Postgres's first, which may be below that. */
  readonly processes: readonly [node: number, postgres: number];
  stop(): Promise<void>;
}

/**
 * The platform in one process, as `npm start` runs it.
 * @param profile a directory that gets a CPU profile of the services
 * @param environment settings of it
 */
export async function startPlatform(
  profile?: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<BenchPlatform> {
  const platform = await startPlatformProcess({ command: 'start', profile, environment });
  const postgres = postgresIn(platform.dataDirectory);
  return withParties(platform, { grpc: platform.grpc, databaseUrl: postgres.url, postgres: postgres.pid });
}

/** What the bench needs to know about a platform that is up, with two institutions in it. Stops it when they can't be made. */
export async function withParties(
  { operatorKey, pid, said, stop }: PlatformProcess,
  { grpc, databaseUrl, postgres }: { readonly grpc: string; readonly databaseUrl: string; readonly postgres: number },
): Promise<BenchPlatform> {
  try {
    const parties = [await admit(grpc, operatorKey, 'bench-a'), await admit(grpc, operatorKey, 'bench-b')] as const;
    return { grpc, operatorKey, parties, databaseUrl, processes: [pid, postgres], stop };
  } catch (error) {
    const message = `the platform takes no institutions; it said:\n${said()}`;
    await stop();
    throw new Error(message, { cause: error });
  }
}

/** The embedded Postgres tells in its data directory how to reach it (postmaster.pid: process on line 1, port on line 4). */
export function postgresIn(directory: string): { url: string; pid: number } {
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
