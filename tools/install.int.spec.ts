import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

interface Lockfile {
  readonly packages: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}
interface Install {
  ensureInstalled(root: string): Promise<void>;
  isComplete(root: string, lockfile: Lockfile): boolean;
  acquireLock(lock: string, waitMsMax?: number): Promise<() => void>;
}

const { ensureInstalled, isComplete, acquireLock } = (await import(
  pathToFileURL(path.join(import.meta.dirname, 'install.mjs')).href
)) as Install;

let directory: string;

beforeEach(() => {
  directory = fs.mkdtempSync(path.join(tmpdir(), 'finality-install-'));
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  fs.rmSync(directory, { recursive: true, force: true });
});

function write(file: string, content: unknown): void {
  const target = path.join(directory, file);
  fs.mkdirSync(path.dirname(target), { recursive: true });
  fs.writeFileSync(target, typeof content === 'string' ? content : JSON.stringify(content));
}

/** A workspace with one library of its own, so that npm needs no network. */
function writeWorkspace(): void {
  const library = { name: 'library', version: '1.0.0' };
  write('package.json', { name: 'probe', version: '1.0.0', workspaces: ['library'] });
  write('library/package.json', library);
  write('package-lock.json', {
    name: 'probe',
    version: '1.0.0',
    lockfileVersion: 3,
    requires: true,
    packages: {
      '': { name: 'probe', version: '1.0.0', workspaces: ['library'] },
      library: { version: '1.0.0' },
      'node_modules/library': { resolved: 'library', link: true },
    },
  });
}

describe('isComplete', () => {
  const wanted: Lockfile = {
    packages: {
      '': {},
      'node_modules/a': { version: '1.0.0', integrity: 'x' },
      'node_modules/b': { version: '1.0.0', optional: true },
    },
  };
  const install = (packages: Lockfile['packages']): void => {
    write('node_modules/.package-lock.json', { packages });
    for (const name of Object.keys(packages)) fs.mkdirSync(path.join(directory, name), { recursive: true });
  };

  it('is false before anything is installed', () => expect(isComplete(directory, wanted)).toBe(false));

  it('is true when all is there but what is optional', () => {
    install({ 'node_modules/a': { version: '1.0.0', integrity: 'x' } });
    expect(isComplete(directory, wanted)).toBe(true);
  });

  it('is false with another version, other content or a directory that has gone', () => {
    install({ 'node_modules/a': { version: '1.0.1', integrity: 'x' } });
    expect(isComplete(directory, wanted)).toBe(false);
    install({ 'node_modules/a': { version: '1.0.0', integrity: 'y' } });
    expect(isComplete(directory, wanted)).toBe(false);
    install({ 'node_modules/a': { version: '1.0.0', integrity: 'x' } });
    fs.rmSync(path.join(directory, 'node_modules/a'), { recursive: true });
    expect(isComplete(directory, wanted)).toBe(false);
  });

  it('is false without the Node of this platform, though that is optional', () => {
    const node = `node_modules/node-${process.platform}-${process.arch}`;
    install({});
    expect(isComplete(directory, { packages: { [node]: { version: '24.0.0', optional: true } } })).toBe(false);
  });
});

describe('acquireLock', () => {
  it('makes the second wait for the first', async () => {
    const lock = path.join(directory, 'lock');
    const release = await acquireLock(lock);
    let isSecondIn = false;
    const second = acquireLock(lock).then((releaseSecond) => {
      isSecondIn = true;
      releaseSecond();
    });
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(isSecondIn).toBe(false);
    release();
    await second;
    expect(fs.existsSync(lock)).toBe(false);
  });

  it('takes over from an owner that has died', async () => {
    const dead = spawnSync(process.execPath, ['-e', '0']).pid;
    write('lock/owner', String(dead));
    const release = await acquireLock(path.join(directory, 'lock'), 0);
    expect(fs.readFileSync(path.join(directory, 'lock/owner'), 'utf8')).toBe(String(process.pid));
    release();
  });

  it('gives up after its bound, naming the lock', async () => {
    const lock = path.join(directory, 'lock');
    write('lock/owner', String(process.pid));
    await expect(acquireLock(lock, 0)).rejects.toThrow(lock);
  });
});

describe('ensureInstalled', () => {
  it('installs once; two at the same time as well', async () => {
    writeWorkspace();
    await Promise.all([ensureInstalled(directory), ensureInstalled(directory)]);
    expect(fs.existsSync(path.join(directory, 'node_modules/library/package.json'))).toBe(true);
    expect(
      vi.mocked(process.stderr.write).mock.calls.filter(([text]) => String(text).startsWith('Installing')),
    ).toHaveLength(1);
    vi.stubEnv('PATH', '/nonexistent');
    await ensureInstalled(directory);
  });

  it('says what npm said when it fails', async () => {
    writeWorkspace();
    write('other/package.json', { name: 'other', version: '1.0.0' });
    write('package.json', {
      name: 'probe',
      version: '1.0.0',
      workspaces: ['library'],
      dependencies: { other: 'file:other' },
    });
    await expect(ensureInstalled(directory)).rejects.toThrow(/in sync.*npm ci failed \(exit code 1\)/s);
    expect(fs.existsSync(path.join(directory, '.install/lock'))).toBe(false);
  });

  it("needs neither the caller's npm cache nor its production settings", async () => {
    writeWorkspace();
    write('file', '');
    vi.stubEnv('npm_config_cache', path.join(directory, 'file/cache'));
    vi.stubEnv('npm_config_omit', 'dev');
    vi.stubEnv('NODE_ENV', 'production');
    await ensureInstalled(directory);
    expect(fs.existsSync(path.join(directory, '.install/npm-cache'))).toBe(true);
  });
});
