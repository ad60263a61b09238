import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventStoreDdl } from '@finality/event-store';
import {
  busRole,
  createPool,
  derivePasswords,
  type EmbeddedPostgres,
  provisionDatabase,
  rolesOf,
  silentLog,
  startPostgres,
  systemRuntime,
  urlWith,
} from '@finality/service';
import pg from 'pg';

/** A service's part of a test database. */
export interface TestSchema {
  readonly name: string;
  readonly schema: string;
  /** As the service: owns nothing, sees its own schema only. */
  readonly url: string;
  readonly pool: pg.Pool;
  readonly serviceRole: string;
  /** As the owner of the schema: for migrations, and for tampering. */
  readonly owner: pg.Pool;
}

/** A database of its own, on a Postgres that the tests of one process share, whatever their files, and that ends with it. */
export interface TestDatabase {
  readonly admin: pg.Pool;
  readonly bus: pg.Pool;
  readonly busUrl: string;
  readonly busRole: string;
  service(name: string): TestSchema;
  /** Makes further services. */
  add(...names: readonly string[]): Promise<void>;
  /** Drops the database. */
  close(): Promise<void>;
}

export interface TestDatabaseOptions {
  /** Makes the store's tables in every schema. Default true. */
  readonly eventStore?: boolean;
  /** Further statements run by each schema's owner. */
  readonly ddl?: (schema: { readonly schema: string; readonly serviceRole: string }) => readonly string[];
}

/** Until a server that is killed has written its last. */
const SHUTDOWN_SECONDS = 1;

let server: Promise<EmbeddedPostgres> | undefined;
let databasesMade = 0;

/** @param services names as in production (`address-issuer`), each with a schema and roles of its own */
export async function testDatabase(
  services: readonly string[],
  options: TestDatabaseOptions = {},
): Promise<TestDatabase> {
  databasesMade += 1;
  const postgres = await (server ??= startServer());
  const database = new OwnDatabase(postgres.adminUrl, `test_${databasesMade}`, options);
  await database.add(...services);
  return database;
}

class OwnDatabase implements TestDatabase {
  readonly #adminUrl: string;
  readonly #name: string;
  readonly #options: TestDatabaseOptions;
  readonly #passwordOf = derivePasswords(randomBytes(32).toString('hex'));
  readonly #pools = new Map<string, pg.Pool>();
  readonly #schemas = new Map<string, TestSchema>();
  #busUrl = '';

  constructor(adminUrl: string, name: string, options: TestDatabaseOptions) {
    this.#adminUrl = adminUrl;
    this.#name = name;
    this.#options = options;
  }

  get admin(): pg.Pool {
    return this.#pool(urlWith(this.#adminUrl, this.#name));
  }

  get busUrl(): string {
    return this.#busUrl;
  }

  get bus(): pg.Pool {
    return this.#pool(this.#busUrl);
  }

  get busRole(): string {
    return busRole(this.#name);
  }

  async add(...names: readonly string[]): Promise<void> {
    const provisioned = await provisionDatabase({
      adminUrl: this.#adminUrl,
      database: this.#name,
      services: names.map((name) => ({ name, schema: schemaName(name) })),
      passwordOf: this.#passwordOf,
      rolePrefix: this.#name,
    });
    this.#busUrl = provisioned.busUrl;
    for (const name of names) {
      const { url, ownerUrl } = provisioned.services[name]!;
      const serviceRole = rolesOf(name, this.#name).login;
      const made = {
        name,
        schema: schemaName(name),
        url,
        pool: this.#pool(url),
        owner: this.#pool(ownerUrl),
        serviceRole,
      };
      const store = this.#options.eventStore === false ? [] : eventStoreDdl({ ...made, busRole: this.busRole });
      await made.owner.query([...store, ...(this.#options.ddl?.(made) ?? [])].join('; '));
      this.#schemas.set(name, made);
    }
  }

  service(name: string): TestSchema {
    const found = this.#schemas.get(name);
    if (!found) throw new Error(`the test database has no service ${name}`);
    return found;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.end()));
    await dropTestDatabase(this.#adminUrl, this.#name);
  }

  #pool(url: string): pg.Pool {
    const known = this.#pools.get(url);
    if (known) return known;
    const made = createPool(url, { applicationName: 'finality/test', log: silentLog });
    this.#pools.set(url, made);
    return made;
  }
}

const schemaName = (service: string): string => service.replaceAll('-', '_');

/** Made once per process: making one takes longer than most files of tests. */
async function startServer(): Promise<EmbeddedPostgres> {
  const home = await mkdtemp(join(tmpdir(), 'finality-test-'));
  await chmod(home, 0o755);
  const dataDir = join(home, 'postgres');
  const postgres = await startPostgres({
    dataDir,
    durable: false,
    runtime: systemRuntime(),
    log: silentLog,
    tieToParent: true,
    settings: { max_connections: '400' },
  });
  // How a worker of vitest ends.
  process.once('SIGTERM', () => process.exit());
  process.once('exit', () => {
    // Immediate shutdown. Vitest gives its workers half a second: somebody else has to tidy up.
    process.kill(postgres.pid, 'SIGQUIT');
    const script = `sleep ${SHUTDOWN_SECONDS}; rm -rf "$0"`;
    spawn('sh', ['-c', script, home], { detached: true, stdio: 'ignore' }).unref();
  });
  return postgres;
}

async function dropTestDatabase(adminUrl: string, database: string): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    await client.query(`DROP DATABASE ${database} WITH (FORCE)`);
  } finally {
    await client.end();
  }
}
