/**
 * What `npm start`, `npm test` and the other scripts run. Plain JavaScript without dependencies, for it comes before anything is
 * installed, on any Node >= 20: it makes sure that node_modules is what package-lock.json says, then runs the command under the
 * Node 24 which came with it, passes signals on and exits as the command did.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { InstallError, ensureInstalled } from './install.mjs';

/** Below this, `module.registerHooks` and others that we build on are missing or unstable. */
const NODE_MIN = [24, 15];
const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP'];

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

const COMMANDS = {
  start: ['apps/standalone/src/main.ts'],
  'start:distributed': ['apps/standalone/src/main.ts', '--distributed'],
  test: ['tools/test.ts'],
  bench: ['tools/bench/main.ts'],
  sim: ['apps/standalone/src/simulation/main.ts'],
  call: ['tools/call/main.ts'],
  servers: ['tools/servers/main.ts'],
  certificates: ['tools/certificates/main.ts'],
  bundle: ['tools/bundle.mjs'],
  lint: ['node_modules/eslint/bin/eslint.js', '--max-warnings=0'],
  typecheck: ['node_modules/typescript/bin/tsc', '--project', '.'],
  key: ['tools/key.mjs'],
  ledger: ['tools/ledger/main.ts'],
  recover: ['tools/recover/main.ts'],
  rebuild: ['apps/standalone/src/rebuild/main.ts'],
  generate: ['tools/generate.ts'],
  k8s: ['k8s/src/main.ts'],
};

/**
 * V8 sizes its heap by the machine's memory and leaves garbage lying about while there is plenty. The platform lives in about 50 MiB of heap; ten
 * times that is never needed, and short-lived objects fit in little.
 */
const SMALL_HEAP = ['--max-old-space-size=512', '--max-semi-space-size=16'];
/** What goes through events by the thousand makes a lot of garbage, all of it young: the less often it is looked for, the less is found alive and copied. */
const LARGE_NURSERY = ['--max-semi-space-size=64'];
/** V8 counts the nursery as about to become old, and would look through all that is old whenever that has grown by an eighth: once a second, under load. */
const SELDOM_MAJOR = ['--heap-growing-percent=175'];
const NODE_FLAGS = {
  start: ['--max-old-space-size=512', ...LARGE_NURSERY, ...SELDOM_MAJOR],
  'start:distributed': SMALL_HEAP,
  rebuild: LARGE_NURSERY,
};
/** glibc keeps freed memory per thread; two arenas are enough for one busy thread. */
const MALLOC_ARENAS_MAX = '2';

/** True for "24.15.0" and above. */
export function isNodeRecent(version) {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  return major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1]);
}

/** The Node that the lockfile brought; on platforms it has none for, the one we run under if it is recent enough. */
export function findNode(directory) {
  const name = `node-${process.platform}-${process.arch}`;
  const brought = path.join(directory, 'node_modules', name, 'bin', 'node');
  if (existsSync(brought)) {
    const { version } = JSON.parse(readFileSync(path.join(directory, 'node_modules', name, 'package.json'), 'utf8'));
    if (isNodeRecent(version)) return brought;
  }
  if (isNodeRecent(process.versions.node)) return process.execPath;
  throw new InstallError(
    `Node ${NODE_MIN.join('.')} or later is needed; this is ${process.versions.node}, and npm brings none for ` +
      `${process.platform}-${process.arch}. Install one from https://nodejs.org and try again.`,
  );
}

/**
 * Runs a program in the foreground, passes on the signals we get, and resolves to its exit code (128 + n when signal n ended it).
 * A terminal sends Ctrl-C to the child as well as to us: children treat a second one as the first.
 */
export function runForwarding(file, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: 'inherit', ...options });
    const forward = (signal) => child.kill(signal);
    for (const signal of FORWARDED) process.on(signal, forward);
    const done = () => FORWARDED.forEach((signal) => process.off(signal, forward));
    child.once('error', (error) => {
      done();
      reject(error);
    });
    child.once('exit', (code, signal) => {
      done();
      resolve(code ?? 128 + (constants.signals[signal] ?? 0));
    });
  });
}

/** What Node needs besides to run this file. */
function nodeArguments(directory, file) {
  if (!file.endsWith('.ts')) return [];
  return ['--import', pathToFileURL(path.join(directory, 'tools', 'register.mjs')).href];
}

function environment(node) {
  const bins = [path.dirname(node), path.join(root, 'node_modules', '.bin')];
  return {
    ...process.env,
    // Programs that are found by name (buf and its plugins) must run under this Node as well.
    PATH: [...bins, process.env.PATH ?? ''].join(path.delimiter),
    MALLOC_ARENA_MAX: process.env.MALLOC_ARENA_MAX ?? MALLOC_ARENAS_MAX,
    NX_DAEMON: 'false',
    NX_NO_CLOUD: 'true',
    // Home directories can't always be written to.
    BUF_CACHE_DIR: path.join(root, 'node_modules', '.cache', 'buf'),
  };
}

async function main([command = '', ...args]) {
  if (!Object.hasOwn(COMMANDS, command)) {
    process.stderr.write(`usage: npm run ${Object.keys(COMMANDS).join('|')} [-- arguments]\n`);
    return 64;
  }
  await ensureInstalled(root);
  const node = findNode(root);
  const [entry, ...fixed] = COMMANDS[command];
  const file = path.join(root, entry);
  if (!existsSync(file)) throw new InstallError(`${entry} isn't part of this checkout yet.`);
  const target = command === 'lint' && args.length === 0 ? ['.'] : [];
  const flags = NODE_FLAGS[command] ?? [];
  return runForwarding(node, [...flags, ...nodeArguments(root, file), file, ...fixed, ...target, ...args], {
    cwd: root,
    env: environment(node),
  });
}

if (process.argv[1] !== undefined && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof InstallError ? error.message : (error?.stack ?? error)}\n`);
    process.exitCode = 1;
  }
}
