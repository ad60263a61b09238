import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemRuntime } from '@finality/service';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockDirectory } from './pid-lock.ts';

const runtime = systemRuntime();
let home: string;
let file: string;

beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'finality-lock-'));
  file = path.join(home, 'lock');
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const holder = (): unknown => JSON.parse(readFileSync(file, 'utf8'));

describe('the lock of a data directory', () => {
  it('is held by this process until it is released', async () => {
    const release = await lockDirectory(file, runtime);
    expect(holder()).toMatchObject({ pid: process.pid });
    await expect(lockDirectory(file, runtime)).rejects.toMatchObject({ code: 'DATA_DIR_IN_USE' });
    await release();
    expect(existsSync(file)).toBe(false);
    await (
      await lockDirectory(file, runtime)
    )();
  });

  it('of a living process is respected, of a killed one taken', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    await once(child, 'spawn');
    const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const started = `${boot}/${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`;
    writeFileSync(file, JSON.stringify({ pid: child.pid, started }));
    await expect(lockDirectory(file, runtime)).rejects.toThrow(`process ${child.pid}`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await (
      await lockDirectory(file, runtime)
    )();
  });

  it('of a process whose id belongs to another one by now is taken', async () => {
    writeFileSync(file, JSON.stringify({ pid: process.pid, started: 'another boot/1' }));
    await lockDirectory(file, runtime);
    expect(holder()).not.toMatchObject({ started: 'another boot/1' });
  });

  it('that was never written to the end is taken', async () => {
    writeFileSync(file, '');
    await lockDirectory(file, runtime);
    expect(holder()).toMatchObject({ pid: process.pid });
  });

  it('is released by whoever holds it, nobody else', async () => {
    const release = await lockDirectory(file, runtime);
    const other = JSON.stringify({ pid: 1, started: 'x' });
    writeFileSync(file, other);
    await release();
    expect(readFileSync(file, 'utf8')).toBe(other);
  });
});
