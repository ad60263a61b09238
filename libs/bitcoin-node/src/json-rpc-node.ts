import {
  type BlockHash,
  hexFromBytes,
  type MempoolFee,
  type MempoolSample,
  type Network,
  type Outpoint,
  type Txid,
} from '@finality/bitcoin';
import { assert } from '@finality/kernel';
import { type BroadcastAnswer, interpretBroadcastError } from './broadcast-answer.ts';
import type { JsonRpc } from './json-rpc.ts';
import type { ChainInfo, ChainTip, FeeRates, MempoolVerdict, RegtestNode, UnspentOutput } from './node.ts';
import { NodeAnswerMalformed, NodeError, NodeRpcError } from './node-errors.ts';
import type { PushFeed } from './push/push.ts';
import { openWebsocketFeed } from './push/websocket-feed.ts';
import { openZmqFeed, type ZmqPublisher } from './push/zmq-feed.ts';
import type { RpcAnswer } from './rpc-answer.ts';

/** Bitcoin Core's RPCErrorCode; btcd answers "out of range" with -1 and "not found" with -5. */
const NOT_FOUND = [-5];
const OUT_OF_RANGE = [-8, -1];
/** btcd calls a request malformed (-32600) when its estimator fails: it hasn't seen enough transactions confirm. */
const NO_ESTIMATE = [-32603, -32600, -1];
/** A Bitcoin Core that was built without ZeroMQ. */
const METHOD_NOT_FOUND = -32601;
const ANY_INTERFACE = ['*', '0.0.0.0', '[::]'];

const MS_PER_SECOND = 1_000;

/** Blocks mined per call, so that each call ends in time. */
const MINE_CHUNK = 50;
/** btcd's `generate` also counts blocks that its own chain refused: ask again for what is missing, this many times. */
const MINE_ROUNDS_MAX = 20;
/** Bitcoin Core's limit for a package. */
export const TEST_ACCEPT_MAX = 25;

/** A mempool of so many transactions is asked for as a whole, about a megabyte; of a larger one as many as tell it within a few percent. */
const MEMPOOL_WHOLE_MAX = 2_000;
const MEMPOOL_SAMPLE = 1_000;
/** Asked for at once. */
const MEMPOOL_SAMPLE_CHUNK = 20;

/** Bitcoin Core's default, and what btcd's help says is its own; but btcd wants to be told. */
const FEE_RATE_MAX_BTC_PER_KVB = 0.1;

const TIP_STATUSES: readonly string[] = ['active', 'valid-fork', 'valid-headers', 'headers-only', 'invalid'];

export interface NodeIdentity {
  readonly kind: RegtestNode['kind'];
  readonly version: string;
  readonly network: Network;
}

/** The port over JSON-RPC, in the dialect of the node that {@link NodeIdentity} names. */
export class JsonRpcNode implements RegtestNode {
  readonly kind: RegtestNode['kind'];
  readonly version: string;
  readonly network: Network;
  readonly #rpc: JsonRpc;

  constructor(identity: NodeIdentity, rpc: JsonRpc) {
    this.kind = identity.kind;
    this.version = identity.version;
    this.network = identity.network;
    this.#rpc = rpc;
  }

  async chainInfo(): Promise<ChainInfo> {
    const info = await this.#rpc.call('getblockchaininfo', []);
    return { height: info.field('blocks').integer(), bestBlockHash: info.field('bestblockhash').blockHash() };
  }

  async uptimeMs(): Promise<number> {
    return (await this.#rpc.call('uptime', [])).integer() * MS_PER_SECOND;
  }

  async blockHash(height: number): Promise<BlockHash | undefined> {
    assert(Number.isSafeInteger(height) && height >= 0, `${height} is not a block height`);
    return (await this.#find('getblockhash', [height], OUT_OF_RANGE))?.blockHash();
  }

  async rawBlock(hash: BlockHash): Promise<Uint8Array | undefined> {
    return (await this.#find('getblock', [hash, 0], NOT_FOUND))?.bytes();
  }

  async rawHeader(hash: BlockHash): Promise<Uint8Array | undefined> {
    return (await this.#find('getblockheader', [hash, false], NOT_FOUND))?.bytes();
  }

  async chainTips(): Promise<readonly ChainTip[]> {
    const tips = await this.#rpc.call('getchaintips', []);
    return tips.items().map((tip) => ({
      height: tip.field('height').integer(),
      hash: tip.field('hash').blockHash(),
      branchLength: tip.field('branchlen').integer(),
      status: tipStatus(tip.field('status').text()),
    }));
  }

  async mempoolTxids(): Promise<readonly Txid[]> {
    return (await this.#rpc.call('getrawmempool', [])).items().map((txid) => txid.txid());
  }

  async rawTransaction(txid: Txid): Promise<Uint8Array | undefined> {
    // A number, not false: btcd knows only 0 and 1 here, Core takes both.
    return (await this.#find('getrawtransaction', [txid, 0], NOT_FOUND))?.bytes();
  }

  async unspentOutput(outpoint: Outpoint): Promise<UnspentOutput | undefined> {
    // Without the mempool: with it, btcd shows outputs that the mempool spends and Core doesn't.
    const output = await this.#rpc.call('gettxout', [outpoint.txid, outpoint.vout, false]);
    if (output.isMissing) return undefined;
    return {
      valueSats: output.field('value').btc(),
      script: output.field('scriptPubKey').field('hex').script(),
      confirmations: output.field('confirmations').integer(),
      coinbase: output.field('coinbase').boolean(),
      bestBlockHash: output.field('bestblock').blockHash(),
    };
  }

  async mempoolSpenders(outpoints: readonly Outpoint[]): Promise<readonly (Txid | undefined)[]> {
    if (outpoints.length === 0) return [];
    const asked = outpoints.map(({ txid, vout }) => ({ txid, vout }));
    const spenders = (await this.#rpc.call('gettxspendingprevout', [asked])).items();
    if (spenders.length !== outpoints.length) {
      throw new NodeAnswerMalformed('gettxspendingprevout', `${outpoints.length} items`, `${spenders.length}`);
    }
    return spenders.map((spender) =>
      spender.field('spendingtxid').isMissing ? undefined : spender.field('spendingtxid').txid(),
    );
  }

  async sendRawTransaction(raw: Uint8Array): Promise<BroadcastAnswer> {
    try {
      await this.#rpc.call('sendrawtransaction', [hexFromBytes(raw)]);
      return { kind: 'accepted' };
    } catch (error) {
      if (error instanceof NodeRpcError && !error.retryable)
        return interpretBroadcastError(error.code, error.rpcMessage);
      if (error instanceof NodeError) return { kind: 'unknown', cause: error };
      throw error;
    }
  }

  async testMempoolAccept(raws: readonly Uint8Array[]): Promise<readonly MempoolVerdict[]> {
    assert(
      raws.length <= TEST_ACCEPT_MAX,
      `at most ${TEST_ACCEPT_MAX} transactions are tested at once, got ${raws.length}`,
    );
    if (raws.length === 0) return [];
    const verdicts = (
      await this.#rpc.call('testmempoolaccept', [raws.map(hexFromBytes), FEE_RATE_MAX_BTC_PER_KVB])
    ).items();
    return verdicts.map(mempoolVerdict);
  }

  async feeRates(confirmationsTarget: number): Promise<FeeRates> {
    return this.kind === 'btcd' ? this.#feeRatesOfBtcd(confirmationsTarget) : this.#feeRatesOfCore(confirmationsTarget);
  }

  async mempoolSample(): Promise<MempoolSample | undefined> {
    const pool = await this.#rpc.call('getmempoolinfo', []);
    const vsize = pool.field('bytes').integer();
    if (pool.field('size').integer() <= MEMPOOL_WHOLE_MAX) {
      const entries = (await this.#rpc.call('getrawmempool', [true])).values();
      return { transactions: entries.map(mempoolFee), vsize };
    }
    if (this.kind === 'btcd') return undefined;
    // The lowest ids: as good as chosen at random, and mostly the same ones next time.
    const txids = [...(await this.mempoolTxids())].sort().slice(0, MEMPOOL_SAMPLE);
    const transactions: MempoolFee[] = [];
    for (let at = 0; at < txids.length; at += MEMPOOL_SAMPLE_CHUNK) {
      const chunk = txids.slice(at, at + MEMPOOL_SAMPLE_CHUNK);
      const entries = await Promise.all(chunk.map((txid) => this.#find('getmempoolentry', [txid], NOT_FOUND)));
      transactions.push(...entries.filter((entry) => entry !== undefined).map(mempoolFee));
    }
    return { transactions, vsize };
  }

  async mine(count: number, address: string): Promise<readonly BlockHash[]> {
    if (this.kind === 'btcd') return this.#mineOnBtcd(count);
    const hashes: BlockHash[] = [];
    while (hashes.length < count) {
      const params = [Math.min(MINE_CHUNK, count - hashes.length), address];
      const mined = (await this.#rpc.call('generatetoaddress', params, false)).items();
      if (mined.length === 0) throw new NodeAnswerMalformed('generatetoaddress', 'block hashes', 'none');
      hashes.push(...mined.map((hash) => hash.blockHash()));
    }
    return hashes;
  }

  async invalidateBlock(hash: BlockHash): Promise<void> {
    await this.#rpc.call('invalidateblock', [hash]);
  }

  async reconsiderBlock(hash: BlockHash): Promise<void> {
    await this.#rpc.call('reconsiderblock', [hash]);
  }

  async submitBlock(raw: Uint8Array): Promise<string | undefined> {
    const answer = await this.#rpc.call('submitblock', [hexFromBytes(raw)]);
    return answer.isMissing ? undefined : answer.text();
  }

  async openPush(): Promise<PushFeed | undefined> {
    const { options } = this.#rpc;
    if (this.kind === 'btcd') return openWebsocketFeed(options);
    const offered = await this.#find('getzmqnotifications', [], [METHOD_NOT_FOUND]);
    const publishers = zmqPublishers(offered?.items() ?? [], options.url.hostname);
    return publishers.length === 0 ? undefined : openZmqFeed(publishers, options.runtime);
  }

  close(): void {
    this.#rpc.close();
  }

  /** The answer, or `undefined` where the node's error says that it doesn't have what was asked for. */
  async #find(method: string, params: readonly unknown[], notFound: readonly number[]): Promise<RpcAnswer | undefined> {
    try {
      return await this.#rpc.call(method, params);
    } catch (error) {
      if (error instanceof NodeRpcError && notFound.includes(error.code)) return undefined;
      throw error;
    }
  }

  async #feeRatesOfCore(confirmationsTarget: number): Promise<FeeRates> {
    const estimate = (await this.#rpc.call('estimatesmartfee', [confirmationsTarget])).field('feerate');
    const pool = await this.#rpc.call('getmempoolinfo', []);
    const floors = [pool.field('mempoolminfee').feeRate(), pool.field('minrelaytxfee').feeRate()] as const;
    return {
      estimate: estimate.isMissing ? undefined : estimate.feeRate(),
      floor: floors[0] > floors[1] ? floors[0] : floors[1],
    };
  }

  async #feeRatesOfBtcd(confirmationsTarget: number): Promise<FeeRates> {
    const floor = (await this.#rpc.call('getinfo', [])).field('relayfee').feeRate();
    // A bare number, an error while it hasn't seen enough blocks.
    const estimate = await this.#find('estimatefee', [confirmationsTarget], NO_ESTIMATE);
    return { estimate: estimate?.feeRate() || undefined, floor };
  }

  async #mineOnBtcd(count: number): Promise<readonly BlockHash[]> {
    const start = (await this.chainInfo()).height;
    let height = start;
    for (let round = 0; height < start + count; round++) {
      if (round >= MINE_ROUNDS_MAX + count / MINE_CHUNK) {
        throw new NodeAnswerMalformed('generate', `${count} new blocks`, `${height - start}`);
      }
      await this.#rpc.call('generate', [Math.min(MINE_CHUNK, start + count - height)], false);
      height = (await this.chainInfo()).height;
    }
    const hashes: BlockHash[] = [];
    for (let at = start + 1; at <= start + count; at++) {
      const hash = await this.blockHash(at);
      if (hash === undefined) throw new NodeAnswerMalformed('getblockhash', `the hash of block ${at}`, 'none');
      hashes.push(hash);
    }
    return hashes;
  }
}

/** By address, with what each publishes of what we listen to. A node that binds every interface is reached where its JSON-RPC is. */
function zmqPublishers(offered: readonly RpcAnswer[], rpcHost: string): readonly ZmqPublisher[] {
  const publishers = new Map<string, ZmqPublisher>();
  for (const notification of offered) {
    const topic = notification.field('type').text().replace(/^pub/, '');
    const address = /^tcp:\/\/(.+):(\d+)$/.exec(notification.field('address').text());
    if (!address || (topic !== 'hashblock' && topic !== 'sequence')) continue;
    const host = ANY_INTERFACE.includes(address[1]!) ? rpcHost : address[1]!.replace(/^\[|\]$/g, '');
    const key = `${host}:${address[2]}`;
    const { topics } = publishers.get(key) ?? { topics: [] };
    publishers.set(key, { host, port: Number(address[2]), topics: [...topics, topic] });
  }
  return [...publishers.values()];
}

function tipStatus(status: string): ChainTip['status'] {
  if (TIP_STATUSES.includes(status)) return status as ChainTip['status'];
  throw new NodeAnswerMalformed('getchaintips', `a status of ${TIP_STATUSES.join(', ')}`, status);
}

/** btcd knows nothing of ancestors, and has the fee where Core once had it. */
function mempoolFee(entry: RpcAnswer): MempoolFee {
  const vsize = entry.field('vsize').integer();
  const fees = entry.field('fees');
  if (fees.isMissing) {
    const feeSats = entry.field('fee').btc();
    return { feeSats, vsize, ancestors: { feeSats, vsize } };
  }
  const ancestors = { feeSats: fees.field('ancestor').btc(), vsize: entry.field('ancestorsize').integer() };
  return { feeSats: fees.field('base').btc(), vsize, ancestors };
}

function mempoolVerdict(verdict: RpcAnswer): MempoolVerdict {
  const txid = verdict.field('txid').txid();
  if (!verdict.field('allowed').isMissing && verdict.field('allowed').boolean()) {
    return {
      txid,
      allowed: true,
      vsize: verdict.field('vsize').integer(),
      feeSats: verdict.field('fees').field('base').btc(),
    };
  }
  // Core leaves `allowed` out when the package as a whole is refused or was given up before this transaction.
  const reason = [verdict.field('reject-reason'), verdict.field('package-error')].find((field) => !field.isMissing);
  return { txid, allowed: false, reason: reason?.text() ?? 'not looked at' };
}
