/** Brings node_modules to what package-lock.json says. Plain JavaScript without dependencies, for any Node >= 20. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const INSTALL_MS_MAX = 15 * 60_000;
const LOCK_POLL_MS = 500;
/** Between making the lock and writing its owner a process needs microseconds; past this it has died there. */
const OWNERLESS_MS_MAX = 10_000;
/** Of what npm said: its usage text, which can follow, helps nobody. */
const LOG_LINES_SHOWN = 30;
/** Settings of the npm that started us (`npm start --json`, NODE_ENV=production) which would change what is installed. */
const NPM_SETTINGS_DROPPED =
  /^npm_config_(json|omit|only|include|production|dev|optional|workspaces?|global|location|prefix|local_prefix|dry_run|package_lock_only|loglevel|silent)$/i;

/** Something the person at the terminal has to put right: its message is all they need. */
export class InstallError extends Error {}

/** Makes node_modules complete and current; returns at once when it is. One installation at a time, others wait for it. */
export async function ensureInstalled(root) {
  const lockfile = fs.readFileSync(path.join(root, 'package-lock.json'), 'utf8');
  const digest = createHash('sha256').update(lockfile).digest('hex');
  const stamp = path.join(root, 'node_modules', '.finality-installed');
  if (readText(stamp) === digest) return;
  if (isComplete(root, JSON.parse(lockfile))) return writeStamp(stamp, digest);

  const work = path.join(root, '.install');
  fs.mkdirSync(work, { recursive: true });
  const release = await acquireLock(path.join(work, 'lock'));
  try {
    if (readText(stamp) === digest) return;
    await install(root, work);
    if (!isComplete(root, JSON.parse(lockfile))) {
      throw new InstallError(
        `npm ci ended without an error, but packages are missing. Its log: ${path.join(work, 'npm.log')}`,
      );
    }
    writeStamp(stamp, digest);
  } finally {
    release();
  }
}

/** Whether what npm last wrote down as installed is all that the lockfile asks for on this platform. */
export function isComplete(root, lockfile) {
  const modules = path.join(root, 'node_modules');
  const written = readText(path.join(modules, '.package-lock.json'));
  if (written === undefined) return false;
  let installed;
  try {
    installed = JSON.parse(written).packages ?? {};
  } catch {
    return false;
  }
  return Object.entries(lockfile.packages).every(([location, wanted]) => {
    if (location === '') return true;
    const found = installed[location];
    if (found === undefined) return wanted.optional === true && !isRuntimeHere(location);
    return (
      found.version === wanted.version &&
      found.integrity === wanted.integrity &&
      fs.existsSync(path.join(root, location))
    );
  });
}

/** An optional package may be absent, except for the Node of this very platform. */
function isRuntimeHere(location) {
  return location === `node_modules/node-${process.platform}-${process.arch}`;
}

/**
 * Takes a lock that is a directory with its owner's process id in it; takes it over from an owner that has died.
 * @returns what gives it back
 */
export async function acquireLock(lock, waitMsMax = INSTALL_MS_MAX) {
  const deadline = Date.now() + waitMsMax;
  let told = false;
  while (true) {
    try {
      fs.mkdirSync(lock);
      fs.writeFileSync(path.join(lock, 'owner'), String(process.pid));
      return () => fs.rmSync(lock, { recursive: true, force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') throw new InstallError(`Can't write to ${path.dirname(lock)}: ${error.message}`);
    }
    if (removeIfAbandoned(lock)) continue;
    if (Date.now() > deadline) {
      throw new InstallError(
        `Another installation has held ${lock} for ${waitMsMax / 1000} s. If none is running, delete it.`,
      );
    }
    if (!told) process.stderr.write('Waiting for another installation to end …\n');
    told = true;
    await sleep(LOCK_POLL_MS);
  }
}

function removeIfAbandoned(lock) {
  const owner = readText(path.join(lock, 'owner'));
  if (owner === undefined || owner === '') {
    const made = fs.statSync(lock, { throwIfNoEntry: false })?.mtimeMs;
    if (made === undefined) return true;
    if (Date.now() - made < OWNERLESS_MS_MAX) return false;
  } else if (isAlive(Number(owner))) {
    return false;
  }
  // Renaming is atomic: of several that saw the owner dead, one removes it.
  const aside = `${lock}.${process.pid}`;
  try {
    fs.renameSync(lock, aside);
    fs.rmSync(aside, { recursive: true, force: true });
  } catch {
    // Somebody else was faster.
  }
  return true;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

async function install(root, work) {
  const first = !fs.existsSync(path.join(root, 'node_modules'));
  process.stderr.write(
    first
      ? 'Installing dependencies (first time, about a minute) …\n'
      : 'Bringing dependencies up to date (about a minute) …\n',
  );
  const log = path.join(work, 'npm.log');
  const ownCache = path.join(work, 'npm-cache');
  let cache = isWritable(process.env.npm_config_cache) ? undefined : ownCache;
  let code = await npmCi(root, log, cache);
  if (code !== 0 && cache === undefined && /EACCES|EPERM|EROFS/.test(readText(log) ?? '')) {
    // A cache with files of another user in it looks writable from outside.
    cache = ownCache;
    code = await npmCi(root, log, cache);
  }
  if (code === 0) return;
  const said = (readText(log) ?? '').split('\n').filter((line) => line !== '' && !line.startsWith('npm warn'));
  throw new InstallError(
    `${said.slice(0, LOG_LINES_SHOWN).join('\n')}\nnpm ci failed (exit code ${code}). The whole log: ${log}`,
  );
}

/** Whether a directory can be written to; of one that doesn't exist yet, whether it can be made. */
function isWritable(directory) {
  if (directory === undefined) return true; // npm's own default, tried as it is
  let existing = path.resolve(directory);
  while (!fs.existsSync(existing)) existing = path.dirname(existing);
  try {
    fs.accessSync(existing, fs.constants.W_OK);
    return fs.statSync(existing).isDirectory();
  } catch {
    return false;
  }
}

/** Runs `npm ci`, everything it says going to the log; resolves to its exit code. */
function npmCi(root, log, cache) {
  const inModules = path.join(root, 'node_modules');
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !NPM_SETTINGS_DROPPED.test(name)));
  // npm must not run under the Node inside node_modules, which it is about to remove.
  env.PATH = (process.env.PATH ?? '')
    .split(path.delimiter)
    .filter((directory) => !path.resolve(directory).startsWith(inModules))
    .join(path.delimiter);
  env.NODE_ENV = 'development';
  env.NX_DAEMON = 'false';
  if (cache !== undefined) env.npm_config_cache = cache;
  const args = [
    'ci',
    '--include=dev',
    '--include=optional',
    '--no-audit',
    '--no-fund',
    '--no-update-notifier',
    '--no-progress',
  ];
  const output = fs.openSync(log, 'w');
  return new Promise((resolve, reject) => {
    const child = spawn('npm', args, { cwd: root, env, stdio: ['ignore', output, output], timeout: INSTALL_MS_MAX });
    fs.closeSync(output);
    const stop = (signal) => child.kill(signal);
    process.on('SIGINT', stop).on('SIGTERM', stop);
    const done = () => process.off('SIGINT', stop).off('SIGTERM', stop);
    child.once('error', (error) => {
      done();
      reject(new InstallError(`npm can't be started: ${error.message}`));
    });
    child.once('exit', (code, signal) => {
      done();
      resolve(code ?? signal);
    });
  });
}

function readText(file) {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function writeStamp(stamp, digest) {
  try {
    fs.writeFileSync(stamp, digest);
  } catch {
    // In a tree that is read-only to us the slower check is made each time.
  }
}
