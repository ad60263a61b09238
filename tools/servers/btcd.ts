import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { blocksKept } from './btcd-blocks.ts';
import { ensureBtcd } from './btcd-install.ts';
import { claimData } from './data-owner.ts';
import { freePort, requireFreePort } from './ports.ts';
import { ServerProcess } from './server-process.ts';

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
  /** Whether it goes on when this process ends. Default: it ends with it, however it ends. */
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
/** Another program may take a free port between our look and btcd's. */
const START_ATTEMPTS_MAX = 3;

/**
 * Starts btcd on regtest, on loopback, and waits until it answers. It keeps no block over a restart there: those that it had are handed to it again.
 * @throws ServerUnavailable when it can't be had or doesn't start
 */
export async function startBtcd(options: BtcdOptions): Promise<Btcd> {
  const program = await ensureBtcd(options.say ?? (() => undefined));
  for (const port of [options.port, options.peerPort]) if (port !== undefined) await requireFreePort(port, 'btcd');
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
  const url = `http://127.0.0.1:${port}`;
  const args = btcdArguments(port, user, password, options);
  const outputFile = path.join(dataDir, 'btcd.out');
  const claim = claimData(dataDir, 'btcd');
  const blocks = blocksKept(dataDirOf(options));
  try {
    const server = await ServerProcess.start({ name: 'btcd', file: program, args, outputFile, detached });
    const env = { BITCOIN_RPC_URL: url.replace('://', `://${user}:${password}@`) };
    claim.handTo({ pid: server.pid, detached, env });
    const isReady = async (): Promise<boolean> =>
      (await askBtcd({ url, user, password }, 'getblockcount')) !== undefined;
    await server.untilReady(isReady, READY_MS_MAX);
    // Its answers (known already, on a shorter branch) don't matter: what counts is where the chain is in the end.
    for (const block of blocks) await askBtcd({ url, user, password }, 'submitblock', [block.toString('hex')]);
    return { url, user, password, pid: server.pid, stop: () => server.stop() };
  } catch (error) {
    claim.release();
    throw error;
  }
}

const dataDirOf = ({ dataDir }: BtcdOptions): string => path.join(dataDir, 'data');

function btcdArguments(port: number, user: string, password: string, options: BtcdOptions): readonly string[] {
  return [
    '--regtest',
    '--notls',
    `--rpcuser=${user}`,
    `--rpcpass=${password}`,
    `--rpclisten=127.0.0.1:${port}`,
    options.peerPort === undefined ? '--nolisten' : `--listen=127.0.0.1:${options.peerPort}`,
    `--datadir=${dataDirOf(options)}`,
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

/** The result of a call, or `undefined` when nobody answers it properly. */
export async function askBtcd(
  { url, user, password }: Pick<Btcd, 'url' | 'user' | 'password'>,
  method: string,
  params: readonly unknown[] = [],
): Promise<unknown> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` },
      body: JSON.stringify({ jsonrpc: '1.0', id: 1, method, params }),
      signal: AbortSignal.timeout(READY_MS_MAX),
    });
    const answer = (await response.json()) as { readonly result?: unknown };
    return answer.result ?? undefined;
  } catch {
    return undefined;
  }
}
