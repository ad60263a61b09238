/**
 * Programs as few large files, kept in node_modules/.cache: a service reads 2,400 modules when it starts, which takes three quarters of that time.
 * `tools/bundle.mjs` makes them; `tools/register.mjs` starts a program from its bundle as long as nothing they were made of has changed.
 */
import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** Changes with what the index holds. */
const VERSION = 1;

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
/** A folder for each time they were made: a process may still read from an earlier one. */
export const bundlesFolder = path.join(root, 'node_modules/.cache/bundles');
const indexFile = path.join(bundlesFolder, 'index.json');

/** Programs are the apps' main files; everything else is only ever a part of one. */
export const isProgram = (file) => /^apps\/[^/]+\/src\/main\.ts$/.test(path.relative(root, file));

/** Where a program is to be started instead of at its own file: a URL, or undefined when there is no bundle of it as it is now. */
export function bundleOf(main) {
  const index = readIndex();
  const entry = index?.programs[path.relative(root, main)];
  return entry === undefined ? undefined : pathToFileURL(path.join(bundlesFolder, entry)).href;
}

/** The bundles that are there and up to date: of which programs; undefined without any. */
export function readIndex() {
  try {
    const { version, programs, sources, isSealed } = JSON.parse(readFileSync(indexFile, 'utf8'));
    const isFresh = version === VERSION && (isSealed || sources.every(([file, stamp]) => stampOf(file) === stamp));
    return isFresh ? { programs } : undefined;
  } catch {
    // None was made, or a source has gone.
    return undefined;
  }
}

/**
 * @param programs entry files, relative to the folder of bundles, by main file relative to the root
 * @param sources all they were made of, relative to the root
 * @param isSealed the sources are never changed: nobody needs to look
 */
export function writeIndex(programs, sources, isSealed) {
  const stamped = isSealed ? [] : sources.map((file) => [file, stampOf(file)]);
  const unfinished = `${indexFile}.${process.pid}`;
  writeFileSync(unfinished, JSON.stringify({ version: VERSION, programs, sources: stamped, isSealed }));
  renameSync(unfinished, indexFile);
}

function stampOf(file) {
  const { size, mtimeMs } = statSync(path.join(root, file));
  return `${size} ${mtimeMs}`;
}
