import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { cpuMs, onlyChildOf, processesBelow, pssMiB } from './processes.ts';

const CPU_MS = 300;
/** Takes memory and time in a child of its own, says so, and stays. */
const CHILD = `
  const { spawn } = require('node:child_process');
  const work = 'const taken = Buffer.alloc(64 << 20, 1); while (process.cpuUsage().user < ${CPU_MS}e3); console.log("done"); setInterval(() => taken, 1e3);';
  spawn(process.execPath, ['-e', work], { stdio: 'inherit' });
  setInterval(() => {}, 1e3);`;

let pid = 0;
let stop: () => void = () => undefined;

beforeEach(async () => {
  // A group of its own, so that its child ends with it.
  const child = spawn(process.execPath, ['-e', CHILD], { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  pid = child.pid!;
  stop = () => process.kill(-pid, 'SIGKILL');
  await once(child.stdout, 'data');
});

afterEach(() => stop());

it('counts what the children of a process take', () => {
  const child = onlyChildOf(pid);
  expect(processesBelow(pid)).toEqual([child]);
  expect(cpuMs([child])).toBeGreaterThanOrEqual(CPU_MS);
  expect(cpuMs([pid])).toBeGreaterThanOrEqual(cpuMs([child]));
  expect(pssMiB([child])).toBeGreaterThan(64);
  expect(pssMiB([pid])).toBeGreaterThan(pssMiB([child]));
});

it('says so when a process isn’t there', () => {
  expect(() => cpuMs([2 ** 30])).toThrow('has ended');
});
