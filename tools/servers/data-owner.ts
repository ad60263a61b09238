import { execFileSync } from 'node:child_process';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ServerUnavailable } from './program.ts';

const CLAIM_ATTEMPTS_MAX = 3;
const PS_MS_MAX = 5_000;

/** A process: its number alone may by now be somebody else's. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it was started, in whatever form the system says so. */
  readonly started: string;
}

/** The right to start a server on a data directory. */
export interface DataClaim {
  /** From now on it is that process's; ends with it. */
  handTo(pid: number): void;
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
      writeFileSync(file, JSON.stringify(identify(process.pid)), { flag: 'wx', mode: 0o600 });
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
export function ownerOf(dataDir: string): ProcessIdentity | undefined {
  try {
    const owner = JSON.parse(readFileSync(path.join(dataDir, 'process.json'), 'utf8')) as ProcessIdentity;
    return isRunning(owner) ? owner : undefined;
  } catch {
    // None yet, or its writer was killed half-way.
    return undefined;
  }
}

/** Whether that very process still runs. */
export function isRunning({ pid, started }: ProcessIdentity): boolean {
  return identify(pid)?.started === started;
}

function claimIn(file: string): DataClaim {
  return {
    handTo: (pid) => {
      writeFileSync(`${file}.new`, JSON.stringify(identify(pid)), { mode: 0o600 });
      renameSync(`${file}.new`, file);
    },
    release: () => rmSync(file, { force: true }),
  };
}

/** @returns `undefined` when there is no such process, or when it has ended and only waits for its parent to notice */
function identify(pid: number): ProcessIdentity | undefined {
  try {
    if (process.platform !== 'linux') {
      const said = execFileSync('ps', ['-o', 'lstart=', '-p', `${pid}`], { encoding: 'utf8', timeout: PS_MS_MAX });
      return { pid, started: said.trim() };
    }
    // proc(5): the name, in parentheses, may hold anything; the state is field 3, the start time field 22.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : { pid, started: fields[22 - 3]! };
  } catch {
    return undefined;
  }
}
