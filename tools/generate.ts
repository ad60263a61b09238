import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Topic } from '@finality/contracts';
import { run } from './process.ts';
import { readDescriptors } from './reference/descriptors.ts';
import { apiReference, type RefusedInput, topicReference } from './reference/markdown.ts';

const USAGE = `npm run generate                 code and reference from the .proto files and the topic catalogue
npm run generate -- --check      fails when what is committed isn't what would be generated
npm run generate -- --baseline   makes the contracts of now the ones that later ones must stay compatible with
`;
const BUF_MS_MAX = 120_000;

const root = path.resolve(import.meta.dirname, '..');
const CONTRACTS = path.join(root, 'libs/contracts');
const BASELINE = path.join(CONTRACTS, 'baseline.binpb');
const GENERATED = 'libs/contracts/src/generated';
const REFUSED_INPUT = path.join(CONTRACTS, 'src/refused-input.ts');

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const unknown = args.find((arg) => arg !== '--check' && arg !== '--baseline');
  if (unknown !== undefined) {
    process.stderr.write(USAGE);
    return 64;
  }
  const fresh = mkdtempSync(path.join(tmpdir(), 'finality-generate-'));
  try {
    await generate(fresh);
    const differing = differences(fresh);
    if (args.includes('--check')) {
      for (const file of differing) process.stdout.write(`${file} isn't what 'npm run generate' makes\n`);
      return differing.length === 0 ? 0 : 1;
    }
    install(fresh, differing);
    for (const file of differing) process.stdout.write(`${file}\n`);
    if (args.includes('--baseline')) await buf('build', CONTRACTS, '--output', BASELINE);
    return 0;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

/** Writes everything that is generated below a directory, at the paths it has below the root. */
async function generate(directory: string): Promise<void> {
  const generated = path.join(directory, GENERATED);
  const descriptors = path.join(generated, 'descriptors.binpb');
  await buf(
    'generate',
    CONTRACTS,
    '--template',
    path.join(CONTRACTS, 'buf.gen.yaml'),
    '--output',
    path.join(directory, 'libs/contracts'),
  );
  await buf('build', CONTRACTS, '--as-file-descriptor-set', '--output', descriptors);
  const files = readDescriptors(readFileSync(descriptors));
  mkdirSync(path.join(directory, 'docs'));
  writeFileSync(path.join(directory, 'docs/api.md'), apiReference(files, await refusedInput()));
  writeFileSync(path.join(directory, 'docs/topics.md'), topicReference(files, await topics()));
}

/** By its path, because the library's index needs the very code that is generated here. */
async function topics(): Promise<readonly Topic[]> {
  const module = (await import(pathToFileURL(path.join(CONTRACTS, 'src/topics.ts')).href)) as {
    readonly TOPICS: Record<string, Topic>;
  };
  return Object.values(module.TOPICS);
}

async function refusedInput(): Promise<readonly RefusedInput[]> {
  if (!existsSync(REFUSED_INPUT)) return [];
  const module = (await import(pathToFileURL(REFUSED_INPUT).href)) as {
    readonly REFUSED_INPUT: readonly RefusedInput[];
  };
  return module.REFUSED_INPUT;
}

async function buf(...args: string[]): Promise<void> {
  const program = path.join(root, 'node_modules/@bufbuild/buf/bin/buf');
  const { code, output } = await run(process.execPath, [program, ...args], {
    cwd: root,
    keep: true,
    timeoutMs: BUF_MS_MAX,
  });
  if (code !== 0) throw new Error(`buf ${args[0]} failed:\n${output}`);
}

/** What is generated but differs from the tree or is missing there, and what is left over in the tree. */
function differences(fresh: string): string[] {
  const generated = new Set([...filesBelow(fresh, '')]);
  const leftOver = filesBelow(root, GENERATED).filter((file) => !generated.has(file));
  const differing = [...generated].filter((file) => {
    const present = path.join(root, file);
    return !existsSync(present) || !readFileSync(present).equals(readFileSync(path.join(fresh, file)));
  });
  return [...differing, ...leftOver].sort();
}

function filesBelow(base: string, directory: string): string[] {
  const start = path.join(base, directory);
  if (!existsSync(start)) return [];
  return readdirSync(start, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(base, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'));
}

function install(fresh: string, files: readonly string[]): void {
  for (const file of files) {
    const from = path.join(fresh, file);
    if (existsSync(from)) cpSync(from, path.join(root, file));
    else rmSync(path.join(root, file));
  }
}
