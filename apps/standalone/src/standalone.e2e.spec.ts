import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { startBtcd } from '@finality/tools/servers/btcd.ts';
import { ensureBtcd } from '@finality/tools/servers/btcd-install.ts';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { minerWallet } from './chain.ts';

const root = path.resolve(import.meta.dirname, '../../..');
const RUN_MS_MAX = 120_000;
const STOP_MS_MAX = 10_000;
const QUIET_PORTS = { GRPC_PORT: '0', HTTP_PORT: '0', BITCOIN_RPC_PORT: '0' };

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface DemoJson {
  readonly grpc: string;
  readonly http: string;
  readonly bitcoinRpc: { readonly url: string; readonly user: string; readonly password: string };
  readonly institutions: readonly { readonly id: string; readonly apiKey: string }[];
  readonly operator: { readonly apiKey: string };
  readonly compliance: { readonly apiKey: string };
}

interface ResultJson {
  readonly settlements: readonly {
    readonly settlement_id: string;
    readonly mode: string;
    readonly status: string;
    readonly txid: string | null;
    readonly confirmations: number;
  }[];
  readonly reconciliation: { readonly checked: number; readonly breaks: readonly unknown[] };
}

/** `npm start -- <flags>`, as tools/run.mjs starts it once everything is installed. */
class Start {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';

  constructor(flags: readonly string[], environment: Readonly<Record<string, string>>) {
    const register = pathToFileURL(path.join(root, 'tools/register.mjs')).href;
    const main = path.join(root, 'apps/standalone/src/main.ts');
    const env = { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...QUIET_PORTS, ...environment };
    this.child = spawn(process.execPath, ['--import', register, main, ...flags], { cwd: root, env });
    this.child.stdout!.on('data', (data: Buffer) => (this.stdout += data.toString()));
    this.child.stderr!.on('data', (data: Buffer) => (this.stderr += data.toString()));
    this.ended = new Promise((resolve) =>
      this.child.once('close', (code) => resolve({ code, stdout: this.stdout, stderr: this.stderr })),
    );
  }

  async until(isThere: () => boolean): Promise<void> {
    const deadline = performance.now() + RUN_MS_MAX;
    while (!isThere()) {
      if (this.child.exitCode !== null || performance.now() > deadline) {
        throw new Error(`it didn't come to that: ${this.stdout}\n${this.stderr}`);
      }
      await sleep(20);
    }
  }

  stop(signal: NodeJS.Signals): Promise<Ended> {
    this.child.kill(signal);
    return this.ended;
  }
}

const homes: string[] = [];
const starts: Start[] = [];

function newHome(): string {
  const home = mkdtempSync(path.join(tmpdir(), 'finality-start-'));
  homes.push(home);
  return home;
}

function start(flags: readonly string[], environment: Readonly<Record<string, string>> = {}): Start {
  const started = new Start(flags, environment);
  starts.push(started);
  return started;
}

afterEach(async () => {
  for (const started of starts.splice(0)) {
    if (started.child.exitCode === null && started.child.signalCode === null) await started.stop('SIGTERM');
  }
});

afterAll(() => {
  for (const home of homes) rmSync(home, { recursive: true, force: true });
});

const lastLine = (text: string): string => text.trimEnd().split('\n').at(-1)!;

describe('the command line', () => {
  it('--help names flags and settings', async () => {
    const { code, stdout } = await start(['--help']).ended;
    expect(code).toBe(0);
    for (const word of [
      '--once',
      '--json',
      '--fresh',
      '--no-demo',
      'GRPC_PORT',
      'BITCOIN_RPC_URL',
      'RISK_LABEL_FILES',
    ]) {
      expect(stdout).toContain(word);
    }
  });

  it('an unknown flag is named, with what there is; exit code 2', async () => {
    const { code, stderr } = await start(['--twice']).ended;
    expect(code).toBe(2);
    expect(stderr).toContain('--twice');
    expect(stderr).toContain('--once');
  });

  it('wrong settings: names each variable, what was expected and what was found', async () => {
    const wrong = [
      ['GRPC_PORT', 'seven', 'a port from 0 to 65535'],
      ['MINE_INTERVAL_SECONDS', '-1', 'an integer from 0 to 86400'],
      ['BITCOIN_NETWORK', 'testnet', 'one of mainnet, testnet4, signet, regtest'],
      ['BITCOIN_RPC_URL', 'node', 'a URL starting with http://'],
    ] as const;
    const environment = Object.fromEntries(wrong.map(([variable, value]) => [variable, value]));
    const { code, stderr } = await start(['--once'], { ...environment, FINALITY_DATA_DIR: newHome() }).ended;
    expect(code).toBe(1);
    for (const [variable, value, expected] of wrong) {
      expect(stderr).toContain(`${variable}: expected ${expected}, found "${value}"`);
    }
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  it('a node that nobody answers for is an error that says so', async () => {
    const environment = { BITCOIN_RPC_URL: 'http://user:secret@127.0.0.1:9', FINALITY_DATA_DIR: newHome() };
    const { code, stderr } = await start(['--once'], environment).ended;
    expect(code).toBe(1);
    expect(stderr).toContain('BITCOIN_RPC_URL');
    expect(stderr).not.toContain('secret');
  });
});

describe('a data directory', () => {
  it("that isn't ours is left alone, --fresh or not", async () => {
    const home = newHome();
    writeFileSync(path.join(home, 'thesis.txt'), 'years of work');
    for (const flags of [['--once'], ['--once', '--fresh']]) {
      const { code, stderr } = await start(flags, { FINALITY_DATA_DIR: home }).ended;
      expect(code).toBe(1);
      expect(stderr).toContain('thesis.txt');
    }
    expect(readFileSync(path.join(home, 'thesis.txt'), 'utf8')).toBe('years of work');
  });
});

describe('the scenario', () => {
  const home = newHome();
  const environment = { FINALITY_DATA_DIR: home, MINE_INTERVAL_SECONDS: '1' };
  const file = (name: string): string => path.join(home, name);
  const demoJson = (): DemoJson => JSON.parse(readFileSync(file('demo.json'), 'utf8')) as DemoJson;
  let first: ResultJson;

  beforeAll(async () => {
    // Killed wherever it happens to be, four times: the next start goes on from there.
    for (const after of ['Introducing Bank B', 'Mining bitcoin', 'Settling', 'Settling']) {
      const interrupted = new Start(['--once'], environment);
      await interrupted.until(() => interrupted.stdout.includes(after));
      await sleep(after === 'Settling' ? 700 : 100);
      await interrupted.stop('SIGKILL');
    }
    const { code, stdout, stderr } = await new Start(['--once', '--json'], environment).ended;
    expect(stderr).toBe('');
    expect(code).toBe(0);
    first = JSON.parse(lastLine(stdout)) as ResultJson;
  });

  it('takes one settlement per mode to finality, and all agree, whatever was killed in between', () => {
    expect(first.settlements.map(({ mode, status }) => [mode, status])).toEqual([
      ['CENTRALIZED', 'settled'],
      ['BILATERAL', 'settled'],
      ['BLOCKCHAIN', 'settled'],
    ]);
    const [centralized, bilateral, blockchain] = first.settlements;
    expect(centralized).toMatchObject({ txid: null, confirmations: 0 });
    expect(bilateral?.txid).toMatch(/^[0-9a-f]{64}$/);
    expect(bilateral?.confirmations).toBeGreaterThanOrEqual(3);
    expect(blockchain?.confirmations).toBeGreaterThanOrEqual(6);
    expect(first.reconciliation.checked).toBeGreaterThan(10);
    expect(first.reconciliation.breaks).toEqual([]);
  });

  it('is shown again by the next start, not made again', async () => {
    const { code, stdout } = await start(['--once', '--json'], environment).ended;
    expect(code).toBe(0);
    const again = JSON.parse(lastLine(stdout)) as ResultJson;
    const ids = ({ settlements }: ResultJson): string[] => settlements.map((each) => each.settlement_id);
    expect(ids(again)).toEqual(ids(first));
    expect(again.settlements.map(({ txid }) => txid)).toEqual(first.settlements.map(({ txid }) => txid));
    expect(stdout).not.toContain('\u001b[');
  });

  it('leaves secrets to their owner only', () => {
    for (const name of ['demo.json', 'demo-state.json', 'secrets.json', 'signer.passphrase', 'finality.log']) {
      expect(statSync(file(name)).mode & 0o777).toBe(0o600);
    }
    const { institutions, operator, compliance } = demoJson();
    expect(institutions.map(({ id }) => id)).toEqual(['bank-a', 'bank-b']);
    const log = readFileSync(file('finality.log'), 'utf8');
    for (const { apiKey } of [...institutions, operator, compliance]) expect(log).not.toContain(apiKey);
  });

  it('stays up, mines, answers on its ports, refuses a second start, and ends within 10 s of SIGTERM', async () => {
    const running = start([], environment);
    await running.until(() => running.stdout.includes('Ctrl-C'));
    const { http, grpc, bitcoinRpc } = demoJson();
    expect(running.stdout).toContain(grpc);
    expect((await fetch(`${http}/healthz`)).status).toBe(200);
    const ready = await fetch(`${http}/readyz`);
    expect(await ready.json()).toMatchObject({ status: 'ready' });
    const height = await metric(http, 'finality_chain_tip_height');
    await running.until(() => true);
    await expect.poll(() => metric(http, 'finality_chain_tip_height'), { timeout: 15_000 }).toBeGreaterThan(height);
    expect(await rpc(bitcoinRpc, 'getblockcount')).toBeGreaterThan(height);

    const second = await start([], environment).ended;
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(`process ${running.child.pid}`);

    const before = performance.now();
    const { code, stderr } = await running.stop('SIGTERM');
    expect(performance.now() - before).toBeLessThan(STOP_MS_MAX);
    expect(code).toBe(0);
    expect(stderr.trim()).toBe('Stopping');
  });

  it('--fresh starts from nothing, even with the Postgres of a killed start still running', async () => {
    const killed = start(['--no-demo'], environment);
    await killed.until(() => killed.stdout.includes('Ctrl-C'));
    await killed.stop('SIGKILL');
    const { code, stdout } = await start(['--once', '--no-demo', '--fresh'], environment).ended;
    expect(code).toBe(0);
    expect(stdout).toContain('Up after');
    expect(demoJson().institutions).toEqual([]);
    expect(statSync(file('demo-state.json'), { throwIfNoEntry: false })).toBeUndefined();
  });
  it('takes the next free port where the default one is taken, and says so', async () => {
    const own = createServer();
    // Whoever has it, it isn't free.
    await new Promise<void>((resolve) => own.once('error', () => resolve()).listen(50_051, '127.0.0.1', resolve));
    const { code, stdout } = await start(['--once', '--no-demo'], { ...environment, GRPC_PORT: '' }).ended;
    own.close();
    expect(code).toBe(0);
    expect(stdout).toMatch(/Port 50051 is taken by another program: using \d+ instead \(GRPC_PORT sets it\)/);
    expect(demoJson().grpc).not.toContain('50051');
  });

  it('ends when its Postgres is gone', async () => {
    const running = start(['--no-demo'], environment);
    await running.until(() => running.stdout.includes('Ctrl-C'));
    const pid = Number(readFileSync(file('postgres/data/postmaster.pid'), 'utf8').split('\n')[0]);
    process.kill(pid, 'SIGKILL');
    const { code, stderr } = await running.ended;
    expect(code).toBe(1);
    expect(stderr).toContain('Postgres is gone');
  });
});

describe('the scenario on btcd', () => {
  it('goes the same way', async ({ skip }) => {
    const missing = await ensureBtcd(() => undefined).then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
    );
    if (missing && process.env['CI'] === 'true') throw missing;
    if (missing) return skip(missing.message);
    const home = newHome();
    const btcd = await startBtcd({ dataDir: path.join(home, 'btcd'), miningAddress: minerWallet().address });
    try {
      const environment = {
        BITCOIN_RPC_URL: btcd.url.replace('://', `://${btcd.user}:${btcd.password}@`),
        FINALITY_DATA_DIR: path.join(home, 'data'),
      };
      const { code, stdout, stderr } = await start(['--once', '--json'], environment).ended;
      expect(stderr).toBe('');
      expect(code).toBe(0);
      const { settlements, reconciliation } = JSON.parse(lastLine(stdout)) as ResultJson;
      expect(settlements.map(({ status }) => status)).toEqual(['settled', 'settled', 'settled']);
      expect(reconciliation.breaks).toEqual([]);

      const simulated = await start(['--once'], { FINALITY_DATA_DIR: path.join(home, 'data') }).ended;
      expect(simulated.code).toBe(1);
      expect(simulated.stderr).toContain('the chain of a Bitcoin node');
    } finally {
      await btcd.stop();
    }
  });
});

describe('a port that is taken', () => {
  let taken: Server;
  let port: number;

  beforeAll(async () => {
    taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const address = taken.address();
    port = typeof address === 'object' && address ? address.port : 0;
  });
  afterAll(() => new Promise((resolve) => taken.close(resolve)));

  it('and was asked for is an error that names the variable', async () => {
    const variables = ['GRPC_PORT', 'HTTP_PORT', 'BITCOIN_RPC_PORT'];
    const ends = variables.map(async (variable) => {
      const { code, stderr } = await start(['--once'], { [variable]: `${port}`, FINALITY_DATA_DIR: newHome() }).ended;
      expect(code).toBe(1);
      expect(stderr).toContain(`${variable}: port ${port}`);
    });
    await Promise.all(ends);
  });
});

async function metric(http: string, name: string): Promise<number> {
  const text = await (await fetch(`${http}/metrics`)).text();
  return Number(new RegExp(`^${name}\\S* (\\S+)$`, 'm').exec(text)?.[1]);
}

async function rpc({ url, user, password }: DemoJson['bitcoinRpc'], method: string): Promise<number> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` },
    body: JSON.stringify({ jsonrpc: '1.0', id: 1, method, params: [] }),
  });
  return ((await response.json()) as { result: number }).result;
}
