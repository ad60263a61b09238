import { hexFromBytes, isHex, outpointKey, parseTransaction, type Txid } from '@finality/bitcoin';
import { BROADCAST_LIMITS, broadcast, exceedsFee, MISSING_INPUTS, RPC } from '../broadcast.ts';
import { POLICY } from '../mempool-rules.ts';
import { RpcError, hashOf } from './rpc-params.ts';
import type { RpcMethods } from './rpc-methods.ts';
import type { RpcValue } from './rpc-json.ts';
import { headerView, mempoolEntryView, transactionView } from './rpc-views.ts';

const TEST_ACCEPT_MAX = 25;
const MEMPOOL_BYTES_MAX = 300_000_000;

/** Transactions: asking for them, trying them, sending them. */
export const mempoolMethods: RpcMethods = {
  getrawmempool: ({ chain }, params) => {
    const entries = chain.mempool.entries();
    if (!params.boolean(0, 'verbose', false)) return entries.map((entry) => entry.transaction.txid);
    return Object.fromEntries(entries.map((entry) => [entry.transaction.txid, mempoolEntryView(chain, entry)]));
  },
  getmempoolentry: ({ chain }, params) => {
    const entry = chain.mempool.get(params.hash(0, 'txid') as Txid);
    if (!entry) throw new RpcError(RPC.invalidAddressOrKey, 'Transaction not in mempool');
    return mempoolEntryView(chain, entry);
  },
  getmempoolinfo: ({ chain }) => {
    const entries = chain.mempool.entries();
    return {
      loaded: true,
      size: entries.length,
      bytes: entries.reduce((total, entry) => total + entry.transaction.vsize, 0),
      total_fee: entries.reduce((total, entry) => total + entry.feeSats, 0n),
      maxmempool: MEMPOOL_BYTES_MAX,
      mempoolminfee: POLICY.relayFeeSatPerKvb,
      minrelaytxfee: POLICY.relayFeeSatPerKvb,
      incrementalrelayfee: POLICY.incrementalFeeSatPerKvb,
      unbroadcastcount: 0,
      fullrbf: true,
    };
  },
  getrawtransaction: ({ chain, txIndex }, params) => {
    const found = chain.findTransaction(params.hash(0, 'txid') as Txid);
    const blockHash = params.has(2) ? params.hash(2, 'blockhash') : undefined;
    const { block } = found ?? {};
    if (
      !found ||
      (block && !txIndex && blockHash !== block.hash) ||
      (blockHash !== undefined && blockHash !== block?.hash)
    ) {
      throw new RpcError(RPC.invalidAddressOrKey, notFound(txIndex, blockHash));
    }
    const hex = hexFromBytes(found.transaction.raw);
    if (params.verbosity(1, 'verbosity', 0) === 0) return hex;
    const view = { ...transactionView(found.transaction), hex };
    if (!block) return view;
    const { confirmations } = headerView(chain, block);
    return { ...view, blockhash: block.hash, confirmations, time: block.time, blocktime: block.time };
  },
  decoderawtransaction: (_node, params) => transactionView(rawParam(params.text(0, 'hexstring'))),
  sendrawtransaction: ({ chain }, params) => {
    const raw = params.bytes(0, 'hexstring', 'TX decode failed. Make sure the tx has at least one input.');
    const limits = {
      maxFeeRateSatPerKvb: params.btc(1, 'maxfeerate', BROADCAST_LIMITS.maxFeeRateSatPerKvb),
      maxBurnSats: params.btc(2, 'maxburnamount', BROADCAST_LIMITS.maxBurnSats),
    };
    const sent = broadcast(chain, raw, limits);
    if (!sent.ok) throw new RpcError(sent.error.code, sent.error.message);
    return sent.value;
  },
  testmempoolaccept: ({ chain }, params) => {
    const transactions = params.list(0, 'rawtxs').map((raw) => rawParam(raw));
    if (transactions.length < 1 || transactions.length > TEST_ACCEPT_MAX) {
      throw new RpcError(RPC.invalidParameter, `Array must contain between 1 and ${TEST_ACCEPT_MAX} transactions.`);
    }
    const limits = {
      ...BROADCAST_LIMITS,
      maxFeeRateSatPerKvb: params.btc(1, 'maxfeerate', BROADCAST_LIMITS.maxFeeRateSatPerKvb),
    };
    return chain.test(transactions).map((verdict, i): RpcValue => {
      const transaction = transactions[i]!;
      const { txid, wtxid, vsize } = transaction;
      const refused = !verdict.ok
        ? verdict.error
        : exceedsFee(transaction, verdict.value.feeSats, limits)
          ? 'max-fee-exceeded'
          : undefined;
      if (refused === undefined && verdict.ok)
        return { txid, wtxid, allowed: true, vsize, fees: { base: verdict.value.feeSats } };
      return { txid, wtxid, allowed: false, 'reject-reason': shortReason(refused!), 'reject-details': refused };
    });
  },
  gettxspendingprevout: ({ chain }, params) =>
    params.list(0, 'outputs').map((output) => {
      const outpoint = outpointParam(output);
      return { ...outpoint, spendingtxid: chain.mempool.spenderOf(outpointKey(outpoint)) };
    }),
  estimatesmartfee: ({ chain }, params) => {
    const blocks = params.integer(0, 'conf_target');
    const feerate = chain.feeEstimateSatPerKvb;
    return feerate === undefined ? { errors: ['Insufficient data or no feerate found'], blocks } : { feerate, blocks };
  },
};

/** Bitcoin Core keeps what follows the comma for `reject-details`. */
const shortReason = (reason: string): string => (reason === MISSING_INPUTS ? 'missing-inputs' : reason.split(', ')[0]!);

function notFound(txIndex: boolean, blockHash: string | undefined): string {
  const where = blockHash !== undefined ? 'No such transaction found in the provided block' : undefined;
  const index = txIndex
    ? 'No such mempool or blockchain transaction'
    : 'No such mempool transaction. Use -txindex or provide a block hash to enable blockchain transaction queries';
  return `${where ?? index}. Use gettransaction for wallet transactions.`;
}

function rawParam(text: unknown): ReturnType<typeof parse> {
  if (typeof text !== 'string' || !isHex(text)) throw new RpcError(RPC.deserialization, 'TX decode failed');
  return parse(text);
}

function parse(text: string) {
  const parsed = parseTransaction(text);
  if (!parsed.ok) throw new RpcError(RPC.deserialization, `TX decode failed. ${parsed.error.message}`);
  return parsed.value;
}

function outpointParam(output: unknown): { readonly txid: Txid; readonly vout: number } {
  const { txid, vout } = (output ?? {}) as { readonly txid?: unknown; readonly vout?: unknown };
  if (typeof txid !== 'string') throw new RpcError(RPC.typeError, 'Missing txid');
  if (typeof vout !== 'number' || !Number.isSafeInteger(vout) || vout < 0)
    throw new RpcError(RPC.invalidParameter, 'Invalid parameter, vout cannot be negative');
  return { txid: hashOf(txid, 'txid') as Txid, vout };
}
