import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Runtime } from '@finality/kernel';
import { errorCode, StartupError, stopPostgresLeftRunning } from '@finality/service';
import { lockDirectory } from './pid-lock.ts';

/** What is ours in the data directory. `servers` is that of `npm run servers`, and stays whatever we do. */
const MARKER = 'finality.json';
const LOCK = 'lock';
const OTHERS = ['servers'];
const LAYOUT = 1;
const CONTENTS = [
  'postgres',
  'chain',
  'secrets.json',
  'signer.passphrase',
  'first-keys.json',
  'tls',
  'demo.json',
  'demo-state.json',
  'finality.log',
  'finality.log.1',
] as const;

/** Which chain everything in a data directory is about. */
export type ChainKind = 'simulator' | 'node';

/** The directory in which everything of one platform is kept, owned by this process while it runs. */
export interface DataDirectory {
  readonly path: string;
  readonly postgres: string;
  readonly chain: string;
  readonly secrets: string;
  readonly passphrase: string;
  /** Hashes of the keys that exist from the start, for whoever serves the API. */
  readonly firstKeys: string;
  /** Certificates by which processes know each other. */
  readonly tls: string;
  readonly demo: string;
  readonly demoState: string;
  readonly log: string;
  /** Lets others in. */
  release(): Promise<void>;
}

export interface DataDirectoryOptions {
  /** Empties it first, if it is ours. */
  readonly fresh: boolean;
  readonly chain: ChainKind;
  readonly runtime: Runtime;
}

/**
 * Makes the directory, or checks that it is one of ours, and claims it for this process.
 * @throws StartupError when it holds something else, follows another chain, or another living process uses it
 */
export async function openDataDirectory(directory: string, options: DataDirectoryOptions): Promise<DataDirectory> {
  await mkdir(directory, { recursive: true });
  await readMarker(directory);
  const release = await lockDirectory(path.join(directory, LOCK), options.runtime);
  try {
    if (options.fresh) await empty(directory, options.runtime);
    const marker = await readMarker(directory);
    if (marker && marker.chain !== options.chain) throw otherChain(directory, marker.chain);
    const text = `${JSON.stringify({ layout: LAYOUT, chain: options.chain })}\n`;
    if (marker === undefined) await replaceFile(path.join(directory, MARKER), text);
  } catch (error) {
    await release();
    throw error;
  }
  const file = (name: (typeof CONTENTS)[number]): string => path.join(directory, name);
  return {
    path: directory,
    postgres: file('postgres'),
    chain: file('chain'),
    secrets: file('secrets.json'),
    passphrase: file('signer.passphrase'),
    firstKeys: file('first-keys.json'),
    tls: file('tls'),
    demo: file('demo.json'),
    demoState: file('demo-state.json'),
    log: file('finality.log'),
    release,
  };
}

/** The marker goes last: killed half-way, the directory is still ours. */
async function empty(directory: string, runtime: Runtime): Promise<void> {
  await stopPostgresLeftRunning(path.join(directory, 'postgres'), runtime);
  for (const name of [...CONTENTS, MARKER]) await rm(path.join(directory, name), { recursive: true, force: true });
}

/** Undefined where nothing is yet. */
async function readMarker(directory: string): Promise<{ readonly chain: string } | undefined> {
  const names = (await readdir(directory)).filter((name) => !OTHERS.includes(name) && !name.startsWith(LOCK));
  if (names.length === 0) return undefined;
  const marker = await readFile(path.join(directory, MARKER), 'utf8').catch(() => undefined);
  if (marker === undefined) {
    throw new StartupError(
      'DATA_DIR_FOREIGN',
      `${directory} holds ${names.slice(0, 3).join(', ')} and was not made by this platform, so it is left alone`,
      'Set FINALITY_DATA_DIR to an empty or a new directory',
    );
  }
  const { layout, chain } = JSON.parse(marker) as { readonly layout?: unknown; readonly chain?: unknown };
  if (layout === LAYOUT && typeof chain === 'string') return { chain };
  throw new StartupError(
    'DATA_DIR_LAYOUT',
    `${directory} has layout ${String(layout)}, this release knows layout ${LAYOUT}`,
    'Start the release that made it, or choose another directory (FINALITY_DATA_DIR)',
  );
}

const otherChain = (directory: string, chain: string): StartupError =>
  new StartupError(
    'DATA_DIR_CHAIN',
    `what is in ${directory} is about the chain of a ${chain === 'node' ? 'Bitcoin node' : 'simulated node'}`,
    chain === 'node'
      ? 'Set BITCOIN_RPC_URL to that node, choose another directory (FINALITY_DATA_DIR), or start from nothing (--fresh)'
      : 'Unset BITCOIN_RPC_URL, choose another directory (FINALITY_DATA_DIR), or start from nothing (--fresh)',
  );

/** Writes a file so that it is there in full or not at all. Mode 0600 unless said otherwise. */
export async function replaceFile(file: string, text: string, mode = 0o600): Promise<void> {
  const unfinished = `${file}.${process.pid}`;
  await writeFile(unfinished, text, { mode, flush: true });
  await rename(unfinished, file);
}

/** The parsed file, or undefined when there is none. */
export async function readJsonFile(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw new StartupError('FILE_UNREADABLE', `${file} can't be read: ${String(error)}`, 'Restore it from a backup', {
      cause: error,
    });
  }
}
