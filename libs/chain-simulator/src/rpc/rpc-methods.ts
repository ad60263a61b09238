import { parseAddress, type ScriptHex } from '@finality/bitcoin';
import type { NodeFaults } from '../faults.ts';
import { POLICY } from '../mempool-rules.ts';
import type { SimulatedChain } from '../simulated-chain.ts';
import { SIMULATOR_VERSION } from '../simulated-node.ts';
import { chainMethods } from './chain-methods.ts';
import { mempoolMethods } from './mempool-methods.ts';
import { miningMethods } from './mining-methods.ts';
import type { RpcValue } from './rpc-json.ts';
import type { RpcParams } from './rpc-params.ts';

export interface RpcNode {
  readonly chain: SimulatedChain;
  /** Whether getrawtransaction finds what is mined, as with Bitcoin Core's -txindex. */
  readonly txIndex: boolean;
  /** It speaks btcd's dialect: `generate` pays this script. */
  readonly btcd?: { readonly miningScript: ScriptHex };
  readonly faults: Pick<NodeFaults, 'network' | 'prunedBelow'>;
  /** Where it publishes by ZeroMQ, if it does. */
  readonly zmqAddress?: string;
}

/** A method answers, or throws an `RpcError`. */
export type RpcMethod = (node: RpcNode, params: RpcParams) => RpcValue;
export type RpcMethods = Readonly<Record<string, RpcMethod>>;

const PROTOCOL_VERSION = 70_016;
const ZMQ_HIGH_WATER_MARK = 1_000;
const CLIENT_VERSION = 310_000;

const nodeMethods: RpcMethods = {
  getnetworkinfo: () => ({
    version: CLIENT_VERSION,
    subversion: SIMULATOR_VERSION,
    protocolversion: PROTOCOL_VERSION,
    networkactive: true,
    connections: 0,
    relayfee: POLICY.relayFeeSatPerKvb,
    incrementalfee: POLICY.incrementalFeeSatPerKvb,
    warnings: [],
  }),
  uptime: ({ chain }) => chain.uptimeSeconds,
  getzmqnotifications: ({ zmqAddress }) =>
    zmqAddress === undefined
      ? []
      : ['pubhashblock', 'pubsequence'].map((type) => ({ type, address: zmqAddress, hwm: ZMQ_HIGH_WATER_MARK })),
  getconnectioncount: () => 0,
  getpeerinfo: () => [],
  getindexinfo: ({ chain, txIndex }) =>
    txIndex ? { txindex: { synced: true, best_block_height: chain.tip.height } } : {},
  validateaddress: (_node, params) => {
    const address = params.text(0, 'address');
    const parsed = parseAddress(address, 'regtest');
    return parsed.ok
      ? { isvalid: true, address, scriptPubKey: parsed.value }
      : { isvalid: false, error: parsed.error.message };
  },
  help: () => Object.keys(RPC_METHODS).sort().join('\n'),
};

/** Bitcoin Core's names, parameters and answers; what isn't here is "Method not found". */
export const RPC_METHODS: RpcMethods = { ...nodeMethods, ...chainMethods, ...mempoolMethods, ...miningMethods };
