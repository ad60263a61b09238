import {
  isHex,
  type ParsedTransaction,
  parseAddress,
  parseTransaction,
  type ScriptHex,
  type Txid,
} from '@finality/bitcoin';
import { RPC } from '../broadcast.ts';
import type { SimulatedChain } from '../simulated-chain.ts';
import { blockParam } from './chain-methods.ts';
import type { RpcMethods } from './rpc-methods.ts';
import { RpcError, type RpcParams } from './rpc-params.ts';

/** Bounds how long a call keeps the others waiting (about 0.3 ms a block). */
const GENERATE_MAX = 5_000;

/** What makes the chain grow, fork and come back. */
export const miningMethods: RpcMethods = {
  generatetoaddress: ({ chain }, params) => {
    const count = params.integer(0, 'nblocks');
    if (count < 0 || count > GENERATE_MAX)
      throw new RpcError(RPC.invalidParameter, `expected 0 to ${GENERATE_MAX} blocks, got ${count}`);
    const script = addressParam(params, 1);
    return mined(chain.mine({ script, count }));
  },
  generateblock: ({ chain }, params) => {
    const transactions = params.list(1, 'transactions').map((each) => chosen(chain, each));
    const [hash] = mined(chain.mine({ script: addressParam(params, 0), transactions }));
    return { hash: hash! };
  },
  submitblock: ({ chain }, params) => {
    const taken = chain.submitBlock(params.bytes(0, 'hexdata', 'Block decode failed'));
    if (taken.ok) return chain.isActive(taken.value) ? null : 'inconclusive';
    if (taken.error === 'malformed') throw new RpcError(RPC.deserialization, 'Block decode failed');
    return taken.error;
  },
  invalidateblock: ({ chain }, params) => {
    const node = blockParam(chain, params);
    if (!node.parent) throw new RpcError(RPC.miscError, 'The genesis block can not be invalidated');
    chain.invalidate(node);
    return null;
  },
  reconsiderblock: ({ chain }, params) => {
    chain.reconsider(blockParam(chain, params));
    return null;
  },
};

function mined(result: ReturnType<SimulatedChain['mine']>): readonly string[] {
  if (!result.ok) throw new RpcError(RPC.verifyError, `TestBlockValidity failed: ${result.error}`);
  return result.value;
}

function addressParam(params: RpcParams, i: number): ScriptHex {
  const parsed = parseAddress(params.text(i, 'address'), 'regtest');
  if (!parsed.ok) throw new RpcError(RPC.invalidAddressOrKey, 'Error: Invalid address');
  return parsed.value;
}

/** A transaction of the mempool by its txid, or a raw one. */
function chosen(chain: SimulatedChain, text: unknown): ParsedTransaction {
  if (typeof text !== 'string' || !isHex(text)) throw new RpcError(RPC.deserialization, 'Transaction decode failed');
  if (text.length === 64) {
    const entry = chain.mempool.get(text.toLowerCase() as Txid);
    if (!entry) throw new RpcError(RPC.invalidAddressOrKey, `Transaction ${text} not in mempool.`);
    return entry.transaction;
  }
  const parsed = parseTransaction(text);
  if (!parsed.ok) throw new RpcError(RPC.deserialization, `Transaction decode failed for ${text.slice(0, 100)}`);
  return parsed.value;
}
