import type { ServiceName } from '@finality/contracts';
import { assert, type Runtime } from '@finality/kernel';
import { PostgresDriver } from '@finality/messaging';
import { topicNamed } from '@finality/contracts';
import {
  busRole,
  createPool,
  createReadModels,
  derivePasswords,
  dropDatabase,
  type EmbeddedPostgres,
  errorMessage,
  type Log,
  provisionDatabase,
  type Provisioned,
  rolesOf,
  runMigrations,
  type ServiceEnv,
  StartupError,
  startPostgres,
  urlWith,
} from '@finality/service';
import type { Pool } from 'pg';
import { BLUEPRINTS } from './services.ts';

const DATABASE = 'finality';
/** Settlement is where everything meets; the others have less to say. */
const SESSIONS_MAX: Readonly<Partial<Record<ServiceName, number>>> = { settlement: 8 };
const SESSIONS_MAX_DEFAULT = 5;
const READ_SESSIONS_MAX = 2;
const BUS_SESSIONS_MAX = 8;
const END_MS_MAX = 1_500;
const POSTGRES_STOP_MS_MAX = 2_000;

export interface DatabaseOptions {
  /** Home of the embedded server. */
  readonly dataDir: string;
  /** Somebody's server instead of an embedded one. */
  readonly url: string | undefined;
  /** Behind the passwords of all roles. */
  readonly secret: string;
  readonly fresh: boolean;
  readonly runtime: Runtime;
  readonly log: Log;
  /** Default true; false for tests, where no power cut is to be survived. */
  readonly durable?: boolean;
  /** The embedded server ends with this process: for tests. */
  readonly tieToParent?: boolean;
}

type Base = Omit<ServiceEnv, 'config'>;

export interface Database {
  baseOf(name: ServiceName): Base;
  /** What a service logs in with. */
  urlOf(name: ServiceName): string;
  /** Resolves with the cause when the embedded server has gone by itself. */
  readonly lost: Promise<string>;
  /** Sessions first, then the server. */
  close(): Promise<void>;
}

/** The server, a schema and two roles per service, its tables, and the sessions that the services work with. */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { runtime, log } = options;
  const postgres = options.url === undefined ? await embedded(options) : undefined;
  try {
    const { adminUrl, database } = await target(options, postgres);
    const provisioned = await provisionDatabase({
      adminUrl,
      database,
      services: BLUEPRINTS.map(({ name, schema }) => ({ name, schema })),
      passwordOf: derivePasswords(options.secret),
    });
    await Promise.all(BLUEPRINTS.map((blueprint) => migrate(blueprint, provisioned, log)));
    const sessions = await Sessions.open(provisioned, runtime, log);
    return {
      baseOf: (name) => sessions.baseOf(name),
      urlOf: (name) => provisioned.services[name]!.url,
      lost: postgres?.lost ?? new Promise<string>(() => undefined),
      close: async () => {
        await sessions.close();
        await postgres?.stop(POSTGRES_STOP_MS_MAX);
      },
    };
  } catch (error) {
    await postgres?.stop(POSTGRES_STOP_MS_MAX);
    throw error;
  }
}

function embedded({
  dataDir,
  runtime,
  log,
  durable = true,
  tieToParent = false,
}: DatabaseOptions): Promise<EmbeddedPostgres> {
  return startPostgres({ dataDir, durable, runtime, log, tieToParent });
}

/** A server of somebody's: the database that the URL names, or `finality` on it. */
async function target(
  { url, fresh }: DatabaseOptions,
  postgres: EmbeddedPostgres | undefined,
): Promise<{ adminUrl: string; database: string }> {
  if (postgres) return { adminUrl: postgres.adminUrl, database: DATABASE };
  assert(url !== undefined, 'there is a server, ours or somebody else’s');
  const database = databaseNamed(url);
  const adminUrl = urlWith(url, 'postgres');
  if (fresh) await dropOurs(adminUrl, database);
  return { adminUrl, database };
}

/** The database that a URL names, or our own name for one. */
export function databaseNamed(url: string): string {
  const named = decodeURIComponent(new URL(url).pathname.slice(1));
  return named === '' || named === 'postgres' ? DATABASE : named;
}

/** @throws StartupError when the database isn't one of ours */
export async function dropOurs(adminUrl: string, database: string): Promise<void> {
  const dropped = await dropDatabase({ adminUrl, database });
  if (dropped.ok) return;
  throw new StartupError(dropped.error.reason, dropped.error.message, 'Start without --fresh to use it as it is');
}

async function migrate(blueprint: (typeof BLUEPRINTS)[number], provisioned: Provisioned, log: Log): Promise<void> {
  const { name, schema } = blueprint;
  const { owner, login } = rolesOf(name);
  const roles = { schema, owner, service: login, bus: busRole() };
  await runMigrations({
    ownerUrl: provisioned.services[name]!.ownerUrl,
    schema,
    serviceRole: login,
    migrations: blueprint.migrations(roles),
    log,
  });
}

/** Per service: its role's sessions, its read models, and a driver that reads others' messages as the bus role. */
class Sessions {
  readonly #bus: Pool;
  readonly #bases: ReadonlyMap<ServiceName, Base>;
  readonly #runtime: Runtime;
  readonly #log: Log;

  private constructor(bus: Pool, bases: ReadonlyMap<ServiceName, Base>, runtime: Runtime, log: Log) {
    this.#bus = bus;
    this.#bases = bases;
    this.#runtime = runtime;
    this.#log = log;
  }

  static async open(provisioned: Provisioned, runtime: Runtime, log: Log): Promise<Sessions> {
    const bus = createPool(provisioned.busUrl, {
      applicationName: 'finality/bus',
      connectionsMax: BUS_SESSIONS_MAX,
      log,
    });
    const schemas = new Map<string, string>(BLUEPRINTS.map(({ name, schema }) => [name, schema]));
    const open = async ({ name, schema, entities }: (typeof BLUEPRINTS)[number]): Promise<[ServiceName, Base]> => {
      const { url } = provisioned.services[name]!;
      const applicationName = `finality/${name}`;
      const connectionsMax = SESSIONS_MAX[name] ?? SESSIONS_MAX_DEFAULT;
      const pool = createPool(url, { applicationName, connectionsMax, log: log.child({ service: name }) });
      const readModels = await createReadModels(url, {
        schema,
        entities,
        applicationName,
        connectionsMax: READ_SESSIONS_MAX,
      });
      const schemaOf = (topic: string): string => schemas.get(topicNamed(topic).owner)!;
      const driver = new PostgresDriver({ bus, consumer: pool, consumerSchema: schema, schemaOf });
      return [name, { runtime, pool, readModels, driver }];
    };
    return new Sessions(bus, new Map(await Promise.all(BLUEPRINTS.map(open))), runtime, log);
  }

  baseOf(name: ServiceName): Base {
    const base = this.#bases.get(name);
    assert(base, `${name} has a schema`);
    return base;
  }

  /** A session that is still in use ends with the server. */
  async close(): Promise<void> {
    const ends = [...this.#bases.values()].flatMap(({ driver, pool, readModels }) => [
      driver.close(),
      pool.end(),
      readModels.destroy(),
    ]);
    const inTime = new AbortController();
    const all = Promise.allSettled([...ends, this.#bus.end()]).then((results) => {
      for (const result of results)
        if (result.status === 'rejected')
          this.#log.warn({ error: errorMessage(result.reason) }, 'a database session did not end well');
    });
    await Promise.race([all, this.#runtime.sleep(END_MS_MAX, inTime.signal)]);
    inTime.abort();
  }
}
