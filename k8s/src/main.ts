import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { deployment } from './deploy.ts';

const USAGE = `npm run k8s               writes manifests and the Helm chart to deploy/, from k8s/
npm run k8s -- --check    fails when what is committed isn't what would be written
`;
/** Below deploy/; what else is there is written by hand. */
const GENERATED = ['deploy/manifests', 'deploy/helm'];

const root = path.resolve(import.meta.dirname, '../..');

process.exitCode = main(process.argv.slice(2));

function main(args: readonly string[]): number {
  if (args.some((arg) => arg !== '--check')) {
    process.stderr.write(USAGE);
    return 64;
  }
  const files = deployment();
  const leftOver = GENERATED.flatMap(filesBelow).filter((file) => !files.has(file));
  const differing = [...files.keys()].filter((file) => read(file) !== files.get(file));
  const stale = [...differing, ...leftOver].sort();
  if (args.includes('--check')) {
    for (const file of stale) process.stdout.write(`${file} isn't what 'npm run k8s' makes\n`);
    return stale.length === 0 ? 0 : 1;
  }
  for (const file of stale) {
    const target = path.join(root, file);
    const text = files.get(file);
    if (text === undefined) rmSync(target);
    else {
      mkdirSync(path.dirname(target), { recursive: true });
      writeFileSync(target, text);
    }
    process.stdout.write(`${file}\n`);
  }
  return 0;
}

function read(file: string): string | undefined {
  const place = path.join(root, file);
  return existsSync(place) ? readFileSync(place, 'utf8') : undefined;
}

function filesBelow(directory: string): string[] {
  const start = path.join(root, directory);
  if (!existsSync(start)) return [];
  return readdirSync(start, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'));
}
