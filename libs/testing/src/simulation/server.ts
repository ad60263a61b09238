import { access, chmod, constants, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  busRole,
  createPool,
  derivePasswords,
  type EmbeddedPostgres,
  provisionDatabase,
  rolesOf,
  runMigrations,
  type ServiceBlueprint,
  silentLog,
  startPostgres,
  systemRuntime,
  urlWith,
} from '@finality/service';
import type { Pool } from 'pg';

const TEMPLATE = 'finality_template';
const PASSWORD_SECRET = 'a simulation keeps nothing from anybody';
const MEMORY = '/dev/shm';

/** Nothing that comes when it likes: no vacuum that moves rows, no statistics that change plans, no parallel scans. */
const SETTINGS = {
  autovacuum: 'off',
  max_parallel_workers_per_gather: '0',
  synchronous_commit: 'off',
  max_connections: '200',
  wal_level: 'minimal',
};

type Blueprint = Pick<ServiceBlueprint, 'name' | 'schema' | 'migrations'>;

/** A Postgres for simulations: databases with all services' tables, each made by copying one. */
export interface SimulationServer {
  /** A database with every table and no row. */
  database(): Promise<SimulationDatabase>;
  stop(): Promise<void>;
}

export interface SimulationDatabase {
  urlOf(service: string): string;
  readonly busUrl: string;
  /** Sees everything: for checks, never for a service. */
  readonly admin: Pool;
  /** Where files of this database's services may be kept. */
  readonly home: string;
  drop(): Promise<void>;
}

/** Starts the server in memory where there is a file system for that, without any flushing (docs/adr/0001-simulation-on-postgres.md). */
export async function startSimulationServer(blueprints: readonly Blueprint[]): Promise<SimulationServer> {
  const home = await mkdtemp(join(await fastDirectory(), 'finality-sim-'));
  await chmod(home, 0o755);
  const postgres = await startPostgres({
    dataDir: join(home, 'postgres'),
    durable: false,
    runtime: systemRuntime(),
    log: silentLog,
    tieToParent: true,
    settings: SETTINGS,
  });
  const stop = async (): Promise<void> => {
    await postgres.stop();
    await rm(home, { recursive: true, force: true });
  };
  try {
    const urls = await makeTemplate(postgres, blueprints);
    let made = 0;
    return { database: () => cloneTemplate(postgres, urls, home, `sim_${++made}`), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Urls = Awaited<ReturnType<typeof provisionDatabase>>;

async function makeTemplate({ adminUrl }: EmbeddedPostgres, blueprints: readonly Blueprint[]): Promise<Urls> {
  const urls = await provisionDatabase({
    adminUrl,
    database: TEMPLATE,
    services: blueprints.map(({ name, schema }) => ({ name, schema })),
    passwordOf: derivePasswords(PASSWORD_SECRET),
  });
  for (const { name, schema, migrations } of blueprints) {
    const { owner, login } = rolesOf(name);
    const roles = { schema, owner, service: login, bus: busRole() };
    await runMigrations({
      ownerUrl: urls.services[name]!.ownerUrl,
      schema,
      serviceRole: login,
      migrations: migrations(roles),
      log: silentLog,
    });
  }
  return urls;
}

async function cloneTemplate(
  { adminUrl }: EmbeddedPostgres,
  urls: Urls,
  home: string,
  name: string,
): Promise<SimulationDatabase> {
  const server = createPool(adminUrl, { applicationName: 'finality/simulation', connectionsMax: 1, log: silentLog });
  const statement = async (text: string): Promise<void> => {
    await server.query(text);
  };
  await statement(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`);
  const admin = createPool(urlWith(adminUrl, name), { applicationName: 'finality/checks', log: silentLog });
  return {
    urlOf: (service) => urlWith(urls.services[service]!.url, name),
    busUrl: urlWith(urls.busUrl, name),
    admin,
    home: join(home, name),
    drop: async () => {
      await admin.end();
      await statement(`DROP DATABASE ${name} WITH (FORCE)`);
      await server.end();
      await rm(join(home, name), { recursive: true, force: true });
    },
  };
}

/** In memory, where the machine has a file system for that. */
function fastDirectory(): Promise<string> {
  return access(MEMORY, constants.W_OK).then(
    () => MEMORY,
    () => tmpdir(),
  );
}
