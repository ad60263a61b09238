import type { Runtime } from '@finality/kernel';
import pg from 'pg';
import { isAlive, waitUntil } from './postmaster.ts';

/** Any constant: one lock per server, held by the process that owns its data directory. */
const OWNER_LOCK = 4_606_046_061;
/** How long the session of an owner that was killed may take to be noticed by the server. */
const CLAIM_WAIT_MS = 3_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** A server that lost a backend to a signal ends all sessions and recovers by itself. */
const RECOVERY_WAIT_MS = 60_000;

export interface Claim {
  /** The fingerprint of the options that the server was started with. */
  readonly launch: string;
  /** Resolves with the cause when the server is gone although nobody released the claim. */
  readonly lost: Promise<string>;
  release(): Promise<void>;
}

/**
 * Makes this process the owner of a server by a lock that ends with the process, however that ends.
 * @returns `in_use` when another living process is the owner, `unreachable` when the server doesn't let us in
 */
export async function claimServer(
  url: string,
  server: { readonly pid: number; readonly pgdata: string },
  runtime: Runtime,
): Promise<Claim | 'in_use' | { readonly unreachable: string }> {
  let client: pg.Client;
  let launch: string | undefined;
  try {
    client = await connect(url);
    launch = await identify(client, server.pgdata);
  } catch (error) {
    return { unreachable: String(error) };
  }
  if (launch === undefined || !(await waitUntil(() => tryLock(client), runtime, CLAIM_WAIT_MS))) {
    await client.end();
    return launch === undefined ? { unreachable: 'another server answers on its port' } : 'in_use';
  }
  return new HeldClaim(url, launch, { client, pid: server.pid }, runtime);
}

class HeldClaim implements Claim {
  readonly launch: string;
  readonly lost: Promise<string>;
  readonly #url: string;
  readonly #pid: number;
  readonly #runtime: Runtime;
  #client: pg.Client;
  #released = false;

  constructor(url: string, launch: string, server: { client: pg.Client; pid: number }, runtime: Runtime) {
    this.#url = url;
    this.launch = launch;
    this.#client = server.client;
    this.#pid = server.pid;
    this.#runtime = runtime;
    this.lost = this.#watch();
  }

  async release(): Promise<void> {
    this.#released = true;
    await this.#client.end().catch(() => undefined);
  }

  async #watch(): Promise<string> {
    for (;;) {
      const cause = await sessionEnd(this.#client);
      if (this.#released) return new Promise(() => undefined);
      const isDecided = async (): Promise<boolean> => !isAlive(this.#pid) || (await this.#reconnect());
      if (!(await waitUntil(isDecided, this.#runtime, RECOVERY_WAIT_MS)) || !isAlive(this.#pid)) return cause;
    }
  }

  async #reconnect(): Promise<boolean> {
    if (this.#released) return true;
    try {
      await this.#client.end();
      this.#client = await connect(this.#url);
      return await tryLock(this.#client);
    } catch {
      return false;
    }
  }
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'finality/owner',
    ssl: false,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  // Without a listener, the end of the server would end this process; `sessionEnd` is who handles it.
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

async function identify(client: pg.Client, pgdata: string): Promise<string | undefined> {
  const { rows } = await client.query<{ directory: string; launch: string | null }>(
    `SELECT current_setting('data_directory') AS directory, current_setting('finality.launch', true) AS launch`,
  );
  return rows[0]?.directory === pgdata ? (rows[0].launch ?? '') : undefined;
}

async function tryLock(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ locked: boolean }>('SELECT pg_try_advisory_lock($1) AS locked', [OWNER_LOCK]);
  return rows[0]?.locked === true;
}

function sessionEnd(client: pg.Client): Promise<string> {
  return new Promise((resolve) => {
    client.once('error', (error: Error) => resolve(error.message));
    client.once('end', () => resolve('the session ended'));
  });
}
