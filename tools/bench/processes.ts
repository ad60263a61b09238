import { readdirSync, readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';

/** USER_HZ: what /proc counts in, on every architecture that Linux runs on today. */
const TICKS_PER_SECOND = 100;
const MEBIBYTE = 1024 * 1024;

interface Stat {
  readonly parent: number;
  readonly ticks: number;
}

/** CPU time in milliseconds that processes and all their descendants have used so far, those that have ended included. Linux. */
export function cpuMs(roots: readonly number[]): number {
  const stats = readStats();
  const ticks = treesOf(roots, stats).reduce((sum, pid) => sum + stats.get(pid)!.ticks, 0);
  return (ticks * 1_000) / TICKS_PER_SECOND;
}

/** Memory in MiB of processes and all their descendants; what several share is counted once (proportional set size). Linux. */
export function pssMiB(roots: readonly number[]): number {
  const stats = readStats();
  const kilobytes = treesOf(roots, stats).map((pid) => {
    const rollup = readIfThere(`/proc/${pid}/smaps_rollup`);
    if (rollup === undefined && !roots.includes(pid)) return 0;
    const [, kb] = /^Pss:\s+(\d+) kB$/m.exec(rollup ?? '') ?? [];
    if (kb === undefined) throw new Error(`/proc/${pid}/smaps_rollup says no Pss`);
    return Number(kb);
  });
  return kilobytes.reduce((sum, kb) => sum + kb, 0) / 1024;
}

/** The process that another one runs. */
export function onlyChildOf(parent: number): number {
  const children = [...readStats()].filter(([, stat]) => stat.parent === parent).map(([pid]) => pid);
  const [child] = children;
  if (child === undefined || children.length > 1) throw new Error(`process ${parent} has ${children.length} children`);
  return child;
}

/** All that a process runs, directly or not. */
export function processesBelow(root: number): number[] {
  return treesOf([root], readStats()).filter((pid) => pid !== root);
}

/** What the figures were measured on. */
export function machine(): string {
  const [first] = cpus();
  const memory = `${Math.round(totalmem() / MEBIBYTE / 1024)} GiB`;
  return `${cpus().length} × ${first?.model.trim() ?? 'unknown CPU'}, ${memory}, ${process.platform} ${release()}, Node ${process.versions.node}`;
}

function treesOf(roots: readonly number[], stats: ReadonlyMap<number, Stat>): number[] {
  const missing = roots.find((root) => !stats.has(root));
  if (missing !== undefined) throw new Error(`process ${missing} has ended`);
  const tree = new Set(roots);
  let size = 0;
  while (tree.size > size) {
    size = tree.size;
    for (const [pid, { parent }] of stats) if (tree.has(parent)) tree.add(pid);
  }
  return [...tree];
}

/** proc(5): after the name in parentheses, which may hold anything, come state (3), parent (4), … utime, stime, cutime, cstime (14 to 17). */
function readStats(): Map<number, Stat> {
  const stats = new Map<number, Stat>();
  for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    const text = readIfThere(`/proc/${name}/stat`);
    if (text === undefined) continue;
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    stats.set(Number(name), { parent: Number(fields[1]), ticks });
  }
  return stats;
}

/** Processes end while one reads about them. */
function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
