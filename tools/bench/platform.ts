import { readFileSync } from 'node:fs';
import path from 'node:path';
import { institutionV1, liquidityV1, proposalV1 } from '@finality/contracts';
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
  { operatorKeys, pid, said, stop }: PlatformProcess,
  { grpc, databaseUrl, postgres }: { readonly grpc: string; readonly databaseUrl: string; readonly postgres: number },
): Promise<BenchPlatform> {
  const operators = new Operators(grpc, operatorKeys);
  try {
    const parties = [await operators.admit('bench-a'), await operators.admit('bench-b')] as const;
    return { grpc, operatorKey: operatorKeys[0], parties, databaseUrl, processes: [pid, postgres], stop };
  } catch (error) {
    const message = `the platform takes no institutions; it said:\n${said()}`;
    await stop();
    throw new Error(message, { cause: error });
  } finally {
    operators.close();
  }
}

/** The embedded Postgres tells in its data directory how to reach it (postmaster.pid: process on line 1, port on line 4). */
export function postgresIn(directory: string): { url: string; pid: number } {
  const home = path.join(directory, 'postgres');
  const lines = readFileSync(path.join(home, 'data/postmaster.pid'), 'utf8').split('\n');
  const password = readFileSync(path.join(home, 'password'), 'utf8').trim();
  return { url: `postgres://finality_admin:${password}@127.0.0.1:${lines[3]}/${DATABASE}`, pid: Number(lines[0]) };
}

/** What two operators do before anybody can be paid. */
class Operators {
  readonly #institutions: institutionV1.InstitutionServiceClient;
  readonly #proposals: proposalV1.ProposalServiceClient;
  readonly #first: Metadata;
  readonly #second: Metadata;

  constructor(address: string, [first, second]: readonly [string, string]) {
    this.#institutions = new institutionV1.InstitutionServiceClient(address, credentials.createInsecure());
    this.#proposals = new proposalV1.ProposalServiceClient(address, credentials.createInsecure());
    this.#first = bearing(first);
    this.#second = bearing(second);
  }

  /** Makes an institution that has credit, and an API key for it. */
  async admit(id: string): Promise<Party> {
    const institution = { idempotencyKey: `create-${id}`, institutionId: id, name: id, creditLineSats: 0n };
    await answer((done) => this.#institutions.createInstitution(institution, this.#first, done));
    const line = { institutionId: id, limitSats: CREDIT_LINE_SATS };
    const setCreditLine = liquidityV1.SetCreditLineRequest.fromPartial(line);
    await this.#agree(`line-${id}`, { setCreditLine });
    const { makeApiKey, systemRuntime } = await import('@finality/service');
    const { keyId, apiKey, secretSha256 } = makeApiKey(systemRuntime());
    const roles = [institutionV1.Role.ROLE_INSTITUTION];
    const issueApiKey = { keyId, institutionId: id, roles, label: 'bench', secretSha256: Buffer.from(secretSha256) };
    await this.#agree(`key-${id}`, { issueApiKey });
    return { id, apiKey };
  }

  async #agree(idempotencyKey: string, change: proposalV1.Change): Promise<void> {
    const asked = { idempotencyKey, change, reason: 'bench' };
    const { proposalId } = await answer<proposalV1.Proposal>((done) =>
      this.#proposals.proposeChange(asked, this.#first, done),
    );
    const decision = { idempotencyKey, proposalId, reason: 'bench' };
    await answer((done) => this.#proposals.confirmProposal(decision, this.#second, done));
  }

  close(): void {
    this.#institutions.close();
    this.#proposals.close();
  }
}

function bearing(apiKey: string): Metadata {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${apiKey}`);
  return metadata;
}

const answer = <Response>(
  call: (done: (error: Error | null, response: Response) => void) => unknown,
): Promise<Response> =>
  new Promise((resolve, reject) => {
    call((error, response) => (error ? reject(error) : resolve(response)));
  });
