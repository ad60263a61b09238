import {
  type BlockHash,
  HEADER_BYTES,
  hexFromBytes,
  networkParams,
  type Outpoint,
  parseAddress,
  type Txid,
} from '@finality/bitcoin';
import { RPC } from '../broadcast.ts';
import { chainTips } from '../chain-tips.ts';
import { type BlockNode, medianTimePast, REGTEST, REGTEST_TARGET } from '../consensus.ts';
import type { SimulatedChain } from '../simulated-chain.ts';
import type { RpcMethods } from './rpc-methods.ts';
import { RpcError, type RpcParams } from './rpc-params.ts';
import { blockView, DIFFICULTY, headerView, hex64, scriptView } from './rpc-views.ts';

/** Blocks and coins of the chain: reading only. */
export const chainMethods: RpcMethods = {
  getblockchaininfo: ({ chain, faults }) => ({
    chain: 'regtest',
    blocks: chain.tip.height,
    headers: chain.tip.height,
    bestblockhash: chain.tip.hash,
    bits: REGTEST.bits.toString(16),
    target: hex64(REGTEST_TARGET),
    difficulty: DIFFICULTY,
    time: chain.tip.time,
    mediantime: medianTimePast(chain.tip),
    verificationprogress: 1,
    initialblockdownload: false,
    chainwork: hex64(chain.tip.chainWork),
    pruned: faults.prunedBelow > 0,
    ...(faults.prunedBelow > 0 && { pruneheight: faults.prunedBelow }),
    warnings: [],
  }),
  getbestblockhash: ({ chain }) => chain.tip.hash,
  getblockcount: ({ chain }) => chain.tip.height,
  getblockhash: ({ chain, faults }, params) => {
    const height = params.integer(0, 'height');
    if (faults.network !== undefined && height === 0) return networkParams(faults.network).genesisHash;
    const node = chain.nodeAt(height);
    if (!node) throw new RpcError(RPC.invalidParameter, 'Block height out of range');
    return node.hash;
  },
  getblock: ({ chain, faults }, params) => {
    const node = blockParam(chain, params);
    if (node.height < faults.prunedBelow) throw new RpcError(RPC.miscError, 'Block not available (pruned data)');
    const verbosity = params.verbosity(1, 'verbosity', 1);
    return verbosity <= 0 ? hexFromBytes(node.raw) : blockView(chain, node, verbosity);
  },
  getblockheader: ({ chain }, params) => {
    const node = blockParam(chain, params);
    return params.boolean(1, 'verbose', true)
      ? headerView(chain, node)
      : hexFromBytes(node.raw.subarray(0, HEADER_BYTES));
  },
  getchaintips: ({ chain }) =>
    chainTips(chain).map(({ height, hash, branchLength, status }) => ({
      height,
      hash,
      branchlen: branchLength,
      status,
    })),
  getdifficulty: () => DIFFICULTY,
  gettxout: ({ chain }, params) => {
    const outpoint: Outpoint = { txid: params.hash(0, 'txid') as Txid, vout: params.integer(1, 'n') };
    return unspentView(chain, outpoint, params.boolean(2, 'include_mempool', true));
  },
  scantxoutset: ({ chain }, params) => {
    if (params.text(0, 'action') !== 'start')
      throw new RpcError(RPC.invalidParameter, 'The simulator knows the action start alone');
    return scanCoins(chain, params.list(1, 'scanobjects').map(scriptOfDescriptor));
  },
};

/** The block that the first parameter names, of any branch. */
export function blockParam(chain: SimulatedChain, params: RpcParams): BlockNode {
  const node = chain.node(params.hash(0, 'blockhash') as BlockHash);
  if (!node) throw new RpcError(RPC.invalidAddressOrKey, 'Block not found');
  return node;
}

function unspentView(chain: SimulatedChain, outpoint: Outpoint, withMempool: boolean): ReturnType<RpcMethods[string]> {
  const key = `${outpoint.txid}:${outpoint.vout}` as Parameters<typeof chain.mempool.spenderOf>[0];
  if (withMempool && chain.mempool.spenderOf(key) !== undefined) return null;
  const waiting = withMempool ? chain.mempool.get(outpoint.txid)?.transaction.outputs[outpoint.vout] : undefined;
  const coin = waiting ? { ...waiting, height: chain.tip.height + 1, coinbase: false } : chain.coin(outpoint);
  if (!coin) return null;
  return {
    bestblock: chain.tip.hash,
    confirmations: chain.tip.height - coin.height + 1,
    value: coin.valueSats,
    scriptPubKey: scriptView(coin.script),
    coinbase: coin.coinbase,
  };
}

/** `addr(…)` or `raw(…)`, in a string or as the `desc` of an object; a checksum is not looked at. */
function scriptOfDescriptor(object: unknown): string {
  const text = typeof object === 'string' ? object : (object as { readonly desc?: unknown } | null)?.desc;
  const match = typeof text === 'string' ? /^(addr|raw)\(([0-9A-Za-z]+)\)(?:#.*)?$/.exec(text) : null;
  const address = match?.[1] === 'addr' ? parseAddress(match[2]!, 'regtest') : undefined;
  if (address?.ok) return address.value;
  if (match?.[1] === 'raw') return match[2]!.toLowerCase();
  throw new RpcError(RPC.invalidAddressOrKey, 'The simulator scans for addr(…) and raw(…) descriptors alone');
}

function scanCoins(chain: SimulatedChain, scripts: readonly string[]): ReturnType<RpcMethods[string]> {
  const wanted = new Set(scripts);
  const found = [...chain.coins.entries()].filter(([, coin]) => wanted.has(coin.script));
  const unspents = found.map(([key, coin]) => {
    const [txid = '', vout] = key.split(':');
    const { script, valueSats, coinbase, height } = coin;
    return {
      txid,
      vout: Number(vout),
      scriptPubKey: script,
      amount: valueSats,
      coinbase,
      height,
      confirmations: chain.tip.height - height + 1,
    };
  });
  const total = found.reduce((sum, [, coin]) => sum + coin.valueSats, 0n);
  return {
    success: true,
    txouts: chain.coins.size,
    height: chain.tip.height,
    bestblock: chain.tip.hash,
    unspents,
    total_amount: total,
  };
}
