import pg, { type Pool } from 'pg';
import { DataSource, type MigrationInterface } from 'typeorm';
import type { Log } from '../logging/log.ts';
import { StartupError } from '../startup-error.ts';
import { sqlName } from './roles.ts';

const MIGRATIONS_TABLE = 'migrations';
const LOCK_WAIT_MS = 120_000;
const CONNECT_TIMEOUT_MS = 10_000;

/** A TypeORM migration; its name ends in the 13 digits of a JavaScript timestamp, by which migrations are ordered. */
export type Migration = new () => MigrationInterface;

export interface MigrateOptions {
  /** The schema's owner, not the service's role. */
  readonly ownerUrl: string;
  readonly schema: string;
  /** May read which migrations there were, to find out at its start whether it fits (`checkSchema`). */
  readonly serviceRole: string;
  readonly migrations: readonly Migration[];
  readonly log: Log;
}

/**
 * Brings a schema up to date, each migration in its own transaction. Several processes may do so at once: one works, the others wait and
 * find nothing left to do. Tables belong to the owner; a migration GRANTs the service's role what it may do, and no more.
 * @returns the names of the migrations that ran
 * @throws StartupError `DATABASE_NEWER` when the schema has migrations that this release doesn't know, `DATABASE_INCOMPATIBLE` when it lacks some of this
 *   release's besides
 */
export async function runMigrations(options: MigrateOptions): Promise<readonly string[]> {
  const lock = new pg.Client({
    connectionString: options.ownerUrl,
    application_name: 'finality/migrations-lock',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  // Nobody asks it anything while it holds the lock: if it is cut off then (the server stops), whoever migrates hears so on a connection of his own.
  lock.on('error', () => undefined);
  await lock.connect();
  try {
    await lock.query(`SET lock_timeout = ${LOCK_WAIT_MS}`);
    await lock.query(`SELECT pg_advisory_lock(hashtextextended($1, 0))`, [`finality migrations ${options.schema}`]);
    return await migrate(options);
  } finally {
    // Ends the lock too, which belongs to the session.
    await lock.end();
  }
}

async function migrate(options: MigrateOptions): Promise<readonly string[]> {
  const schema = sqlName(options.schema);
  const source = new DataSource({
    type: 'postgres',
    url: options.ownerUrl,
    schema,
    applicationName: 'finality/migrations',
    connectTimeoutMS: CONNECT_TIMEOUT_MS,
    poolSize: 2,
    installExtensions: false,
    migrations: [...options.migrations],
    migrationsTableName: MIGRATIONS_TABLE,
    migrationsTransactionMode: 'each',
    logging: false,
    extra: { options: `-c search_path=${schema}` },
  });
  await source.initialize();
  try {
    await refuseNewer(source, schema);
    const done = await source.runMigrations();
    await source.query(`GRANT SELECT ON ${schema}.${MIGRATIONS_TABLE} TO "${options.serviceRole}"`);
    if (done.length > 0) options.log.info({ schema, migrations: done.map(({ name }) => name) }, 'migrated');
    return done.map(({ name }) => name);
  } finally {
    await source.destroy();
  }
}

async function refuseNewer(source: DataSource, schema: string): Promise<void> {
  const exists: { found: string | null }[] = await source.query('SELECT to_regclass($1) AS found', [
    `${schema}.${MIGRATIONS_TABLE}`,
  ]);
  if (!exists[0]?.found) return;
  const rows: { name: string }[] = await source.query(namesOf(schema));
  const known = source.migrations.map((migration) => migration.name ?? migration.constructor.name);
  const unknown = unknownOf(known, rows);
  if (unknown.length === 0) return;
  const missing = missingOf(known, rows);
  if (missing.length > 0) throw incompatible(schema, { unknown, missing });
  throw new StartupError(
    'DATABASE_NEWER',
    `schema ${schema} was migrated by a newer release: this one doesn't know ${unknown.join(', ')}`,
    'Start the newer release, or restore the database from a backup made before it',
  );
}

export interface SchemaCheck {
  /** As the service's own role. */
  readonly pool: Pool;
  readonly schema: string;
  readonly migrations: readonly Migration[];
}

/**
 * Whether the schema has what this release needs: for a service that doesn't migrate itself, before it reads or writes anything.
 * @returns migrations that this release doesn't know. While the next one is rolled out there are some: they only add.
 * @throws StartupError `DATABASE_OLDER` where migrations are missing, `DATABASE_INCOMPATIBLE` where there are others in their place
 */
export async function checkSchema({ pool, schema: name, migrations }: SchemaCheck): Promise<readonly string[]> {
  const schema = sqlName(name);
  const { rows: exists } = await pool.query<{ found: boolean }>(
    `SELECT coalesce(has_table_privilege(to_regclass($1), 'SELECT'), false) AS found`,
    [`${schema}.${MIGRATIONS_TABLE}`],
  );
  const rows = exists[0]?.found ? (await pool.query<{ name: string }>(namesOf(schema))).rows : [];
  const known = migrations.map((Made) => new Made().name ?? Made.name);
  const [missing, unknown] = [missingOf(known, rows), unknownOf(known, rows)];
  if (missing.length === 0) return unknown;
  if (unknown.length > 0) throw incompatible(schema, { unknown, missing });
  throw new StartupError(
    'DATABASE_OLDER',
    `schema ${schema} is older than this release: it lacks ${missing.join(', ')}`,
    'Run this release’s `migrate` for the service first (with DATABASE_ADMIN_URL), then start it',
  );
}

const namesOf = (schema: string): string => `SELECT name FROM ${schema}.${MIGRATIONS_TABLE} ORDER BY timestamp`;

const unknownOf = (known: readonly string[], rows: readonly { readonly name: string }[]): readonly string[] =>
  rows.filter(({ name }) => !known.includes(name)).map(({ name }) => name);

const missingOf = (known: readonly string[], rows: readonly { readonly name: string }[]): readonly string[] =>
  known.filter((each) => !rows.some(({ name }) => name === each));

/** Newer releases have all that this one has, and more: what is neither newer nor older can't be migrated in either direction. */
function incompatible(
  schema: string,
  { unknown, missing }: { readonly unknown: readonly string[]; readonly missing: readonly string[] },
): StartupError {
  return new StartupError(
    'DATABASE_INCOMPATIBLE',
    `schema ${schema} is of a release whose data this one can't take over: it has ${unknown.join(', ')} and lacks ${missing.join(', ')}`,
    'Start the release that made it, or give this one an empty database (`npm start -- --fresh` deletes what there is)',
  );
}
