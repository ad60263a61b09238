import { readFile, rm, writeFile } from 'node:fs/promises';
import type { Runtime } from '@finality/kernel';
import { errorCode, StartupError } from '@finality/service';

const ATTEMPTS_MAX = 10;
const PAUSE_MS = 50;

interface Holder {
  readonly pid: number;
  /** Of the process, so that another one that got the same id after a kill or a reboot isn't taken for it; empty where unknown. */
  readonly started: string;
}

/**
 * A file that says which process uses a directory. It outlives a kill -9, so whoever comes next looks whether its process still lives.
 * Two that replace a stale one in the same moment are kept apart by Postgres's own lock.
 * @returns how to release it
 * @throws StartupError when a living process holds it
 */
export async function lockDirectory(file: string, runtime: Runtime): Promise<() => Promise<void>> {
  const mine = JSON.stringify({ pid: process.pid, started: await startOf(process.pid) } satisfies Holder);
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    if (await create(file, mine)) {
      return async () => {
        if ((await readFile(file, 'utf8').catch(() => '')) === mine) await rm(file, { force: true });
      };
    }
    const text = await readFile(file, 'utf8').catch(() => undefined);
    const holder = text === undefined ? undefined : parse(text);
    if (holder && (await isAlive(holder))) throw inUse(file, holder.pid);
    // Empty: made a moment ago by somebody who hasn't written it yet, or was killed before.
    if (text !== undefined && holder === undefined && attempt < ATTEMPTS_MAX / 2) await runtime.sleep(PAUSE_MS);
    else if (text !== undefined && text === (await readFile(file, 'utf8').catch(() => undefined))) {
      await rm(file, { force: true });
    }
  }
  throw new StartupError('DATA_DIR_LOCK', `${file} can't be taken`, 'Try again, or remove it if nothing runs here');
}

const inUse = (file: string, pid: number): StartupError =>
  new StartupError(
    'DATA_DIR_IN_USE',
    `the platform already runs on this data directory, as process ${pid} (${file})`,
    'Stop that one first, or set FINALITY_DATA_DIR to another directory',
  );

async function create(file: string, text: string): Promise<boolean> {
  try {
    await writeFile(file, text, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

function parse(text: string): Holder | undefined {
  try {
    const { pid, started } = JSON.parse(text) as Partial<Holder>;
    return Number.isSafeInteger(pid) && typeof started === 'string' ? { pid: Number(pid), started } : undefined;
  } catch {
    return undefined;
  }
}

async function isAlive({ pid, started }: Holder): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return false;
  }
  return (await startOf(pid)) === started;
}

/** When a process began, in ticks since boot, with the boot's id: Linux only, elsewhere empty. */
async function startOf(pid: number): Promise<string> {
  try {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses, which may hold spaces; the start is field 22.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? 'ended' : `${boot.trim()}/${fields[19]}`;
  } catch {
    return '';
  }
}
