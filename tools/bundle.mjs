/**
 * Makes bundles of programs: `node tools/bundle.mjs [--sealed] [apps/risk/src/main.ts ...]`, without names of every app.
 * --sealed: the sources will never change (an image), so that starting doesn't look.
 */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { transformSync } from '@swc/core';
import { rolldown } from 'rolldown';
import { bundlesFolder, isProgram, readIndex, root, writeIndex } from './bundles.mjs';
import { translation } from './translation.mjs';

/** Read from their own files: what patches kafkajs from outside would patch another copy. */
const OUTSIDE = ['kafkajs'];
/** Where a line of ours came from is told; lines of packages are found in the bundle. */
const NO_MAP = { mappings: '' };
const KEPT_MS = 7 * 86_400_000;

const inPackage = (id) => id.includes(`${path.sep}node_modules${path.sep}`);

/** Each module still knows where its own file is, for what it reads from beside it. */
function placed(code, id) {
  const url = JSON.stringify(pathToFileURL(id).href);
  const [folder, file] = [path.dirname(id), id].map((each) => JSON.stringify(each));
  const esm = code
    .replaceAll('import.meta.url', url)
    .replaceAll('import.meta.dirname', folder)
    .replaceAll('import.meta.filename', file);
  return inPackage(id) ? esm.replaceAll(/\b__dirname\b/g, folder).replaceAll(/\b__filename\b/g, file) : esm;
}

const finality = {
  name: 'finality',
  resolveId(specifier, importer) {
    if (importer === undefined || /^[./]|^node:/.test(specifier)) return null;
    const { resolve } = createRequire(importer);
    if (OUTSIDE.includes(specifier)) return { id: resolve(specifier), external: 'absolute' };
    if (!inPackage(importer)) return null;
    try {
      resolve(specifier);
      return null;
    } catch {
      // Packages ask for others in case they are there, and do without.
      return { id: specifier, external: true };
    }
  },
  transform(code, id) {
    if (inPackage(id)) return { code: placed(code, id), map: NO_MAP };
    if (!id.endsWith('.ts')) return null;
    const made = transformSync(code, { ...translation, sourceMaps: true, filename: id });
    return { code: placed(made.code, id), map: made.map };
  },
};

/** The sources are beside us. */
function withoutSources(map) {
  return JSON.stringify({ ...JSON.parse(map.toString()), sourcesContent: undefined });
}

async function bundle(mains, isSealed) {
  mkdirSync(bundlesFolder, { recursive: true });
  const folder = mkdtempSync(path.join(bundlesFolder, 'made-'));
  chmodSync(folder, 0o755);
  const input = Object.fromEntries(mains.map((main) => [nameOf(main), main]));
  const build = await rolldown({ input, platform: 'node', treeshake: false, plugins: [finality], logLevel: 'silent' });
  const { output } = await build.write({
    dir: folder,
    format: 'esm',
    sourcemap: true,
    strictExecutionOrder: true,
    entryFileNames: '[name].mjs',
    chunkFileNames: 'shared/[name]-[hash].mjs',
  });
  const files = await build.watchFiles;
  await build.close();
  for (const { type, fileName, source } of output)
    if (type === 'asset' && fileName.endsWith('.map'))
      writeFileSync(path.join(folder, fileName), withoutSources(source));
  const sources = files.filter((file) => !inPackage(file)).map((file) => path.relative(root, file));
  const programs = mains.map((main) => [
    path.relative(root, main),
    path.join(path.basename(folder), `${nameOf(main)}.mjs`),
  ]);
  writeIndex(Object.fromEntries(programs), [...sources, 'node_modules/.package-lock.json'], isSealed);
}

/** `settlement` of apps/settlement/src/main.ts */
const nameOf = (main) => path.relative(root, main).split(path.sep)[1];

/** What nobody can be running from any more. */
function removeOld() {
  const oldest = Date.now() - KEPT_MS;
  for (const name of readdirSync(bundlesFolder)) {
    const folder = path.join(bundlesFolder, name);
    if (name.startsWith('made-') && statSync(folder).mtimeMs < oldest) rmSync(folder, { recursive: true, force: true });
  }
}

const args = process.argv.slice(2);
const named = args.filter((arg) => !arg.startsWith('--')).map((arg) => realpathSync(arg));
const apps = path.join(root, 'apps');
const mains = (named.length > 0 ? named : readdirSync(apps).map((app) => path.join(apps, app, 'src/main.ts'))).filter(
  isProgram,
);
const wanted = mains.map((main) => path.relative(root, main));
const made = readIndex()?.programs ?? {};
if (wanted.some((main) => made[main] === undefined)) {
  await bundle(mains, args.includes('--sealed'));
  removeOld();
}
