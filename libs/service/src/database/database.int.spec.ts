import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { EntitySchema, type MigrationInterface, MoreThan, type QueryRunner } from 'typeorm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentLog } from '../logging/log.ts';
import { type EmbeddedPostgres, startPostgres } from '../postgres/launcher.ts';
import { systemRuntime } from '../runtime/system-runtime.ts';
import { checkSchema, runMigrations } from './migrations.ts';
import { createPool, withTransaction } from './pool.ts';
import {
  dropDatabase,
  type Provisioned,
  provisionDatabase,
  type ProvisionOptions,
  type ServiceUrls,
} from './provision.ts';
import { bigintColumn, createReadModels } from './read-models.ts';
import { derivePasswords } from './roles.ts';

const runtime = systemRuntime();
/** 2^53 + 1: the first integer that a JavaScript number hasn't. */
const BEYOND_NUMBER = 9_007_199_254_740_993n;

class Things1700000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE things (id bigint PRIMARY KEY, sats bigint NOT NULL, payload bytea)');
    await runner.query('CREATE TABLE log (id bigint PRIMARY KEY)');
    await runner.query('GRANT SELECT, INSERT, UPDATE ON things TO finality_ledger_keeper');
    await runner.query('GRANT SELECT, INSERT ON log TO finality_ledger_keeper');
    await runner.query('GRANT SELECT ON log TO finality_bus');
  }
  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE things, log');
  }
}

class More1700000000001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('SELECT pg_sleep(0.2)');
    await runner.query('CREATE TABLE more (id bigint PRIMARY KEY)');
  }
  async down(): Promise<void> {
    await Promise.resolve();
  }
}

let dataDir: string;
let server: EmbeddedPostgres;
let provisioned: Provisioned;
let options: ProvisionOptions;
const pools: pg.Pool[] = [];

function service(name: string): ServiceUrls {
  const urls = provisioned.services[name];
  if (!urls) throw new Error(`no service ${name}`);
  return urls;
}

function poolOf(url: string): pg.Pool {
  const pool = createPool(url, { applicationName: 'test', log: silentLog });
  pools.push(pool);
  return pool;
}

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'finality-database-'));
  server = await startPostgres({ dataDir, durable: false, runtime, log: silentLog, tieToParent: true });
  options = {
    adminUrl: server.adminUrl,
    database: 'platform',
    services: [
      { name: 'ledger-keeper', schema: 'ledger_keeper' },
      { name: 'other', schema: 'other' },
    ],
    passwordOf: derivePasswords('x'.repeat(32)),
  };
  [provisioned] = await Promise.all([provisionDatabase(options), provisionDatabase(options)]);
  const migrate = {
    ownerUrl: service('ledger-keeper').ownerUrl,
    schema: 'ledger_keeper',
    serviceRole: 'finality_ledger_keeper',
    migrations: [Things1700000000000],
    log: silentLog,
  };
  expect(await runMigrations(migrate)).toEqual(['Things1700000000000']);
});

afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.end()));
  await server.stop();
  await rm(dataDir, { recursive: true, force: true });
});

describe('provisionDatabase', () => {
  test('is repeatable and gives each service a role that sees its own schema only', async () => {
    expect(await provisionDatabase(options)).toEqual(provisioned);
    const own = poolOf(service('ledger-keeper').url);
    const other = poolOf(service('other').url);
    expect((await own.query('SELECT * FROM things')).rows).toEqual([]);
    const denied = { code: '42501' };
    await expect(other.query('SELECT * FROM ledger_keeper.things')).rejects.toMatchObject(denied);
    await expect(own.query('DELETE FROM log')).rejects.toMatchObject(denied);
    await expect(own.query('UPDATE log SET id = 1')).rejects.toMatchObject(denied);
    await expect(own.query('CREATE TABLE mine (id int)')).rejects.toMatchObject(denied);
    await expect(own.query('ALTER TABLE log DISABLE TRIGGER ALL')).rejects.toMatchObject(denied);
    await expect(own.query('CREATE TABLE public.mine (id int)')).rejects.toMatchObject(denied);
    await expect(own.query('SET ROLE finality_ledger_keeper_owner')).rejects.toMatchObject(denied);
  });

  test('the bus reads what it was granted and nothing else', async () => {
    const bus = poolOf(provisioned.busUrl);
    expect((await bus.query('SELECT * FROM ledger_keeper.log')).rows).toEqual([]);
    await expect(bus.query('SELECT * FROM ledger_keeper.things')).rejects.toMatchObject({ code: '42501' });
    await expect(bus.query('INSERT INTO ledger_keeper.log VALUES (1)')).rejects.toMatchObject({ code: '42501' });
  });

  test('drops only what it created', async () => {
    const admin = poolOf(server.adminUrl);
    await admin.query('CREATE DATABASE foreign_one');
    expect(await dropDatabase({ adminUrl: server.adminUrl, database: 'foreign_one' })).toMatchObject({
      ok: false,
      error: { reason: 'FOREIGN_DATABASE' },
    });
    await provisionDatabase({ ...options, database: 'second' });
    expect(await dropDatabase({ adminUrl: server.adminUrl, database: 'second' })).toEqual({
      ok: true,
      value: 'dropped',
    });
    expect(await dropDatabase({ adminUrl: server.adminUrl, database: 'second' })).toEqual({
      ok: true,
      value: 'absent',
    });
  });
});

describe('runMigrations', () => {
  test('two at once: one works, the other finds nothing to do; an older release is refused, and one that is neither', async () => {
    const role = { schema: 'other', serviceRole: 'finality_other' };
    const migrate = { ...role, ownerUrl: service('other').ownerUrl, log: silentLog };
    class Plain1700000000000 implements MigrationInterface {
      async up(runner: QueryRunner): Promise<void> {
        await runner.query('CREATE TABLE plain (id bigint)');
      }
      async down(): Promise<void> {
        await Promise.resolve();
      }
    }
    const migrations = [Plain1700000000000, More1700000000001];
    const ran = await Promise.all([
      runMigrations({ ...migrate, migrations }),
      runMigrations({ ...migrate, migrations }),
    ]);
    expect(ran.flat()).toEqual(['Plain1700000000000', 'More1700000000001']);
    const older = runMigrations({ ...migrate, migrations: [Plain1700000000000] });
    await expect(older).rejects.toMatchObject({ name: 'StartupError', code: 'DATABASE_NEWER' });

    const check = { schema: 'other', pool: poolOf(service('other').url) };
    expect(await checkSchema({ ...check, migrations })).toEqual([]);
    class Later1700000000002 extends Plain1700000000000 {}
    await expect(checkSchema({ ...check, migrations: [...migrations, Later1700000000002] })).rejects.toMatchObject({
      code: 'DATABASE_OLDER',
      message: expect.stringContaining('Later1700000000002') as string,
      remedy: expect.stringContaining('migrate') as string,
    });
    expect(await checkSchema({ ...check, migrations: [Plain1700000000000] })).toEqual(['More1700000000001']);
    // The first one in another version: neither newer nor older.
    class Plain1700000000009 extends Plain1700000000000 {}
    const others = [Plain1700000000009, More1700000000001];
    const refused = {
      code: 'DATABASE_INCOMPATIBLE',
      message: expect.stringMatching(/has Plain1700000000000 and lacks Plain1700000000009/) as string,
      remedy: expect.stringContaining('--fresh') as string,
    };
    await expect(runMigrations({ ...migrate, migrations: others })).rejects.toMatchObject(refused);
    await expect(checkSchema({ ...check, migrations: others })).rejects.toMatchObject(refused);
    expect(await checkSchema({ ...check, migrations })).toEqual([]);
    const never = checkSchema({ pool: poolOf(provisioned.busUrl), schema: 'nowhere', migrations });
    await expect(never).rejects.toMatchObject({ code: 'DATABASE_OLDER' });
  });
});

test('a lock that is cut off while others are migrated ends nobody', async () => {
  class CutOff1700000000001 implements MigrationInterface {
    async up(runner: QueryRunner): Promise<void> {
      const cut: unknown[] = await runner.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'finality/migrations-lock'`,
      );
      expect(cut).toHaveLength(1);
      await runner.query('SELECT pg_sleep(0.2)');
    }
    async down(): Promise<void> {
      await Promise.resolve();
    }
  }
  const migrations = [Things1700000000000, CutOff1700000000001];
  const { ownerUrl } = service('ledger-keeper');
  const role = { schema: 'ledger_keeper', serviceRole: 'finality_ledger_keeper' };
  expect(await runMigrations({ ...role, ownerUrl, log: silentLog, migrations })).toEqual(['CutOff1700000000001']);
});

describe('createPool', () => {
  test('64-bit integers and bytes are exact, both ways', async () => {
    const pool = poolOf(service('ledger-keeper').url);
    const payload = new Uint8Array([0, 1, 255]);
    await pool.query('INSERT INTO things VALUES ($1, $2, $3)', [1n, BEYOND_NUMBER, payload]);
    const { rows } = await pool.query<{ sats: bigint; payload: Buffer; list: (bigint | null)[] }>(
      'SELECT sats, payload, ARRAY[sats, NULL, -1] AS list FROM things WHERE id = ANY($1::bigint[])',
      [[1n]],
    );
    expect(rows).toEqual([{ sats: BEYOND_NUMBER, payload: Buffer.from(payload), list: [BEYOND_NUMBER, null, -1n] }]);
  });

  test('withTransaction commits all or nothing, and doesn’t take a rollback for a commit', async () => {
    const pool = poolOf(service('ledger-keeper').url);
    await expect(
      withTransaction(pool, async (client) => {
        await client.query('INSERT INTO things VALUES (10, 1)');
        throw new Error('changed my mind');
      }),
    ).rejects.toThrow('changed my mind');
    const swallowed = withTransaction(pool, async (client) => {
      await client.query('INSERT INTO things VALUES (10, 1)');
      await client.query('SELECT 1/0').catch(() => undefined);
    });
    await expect(swallowed).rejects.toThrow('rolled back');
    await withTransaction(pool, (client) => client.query('INSERT INTO things VALUES (11, 1)'));
    expect((await pool.query('SELECT id FROM things WHERE id IN (10, 11)')).rows).toEqual([{ id: 11n }]);
  });

  test('a statement that comes again and again is prepared, one that comes now and then isn’t', async () => {
    const pool = poolOf(service('ledger-keeper').url);
    const prepared = await withTransaction(pool, async (client) => {
      for (let i = 0; i < 10; i++) {
        await client.query('SELECT $1::int AS again', [i]);
        await client.query({ text: 'SELECT $1::int AS "again, as an object"', values: [i] });
        await client.query(`SELECT $1::int AS "only ${i}"`, [i]);
        await client.query('SELECT 1 AS "without parameters"');
      }
      return client.query<{ statement: string }>('SELECT statement FROM pg_prepared_statements ORDER BY statement');
    });
    expect(prepared.rows.map(({ statement }) => statement)).toEqual([
      'SELECT $1::int AS "again, as an object"',
      'SELECT $1::int AS again',
    ]);
  });

  test('a process stopped while it holds a lock is got rid of in five seconds, and its commit fails', async () => {
    const child = fork(join(import.meta.dirname, 'stalled.fixture.ts'), [service('ledger-keeper').url], {
      execArgv: ['--no-warnings'],
    });
    expect((await once(child, 'message'))[0]).toBe('locked');
    child.kill('SIGSTOP');
    const pool = poolOf(service('ledger-keeper').url);
    const startedMs = runtime.monotonicMs();
    await withTransaction(pool, (client) => client.query('SELECT pg_advisory_xact_lock(1)'));
    expect(runtime.monotonicMs() - startedMs).toBeLessThan(5_000);
    child.kill('SIGCONT');
    const outcome = once(child, 'message');
    child.send('commit');
    expect((await outcome)[0]).toMatch(/^failed: /);
    expect((await pool.query('SELECT 1 FROM things WHERE id = 99')).rowCount).toBe(0);
  });
});

describe('createReadModels', () => {
  test('lists with exact amounts under the service’s role', async () => {
    interface Thing {
      id: bigint;
      sats: bigint;
    }
    const Things = new EntitySchema<Thing>({
      name: 'things',
      columns: {
        id: { type: 'bigint', primary: true, transformer: bigintColumn },
        sats: { type: 'bigint', transformer: bigintColumn },
      },
    });
    await poolOf(service('ledger-keeper').url).query('INSERT INTO things VALUES (20, $1)', [BEYOND_NUMBER]);
    const models = await createReadModels(service('ledger-keeper').url, {
      schema: 'ledger_keeper',
      entities: [Things],
      applicationName: 'test',
    });
    try {
      const found = await models.getRepository(Things).find({ where: { id: MoreThan(19n) }, order: { id: 'ASC' } });
      expect(found).toEqual([{ id: 20n, sats: BEYOND_NUMBER }]);
    } finally {
      await models.destroy();
    }
  });
});
