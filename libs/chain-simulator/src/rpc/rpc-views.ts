import {
  addressOf,
  bytesFromHex,
  hexFromBytes,
  HEADER_BYTES,
  type ParsedTransaction,
  parseHeader,
  type ScriptHex,
  type ScriptType,
  scriptTypeOf,
} from '@finality/bitcoin';
import { unwrap } from '@finality/kernel';
import { script as codec } from 'bitcoinjs-lib';
import { type BlockNode, type Coin, medianTimePast, REGTEST_TARGET } from '../consensus.ts';
import type { MempoolEntry } from '../mempool.ts';
import type { SimulatedChain } from '../simulated-chain.ts';
import type { RpcValue } from './rpc-json.ts';

/** Bitcoin Core's names for kinds of scriptPubKey. */
const CORE_SCRIPT_TYPES: { readonly [T in ScriptType]: string } = {
  p2pkh: 'pubkeyhash',
  p2sh: 'scripthash',
  p2wpkh: 'witness_v0_keyhash',
  p2wsh: 'witness_v0_scripthash',
  p2tr: 'witness_v1_taproot',
  anchor: 'anchor',
  witness_unknown: 'witness_unknown',
  nulldata: 'nulldata',
  nonstandard: 'nonstandard',
};

const GENESIS_TARGET = 0xffffn << 208n;
/** Difficulty is the one figure here that is a fraction by nature. */
export const DIFFICULTY = Number((GENESIS_TARGET * 10n ** 24n) / REGTEST_TARGET) / 1e24;

export const hex64 = (value: bigint): string => value.toString(16).padStart(64, '0');

export function scriptView(script: ScriptHex): { readonly [name: string]: RpcValue | undefined } {
  return {
    asm: asmOf(script),
    hex: script,
    address: addressOf(script, 'regtest'),
    type: CORE_SCRIPT_TYPES[scriptTypeOf(script)],
  };
}

/** A transaction as `decoderawtransaction` shows it; with `coins` (what its inputs spend) also the prevouts. */
export function transactionView(
  transaction: ParsedTransaction,
  coins?: readonly Coin[],
): { readonly [name: string]: RpcValue | undefined } {
  return {
    txid: transaction.txid,
    hash: transaction.wtxid,
    version: transaction.version,
    size: transaction.raw.length,
    vsize: transaction.vsize,
    weight: transaction.weight,
    locktime: transaction.locktime,
    vin: transaction.inputs.map((input, i) => inputView(transaction.isCoinbase, input, coins?.[i])),
    vout: transaction.outputs.map(({ valueSats, script }, n) => ({
      value: valueSats,
      n,
      scriptPubKey: scriptView(script),
    })),
  };
}

function inputView(coinbase: boolean, input: ParsedTransaction['inputs'][number], coin: Coin | undefined): RpcValue {
  const scriptSig = hexFromBytes(input.scriptSig);
  const txinwitness = input.witness.length > 0 ? input.witness.map(hexFromBytes) : undefined;
  if (coinbase) return { coinbase: scriptSig, txinwitness, sequence: input.sequence };
  const prevout = coin && {
    generated: coin.coinbase,
    height: coin.height,
    value: coin.valueSats,
    scriptPubKey: scriptView(coin.script),
  };
  const { txid, vout } = input.outpoint;
  return {
    txid,
    vout,
    scriptSig: { asm: asmOf(scriptSig as ScriptHex), hex: scriptSig },
    txinwitness,
    prevout,
    sequence: input.sequence,
  };
}

export function headerView(chain: SimulatedChain, node: BlockNode): { readonly [name: string]: RpcValue | undefined } {
  const header = unwrap(parseHeader(node.raw.subarray(0, HEADER_BYTES)));
  const active = chain.isActive(node);
  return {
    hash: node.hash,
    confirmations: active ? chain.tip.height - node.height + 1 : -1,
    height: node.height,
    version: header.version,
    versionHex: header.version.toString(16).padStart(8, '0'),
    merkleroot: header.merkleRoot,
    time: node.time,
    mediantime: medianTimePast(node),
    nonce: header.nonce,
    bits: header.bits.toString(16).padStart(8, '0'),
    target: hex64(REGTEST_TARGET),
    difficulty: DIFFICULTY,
    chainwork: hex64(node.chainWork),
    nTx: node.transactionCount,
    previousblockhash: node.parent?.hash,
    nextblockhash: active ? chain.nodeAt(node.height + 1)?.hash : undefined,
  };
}

/** `getblock` with verbosity 1 (txids), 2 (transactions, with fees where the block was once connected) or 3 (and prevouts). */
export function blockView(chain: SimulatedChain, node: BlockNode, verbosity: number): RpcValue {
  const block = chain.block(node);
  const stripped = block.transactions.reduce((total, each) => total + (each.weight - each.raw.length) / 3, 0);
  const overhead = node.raw.length - block.transactions.reduce((total, each) => total + each.raw.length, 0);
  const head = {
    ...headerView(chain, node),
    strippedsize: overhead + stripped,
    size: node.raw.length,
    weight: block.weight,
  };
  if (verbosity === 1) return { ...head, tx: block.transactions.map((transaction) => transaction.txid) };
  let offset = 0;
  const tx = block.transactions.map((transaction) => {
    const count = transaction.isCoinbase ? 0 : transaction.inputs.length;
    const coins = node.spent?.slice(offset, offset + count);
    offset += count;
    const view = transactionView(transaction, verbosity >= 3 && !transaction.isCoinbase ? coins : undefined);
    const fee = coins && !transaction.isCoinbase ? feeOf(transaction, coins) : undefined;
    return { ...view, fee, hex: hexFromBytes(transaction.raw) };
  });
  return { ...head, tx };
}

export function mempoolEntryView(chain: SimulatedChain, entry: MempoolEntry): RpcValue {
  const { txid, wtxid, vsize, weight } = entry.transaction;
  const total = (
    txids: ReadonlySet<typeof txid>,
  ): { readonly count: number; readonly size: number; readonly fees: bigint } => {
    const entries = [...txids].map((each) => chain.mempool.get(each)!);
    return {
      count: entries.length,
      size: entries.reduce((size, each) => size + each.transaction.vsize, 0),
      fees: entries.reduce((fees, each) => fees + each.feeSats, 0n),
    };
  };
  const ancestors = total(chain.mempool.ancestorsOf([txid]));
  const descendants = total(chain.mempool.descendantsOf([txid]));
  return {
    vsize,
    weight,
    time: entry.time,
    height: entry.height,
    descendantcount: descendants.count,
    descendantsize: descendants.size,
    ancestorcount: ancestors.count,
    ancestorsize: ancestors.size,
    wtxid,
    fees: { base: entry.feeSats, modified: entry.feeSats, ancestor: ancestors.fees, descendant: descendants.fees },
    depends: [...entry.parents],
    spentby: [...entry.children],
    'bip125-replaceable': true,
    unbroadcast: false,
  };
}

const feeOf = (transaction: ParsedTransaction, coins: readonly Coin[]): bigint =>
  coins.reduce((total, coin) => total + coin.valueSats, 0n) -
  transaction.outputs.reduce((total, output) => total + output.valueSats, 0n);

function asmOf(script: ScriptHex): string {
  try {
    return codec.toASM(bytesFromHex(script));
  } catch {
    return '[error]';
  }
}
