import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventStoreDdl, type Session } from '@finality/event-store';
import type { Instant } from '@finality/kernel';
import {
  busRole,
  createPool,
  derivePasswords,
  provisionDatabase,
  rolesOf,
  silentLog,
  startPostgres,
  systemRuntime,
} from '@finality/service';
import pg from 'pg';
import { ledgerDdl } from './ddl.ts';

const NAME = 'keeper';

export interface LedgerDatabase {
  /** One transaction as the service's role. */
  transaction<T>(work: (session: Session) => Promise<T>): Promise<T>;
  /** As the owner of the tables, outside a transaction. */
  asOwner(sql: string): Promise<void>;
  /** Forgets everything, which only the owner can. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

export const NOW = 1_700_000_000_000 as Instant;

/** A real Postgres with the tables of an event store and a ledger, as a service has them. */
export async function ledgerDatabase(): Promise<LedgerDatabase> {
  const dataDir = await mkdtemp(join(tmpdir(), 'finality-ledger-'));
  const server = await startPostgres({
    dataDir,
    durable: false,
    runtime: systemRuntime(),
    log: silentLog,
    tieToParent: true,
  });
  const { services } = await provisionDatabase({
    adminUrl: server.adminUrl,
    database: 'ledger',
    services: [{ name: NAME, schema: NAME }],
    passwordOf: derivePasswords('x'.repeat(32)),
  });
  const urls = services[NAME];
  if (urls === undefined) throw new Error('nothing was provisioned');
  const owner = new pg.Client({ connectionString: urls.ownerUrl });
  await owner.connect();
  const ddl = { schema: NAME, serviceRole: rolesOf(NAME).login, busRole: busRole() };
  for (const statement of [...eventStoreDdl(ddl), ...ledgerDdl(ddl)]) await owner.query(statement);
  const pool = createPool(urls.url, { applicationName: 'ledger-test', log: silentLog });
  const asOwner = async (sql: string): Promise<void> => {
    await owner.query(sql);
  };
  return {
    asOwner,
    transaction: (work) => inTransaction(pool, work),
    clear: () =>
      asOwner(`ALTER TABLE ledger_transfers DISABLE TRIGGER insert_only;
               TRUNCATE ledger_transfers, ledger_accounts;
               ALTER TABLE ledger_transfers ENABLE ALWAYS TRIGGER insert_only`),
    close: async () => {
      await Promise.all([pool.end(), owner.end()]);
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

async function inTransaction<T>(pool: pg.Pool, work: (session: Session) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const value = await work({
      query: async <Row extends object>(text: string, values?: readonly unknown[]) =>
        (await client.query<Row>(text, values === undefined ? undefined : [...values])).rows,
    });
    await client.query('COMMIT');
    return value;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}
