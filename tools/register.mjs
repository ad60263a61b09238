/**
 * Lets Node import our TypeScript: `node --import ./tools/register.mjs file.ts`. Node's own type stripping knows no decorators, which
 * Nest needs together with their metadata, so SWC translates; results are kept in node_modules/.cache, so that only changed files cost time.
 * A program of which there is a bundle starts from that.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire, enableCompileCache, registerHooks, setSourceMapsSupport } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleOf, isProgram } from './bundles.mjs';
import { translation } from './translation.mjs';

const require = createRequire(import.meta.url);
const caches = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../node_modules/.cache');
const cache = path.join(caches, 'swc');
// What V8 made of the 2,000 modules of a service is kept as well: they are compiled once per machine, not once per start.
enableCompileCache(path.join(caches, 'v8'));
mapLines({ ofPackages: false });

const options = { ...translation, sourceMaps: 'inline' };
const seed = JSON.stringify([require('@swc/core/package.json').version, options]);

let swc;

/** Traces of errors name lines of the sources. What packages bring along for theirs would stay in memory, all of it; bundles lie among them. */
function mapLines({ ofPackages }) {
  setSourceMapsSupport(true, { nodeModules: ofPackages, generatedCode: false });
}

function translate(filename) {
  const source = readFileSync(filename, 'utf8');
  const key = createHash('sha256').update(`${seed}\0${filename}\0${source}`).digest('hex');
  const cached = path.join(cache, `${key}.js`);
  try {
    return readFileSync(cached, 'utf8');
  } catch {
    // Not seen yet.
  }
  swc ??= require('@swc/core');
  const { code } = swc.transformSync(source, { ...options, filename });
  try {
    mkdirSync(cache, { recursive: true });
    const unfinished = path.join(cache, `${key}.${process.pid}`);
    writeFileSync(unfinished, code);
    renameSync(unfinished, cached);
  } catch {
    // A tree that can't be written to only costs time.
  }
  return code;
}

registerHooks({
  load(url, context, nextLoad) {
    if (!url.startsWith('file:') || !/\.ts(\?|$)/.test(url)) return nextLoad(url, context);
    const file = fileURLToPath(url);
    const bundle = isProgram(file) ? bundleOf(file) : undefined;
    if (bundle !== undefined) mapLines({ ofPackages: true });
    const source = bundle === undefined ? translate(file) : `import ${JSON.stringify(bundle)};`;
    return { format: 'module', source, shortCircuit: true };
  },
});
