import { assert } from '@finality/kernel';
import pg from 'pg';
import { PreparingClient } from './preparing-client.ts';
import { TurnSocket } from './turn-socket.ts';
import type { Log } from '../logging/log.ts';
import { errorMessage } from '../startup-error.ts';

const INT8 = 20;
const INT8_ARRAY = 1016;
const CONNECT_TIMEOUT_MS = 5_000;
const IDLE_TIMEOUT_MS = 30_000;
const CONNECTIONS_MAX = 8;
/** A pooled session replaces itself after an hour: memory that a backend's caches took is given back. */
const SESSION_LIFE_S = 3_600;

export interface PoolOptions {
  /** Shown in `pg_stat_activity`: `finality/settlement`. */
  readonly applicationName: string;
  /** Sessions at most (default 8); further callers wait for one up to 5 s. */
  readonly connectionsMax?: number;
  readonly log: Log;
}

/**
 * Sessions for the hot paths. `int8` comes as `bigint`, `bytea` as Buffer; parameters may be `bigint` and `Uint8Array`. Parsers are the
 * pool's own: nothing global is changed. The role's time-outs (see `provisionDatabase`) apply.
 */
export function createPool(url: string, options: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: options.applicationName,
    max: options.connectionsMax ?? CONNECTIONS_MAX,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
    maxLifetimeSeconds: SESSION_LIFE_S,
    keepAlive: true,
    types: exactTypes,
    // What a session is given goes out at once: a batch that writes ten tables waits for one answer.
    pipeline: true,
    stream: () => new TurnSocket(),
    Client: PreparingClient,
  });
  // The same while somebody uses it, between two statements: that one's next statement fails, which is where it is handled.
  pool.on('connect', (client) => client.on('error', () => undefined));
  // A session that ends while nobody uses it (a restart of the server) is replaced at the next call; without a listener it ends the process.
  // A pool that was ended doesn't wait for its sessions to be gone: a server that stops right after may be faster.
  pool.on('error', (error) => {
    if (!pool.ending) options.log.warn({ error: errorMessage(error) }, 'an idle database session ended');
  });
  return pool;
}

/** pg's parsers, but exact for 64-bit integers. */
export const exactTypes: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) => {
    if (format !== 'binary' && Number(oid) === INT8) return (text: string) => BigInt(text);
    if (format !== 'binary' && Number(oid) === INT8_ARRAY) return parseInt8Array;
    const parser: unknown = pg.types.getTypeParser(oid, format);
    return parser;
  },
};

/** `{1,NULL,2}`; one dimension, which is all we store. */
function parseInt8Array(text: string): (bigint | null)[] {
  assert(/^\{[^{}]*\}$/.test(text), `expected an array of one dimension, got ${text.slice(0, 50)}`);
  if (text === '{}') return [];
  return text
    .slice(1, -1)
    .split(',')
    .map((item) => (item === 'NULL' ? null : BigInt(item)));
}

/**
 * Runs `work` in one transaction and commits. A failure rolls back and rethrows; a COMMIT that the server turned into a rollback throws too,
 * and a session whose state isn't certain is thrown away.
 */
export async function withTransaction<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | boolean = true;
  try {
    await client.query('BEGIN');
    const value = await work(client);
    const { command } = await client.query('COMMIT');
    if (command !== 'COMMIT') throw new Error(`the transaction was rolled back instead of committed (${command})`);
    broken = false;
    return value;
  } catch (error) {
    broken = await client.query('ROLLBACK').then(
      () => false,
      () => true,
    );
    throw error;
  } finally {
    client.release(broken);
  }
}
