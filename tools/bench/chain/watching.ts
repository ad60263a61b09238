import { setTimeout as sleep } from 'node:timers/promises';
import type { ScriptHex } from '@finality/bitcoin';
import pg from 'pg';
import { postgresIn } from '../platform.ts';
import { type PlatformProcess, startPlatformProcess } from '../platform-process.ts';
import type { BenchNode } from './bench-node.ts';

const SCHEMA = 'chain_watcher';
const ROWS_PER_INSERT = 100_000;
/** Of nobody: what is paid to it concerns the chain watcher alone. */
const WALLET = 'bench';
const UNTIL_MS = 120_000;
const LOOK_MS = 20;
const CONNECTIONS_MAX = 2;

/** A platform that follows a node of the bench's, and its database. */
export interface Watching {
  readonly platform: PlatformProcess;
  readonly database: pg.Pool;
  stop(): Promise<void>;
}

export async function startWatching(
  node: BenchNode,
  environment: Readonly<Record<string, string>> = {},
): Promise<Watching> {
  const platform = await startPlatformProcess({
    command: 'start',
    environment: { BITCOIN_RPC_URL: node.url, MINE_INTERVAL_SECONDS: '0', ...environment },
  });
  const database = new pg.Pool({ connectionString: postgresIn(platform.dataDirectory).url, max: CONNECTIONS_MAX });
  const stop = async (): Promise<void> => {
    await database.end();
    await platform.stop();
  };
  return { platform, database, stop };
}

/** Has scripts watched as if they were those of a wallet that needs no more. Random ones are made where they are stored, so that a million take seconds. */
export async function watchScripts(database: pg.Pool, known: readonly ScriptHex[], random: number): Promise<void> {
  const insert = `INSERT INTO ${SCHEMA}.watched_scripts (script, wallet_id, branch, index)`;
  const row = `'${WALLET}', 0, i`;
  await database.query(
    `INSERT INTO ${SCHEMA}.watched_wallets (wallet_id, custodial, external_descriptor, internal_descriptor, birthday_height,
       external_wanted, internal_wanted, external_below, internal_below)
     VALUES ('${WALLET}', false, '', '', 0, 0, 0, 0, 0)`,
  );
  await database.query(`${insert} SELECT s, ${row} FROM unnest($1::text[]) WITH ORDINALITY AS n (s, i)`, [known]);
  for (let from = known.length; from < random; from += ROWS_PER_INSERT) {
    await database.query(
      `${insert} SELECT '0014' || md5(i::text) || substr(md5('x' || i), 1, 8), ${row} FROM generate_series($1::int, $2::int) AS n (i)`,
      [from + 1, Math.min(random, from + ROWS_PER_INSERT)],
    );
  }
}

export async function tipHeight(database: pg.Pool): Promise<number> {
  const { rows } = await database.query<{ height: number | null }>(
    `SELECT max(height) AS height FROM ${SCHEMA}.headers WHERE on_main`,
  );
  return rows[0]?.height ?? -1;
}

/** Whether the fact that a transaction was seen has been published: both are stored in one commit. */
export async function isSeen(database: pg.Pool, txid: string): Promise<boolean> {
  const { rows } = await database.query(`SELECT 1 FROM ${SCHEMA}.transactions WHERE txid = $1`, [txid]);
  return rows.length > 0;
}

/** @throws Error when it isn't so in time */
export async function until(what: string, isSo: () => Promise<boolean>, withinMs = UNTIL_MS): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${withinMs} ms`);
    await sleep(LOOK_MS);
  }
}
