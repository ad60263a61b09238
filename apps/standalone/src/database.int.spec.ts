import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type EmbeddedPostgres, silentLog, startPostgres, systemRuntime, urlWith } from '@finality/service';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase } from './database.ts';
import { BLUEPRINTS } from './services.ts';

const runtime = systemRuntime();
const home = mkdtempSync(path.join(tmpdir(), 'finality-database-'));
const common = { dataDir: path.join(home, 'unused'), secret: 's'.repeat(64), runtime, log: silentLog };
let server: EmbeddedPostgres;

/** Somebody's server, with a database of theirs. */
beforeAll(async () => {
  const options = { dataDir: path.join(home, 'postgres'), durable: false, tieToParent: true };
  server = await startPostgres({ ...options, runtime, log: silentLog });
  await asAdmin('CREATE DATABASE theirs');
});
afterAll(async () => {
  await server?.stop();
  rmSync(home, { recursive: true, force: true });
});

async function asAdmin(sql: string, database = 'postgres'): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: urlWith(server.adminUrl, database) });
  await client.connect();
  try {
    return (await client.query<object>(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('a server of somebody’s', () => {
  it('gets a database of ours with a schema per service, each of which sees its own only', async () => {
    const database = await openDatabase({ ...common, url: server.adminUrl, fresh: false });
    const { pool, driver } = database.baseOf('risk');
    const { rows } = await pool.query<{ schema: string }>('SELECT current_schema() AS schema');
    expect(rows).toEqual([{ schema: 'risk' }]);
    await expect(pool.query('SELECT * FROM settlement.events')).rejects.toMatchObject({ code: '42501' });
    await expect(pool.query('UPDATE events SET position = position')).rejects.toMatchObject({ code: '42501' });
    await driver.close();
    await database.close();
    const schemas = await asAdmin(`SELECT nspname FROM pg_namespace WHERE nspowner > 16000`, 'finality');
    expect(schemas).toHaveLength(BLUEPRINTS.length);
  });

  it('starts from nothing when told to, on the database that we made', async () => {
    await asAdmin(`CREATE TABLE aml.kept (id integer)`, 'finality');
    const database = await openDatabase({ ...common, url: server.adminUrl, fresh: true });
    await database.close();
    expect(await asAdmin(`SELECT to_regclass('aml.kept') AS kept`, 'finality')).toEqual([{ kept: null }]);
  });

  it('refuses to start from nothing on a database that somebody else made', async () => {
    const url = urlWith(server.adminUrl, 'theirs');
    await expect(openDatabase({ ...common, url, fresh: true })).rejects.toMatchObject({ code: 'FOREIGN_DATABASE' });
    expect(await asAdmin(`SELECT count(*) AS n FROM pg_database WHERE datname = 'theirs'`)).toEqual([{ n: '1' }]);
  });
});
