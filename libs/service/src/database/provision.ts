import { assert, err, ok, refusal, type Refusal, type Result } from '@finality/kernel';
import pg from 'pg';
import { busRole, ROLE_PREFIX, rolesOf, sqlName } from './roles.ts';

/** Any constant: provisioning runs once at a time per server. */
const PROVISION_LOCK = 4_606_046_062;
const LOCK_WAIT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 10_000;
/** Marks what we created, and so may drop. */
const MARK = 'made by finality';

export interface ServiceSchema {
  /** `address-issuer`; roles `finality_address_issuer_owner` and `finality_address_issuer`. */
  readonly name: string;
  readonly schema: string;
}

export interface ProvisionOptions {
  /** A role that may create roles and databases. */
  readonly adminUrl: string;
  readonly database: string;
  readonly services: readonly ServiceSchema[];
  /** See `derivePasswords`. */
  readonly passwordOf: (role: string) => string;
  readonly rolePrefix?: string;
}

export interface ServiceUrls {
  /** For migrations only. */
  readonly ownerUrl: string;
  /** What the service works with: owns nothing, sees its own schema only. */
  readonly url: string;
}

export interface Provisioned {
  readonly services: Readonly<Record<string, ServiceUrls>>;
  readonly busUrl: string;
}

/**
 * A session that stalls (a stopped process, a lost host) while it holds locks is ended by the server within five seconds, whether it is
 * idle in a transaction or doesn't read what it is sent; those who wait for its locks wait longer than that.
 */
const SERVICE_SETTINGS = {
  idle_in_transaction_session_timeout: '4s',
  tcp_user_timeout: '5s',
  lock_timeout: '10s',
  statement_timeout: '20s',
  transaction_timeout: '30s',
} as const;

/** Tables that only grow are read along their indices, whatever the planner thinks of them while their statistics are behind. */
const BUS_SETTINGS = { ...SERVICE_SETTINGS, enable_seqscan: 'off', enable_bitmapscan: 'off' } as const;

/** Migrations may rewrite tables, but must not stand in everybody's way while they wait. */
const OWNER_SETTINGS = {
  idle_in_transaction_session_timeout: '60s',
  tcp_user_timeout: '5s',
  lock_timeout: '30s',
  statement_timeout: '0',
  transaction_timeout: '0',
} as const;

/** Creates the database, and per service its schema and two roles, where they are missing; corrects settings and passwords where not. */
export async function provisionDatabase(options: ProvisionOptions): Promise<Provisioned> {
  const prefix = options.rolePrefix ?? ROLE_PREFIX;
  const database = sqlName(options.database);
  const urlFor = (role: string): string => urlWith(options.adminUrl, database, role, options.passwordOf(role));
  await withAdmin(options.adminUrl, async (server) => {
    await server.query(`SET lock_timeout = ${LOCK_WAIT_MS}`);
    await server.query('SELECT pg_advisory_lock($1)', [PROVISION_LOCK]);
    // Postgres 16 and later: an admin who isn't a superuser has to be given what it makes.
    await server.query(`SET createrole_self_grant = 'set, inherit'`);
    await createDatabase(server, database);
    await createRoles(server, options, prefix);
    await withAdmin(urlWith(options.adminUrl, database), (inside) => createSchemas(inside, options, database, prefix));
  });
  const urls = options.services.map(({ name }): [string, ServiceUrls] => {
    const roles = rolesOf(name, prefix);
    return [name, { ownerUrl: urlFor(roles.owner), url: urlFor(roles.login) }];
  });
  return { services: Object.fromEntries(urls), busUrl: urlFor(busRole(prefix)) };
}

/** Drops a database with all that is in it, sessions included. Refuses one that `provisionDatabase` didn't create. */
export async function dropDatabase(options: {
  adminUrl: string;
  database: string;
}): Promise<Result<'dropped' | 'absent', Refusal>> {
  const database = sqlName(options.database);
  return withAdmin(options.adminUrl, async (server): Promise<Result<'dropped' | 'absent', Refusal>> => {
    const mark = await markOf(server, database);
    if (mark === undefined) return ok('absent');
    if (mark !== MARK) {
      const message = `database ${database} wasn't created by this platform, so it isn't dropped: drop it yourself if that is what you want`;
      return err(refusal('failed_precondition', 'FOREIGN_DATABASE', message));
    }
    await server.query(`DROP DATABASE ${database} WITH (FORCE)`);
    return ok('dropped');
  });
}

/** The same server, another database and, when given, another role. */
export function urlWith(url: string, database: string, role?: string, password?: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  if (role !== undefined) changed.username = role;
  if (password !== undefined) changed.password = password;
  return changed.toString();
}

async function createDatabase(server: pg.Client, database: string): Promise<void> {
  if ((await markOf(server, database)) !== undefined) return;
  await server.query(`CREATE DATABASE ${database} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'`);
  await server.query(`COMMENT ON DATABASE ${database} IS '${MARK}'`);
}

async function markOf(server: pg.Client, database: string): Promise<string | undefined> {
  const sql = `SELECT shobj_description(oid, 'pg_database') AS mark FROM pg_database WHERE datname = $1`;
  const { rows } = await server.query<{ mark: string | null }>(sql, [database]);
  return rows[0] && (rows[0].mark ?? '');
}

async function createRoles(server: pg.Client, options: ProvisionOptions, prefix: string): Promise<void> {
  const create = async (role: string, settings: Readonly<Record<string, string>>): Promise<void> => {
    const { rowCount } = await server.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [role]);
    if (rowCount === 0) await server.query(`CREATE ROLE ${role}`);
    const password = server.escapeLiteral(options.passwordOf(role));
    const sets = Object.entries(settings).map(([name, value]) => `ALTER ROLE ${role} SET ${name} = '${value}';`);
    await server.query(
      `ALTER ROLE ${role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION PASSWORD ${password}; ${sets.join(' ')}`,
    );
  };
  for (const { name, schema } of options.services) {
    const roles = rolesOf(name, prefix);
    await create(roles.owner, { ...OWNER_SETTINGS, search_path: sqlName(schema) });
    await create(roles.login, { ...SERVICE_SETTINGS, search_path: sqlName(schema) });
  }
  await create(busRole(prefix), BUS_SETTINGS);
}

async function createSchemas(
  inside: pg.Client,
  options: ProvisionOptions,
  database: string,
  prefix: string,
): Promise<void> {
  const bus = busRole(prefix);
  const statements = [
    `REVOKE ALL ON DATABASE ${database} FROM PUBLIC`,
    'REVOKE ALL ON SCHEMA public FROM PUBLIC',
    `GRANT CONNECT ON DATABASE ${database} TO ${bus}`,
  ];
  for (const service of options.services) {
    const schema = sqlName(service.schema);
    const { owner, login } = rolesOf(service.name, prefix);
    statements.push(
      `GRANT CONNECT ON DATABASE ${database} TO ${owner}, ${login}`,
      `CREATE SCHEMA IF NOT EXISTS ${schema} AUTHORIZATION ${owner}`,
      `GRANT USAGE ON SCHEMA ${schema} TO ${login}, ${bus}`,
    );
  }
  assert(
    new Set(options.services.map(({ schema }) => schema)).size === options.services.length,
    'every service has a schema of its own',
  );
  await inside.query(`BEGIN; ${statements.join('; ')}; COMMIT`);
}

async function withAdmin<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'finality/provision',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  // What is under way fails besides; without a listener this process would end before it could say what.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
