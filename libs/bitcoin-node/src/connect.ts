import { type Network, networkParams } from '@finality/bitcoin';
import type { Runtime } from '@finality/kernel';
import { JsonRpc } from './json-rpc.ts';
import { JsonRpcNode } from './json-rpc-node.ts';
import type { RegtestNode } from './node.ts';
import { NodeRpcError, WrongNetwork } from './node-errors.ts';

export interface ConnectOptions {
  /** `http://127.0.0.1:18443`; `user:password@` in it serves where the options don't say. */
  readonly url: string;
  readonly user?: string;
  readonly password?: string;
  /** What the node has to be on; its genesis block is compared, since address prefixes don't tell networks apart. */
  readonly network: Network;
  readonly runtime: Runtime;
  /** Bound of every call; default 15 s. */
  readonly timeoutMs?: number;
}

export const NODE_TIMEOUT_MS_DEFAULT = 15_000;

/** In the chain simulator's version, between slashes as in Bitcoin Core's. */
export const SIMULATOR_AGENT = 'FinalitySimulator';

/**
 * Asks the node what it is (Bitcoin Core, btcd, the simulator) and whether its chain is the right one.
 * Throws a `NodeError`: `WrongNetwork` when the genesis block differs, the others when it can't be asked. The methods of
 * `RegtestNode` fail on other networks by the node's own refusal.
 */
export async function connectNode(options: ConnectOptions): Promise<RegtestNode> {
  const url = new URL(options.url);
  const rpc = new JsonRpc({
    url: new URL(url.pathname, url.origin),
    user: options.user ?? decodeURIComponent(url.username),
    password: options.password ?? decodeURIComponent(url.password),
    runtime: options.runtime,
    timeoutMs: options.timeoutMs ?? NODE_TIMEOUT_MS_DEFAULT,
  });
  try {
    const genesisHash = (await rpc.call('getblockhash', [0])).blockHash();
    if (genesisHash !== networkParams(options.network).genesisHash)
      throw new WrongNetwork(options.network, genesisHash);
    return new JsonRpcNode({ ...(await identify(rpc)), network: options.network }, rpc);
  } catch (error) {
    rpc.close();
    throw error;
  }
}

async function identify(rpc: JsonRpc): Promise<Pick<RegtestNode, 'kind' | 'version'>> {
  try {
    const version = (await rpc.call('getnetworkinfo', [])).field('subversion').text();
    return { kind: version.includes(SIMULATOR_AGENT) ? 'simulator' : 'core', version };
  } catch (error) {
    // btcd knows the method's name but doesn't offer it.
    if (!(error instanceof NodeRpcError) || error.retryable) throw error;
  }
  const version = (await rpc.call('getinfo', [])).field('version').integer();
  const parts = [Math.floor(version / 1_000_000), Math.floor(version / 10_000) % 100, Math.floor(version / 100) % 100];
  return { kind: 'btcd', version: `/btcd:${parts.join('.')}/` };
}
