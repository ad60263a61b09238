import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, open, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Runtime } from '@finality/kernel';
import type { Log } from '../logging/log.ts';
import { errorMessage, StartupError } from '../startup-error.ts';
import { findPostgres, type PostgresBinaries } from './binaries.ts';
import { type Claim, claimServer } from './claim.ts';
import { chooseIdentity, commandAs, giveTo, type Identity, spawnAs } from './identity.ts';
import { isAlive, livingPostmaster, readPostmaster, stopPostmaster, waitUntil } from './postmaster.ts';

const run = promisify(execFile);
const HOST = '127.0.0.1';
const ADMIN = 'finality_admin';
const START_ATTEMPTS_MAX = 20;
const ATTEMPT_PAUSE_MS = 250;
/** Recovery after a crash reads up to `max_wal_size` of log. */
const READY_TIMEOUT_MS = 120_000;
const INITDB_TIMEOUT_MS = 60_000;
const STOP_FAST_MS = 5_000;
const LOG_BYTES_MAX = 8 * 1024 * 1024;
/** Not ours: what we are started with may hold secrets. */
const ENVIRONMENT = { PATH: '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin', LC_ALL: 'C', TZ: 'UTC' };

export interface PostgresOptions {
  /** All of this server lives here, made when absent: `data/`, `password` (0600), `server.log`. */
  readonly dataDir: string;
  /** TCP port on 127.0.0.1; 0 (default) takes a free one. */
  readonly port?: number;
  /** false: no flushing to disk at all (tests, simulation); what was committed survives a kill, but no power cut. */
  readonly durable: boolean;
  readonly runtime: Runtime;
  readonly log: Log;
  /** Server settings (`postgresql.conf` names) over the launcher's own. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Where the system can (Linux with setpriv): ends with this process, however that ends. For tests; in production the app drains first. */
  readonly tieToParent?: boolean;
}

export interface EmbeddedPostgres {
  readonly host: string;
  readonly port: number;
  /** postgres:// URL of the superuser and the database `postgres`; holds the password. */
  readonly adminUrl: string;
  readonly pid: number;
  /** The server was left running by a process that had been killed, and was taken over. */
  readonly adopted: boolean;
  /** Resolves with the cause when the server has gone although nobody stopped it. */
  readonly lost: Promise<string>;
  /** Fast shutdown within `fastMs` (default 5 s), then immediate: at most 4 s more. */
  stop(fastMs?: number): Promise<void>;
}

interface Launch {
  readonly options: PostgresOptions;
  readonly home: string;
  readonly pgdata: string;
  readonly password: string;
  readonly binaries: PostgresBinaries;
  readonly identity: Identity;
  /** Of everything but the port: tells whether a server left running is the one we would start. */
  readonly fingerprint: string;
}

/**
 * Starts a Postgres of our own on 127.0.0.1, or takes over the one that a killed process left running on the same data.
 * It runs in its own process group: a SIGTERM to us doesn't reach it, so that the app can drain first.
 * @throws StartupError when another process owns the data, it belongs to another major version, or the port is taken
 */
export async function startPostgres(options: PostgresOptions): Promise<EmbeddedPostgres> {
  const launch = await prepare(options);
  for (let attempt = 1; attempt <= START_ATTEMPTS_MAX; attempt++) {
    const adopted = await adopt(launch);
    if (adopted) return adopted;
    const outcome = await start(launch);
    if (outcome !== 'again') return outcome;
    await options.runtime.sleep(ATTEMPT_PAUSE_MS);
  }
  throw failed(launch, `it didn't come up in ${START_ATTEMPTS_MAX} attempts`);
}

/** Stops the server that a killed process left running on this data, so that the data can be removed. Its owner must be dead. */
export async function stopPostgresLeftRunning(dataDir: string, runtime: Runtime): Promise<void> {
  const home = await realpath(dataDir).catch(() => undefined);
  const found = home === undefined ? undefined : await livingPostmaster(join(home, 'data'));
  if (found) await stopPostmaster(found.pid, runtime, STOP_FAST_MS);
}

/** The server that a running platform has on this data; undefined while none runs. The URL holds the password: for whoever may read the files. */
export async function runningPostgres(
  dataDir: string,
): Promise<Pick<EmbeddedPostgres, 'adminUrl' | 'port'> | undefined> {
  const home = await realpath(dataDir).catch(() => undefined);
  const found = home === undefined ? undefined : await livingPostmaster(join(home, 'data'));
  if (home === undefined || found === undefined) return undefined;
  const password = (await readFile(join(home, 'password'), 'utf8')).trim();
  return { port: found.port, adminUrl: adminUrlAt(found.port, password) };
}

async function prepare(options: PostgresOptions): Promise<Launch> {
  const binaries = await findPostgres();
  const identity = await chooseIdentity();
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  await giveTo(identity, options.dataDir);
  const home = await realpath(options.dataDir);
  const pgdata = join(home, 'data');
  const password = await readOrMakePassword(join(home, 'password'), identity, options.runtime);
  await initialise(home, pgdata, binaries, identity, options);
  const settings = JSON.stringify([binaries.postgres, settingsOf(options), options.tieToParent === true]);
  const fingerprint = createHash('sha256').update(settings).digest('hex');
  return { options, home, pgdata, password, binaries, identity, fingerprint };
}

/** Made under another name and moved into place when complete: a crash half-way leaves nothing that looks like a data directory. */
async function initialise(
  home: string,
  pgdata: string,
  binaries: PostgresBinaries,
  identity: Identity,
  options: PostgresOptions,
): Promise<void> {
  const version = await readFile(join(pgdata, 'PG_VERSION'), 'utf8').catch(() => undefined);
  if (version !== undefined) return refuseOtherMajor(Number(version), binaries.major, home);
  const making = `${pgdata}.${Buffer.from(options.runtime.randomBytes(4)).toString('hex')}`;
  const pwfile = `--pwfile=${join(home, 'password')}`;
  const args = [
    '-D',
    making,
    '-U',
    ADMIN,
    pwfile,
    '--auth=scram-sha-256',
    '-E',
    'UTF8',
    '--locale=C',
    '--no-instructions',
  ];
  const [command, commandArgs] = commandAs(identity, binaries.initdb, options.durable ? args : [...args, '--no-sync']);
  try {
    await run(command, commandArgs, { timeout: INITDB_TIMEOUT_MS, env: ENVIRONMENT, cwd: home, ...spawnAs(identity) });
    await rename(making, pgdata);
  } catch (error) {
    await rm(making, { recursive: true, force: true });
    // Somebody else was faster; who may use it is decided by the claim.
    if (await stat(join(pgdata, 'PG_VERSION')).catch(() => undefined)) return;
    throw new StartupError(
      'POSTGRES_INIT',
      `Postgres couldn't make its data directory ${pgdata}: ${errorMessage(error)}`,
      'Choose a directory that this user can write to and others can enter, or run as a user other than root',
      { cause: error },
    );
  }
}

function refuseOtherMajor(found: number, expected: number, home: string): void {
  if (found === expected) return;
  throw new StartupError(
    'POSTGRES_VERSION',
    `${home} was written by Postgres ${found}, this is Postgres ${expected}`,
    `Dump it with the release that wrote it (pg_dumpall) and restore into a new directory, or move ${home} away to start from nothing`,
  );
}

async function readOrMakePassword(path: string, identity: Identity, runtime: Runtime): Promise<string> {
  const made = Buffer.from(runtime.randomBytes(24)).toString('hex');
  const exists = await writeFile(path, made, { mode: 0o600, flag: 'wx', flush: true }).then(
    () => false,
    () => true,
  );
  if (!exists) await giveTo(identity, path);
  await chmod(path, 0o600);
  const password = (await readFile(path, 'utf8')).trim();
  if (password !== '') return password;
  // Killed between making the file and writing it: nothing can have been initialised with it.
  await rm(path);
  return readOrMakePassword(path, identity, runtime);
}

/** Takes over a living server when it is what we would start; stops it when it isn't, or doesn't answer. */
async function adopt(launch: Launch): Promise<EmbeddedPostgres | undefined> {
  const { options, pgdata } = launch;
  const { runtime, log } = options;
  const found = await livingPostmaster(pgdata);
  if (!found) return undefined;
  const settled = async (): Promise<boolean> => !isAlive(found.pid) || (await readPostmaster(pgdata))?.ready === true;
  await waitUntil(settled, runtime, READY_TIMEOUT_MS);
  if (!isAlive(found.pid)) return undefined;
  const claim = await claimServer(urlOf(launch, found.port), { pid: found.pid, pgdata }, runtime);
  if (claim === 'in_use') {
    throw new StartupError(
      'POSTGRES_IN_USE',
      `${launch.home} is in use by another process of this platform (its Postgres is process ${found.pid})`,
      'Stop that process first, or choose another data directory',
    );
  }
  if ('launch' in claim && claim.launch === launch.fingerprint && (!options.port || options.port === found.port)) {
    log.info({ pid: found.pid, port: found.port }, 'took over the Postgres left running');
    return handle(launch, claim, found.pid, found.port, true);
  }
  if ('launch' in claim) await claim.release();
  const stopped = await stopPostmaster(found.pid, runtime, STOP_FAST_MS);
  const why = 'launch' in claim ? 'other settings' : claim.unreachable;
  log.warn({ pid: found.pid, stopped, why }, 'stopped the Postgres left running');
  return undefined;
}

async function start(launch: Launch): Promise<EmbeddedPostgres | 'again'> {
  const { options, pgdata } = launch;
  const { runtime } = options;
  const port = options.port || (await freePort());
  const logFile = await openLog(launch.home);
  const logStart = (await logFile.stat()).size;
  const [command, args] = await serverCommand(launch, port);
  const child = spawn(command, args, {
    detached: true,
    stdio: ['ignore', logFile.fd, logFile.fd],
    env: ENVIRONMENT,
    cwd: launch.home,
    ...spawnAs(launch.identity),
  });
  let exited = false;
  child.once('exit', () => (exited = true));
  child.once('error', () => (exited = true));
  child.unref();
  await logFile.close();
  const isUp = async (): Promise<boolean> => {
    const found = await readPostmaster(pgdata);
    return exited || (found?.ready === true && found.pid === child.pid);
  };
  if (!(await waitUntil(isUp, runtime, READY_TIMEOUT_MS)) && child.pid !== undefined) {
    await stopPostmaster(child.pid, runtime, STOP_FAST_MS);
    throw failed(launch, `it wasn't ready within ${READY_TIMEOUT_MS} ms`);
  }
  if (exited || child.pid === undefined) return explainExit(launch, logStart);
  const claim = await claimServer(urlOf(launch, port), { pid: child.pid, pgdata }, runtime);
  if (claim !== 'in_use' && 'launch' in claim) return handle(launch, claim, child.pid, port, false);
  await stopPostmaster(child.pid, runtime, STOP_FAST_MS);
  throw failed(launch, claim === 'in_use' ? 'another process claimed it' : claim.unreachable);
}

/** Two things pass by themselves: a free port taken meanwhile, and backends of a killed postmaster that haven't ended yet. */
async function explainExit(launch: Launch, logStart: number): Promise<'again'> {
  const text = (await readFile(join(launch.home, 'server.log'))).subarray(logStart).toString('utf8');
  if (/shared memory block .* is still in use|lock file "postmaster.pid" already exists/.test(text)) return 'again';
  if (!/could not bind|could not create any TCP\/IP sockets/.test(text))
    throw failed(launch, text.trim().split('\n').slice(-5).join(' | '));
  if (!launch.options.port) return 'again';
  throw new StartupError(
    'PORT_TAKEN',
    `port ${launch.options.port} on ${HOST}, wanted for Postgres, is taken by another program`,
    'Stop that program or configure another port (0 takes a free one)',
  );
}

function handle(launch: Launch, claim: Claim, pid: number, port: number, adopted: boolean): EmbeddedPostgres {
  const { runtime, log } = launch.options;
  const stop = async (fastMs: number): Promise<void> => {
    await claim.release();
    if (!isAlive(pid)) return;
    const how = await stopPostmaster(pid, runtime, fastMs);
    log.info({ pid, how }, 'Postgres stopped');
  };
  let stopping: Promise<void> | undefined;
  return {
    host: HOST,
    port,
    adminUrl: urlOf(launch, port),
    pid,
    adopted,
    lost: claim.lost,
    stop: (fastMs = STOP_FAST_MS) => (stopping ??= stop(fastMs)),
  };
}

async function serverCommand(launch: Launch, port: number): Promise<[string, string[]]> {
  const { binaries, options, identity, pgdata, fingerprint } = launch;
  const settings = { ...settingsOf(options), port: `${port}`, 'finality.launch': fingerprint };
  const args = ['-D', pgdata, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  const tie = ['--pdeathsig', 'INT', '--'];
  const canTie =
    options.tieToParent === true &&
    (await run('setpriv', [...tie, 'true'], { env: ENVIRONMENT, timeout: STOP_FAST_MS }).then(
      () => true,
      () => false,
    ));
  return canTie
    ? commandAs(identity, 'setpriv', [...tie, binaries.postgres, ...args])
    : commandAs(identity, binaries.postgres, args);
}

/** Small machine, one application, clients on the same host. */
function settingsOf(options: PostgresOptions): Record<string, string> {
  const flush = options.durable ? 'on' : 'off';
  return {
    listen_addresses: HOST,
    // No unix socket: its path is limited to 107 bytes, a data directory's isn't.
    unix_socket_directories: '',
    max_connections: '100',
    shared_buffers: '128MB',
    fsync: flush,
    full_page_writes: flush,
    // Even when nothing is flushed: what was committed has to survive a kill of the server.
    synchronous_commit: 'on',
    wal_level: 'minimal',
    max_wal_senders: '0',
    jit: 'off',
    io_method: 'sync',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_line_prefix: '%m [%p] %a ',
    // A client that was killed in the middle of a statement mustn't hold its locks until the statement ends.
    client_connection_check_interval: '1s',
    ...options.settings,
  };
}

function urlOf(launch: Launch, port: number): string {
  return adminUrlAt(port, launch.password);
}

async function openLog(home: string): Promise<Awaited<ReturnType<typeof open>>> {
  const path = join(home, 'server.log');
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  if (size > LOG_BYTES_MAX) await rename(path, `${path}.1`);
  return open(path, 'a', 0o600);
}

function failed(launch: Launch, why: string): StartupError {
  return new StartupError(
    'POSTGRES_FAILED',
    `the embedded Postgres didn't start: ${why}`,
    `Its log is ${join(launch.home, 'server.log')}`,
  );
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, HOST, () => {
      const address = server.address();
      server.close(() =>
        typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}

const adminUrlAt = (port: number, password: string): string =>
  `postgres://${ADMIN}:${password}@${HOST}:${port}/postgres`;
