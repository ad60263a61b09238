import {
  type BlockHash,
  feeRate,
  HEADER_BYTES,
  type Network,
  type Outpoint,
  outpointKey,
  parseAddress,
  parseTransaction,
  type Txid,
  type MempoolFee,
  type MempoolSample,
} from '@finality/bitcoin';
import {
  type BroadcastAnswer,
  type ChainInfo,
  type ChainTip,
  type FeeRates,
  interpretBroadcastError,
  type MempoolVerdict,
  NodeAnswerMalformed,
  NodeError,
  NodeRpcError,
  NodeTimeout,
  NodeUnreachable,
  type RegtestNode,
  SIMULATOR_AGENT,
  type UnspentOutput,
} from '@finality/bitcoin-node';
import { type Sats, unwrap } from '@finality/kernel';
import { broadcast, type RpcFault, RPC } from './broadcast.ts';
import { chainTips } from './chain-tips.ts';
import type { BlockNode } from './consensus.ts';
import { NodeFaults } from './faults.ts';
import { POLICY } from './mempool-rules.ts';
import type { SimulatedChain } from './simulated-chain.ts';

export const SIMULATOR_VERSION = `/${SIMULATOR_AGENT}:1.0.0/`;

const URL_IN_PROCESS = 'in-process';

/**
 * The port to Bitcoin nodes on a chain in the same process, without HTTP: answers come in the same microtask, so a simulation stays
 * deterministic. With `faults` it can be made to fail as a node over the network does.
 */
export class SimulatedNode implements RegtestNode {
  readonly kind = 'simulator';
  readonly version = SIMULATOR_VERSION;
  readonly network: Network = 'regtest';
  readonly chain: SimulatedChain;
  readonly faults: NodeFaults;

  constructor(chain: SimulatedChain, faults: NodeFaults = new NodeFaults()) {
    this.chain = chain;
    this.faults = faults;
  }

  chainInfo(): Promise<ChainInfo> {
    return this.#answer('getblockchaininfo', () => ({
      height: this.chain.tip.height,
      bestBlockHash: this.chain.tip.hash,
    }));
  }

  uptimeMs(): Promise<number> {
    return this.#answer('uptime', () => this.chain.uptimeSeconds * 1_000);
  }

  blockHash(height: number): Promise<BlockHash | undefined> {
    return this.#answer('getblockhash', () => this.chain.nodeAt(height)?.hash);
  }

  rawBlock(hash: BlockHash): Promise<Uint8Array | undefined> {
    return this.#answer('getblock', () => copy(this.chain.node(hash)?.raw));
  }

  rawHeader(hash: BlockHash): Promise<Uint8Array | undefined> {
    return this.#answer('getblockheader', () => copy(this.chain.node(hash)?.raw.subarray(0, HEADER_BYTES)));
  }

  chainTips(): Promise<readonly ChainTip[]> {
    return this.#answer('getchaintips', () => chainTips(this.chain));
  }

  mempoolTxids(): Promise<readonly Txid[]> {
    return this.#answer('getrawmempool', () => this.chain.mempool.entries().map((entry) => entry.transaction.txid));
  }

  rawTransaction(txid: Txid): Promise<Uint8Array | undefined> {
    return this.#answer('getrawtransaction', () => copy(this.chain.findTransaction(txid)?.transaction.raw));
  }

  unspentOutput(outpoint: Outpoint): Promise<UnspentOutput | undefined> {
    return this.#answer('gettxout', () => {
      const coin = this.chain.coin(outpoint);
      return (
        coin && {
          valueSats: coin.valueSats as Sats,
          script: coin.script,
          confirmations: this.chain.tip.height - coin.height + 1,
          coinbase: coin.coinbase,
          bestBlockHash: this.chain.tip.hash,
        }
      );
    });
  }

  mempoolSpenders(outpoints: readonly Outpoint[]): Promise<readonly (Txid | undefined)[]> {
    return this.#answer('gettxspendingprevout', () =>
      outpoints.map((outpoint) => this.chain.mempool.spenderOf(outpointKey(outpoint))),
    );
  }

  async sendRawTransaction(raw: Uint8Array): Promise<BroadcastAnswer> {
    try {
      const sent = await this.#answer('sendrawtransaction', () => broadcast(this.chain, raw));
      return sent.ok ? { kind: 'accepted' } : interpretBroadcastError(sent.error.code, sent.error.message);
    } catch (error) {
      if (error instanceof NodeError) return { kind: 'unknown', cause: error };
      throw error;
    }
  }

  testMempoolAccept(raws: readonly Uint8Array[]): Promise<readonly MempoolVerdict[]> {
    return this.#answer('testmempoolaccept', () => {
      const transactions = raws.map((raw) => {
        const parsed = parseTransaction(raw);
        if (parsed.ok) return parsed.value;
        throw rpcError('testmempoolaccept', { code: RPC.deserialization, message: 'TX decode failed' });
      });
      return this.chain.test(transactions).map((verdict, i): MempoolVerdict => {
        const { txid, vsize } = transactions[i]!;
        if (!verdict.ok) return { txid, allowed: false, reason: verdict.error };
        return { txid, allowed: true, vsize, feeSats: verdict.value.feeSats as Sats };
      });
    });
  }

  feeRates(): Promise<FeeRates> {
    return this.#answer('estimatesmartfee', () => ({
      estimate: this.chain.feeEstimateSatPerKvb === undefined ? undefined : feeRate(this.chain.feeEstimateSatPerKvb),
      floor: feeRate(POLICY.relayFeeSatPerKvb),
    }));
  }

  mempoolSample(): Promise<MempoolSample> {
    return this.#answer('getrawmempool', () => {
      const { mempool } = this.chain;
      const entries = mempool.entries();
      const transactions = entries.map(({ transaction: { txid, vsize }, feeSats }): MempoolFee => {
        const ancestors = [...mempool.ancestorsOf([txid])].map((each) => mempool.get(each)!);
        return {
          feeSats: feeSats as Sats,
          vsize,
          ancestors: {
            feeSats: ancestors.reduce((sum, each) => sum + each.feeSats, 0n) as Sats,
            vsize: ancestors.reduce((sum, each) => sum + each.transaction.vsize, 0),
          },
        };
      });
      return { transactions, vsize: transactions.reduce((sum, { vsize }) => sum + vsize, 0) };
    });
  }

  mine(count: number, address: string): Promise<readonly BlockHash[]> {
    return this.#answer('generatetoaddress', () => {
      const script = parseAddress(address, 'regtest');
      if (!script.ok)
        throw rpcError('generatetoaddress', { code: RPC.invalidAddressOrKey, message: 'Error: Invalid address' });
      return unwrap(this.chain.mine({ script: script.value, count }));
    });
  }

  invalidateBlock(hash: BlockHash): Promise<void> {
    return this.#answer('invalidateblock', () => this.chain.invalidate(this.#known('invalidateblock', hash)));
  }

  reconsiderBlock(hash: BlockHash): Promise<void> {
    return this.#answer('reconsiderblock', () => this.chain.reconsider(this.#known('reconsiderblock', hash)));
  }

  submitBlock(raw: Uint8Array): Promise<string | undefined> {
    return this.#answer('submitblock', () => {
      const taken = this.chain.submitBlock(Uint8Array.from(raw));
      return taken.ok ? undefined : taken.error;
    });
  }

  /** Whoever is in the same process asks when it is their turn. */
  openPush(): Promise<undefined> {
    return this.#answer('getzmqnotifications', () => undefined);
  }

  close(): void {
    // Nothing is held.
  }

  #known(method: string, hash: BlockHash): BlockNode {
    const node = this.chain.node(hash);
    if (!node) throw rpcError(method, { code: RPC.invalidAddressOrKey, message: 'Block not found' });
    return node;
  }

  /** Settled when it returns, as `async` makes a throw a rejection. */
  async #answer<T>(method: string, call: () => T): Promise<T> {
    const { outage } = this.faults;
    if (outage === 'refuse') throw new NodeUnreachable(URL_IN_PROCESS, 'outage');
    if (outage === 'hang') throw new NodeTimeout(method, 0);
    const answer = call();
    if (this.faults.wrongAnswer) throw new NodeAnswerMalformed(method, 'an answer', this.faults.wrongAnswer);
    if (outage === 'cut_answer') throw new NodeUnreachable(URL_IN_PROCESS, 'cut off before the answer');
    return answer;
  }
}

const rpcError = (method: string, fault: RpcFault): NodeRpcError => new NodeRpcError(method, fault.code, fault.message);

/** The chain's own bytes stay its own. */
const copy = (bytes: Uint8Array | undefined): Uint8Array | undefined => bytes && Uint8Array.from(bytes);
