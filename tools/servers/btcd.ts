import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ensureBtcd, lastLines, ServerUnavailable } from './btcd-install.ts';

export interface BtcdOptions {
  /** Made if it isn't there; holds the chain and the logs. */
  readonly dataDir: string;
  /** Who `generate` pays; btcd can't be told per call. */
  readonly miningAddress: string;
  /** Of the RPC; default: any free one. */
  readonly port?: number | undefined;
  /** For other nodes; default: it doesn't listen to any. */
  readonly peerPort?: number | undefined;
  readonly user?: string;
  readonly password?: string;
  /** Whether it goes on when this process ends. Default: it ends with it. */
  readonly detached?: boolean;
  /** Gets a line when btcd has to be built first. */
  readonly say?: (line: string) => void;
}

export interface Btcd {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly pid: number;
  /** SIGTERM, then SIGKILL if it doesn't end in time. */
  stop(): Promise<void>;
}

const READY_MS_MAX = 30_000;
const READY_POLL_MS = 100;
const STOP_MS_MAX = 10_000;
/** Another program may take a free port between our look and btcd's. */
const START_ATTEMPTS_MAX = 3;

/** Starts btcd on regtest, on loopback, and waits until it answers. Throws `ServerUnavailable` when it can't be had or doesn't start. */
export async function startBtcd(options: BtcdOptions): Promise<Btcd> {
  const program = await ensureBtcd(options.say ?? (() => undefined));
  mkdirSync(options.dataDir, { recursive: true });
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    try {
      return await startOn(port, program, options);
    } catch (error) {
      if (options.port !== undefined || attempt >= START_ATTEMPTS_MAX) throw error;
    }
  }
}

async function startOn(port: number, program: string, options: BtcdOptions): Promise<Btcd> {
  const { dataDir, user = 'finality', password = 'finality', detached = false } = options;
  const outputFile = path.join(dataDir, 'btcd.out');
  const output = openSync(outputFile, 'w', 0o600);
  const child = spawn(program, btcdArguments(port, user, password, options), {
    detached,
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  const url = `http://127.0.0.1:${port}`;
  const killWithUs = (): boolean => child.kill('SIGKILL');
  try {
    await untilReady(child, { url, user, password }, outputFile);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
  if (detached) child.unref();
  else process.once('exit', killWithUs);
  const stop = async (): Promise<void> => {
    process.off('exit', killWithUs);
    await stopChild(child);
  };
  return { url, user, password, pid: child.pid!, stop };
}

function btcdArguments(port: number, user: string, password: string, options: BtcdOptions): readonly string[] {
  return [
    '--regtest',
    '--notls',
    `--rpcuser=${user}`,
    `--rpcpass=${password}`,
    `--rpclisten=127.0.0.1:${port}`,
    options.peerPort === undefined ? '--nolisten' : `--listen=127.0.0.1:${options.peerPort}`,
    `--datadir=${path.join(options.dataDir, 'data')}`,
    `--logdir=${path.join(options.dataDir, 'logs')}`,
    `--miningaddr=${options.miningAddress}`,
    '--txindex',
    // As on mainnet: regtest would let dust and transactions that aren't due yet into the mempool.
    '--rejectnonstd',
    '--nobanning',
    '--nostalldetect',
    '--trickleinterval=100ms',
  ];
}

async function untilReady(
  child: ChildProcess,
  rpc: Pick<Btcd, 'url' | 'user' | 'password'>,
  outputFile: string,
): Promise<void> {
  let failure: Error | undefined;
  child.once('error', (error) => (failure = error));
  const deadline = performance.now() + READY_MS_MAX;
  while (performance.now() < deadline) {
    if (failure) throw new ServerUnavailable(`btcd can't be started: ${failure.message}`);
    if (child.exitCode !== null) {
      throw new ServerUnavailable(
        `btcd ended with code ${child.exitCode}:\n${lastLines(readFileSync(outputFile, 'utf8'))}`,
      );
    }
    if ((await askBtcd(rpc, 'getblockcount')) !== undefined) return;
    await sleep(READY_POLL_MS);
  }
  throw new ServerUnavailable(`btcd doesn't answer after ${READY_MS_MAX / 1000} s; its output is in ${outputFile}`);
}

/** The result of a call without parameters, or `undefined` when nobody answers it properly. */
export async function askBtcd(
  { url, user, password }: Pick<Btcd, 'url' | 'user' | 'password'>,
  method: string,
): Promise<unknown> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` },
      body: JSON.stringify({ jsonrpc: '1.0', id: 1, method, params: [] }),
      signal: AbortSignal.timeout(READY_MS_MAX),
    });
    const answer = (await response.json()) as { readonly result?: unknown };
    return answer.result ?? undefined;
  } catch {
    return undefined;
  }
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const cancel = new AbortController();
  const late = sleep(STOP_MS_MAX, 'late' as const, { signal: cancel.signal }).catch(() => 'cancelled' as const);
  if ((await Promise.race([ended, late])) === 'late') {
    child.kill('SIGKILL');
    await ended;
  }
  cancel.abort();
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return address.port;
}
