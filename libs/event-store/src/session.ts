import { assert } from '@finality/kernel';
import pg from 'pg';
import type { Pool, PoolClient } from 'pg';
import { isUnavailable, StoreUnavailable } from './errors.ts';
import type { Session, WritingSession } from './port.ts';

/** Limits that the database itself enforces on a transaction that holds the store's lock (DESIGN 4): milliseconds. */
export interface TransactionTimeouts {
  /** Silence of the client inside the transaction, after which the server ends the session. */
  readonly idleMs: number;
  /** The whole transaction, waiting for the lock included. */
  readonly transactionMs: number;
  /** Unacknowledged data on the connection. */
  readonly tcpUserMs: number;
}

export const TIMEOUTS_DEFAULT: TransactionTimeouts = { idleMs: 4_000, transactionMs: 15_000, tcpUserMs: 5_000 };

const INT8_OID = 20;
const INT8_ARRAY_OID = 1016;

/** Result parsers whatever the process has set globally: `bigint` for int8, the driver's own for the rest. */
export const pgTypes: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') => {
    if (oid === INT8_OID) return BigInt;
    if (oid === INT8_ARRAY_OID)
      return (text: string) => (text === '{}' ? [] : text.slice(1, -1).split(',').map(BigInt));
    const parser: unknown = pg.types.getTypeParser(oid, format);
    return parser;
  }) as typeof pg.types.getTypeParser,
};

/** A name as it can stand in SQL whatever it contains. */
export const quoteIdentifier = (name: string): string => pg.escapeIdentifier(name);

/** Text as it can stand in SQL whatever it contains. */
export const quoteLiteral = (text: string): string => pg.escapeLiteral(text);

/** What one statement of a text of several gave. */
export interface StatementResult<Row extends object> {
  readonly command: string;
  readonly rows: Row[];
}

/** The session of one transaction. It ends with it: whoever keeps it gets an error instead of somebody else's transaction. */
export class ClientSession implements WritingSession {
  readonly #client: PoolClient;
  readonly #sent: Promise<unknown>[] = [];
  #open = true;

  constructor(client: PoolClient) {
    this.#client = client;
  }

  async query<Row extends object>(text: string, values?: readonly unknown[], name?: string): Promise<Row[]> {
    if (!this.#open) throw new Error('this session’s transaction has ended');
    const query = { text, ...(values ? { values: [...values] } : {}), ...(name === undefined ? {} : { name }) };
    return (await this.#run<Row>(query)).rows;
  }

  send(text: string, values: readonly unknown[], name?: string): void {
    // What the driver can't encode it refuses by itself: the server would hear nothing of it, and commit the rest.
    assert(values.every(isEncodable), `a value of ${name ?? text} can't be encoded`);
    const answer = this.query(text, values, name);
    // Heard by `answered`, or nobody any more.
    answer.catch(() => undefined);
    this.#sent.push(answer);
  }

  /** Once all that was sent has succeeded. Rejects with what failed first. */
  async answered(): Promise<void> {
    await Promise.all(this.#sent.splice(0));
  }

  /** Begins or ends the transaction. @returns the tag of what the server did */
  async command(text: 'BEGIN' | 'COMMIT' | 'ROLLBACK'): Promise<string> {
    return (await this.#run({ text, name: text })).command;
  }

  /**
   * Ends the transaction, and with it whoever might still ask. Sent behind all that was sent, for after a statement that failed nothing is
   * committed. Whatever goes wrong leaves it open what was stored.
   */
  async commit(): Promise<void> {
    this.end();
    const ending = this.command('COMMIT');
    ending.catch(() => undefined);
    await this.answered();
    let tag: string;
    try {
      tag = await ending;
    } catch (error) {
      throw error instanceof StoreUnavailable ? error : new StoreUnavailable(`COMMIT failed: ${String(error)}`, error);
    }
    // One that ends in a rollback says so only here.
    if (tag !== 'COMMIT') throw new StoreUnavailable(`COMMIT was answered by ${tag}`);
  }

  /** Several statements in one round trip, without parameters. */
  async statements<Row extends object>(text: string): Promise<StatementResult<Row>[]> {
    // The driver gives a list for a text of several statements, for which its types have no word.
    const results: unknown = await this.#run({ text });
    return results as StatementResult<Row>[];
  }

  /** No more queries of the handler. */
  end(): void {
    this.#open = false;
  }

  async #run<Row extends object>(query: pg.QueryConfig): Promise<pg.QueryResult<Row>> {
    try {
      return await this.#client.query<Row>(bounded(query));
    } catch (error) {
      throw unavailableOr(error);
    }
  }
}

/** Anything but objects of our own, whose encoding may throw. */
const isEncodable = (value: unknown): boolean => (Array.isArray(value) ? value.every(isPlain) : isPlain(value));

const isPlain = (value: unknown): boolean => typeof value !== 'object' || value === null || ArrayBuffer.isView(value);

/** The server limits what runs on it; this is for when it can't be heard any more. */
const ANSWER_TIMEOUT_MS = 30_000;

function bounded(query: pg.QueryConfig): pg.QueryConfig {
  const withTimeout = { ...query, types: pgTypes, query_timeout: ANSWER_TIMEOUT_MS };
  return withTimeout;
}

/** One statement outside of any batch. */
export async function poolQuery<Row extends object>(
  pool: Pool,
  text: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  try {
    return (await pool.query<Row>(bounded({ text, values: [...values] }))).rows;
  } catch (error) {
    throw unavailableOr(error);
  }
}

/** Reads that all see the log as of one moment, however many they are. */
export async function readTransaction<T>(
  store: { readonly pool: Pool; readonly schema: string },
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const begin = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = ${quoteIdentifier(store.schema)}`;
  return inTransaction(store.pool, (session) => session.statements(begin), work);
}

/** A transaction of its own under the store's lock: nothing that a batch decides on changes meanwhile, or the other way round. */
export async function lockedTransaction<T>(
  store: { readonly pool: Pool; readonly schema: string; readonly timeouts?: TransactionTimeouts },
  work: (session: WritingSession) => Promise<T>,
): Promise<T> {
  const timeouts = store.timeouts ?? TIMEOUTS_DEFAULT;
  return inTransaction(store.pool, (session) => beginLocked(session, store.schema, timeouts), work);
}

async function inTransaction<T>(
  pool: Pool,
  begin: (session: ClientSession) => Promise<unknown>,
  work: (session: WritingSession) => Promise<T>,
): Promise<T> {
  const client = await pool.connect().catch((error: unknown) => {
    throw unavailableOr(error);
  });
  const ignore = (): void => undefined;
  client.on('error', ignore);
  const session = new ClientSession(client);
  let isDone = false;
  try {
    // Sent together: what is asked behind a beginning that failed fails, and nothing is committed.
    const begun = begin(session);
    const worked = work(session).then(async (result) => {
      await session.commit();
      return result;
    });
    const [, result] = await Promise.all([begun, worked]);
    isDone = true;
    return result;
  } finally {
    session.end();
    if (isDone) client.off('error', ignore);
    // Without its commit, the transaction goes with its connection.
    client.release(!isDone);
  }
}

/** A connection error as {@link StoreUnavailable}, anything else as it is. */
export function unavailableOr(error: unknown): unknown {
  if (error instanceof StoreUnavailable || !isUnavailable(error)) return error;
  return new StoreUnavailable(`the database failed: ${error instanceof Error ? error.message : String(error)}`, error);
}

/** Settings of a transaction that holds the store's lock; the last three are for the planner. */
const SETTINGS = [
  'search_path',
  'idle_in_transaction_session_timeout',
  'transaction_timeout',
  'tcp_user_timeout',
  'jit',
  'enable_seqscan',
  'plan_cache_mode',
];
const SET = SETTINGS.map((name, i) => `set_config('${name}', $${i + 1}, true)`).join(', ');
/** From left to right: the time that it waits for the lock is limited already. */
const SET_AND_LOCK = `SELECT ${SET}, pg_advisory_xact_lock(hashtextextended($${SETTINGS.length + 1}, 0))`;

/**
 * Opens a transaction that holds the store's lock: one per schema, by its name. Sent at once, planned once: what is asked next can be sent behind it,
 * and sees what was committed before the lock was had.
 */
export async function beginLocked(
  session: ClientSession,
  schema: string,
  timeouts: TransactionTimeouts,
): Promise<void> {
  const settings = [
    quoteIdentifier(schema),
    ...[timeouts.idleMs, timeouts.transactionMs, timeouts.tcpUserMs].map(String),
    'off',
    // Whatever the planner thinks of tables that have grown since they were analysed: a batch looks things up.
    'off',
    // And does it the same way whatever it looks up: planned once, not for each batch.
    'force_generic_plan',
  ];
  await Promise.all([
    session.command('BEGIN'),
    session.query(SET_AND_LOCK, [...settings, `finality.event-store/${schema}`], 'lock'),
  ]);
}
