import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile, readlink, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Runtime } from '@finality/kernel';
import { errorCode } from '../startup-error.ts';

const run = promisify(execFile);
const POLL_MS = 20;

/** `postmaster.pid`, as far as we need it (PostgreSQL `miscadmin.h`, LOCK_FILE_LINE_*). */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
  readonly ready: boolean;
}

/** The server that says it serves this data directory, dead or alive. */
export async function readPostmaster(pgdata: string): Promise<Postmaster | undefined> {
  const text = await readFile(join(pgdata, 'postmaster.pid'), 'utf8').catch(() => '');
  const lines = text.split('\n');
  const pid = Number.parseInt(lines[0] ?? '', 10);
  if (!Number.isSafeInteger(pid) || pid < 1) return undefined;
  return { pid, port: Number.parseInt(lines[3] ?? '', 10) || 0, ready: lines[7]?.trim() === 'ready' };
}

/**
 * The living server of this data directory. A pid file whose number now belongs to another process is removed: process ids come back after a
 * reboot (in a container at once), and Postgres itself, seeing any process with that id, would refuse to start.
 */
export async function livingPostmaster(pgdata: string): Promise<Postmaster | undefined> {
  const postmaster = await readPostmaster(pgdata);
  if (postmaster === undefined || !isAlive(postmaster.pid)) return undefined;
  if (await servesDirectory(postmaster.pid, pgdata)) return postmaster;
  await rm(join(pgdata, 'postmaster.pid'), { force: true });
  return undefined;
}

/** A zombie is dead: in a container nobody may ever collect it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (errorCode(error) !== 'EPERM') return false;
  }
  return !isZombie(pid);
}

function isZombie(pid: number): boolean {
  if (process.platform !== 'linux') return false;
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}

/**
 * Ends a server: fast (sessions are rolled back, data is flushed), then immediate (recovers at the next start), then by force.
 * @returns how it went, for the log
 */
export async function stopPostmaster(
  pid: number,
  runtime: Runtime,
  fastMs: number,
): Promise<'fast' | 'immediate' | 'killed'> {
  const steps = [
    { signal: 'SIGINT', waitMs: fastMs, name: 'fast' },
    { signal: 'SIGQUIT', waitMs: 2_000, name: 'immediate' },
    { signal: 'SIGKILL', waitMs: 2_000, name: 'killed' },
  ] as const;
  for (const { signal, waitMs, name } of steps) {
    send(pid, signal);
    if (await waitUntil(() => Promise.resolve(!isAlive(pid)), runtime, waitMs)) return name;
  }
  throw new Error(`process ${pid} survived SIGKILL for ${steps[2].waitMs} ms`);
}

/** Polls until the condition holds. @returns false when it didn't within `timeoutMs` */
export async function waitUntil(
  condition: () => Promise<boolean>,
  runtime: Runtime,
  timeoutMs: number,
): Promise<boolean> {
  const deadline = runtime.monotonicMs() + timeoutMs;
  while (!(await condition())) {
    if (runtime.monotonicMs() >= deadline) return false;
    await runtime.sleep(POLL_MS);
  }
  return true;
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}

/** A postmaster's working directory is its data directory; where there is no /proc, its command line names it. */
async function servesDirectory(pid: number, pgdata: string): Promise<boolean> {
  if (process.platform === 'linux') return (await readlink(`/proc/${pid}/cwd`).catch(() => '')) === pgdata;
  const { stdout } = await run('ps', ['-ww', '-o', 'command=', '-p', `${pid}`]).catch(() => ({ stdout: '' }));
  return stdout.includes(pgdata);
}
