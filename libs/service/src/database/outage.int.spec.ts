import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { StoreUnavailable } from '@finality/event-store';
import type { Pool } from 'pg';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentLog } from '../logging/log.ts';
import { type EmbeddedPostgres, startPostgres } from '../postgres/launcher.ts';
import { systemRuntime } from '../runtime/system-runtime.ts';
import { isDatabaseOutage } from './outage.ts';
import { createPool } from './pool.ts';

describe('an outage of the database', () => {
  let home: string;
  let postgres: EmbeddedPostgres;
  let pool: Pool;
  let readModels: DataSource;

  const errorOf = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => expect.unreachable('it should have failed'),
      (error: unknown) => error,
    );

  beforeAll(async () => {
    home = await mkdtemp(path.join(tmpdir(), 'finality-outage-'));
    await chmod(home, 0o755);
    const dataDir = path.join(home, 'postgres');
    postgres = await startPostgres({
      dataDir,
      durable: false,
      runtime: systemRuntime(),
      log: silentLog,
      tieToParent: true,
    });
    pool = createPool(postgres.adminUrl, { applicationName: 'outage', log: silentLog });
    readModels = new DataSource({ type: 'postgres', url: postgres.adminUrl, installExtensions: false });
    await readModels.initialize();
  });

  afterAll(async () => {
    await pool.end();
    await readModels.destroy().catch(() => undefined);
    await postgres.stop();
    await rm(home, { recursive: true, force: true });
  });

  test('isn’t what a wrong statement or a bug gets', async () => {
    expect(isDatabaseOutage(await errorOf(pool.query('SELECT 1 / 0')))).toBe(false);
    expect(isDatabaseOutage(await errorOf(pool.query('SELECT nothing')))).toBe(false);
    expect(isDatabaseOutage(await errorOf(readModels.query('SELECT 1 / 0')))).toBe(false);
    expect(isDatabaseOutage(new Error('undefined is not a function'))).toBe(false);
    expect(isDatabaseOutage('ECONNREFUSED')).toBe(false);
  });

  test('is what statements under way get when their session, and those after them when the server ends', async () => {
    const ended = [errorOf(pool.query('SELECT pg_sleep(30)')), errorOf(readModels.query('SELECT pg_sleep(30)'))];
    const others = `FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)' AND pid <> pg_backend_pid()`;
    // Both first: one that hasn't begun yet would be missed.
    await expect.poll(async () => (await pool.query(`SELECT pid ${others}`)).rowCount).toBe(2);
    await pool.query(`SELECT pg_terminate_backend(pid) ${others}`);
    for (const error of await Promise.all(ended)) expect([error, isDatabaseOutage(error)]).toEqual([error, true]);
    const cutOff = errorOf(pool.query('SELECT pg_sleep(30)'));
    await postgres.stop(0);
    expect(isDatabaseOutage(await cutOff)).toBe(true);
    expect(isDatabaseOutage(await errorOf(pool.query('SELECT 1')))).toBe(true);
    expect(isDatabaseOutage(await errorOf(readModels.query('SELECT 1')))).toBe(true);
    expect(isDatabaseOutage(new StoreUnavailable('no answer'))).toBe(true);
  });
});
