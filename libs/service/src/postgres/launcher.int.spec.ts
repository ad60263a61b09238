import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { silentLog } from '../logging/log.ts';
import { systemRuntime } from '../runtime/system-runtime.ts';
import { type EmbeddedPostgres, type PostgresOptions, startPostgres } from './launcher.ts';
import { isAlive } from './postmaster.ts';

const runtime = systemRuntime();
let root: string;
const running: EmbeddedPostgres[] = [];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'finality-postgres-'));
  await chmod(root, 0o755);
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()));
});

afterAll(() => rm(root, { recursive: true, force: true }));

function optionsFor(name: string, more: Partial<PostgresOptions> = {}): PostgresOptions {
  return { dataDir: join(root, name), durable: false, runtime, log: silentLog, tieToParent: true, ...more };
}

async function start(options: PostgresOptions): Promise<EmbeddedPostgres> {
  const server = await startPostgres(options);
  running.push(server);
  return server;
}

async function query<Row extends pg.QueryResultRow>(server: EmbeddedPostgres, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: server.adminUrl, ssl: false });
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** A process that starts a server and is then killed: `owner.fixture.ts`. */
async function ownerProcess(
  dataDir: string,
  uid?: number,
): Promise<{ child: ChildProcess; pid: number; port: number }> {
  const identity = uid === undefined ? {} : { uid, gid: uid };
  const child = fork(join(import.meta.dirname, 'owner.fixture.ts'), [dataDir], {
    ...identity,
    execArgv: ['--no-warnings'],
  });
  const [message] = (await once(child, 'message')) as [{ pid: number; port: number } | { error: string }];
  if ('error' in message) throw new Error(message.error);
  return { child, ...message };
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

describe('startPostgres', () => {
  test('starts on loopback with a password of its own in a file of mode 0600, and keeps its data over a stop', async () => {
    const options = optionsFor('keeps');
    const first = await start(options);
    expect(await query(first, 'SHOW server_encoding')).toEqual([{ server_encoding: 'UTF8' }]);
    expect(await query(first, 'SHOW fsync')).toEqual([{ fsync: 'off' }]);
    await query(first, 'CREATE TABLE kept AS SELECT 9007199254740993 AS sats');
    expect((await stat(join(root, 'keeps', 'password'))).mode & 0o777).toBe(0o600);
    const wrong = new pg.Client({
      host: first.host,
      port: first.port,
      user: 'finality_admin',
      password: 'guess',
      database: 'postgres',
    });
    await expect(wrong.connect()).rejects.toMatchObject({ code: '28P01' });
    await first.stop();
    expect(isAlive(first.pid)).toBe(false);

    const second = await start(options);
    expect(second.adopted).toBe(false);
    expect(await query(second, 'SELECT sats::text FROM kept')).toEqual([{ sats: '9007199254740993' }]);
  });

  test('comes back after kill -9 of the postmaster, which is noticed, with what was committed', async () => {
    const options = optionsFor('killed');
    const first = await start(options);
    await query(first, 'CREATE TABLE kept AS SELECT 1 AS one');
    process.kill(first.pid, 'SIGKILL');
    expect(typeof (await first.lost)).toBe('string');
    const second = await start(options);
    expect(second.pid).not.toBe(first.pid);
    expect(await query(second, 'SELECT one FROM kept')).toEqual([{ one: 1 }]);
  });

  test('a backend killed by a signal doesn’t count as the end of the server', async () => {
    const server = await start(optionsFor('backend'));
    const lost = server.lost.then(() => 'lost');
    const [backend] = await query<{ pid: number }>(
      server,
      `SELECT pid FROM pg_stat_activity WHERE application_name = 'finality/owner'`,
    );
    process.kill(backend?.pid ?? 0, 'SIGKILL');
    await expect
      .poll(() => query(server, 'SELECT 1 AS one').catch(() => []), { timeout: 10_000 })
      .toEqual([{ one: 1 }]);
    const owners = `SELECT 1 AS owners FROM pg_locks WHERE locktype = 'advisory'`;
    await expect.poll(() => query(server, owners).catch(() => []), { timeout: 10_000 }).toHaveLength(1);
    expect(await Promise.race([lost, runtime.sleep(50)])).toBeUndefined();
  });

  test('takes over the server of a process that was killed; one with other settings is stopped and started anew', async () => {
    const dataDir = join(root, 'adopted');
    const owner = await ownerProcess(dataDir);
    await kill(owner.child);
    expect(isAlive(owner.pid)).toBe(true);

    const next = await start(optionsFor('adopted', { tieToParent: false }));
    expect(next).toMatchObject({ adopted: true, pid: owner.pid, port: owner.port });
    expect(await query(next, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await next.stop();
    expect(isAlive(owner.pid)).toBe(false);

    const again = await ownerProcess(dataDir);
    await kill(again.child);
    const other = await start(optionsFor('adopted', { tieToParent: false, settings: { work_mem: '8MB' } }));
    expect(other.adopted).toBe(false);
    expect(isAlive(again.pid)).toBe(false);
    expect(await query(other, 'SHOW work_mem')).toEqual([{ work_mem: '8MB' }]);
  });

  test('refuses data that another living process uses, data of another version, and a port that is taken', async () => {
    const options = optionsFor('refused');
    const owner = await start(options);
    await expect(startPostgres(options)).rejects.toMatchObject({ name: 'StartupError', code: 'POSTGRES_IN_USE' });
    expect(await query(owner, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await owner.stop();

    const blocker = createServer().listen(0, '127.0.0.1');
    await once(blocker, 'listening');
    const address = blocker.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const taken = startPostgres(optionsFor('refused', { port }));
    await expect(taken).rejects.toMatchObject({
      code: 'PORT_TAKEN',
      message: expect.stringContaining(`${port}`) as string,
    });
    blocker.close();

    await writeFile(join(root, 'refused', 'data', 'PG_VERSION'), '16\n');
    await expect(startPostgres(options)).rejects.toMatchObject({ code: 'POSTGRES_VERSION' });
  });

  test('a pid file whose number belongs to another process now doesn’t keep it from starting', async () => {
    const options = optionsFor('stale');
    const first = await start(options);
    const pidFile = join(root, 'stale', 'data', 'postmaster.pid');
    const text = await readFile(pidFile, 'utf8');
    await first.stop();
    await writeFile(pidFile, text.replace(`${first.pid}`, `${process.ppid}`));
    expect(await query(await start(options), 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  test('several at once, under a directory of mode 0700 with a long path and umask 077', async () => {
    const parent = join(root, 'private', 'x'.repeat(60), 'y'.repeat(60));
    await mkdir(parent, { recursive: true });
    await chmod(join(root, 'private'), 0o700);
    const names = ['a', 'b', 'c'].map((name) => join('private', 'x'.repeat(60), 'y'.repeat(60), name));
    const servers = await Promise.all(names.map((name) => start(optionsFor(name))));
    expect(new Set(servers.map((server) => server.port)).size).toBe(3);
    expect(await Promise.all(servers.map((server) => query(server, 'SELECT 1 AS one')))).toEqual(
      servers.map(() => [{ one: 1 }]),
    );
  });

  test.runIf(process.getuid?.() === 0)('as a user other than root', async () => {
    const dataDir = join(root, 'ordinary');
    await mkdir(dataDir, { mode: 0o700 });
    await chown(dataDir, 65_534, 65_534);
    const owner = await ownerProcess(dataDir, 65_534);
    expect((await stat(`/proc/${owner.pid}`)).uid).toBe(65_534);
    const ended = once(owner.child, 'exit');
    owner.child.send('stop');
    await ended;
    expect(isAlive(owner.pid)).toBe(false);
  });
});
