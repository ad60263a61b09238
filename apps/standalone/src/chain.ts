import type { Network } from '@finality/bitcoin';
import { connectNode, NodeError, type RegtestNode } from '@finality/bitcoin-node';
import { MINER_WORD, RegtestWallet, type Simulator, startSimulator } from '@finality/chain-simulator';
import { assert, type Runtime, type Worker } from '@finality/kernel';
import { errorCode, StartupError } from '@finality/service';
import type { ChainKind } from './data-dir.ts';

const RPC_USER = 'finality';

export interface RpcAccess {
  readonly url: string;
  readonly user: string;
  readonly password: string;
}

interface NodeVariables {
  readonly BITCOIN_RPC_URL?: string | undefined;
  readonly BITCOIN_RPC_USER?: string | undefined;
  readonly BITCOIN_RPC_PASSWORD?: string | undefined;
}

/** User and password may stand in the URL. */
export function accessOf(env: NodeVariables): RpcAccess {
  const { BITCOIN_RPC_URL: url, BITCOIN_RPC_USER: user, BITCOIN_RPC_PASSWORD: secret } = env;
  assert(url !== undefined, 'BITCOIN_RPC_URL names a node');
  const { username, password, origin, pathname } = new URL(url);
  return {
    url: origin + pathname,
    user: user ?? decodeURIComponent(username),
    password: secret ?? decodeURIComponent(password),
  };
}

/** The Bitcoin node that this platform uses: one of its own making, or somebody's. */
export interface Chain {
  readonly kind: ChainKind;
  readonly rpc: RpcAccess;
  /** For what only the outside world does: mining, and paying in. */
  readonly node: RegtestNode;
  /** Undefined unless this process runs the node. */
  readonly simulator: Simulator | undefined;
  close(): Promise<void>;
}

export interface ChainOptions {
  readonly network: Network;
  readonly runtime: Runtime;
  /** Somebody's node; without it one is simulated. */
  readonly external?: RpcAccess | undefined;
  readonly simulated: { readonly dataDir: string; readonly port: number; readonly password: string };
}

/** @throws StartupError when the node can't be used, or the port of the simulated one is taken */
export async function startChain(options: ChainOptions): Promise<Chain> {
  const { network, runtime, external } = options;
  const simulator = external ? undefined : await startOwn(options);
  const { password } = options.simulated;
  const rpc = external ?? { url: simulator!.url, user: RPC_USER, password };
  try {
    const node = await connectNode({ ...rpc, network, runtime });
    return {
      kind: simulator ? 'simulator' : 'node',
      rpc,
      node,
      simulator,
      close: async () => {
        node.close();
        await simulator?.close();
      },
    };
  } catch (error) {
    await simulator?.close();
    if (!(error instanceof NodeError)) throw error;
    const remedy = 'Check BITCOIN_RPC_URL, BITCOIN_RPC_USER and BITCOIN_RPC_PASSWORD, and that the node runs';
    throw new StartupError('NODE_UNUSABLE', error.message, remedy, { cause: error });
  }
}

async function startOwn({ runtime, simulated }: ChainOptions): Promise<Simulator> {
  const { dataDir, port, password } = simulated;
  try {
    return await startSimulator({ dataDir, port, user: RPC_USER, password, now: () => runtime.now() });
  } catch (error) {
    if (errorCode(error) !== 'EADDRINUSE') throw error;
    throw new StartupError(
      'PORT_TAKEN',
      `BITCOIN_RPC_PORT: port ${port} is taken by another program`,
      'Stop that program, or set BITCOIN_RPC_PORT to another port (0 takes a free one)',
      { cause: error },
    );
  }
}

/** Whoever mines on regtest while nobody else does; also who pays for the demonstration. */
export const minerWallet = (): RegtestWallet => new RegtestWallet(MINER_WORD);

/** A block every so often. */
export function miningWorker(node: RegtestNode, intervalMs: number): Worker {
  const { address } = minerWallet();
  let isFirst = true;
  return {
    name: 'miner',
    pollMs: intervalMs,
    step: async () => {
      if (!isFirst) await node.mine(1, address);
      isFirst = false;
      return 'idle';
    },
  };
}
