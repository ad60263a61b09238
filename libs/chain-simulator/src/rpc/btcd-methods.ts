import { outpointKey, type ParsedTransaction, parseTransaction } from '@finality/bitcoin';
import { assert } from '@finality/kernel';
import { broadcast, type BroadcastLimits, MISSING_INPUTS, RPC } from '../broadcast.ts';
import type { MempoolEntry } from '../mempool.ts';
import type { SimulatedChain } from '../simulated-chain.ts';
import { blockParam, chainMethods } from './chain-methods.ts';
import { mempoolMethods } from './mempool-methods.ts';
import { miningMethods } from './mining-methods.ts';
import type { RpcValue } from './rpc-json.ts';
import type { RpcMethods } from './rpc-methods.ts';
import { RpcError } from './rpc-params.ts';
import { blockView, DIFFICULTY } from './rpc-views.ts';

/** btcd 0.26: major, minor and patch, two digits each, and two that are always 0. */
const BTCD_VERSION = 260_000;
const BTCD_PROTOCOL_VERSION = 70_002;
/** 1 sat/vB. */
const BTCD_RELAY_FEE_SAT_PER_KVB = 1_000n;
/** An input with a higher nSequence says that its transaction is not to be replaced (BIP125). */
const REPLACEABLE_SEQUENCE_MAX = 0xffff_fffd;
const GENERATE_MAX = 5_000;
/** btcd's sendrawtransaction has no limits of its own. */
const NO_LIMITS: BroadcastLimits = { maxFeeRateSatPerKvb: 0n, maxBurnSats: 21n * 10n ** 14n };

/** These answer alike. */
const SAME = {
  ...pick(chainMethods, 'getbestblockhash', 'getblockchaininfo', 'getblockcount', 'getchaintips', 'gettxout'),
  ...pick(mempoolMethods, 'decoderawtransaction', 'getrawtransaction', 'gettxspendingprevout', 'testmempoolaccept'),
  ...pick(miningMethods, 'invalidateblock', 'reconsiderblock', 'submitblock'),
};

/** What btcd 0.26 answers where it answers otherwise than Bitcoin Core, or has another method for it; what isn't here it doesn't know. */
export const BTCD_METHODS: RpcMethods = {
  ...SAME,
  getinfo: ({ chain }) => ({
    version: BTCD_VERSION,
    protocolversion: BTCD_PROTOCOL_VERSION,
    blocks: chain.tip.height,
    timeoffset: 0,
    connections: 0,
    proxy: '',
    difficulty: DIFFICULTY,
    testnet: false,
    relayfee: BTCD_RELAY_FEE_SAT_PER_KVB,
    errors: '',
  }),
  uptime: ({ chain }) => chain.uptimeSeconds,
  // Known by name, and that is all.
  getnetworkinfo: unimplemented,
  getmempoolentry: unimplemented,
  getblockhash: (node, params) => {
    if (params.integer(0, 'index') > node.chain.tip.height)
      throw new RpcError(RPC.miscError, 'Block number out of range');
    return method(chainMethods, 'getblockhash')(node, params);
  },
  getblock: (node, params) => {
    const verbosity = params.verbosity(1, 'verbosity', 1);
    if (verbosity <= 0) return method(chainMethods, 'getblock')(node, params);
    const block = blockOnMainChain(node.chain, params);
    if (verbosity === 1) return blockView(node.chain, block, 1);
    const { tx, ...view } = blockView(node.chain, block, 2) as Readonly<Record<string, RpcValue>>;
    return { ...view, rawtx: tx };
  },
  getblockheader: (node, params) => {
    if (params.boolean(1, 'verbose', true)) blockOnMainChain(node.chain, params);
    return method(chainMethods, 'getblockheader')(node, params);
  },
  getmempoolinfo: ({ chain }) => {
    const entries = chain.mempool.entries();
    return { size: entries.length, bytes: entries.reduce((sum, { transaction }) => sum + transaction.vsize, 0) };
  },
  getrawmempool: ({ chain }, params) => {
    const entries = chain.mempool.entries();
    if (!params.boolean(0, 'verbose', false)) return entries.map((entry) => entry.transaction.txid);
    return Object.fromEntries(entries.map((entry) => [entry.transaction.txid, entryView(entry)]));
  },
  sendrawtransaction: ({ chain }, params) => {
    const raw = params.bytes(0, 'hextx', 'TX decode failed');
    const parsed = parseTransaction(raw);
    if (!parsed.ok) throw new RpcError(RPC.deserialization, `TX decode failed: ${parsed.error.message}`);
    refuseAsBtcd(chain, parsed.value);
    const sent = broadcast(chain, raw, NO_LIMITS);
    if (sent.ok) return sent.value;
    throw new RpcError(sent.error.code, `TX rejected: ${wordsOf(parsed.value, sent.error.message)}`);
  },
  estimatefee: ({ chain }) => {
    if (chain.feeEstimateSatPerKvb !== undefined) return chain.feeEstimateSatPerKvb;
    throw new RpcError(RPC.invalidRequest, 'not enough blocks have been observed');
  },
  generate: ({ chain, btcd }, params) => {
    assert(btcd !== undefined, 'a node of this dialect has somebody to pay');
    const count = params.integer(0, 'numblocks');
    if (count < 1 || count > GENERATE_MAX)
      throw new RpcError(RPC.internalError, 'Please request a nonzero number of blocks to generate.');
    const mined = chain.mine({ script: btcd.miningScript, count });
    if (!mined.ok) throw new RpcError(RPC.internalError, mined.error);
    return mined.value;
  },
  help: () => Object.keys(BTCD_METHODS).sort().join('\n'),
};

function unimplemented(): never {
  throw new RpcError(RPC.miscError, 'Command unimplemented');
}

/** btcd tells nothing of other branches but their raw bytes. */
function blockOnMainChain(
  chain: SimulatedChain,
  params: Parameters<typeof blockParam>[1],
): ReturnType<typeof blockParam> {
  const block = blockParam(chain, params);
  if (chain.isActive(block)) return block;
  throw new RpcError(RPC.internalError, `block ${block.hash} is not in the main chain`);
}

/** btcd refuses what it has already, and replaces only what says that it may be. */
function refuseAsBtcd({ mempool }: SimulatedChain, { txid, inputs }: ParsedTransaction): void {
  const reject = (message: string): never => {
    throw new RpcError(RPC.verifyRejected, `TX rejected: ${message}`);
  };
  if (mempool.has(txid)) reject(`already have transaction in mempool ${txid}`);
  for (const { outpoint } of inputs) {
    const spender = mempool.spenderOf(outpointKey(outpoint));
    const other = spender === undefined ? undefined : mempool.get(spender);
    const isReplaceable = other?.transaction.inputs.some(({ sequence }) => sequence <= REPLACEABLE_SEQUENCE_MAX);
    if (other !== undefined && !isReplaceable)
      reject(`output already spent in mempool: output=${outpointKey(outpoint)}, tx=${spender}`);
  }
}

/** In btcd's words, as far as anybody goes by them. */
const wordsOf = ({ txid }: ParsedTransaction, reason: string): string =>
  reason === MISSING_INPUTS
    ? `orphan transaction ${txid} references outputs of unknown or fully-spent transaction`
    : reason;

const entryView = ({ transaction, feeSats, time, height, parents }: MempoolEntry): RpcValue => ({
  size: transaction.raw.length,
  vsize: transaction.vsize,
  weight: transaction.weight,
  fee: feeSats,
  time,
  height,
  startingpriority: 0,
  currentpriority: 0,
  depends: [...parents],
});

function method(methods: RpcMethods, name: string): RpcMethods[string] {
  const found = methods[name];
  assert(found !== undefined, `there is a method ${name}`);
  return found;
}

function pick(methods: RpcMethods, ...names: readonly string[]): RpcMethods {
  return Object.fromEntries(names.map((name) => [name, method(methods, name)]));
}
