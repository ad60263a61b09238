import { execFileSync } from 'node:child_process';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ServerUnavailable } from './program.ts';

const CLAIM_ATTEMPTS_MAX = 3;
const PS_MS_MAX = 5_000;
const STOP_MS_MAX = 20_000;
const KILL_MS_MAX = 5_000;
const POLL_MS = 50;

/** A process: its number alone may by now be somebody else's. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it was started, in whatever form the system says so. */
  readonly started: string;
}

/** How to reach a server: environment variables of those who use it. */
export type ServerEnv = Readonly<Record<string, string>>;

/** Who works on a data directory, kept in it (mode 0600: the variables may hold passwords). */
export interface DataOwner extends ProcessIdentity {
  /** The server itself, or the process that is starting it. */
  readonly is: 'server' | 'starter';
  readonly env: ServerEnv;
  /** The process without which the server ends; absent when it is in the background. */
  readonly endsWith?: number;
}

/** The right to start a server on a data directory. */
export interface DataClaim {
  /** From now on the data is that server's; ends with it. */
  handTo(server: { readonly pid: number; readonly detached: boolean; readonly env: ServerEnv }): void;
  release(): void;
}

/**
 * Makes this process the one that starts a server on that data. Two servers on the same data can ruin it before they notice each other.
 * @throws ServerUnavailable `DATA_IN_USE`
 */
export function claimData(dataDir: string, server: string): DataClaim {
  const file = path.join(dataDir, 'process.json');
  for (let attempt = 1; attempt <= CLAIM_ATTEMPTS_MAX; attempt++) {
    try {
      const us: DataOwner = { pid: process.pid, started: startOf(process.pid)!, is: 'starter', env: {} };
      writeFileSync(file, JSON.stringify(us), { flag: 'wx', mode: 0o600 });
      return claimIn(file);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    const owner = ownerOf(dataDir);
    if (owner !== undefined) {
      throw new ServerUnavailable(
        'DATA_IN_USE',
        `process ${owner.pid} has a ${server} on ${dataDir}: stop that, or choose another directory`,
      );
    }
    rmSync(file, { force: true });
  }
  throw new ServerUnavailable('DATA_IN_USE', `others are starting a ${server} on ${dataDir}: try again`);
}

/** The living process that works on that data. */
export function ownerOf(dataDir: string): DataOwner | undefined {
  try {
    const owner = JSON.parse(readFileSync(path.join(dataDir, 'process.json'), 'utf8')) as DataOwner;
    return isRunning(owner) ? owner : undefined;
  } catch {
    // None yet, or its writer was killed half-way.
    return undefined;
  }
}

/** Whether that very process still runs. */
export const isRunning = ({ pid, started }: ProcessIdentity): boolean => startOf(pid) === started;

/**
 * Sends the signal, then SIGKILL if the process doesn't end in time. Never to another process that has got the number since.
 * @throws ServerUnavailable `NOT_STOPPED`
 */
export async function endProcess(identity: ProcessIdentity, signal: 'SIGTERM' | 'SIGINT'): Promise<void> {
  for (const [each, waitMs] of [[signal, STOP_MS_MAX] as const, ['SIGKILL', KILL_MS_MAX] as const]) {
    const deadline = performance.now() + waitMs;
    if (isRunning(identity)) process.kill(identity.pid, each);
    while (isRunning(identity) && performance.now() < deadline) await sleep(POLL_MS);
    if (!isRunning(identity)) return;
  }
  throw new ServerUnavailable('NOT_STOPPED', `process ${identity.pid} doesn't end`);
}

function claimIn(file: string): DataClaim {
  return {
    handTo: ({ pid, detached, env }) => {
      const bound = detached ? {} : { endsWith: process.pid };
      // One that has ended by now leaves what isn't running: the data is free again.
      const owner: DataOwner = { pid, started: startOf(pid) ?? '', is: 'server', env, ...bound };
      writeFileSync(`${file}.new`, JSON.stringify(owner), { mode: 0o600 });
      renameSync(`${file}.new`, file);
    },
    release: () => rmSync(file, { force: true }),
  };
}

/** @returns `undefined` when there is no such process, or when it has ended and only waits for its parent to notice */
function startOf(pid: number): string | undefined {
  try {
    if (process.platform !== 'linux') {
      return execFileSync('ps', ['-o', 'lstart=', '-p', `${pid}`], { encoding: 'utf8', timeout: PS_MS_MAX }).trim();
    }
    // proc(5): the name, in parentheses, may hold anything; the state is field 3, the start time field 22.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[22 - 3];
  } catch {
    return undefined;
  }
}
