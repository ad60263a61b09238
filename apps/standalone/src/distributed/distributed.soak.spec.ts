import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SERVICE_NAMES } from '@finality/contracts';
import { ensureKafka } from '@finality/tools/servers/kafka-install.ts';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { btcdMissing } from '../e2e/nodes.fixture.ts';

const root = path.resolve(import.meta.dirname, '../../../..');
const MAIN = path.join(root, 'apps/standalone/src/main.ts');
const REGISTER = path.join(root, 'tools/register.mjs');
const RUN_MS_MAX = 240_000;
const STOP_MS_MAX = 15_000;
const QUIET_PORTS = { GRPC_PORT: '0', HTTP_PORT: '0', MINE_INTERVAL_SECONDS: '1' };

const kafkaMissing = await ensureKafka(() => undefined).then(
  () => undefined,
  (error: unknown) => (error instanceof Error ? error.message : String(error)),
);
const missing = kafkaMissing ?? btcdMissing;
const home = mkdtempSync(path.join(tmpdir(), 'finality-distributed-'));
const dataDir = path.join(home, 'data');
const running: Run[] = [];

/** `npm run start:distributed -- <flags>`, as tools/run.mjs starts it once everything is installed. */
class Run {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  stdout = '';
  stderr = '';

  constructor(...flags: readonly string[]) {
    const env = { ...process.env, ...QUIET_PORTS, FINALITY_DATA_DIR: dataDir };
    this.child = spawn(process.execPath, ['--import', REGISTER, MAIN, '--distributed', ...flags], { cwd: root, env });
    this.child.stdout!.on('data', (data: Buffer) => (this.stdout += data.toString()));
    this.child.stderr!.on('data', (data: Buffer) => (this.stderr += data.toString()));
    this.ended = once(this.child, 'close').then(([code]) => code as number | null);
    running.push(this);
  }

  async until(text: string): Promise<void> {
    const deadline = performance.now() + RUN_MS_MAX;
    while (!this.stdout.includes(text)) {
      if (this.child.exitCode !== null || performance.now() > deadline) {
        throw new Error(`it didn't come to "${text}": ${this.stdout}\n${this.stderr}`);
      }
      await sleep(50);
    }
  }

  /** Process ids of the services. */
  services(): readonly number[] {
    const children = readFileSync(`/proc/${this.child.pid}/task/${this.child.pid}/children`, 'utf8');
    const pids = children.trim().split(' ').map(Number);
    return pids.filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('/src/main.ts'));
  }
}

interface Result {
  readonly settlements: readonly { readonly settlement_id: string; readonly status: string }[];
  readonly reconciliation: { readonly checked: number; readonly breaks: readonly unknown[] };
}

const resultOf = ({ stdout }: Run): Result => JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as Result;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

afterEach(async () => {
  for (const { child, ended } of running.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await ended;
  }
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

describe('npm run start:distributed', () => {
  if (missing !== undefined) {
    it.skipIf(process.env['CI'] !== 'true')(`has Kafka and btcd (${missing})`, () => {
      throw new Error(missing);
    });
    return;
  }

  let first: Result;

  it('brings its servers, takes one settlement per mode to finality over them, and all agree', async () => {
    const run = new Run('--once', '--json');
    expect([await run.ended, run.stderr]).toEqual([0, '']);
    first = resultOf(run);
    expect(first.settlements.map(({ status }) => status)).toEqual(['settled', 'settled', 'settled']);
    expect(first.reconciliation.breaks).toEqual([]);
    expect(first.reconciliation.checked).toBeGreaterThan(10);
    for (const secret of ['first-keys.json', 'tls/ca.key', 'tls/signer.key']) {
      expect(statSync(path.join(dataDir, secret)).mode & 0o777).toBe(0o600);
    }
  });

  it('goes on from there, says when a process ended and starts it again, and ends within 15 s of SIGTERM', async () => {
    const run = new Run();
    await run.until('Ctrl-C');
    const { http } = JSON.parse(readFileSync(path.join(dataDir, 'demo.json'), 'utf8')) as { readonly http: string };
    const ready = async () => (await fetch(`${http}/readyz`)).json() as Promise<{ status: string; checks: object }>;
    expect(Object.keys((await ready()).checks).toSorted()).toEqual([...SERVICE_NAMES].toSorted());
    const services = run.services();
    expect(services).toHaveLength(8);
    process.kill(services[0]!, 'SIGKILL');
    await run.until('ended by SIGKILL; it is started again in 0.1 s');
    await expect.poll(async () => (await ready()).status, { timeout: 60_000, interval: 500 }).toBe('ready');
    const before = performance.now();
    run.child.kill('SIGTERM');
    expect([await run.ended, run.stderr.trim()]).toEqual([0, 'Stopping']);
    expect(performance.now() - before).toBeLessThan(STOP_MS_MAX);
    expect(services.filter(isAlive)).toEqual([]);
  });

  it('killed, it leaves no process behind, and nothing is lost', async () => {
    const killed = new Run('--no-demo');
    await killed.until('Ctrl-C');
    const services = killed.services();
    killed.child.kill('SIGKILL');
    await killed.ended;
    await expect.poll(() => services.filter(isAlive), { timeout: STOP_MS_MAX }).toEqual([]);
    const again = new Run('--once', '--json');
    expect(await again.ended).toBe(0);
    const { settlements, reconciliation } = resultOf(again);
    const ids = ({ settlement_id: id, status }: Result['settlements'][number]) => [id, status];
    expect(settlements.map(ids)).toEqual(first.settlements.map(ids));
    expect(reconciliation.breaks).toEqual([]);
  });

  it('a broker that isn’t there is an error that says so', async () => {
    process.env['KAFKA_BROKERS'] = '127.0.0.1:1';
    try {
      const run = new Run('--once');
      expect(await run.ended).toBe(1);
      expect(run.stderr).toMatch(/Kafka.*127\.0\.0\.1:1/s);
      expect(run.stderr).toContain('KAFKA_BROKERS');
    } finally {
      delete process.env['KAFKA_BROKERS'];
    }
  });
});
