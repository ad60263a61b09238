import { execFile } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const RUN_MS_MAX = 10 * 60_000;
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;

export interface Instruction {
  /** `COPY` */
  readonly keyword: string;
  /** `--from=manifests` as `from` → `manifests`. */
  readonly flags: Readonly<Record<string, string>>;
  readonly rest: string;
}

export interface Stage {
  readonly name: string;
  readonly image: string;
  readonly instructions: readonly Instruction[];
}

/** What a stage left behind: the files of its working directory, and what `docker run` would start. */
export interface Built {
  /** Stands for /app. */
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly user: string;
}

/** The instructions of a Dockerfile, arguments before the first FROM aside. */
export function parseDockerfile(text: string): Stage[] {
  const stages: { name: string; image: string; instructions: Instruction[] }[] = [];
  for (const { keyword, flags, rest } of instructionsOf(text)) {
    const [, image, name] = /^(\S+)(?:\s+AS\s+(\S+))?$/i.exec(rest) ?? [];
    if (keyword === 'FROM') stages.push({ name: name ?? 'service', image: image!, instructions: [] });
    else stages.at(-1)?.instructions.push({ keyword, flags, rest });
  }
  return stages;
}

function instructionsOf(text: string): Instruction[] {
  const lines = text.split('\n').filter((line) => !/^\s*#/.test(line));
  const joined = lines.join('\n').replace(/\\\n\s*/g, ' ');
  return joined.split('\n').flatMap((line) => {
    const [, keyword, after] = /^([A-Z]+)\s+(.*)$/.exec(line.trim()) ?? [];
    if (keyword === undefined || after === undefined) return [];
    const [flagText = ''] = /^(--\S+\s+)*/.exec(after) ?? [];
    const flags = flagText
      .trim()
      .split(/\s+/)
      .filter((flag) => flag !== '')
      .map((flag) => /^--([a-z-]+)=(.*)$/.exec(flag)!)
      .map(([, name, value]) => [name!, value!]);
    return [{ keyword, flags: Object.fromEntries(flags), rest: after.slice(flagText.length) }];
  });
}

/** Whether `.dockerignore` lets a file into the build: the last pattern that matches it, or a folder it is in, decides. */
export function isInContext(patterns: string, file: string): boolean {
  let isIn = true;
  for (const line of patterns.split('\n').map((each) => each.trim())) {
    if (line === '' || line.startsWith('#')) continue;
    const isException = line.startsWith('!');
    if (matches(isException ? line.slice(1) : line, file)) isIn = isException;
  }
  return isIn;
}

function matches(pattern: string, file: string): boolean {
  const source = pattern
    .replace(/[.+^$()|[\]{}]/g, '\\$&')
    .replace(/\*\*\/|\*\*|\*|\?/g, (each) => ({ '**/': '(?:.*/)?', '**': '.*', '*': '[^/]*', '?': '[^/]' })[each]!);
  return new RegExp(`^${source}(?:/.*)?$`).test(file);
}

/**
 * Carries out what a Dockerfile does to its working directory /app, without Docker: COPY from the context as `.dockerignore` leaves it and from
 * earlier stages, and RUN, in folders of their own. Left out are only commands that change the base image's own folders.
 */
export class DockerfileRun {
  readonly #root: string;
  readonly #scratch: string;
  readonly #stages: readonly Stage[];
  readonly #built = new Map<string, Promise<Built>>();

  constructor(root: string, scratch: string) {
    this.#root = root;
    this.#scratch = scratch;
    this.#stages = parseDockerfile(readFileSync(path.join(root, 'docker/Dockerfile'), 'utf8'));
  }

  /** Earlier stages are carried out once, however many services are built. */
  service(app: string): Promise<Built> {
    return this.stage('service', { APP: app });
  }

  stage(name: string, args: Readonly<Record<string, string>> = {}): Promise<Built> {
    const key = [name, ...Object.values(args)].join('-');
    let built = this.#built.get(key);
    if (!built) this.#built.set(key, (built = this.#carryOut(name, args)));
    return built;
  }

  async #carryOut(name: string, args: Readonly<Record<string, string>>): Promise<Built> {
    const stage = this.#stages.find((each) => each.name === name);
    if (!stage) throw new Error(`the Dockerfile has no stage ${name}`);
    const directory = mkdtempSync(path.join(this.#scratch, `${name}-`));
    chmodSync(directory, 0o755);
    let env: Record<string, string> = { ...args };
    let entrypoint: string[] = [];
    let user = '0:0';
    for (const { keyword, flags, rest } of stage.instructions) {
      const filled = rest.replace(/\$\{(\w+)\}/g, (whole, variable: string) => args[variable] ?? whole);
      if (keyword === 'COPY') await this.#copy(filled.split(/\s+/), flags['from'], directory);
      else if (keyword === 'RUN') await run(rest, directory, env);
      else if (keyword === 'ENV') env = { ...env, ...Object.fromEntries(filled.split(/\s+/).map(pairOf)) };
      else if (keyword === 'ENTRYPOINT') entrypoint = JSON.parse(filled) as string[];
      else if (keyword === 'USER') user = filled;
    }
    return { directory, env, entrypoint: entrypoint.map((word) => word.replace(/^\/app(?=\/)/, directory)), user };
  }

  async #copy(words: readonly string[], from: string | undefined, directory: string): Promise<void> {
    const to = path.join(directory, words.at(-1)!);
    const isFolder = words.at(-1)!.endsWith('/') || words.length > 2;
    if (from === undefined) {
      const files = words.slice(0, -1).flatMap((word) => this.#contextFiles(word));
      copyFiles(files.map(({ file, below }) => [path.join(this.#root, file), placeOf(to, file, below, isFolder)]));
      return;
    }
    const { directory: source } = await this.stage(from);
    if (words.join(' ') !== '/app ./') throw new Error(`COPY --from ${words.join(' ')} isn't known here`);
    // Links instead of copies: quick, and nothing changes a file that is there.
    await execute('cp', ['--archive', '--link', `${source}/.`, directory]);
  }

  /** Files of the context below a path, and their paths from there; of a path that is a file, the file. */
  #contextFiles(word: string): { file: string; below: string }[] {
    const patterns = readFileSync(path.join(this.#root, '.dockerignore'), 'utf8');
    const start = path.normalize(word);
    const all = this.#tracked().filter((file) => isInContext(patterns, file));
    if (start === '.' || start === './') return all.map((file) => ({ file, below: file }));
    if (all.includes(start)) return [{ file: start, below: '' }];
    const below = all.filter((file) => file.startsWith(`${start}/`));
    if (below.length === 0) throw new Error(`COPY ${word}: nothing of that name is in the context`);
    return below.map((file) => ({ file, below: file.slice(start.length + 1) }));
  }

  #files: readonly string[] | undefined;

  #tracked(): readonly string[] {
    this.#files ??= filesBelow(this.#root, '');
    return this.#files;
  }
}

const pairOf = (text: string): [string, string] => [
  text.slice(0, text.indexOf('=')),
  text.slice(text.indexOf('=') + 1).replace(/^"|"$/g, ''),
];

function placeOf(to: string, file: string, below: string, isFolder: boolean): string {
  if (below !== '') return path.join(to, below);
  return isFolder ? path.join(to, path.basename(file)) : to;
}

function copyFiles(files: readonly (readonly [from: string, to: string])[]): void {
  for (const [from, to] of files) {
    mkdirSync(path.dirname(to), { recursive: true });
    copyFileSync(from, to);
  }
}

/** The machine's own (certificates, registry, cache), without what would change how npm and Node go about it. */
function machineEnvironment(): Record<string, string | undefined> {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(NODE_ENV|NODE_OPTIONS|npm_(?!config_(registry|cache|cafile|proxy|https_proxy)$).*)$/i.test(name),
  );
  return Object.fromEntries(kept);
}

async function run(command: string, directory: string, env: Readonly<Record<string, string>>): Promise<void> {
  if (/^(rm|install) .* \/(usr|certificates)\b/.test(command)) return;
  const words = command.startsWith('[') ? (JSON.parse(command) as string[]) : ['sh', '-ec', command];
  await execute(words[0]!, words.slice(1), {
    cwd: directory,
    env: { ...machineEnvironment(), ...env },
    timeout: RUN_MS_MAX,
    maxBuffer: OUTPUT_BYTES_MAX,
  });
}

/** Without folders that no context has: what npm, Git and the platform itself leave in a working copy. */
function filesBelow(root: string, directory: string): string[] {
  return readdirSync(path.join(root, directory), { withFileTypes: true }).flatMap((entry) => {
    const file = path.posix.join(directory, entry.name);
    if (entry.isDirectory())
      return /^(\.git|\.nx|\.finality|\.install|node_modules)$/.test(entry.name) ? [] : filesBelow(root, file);
    return entry.isFile() ? [file] : [];
  });
}
