import { type BlockHash, parseTransaction, type Txid } from '@finality/bitcoin';
import type { BitcoinNode } from '@finality/bitcoin-node';
import {
  type Absences,
  concerning,
  diffMempool,
  evicted,
  type EvictionPolicy,
  observe,
  type ObservedTransaction,
  parentsFirst,
  trackAbsences,
  WatchView,
} from '@finality/chain';
import type { Worker } from '@finality/kernel';
import { lookUpPrevouts } from '../outbound/prevouts.ts';
import { wantedTxids } from '../projections/broadcasts.projection.ts';
import { loadAround, unconfirmedTxids } from '../projections/transactions.projection.ts';
import { watchGeneration } from '../projections/wallets.projection.ts';
import { chainStream } from '../streams.ts';
import { execute, type Progress, waitingForNode, type WorkerContext } from './context.ts';

/** Transactions fetched per step. */
const FETCHES_PER_STEP = 200;
/** Remembered as none of our business: more than any node's mempool has held. */
const IRRELEVANT_MAX = 500_000;

export const EVICTION_POLICY: EvictionPolicy = { pollsMin: 4, emptiedWaitMs: 600_000 };

/**
 * Polls the mempool, the only way that all nodes offer. Says what has come, what has taken another's place, and, after it has stayed away
 * for a while, what has gone. Transactions of ours are never gone: they are sent again.
 */
export class FollowMempool implements Worker {
  readonly name = 'follow-mempool';
  readonly pollMs: number;
  readonly #context: WorkerContext;
  #irrelevant = new Set<Txid>();
  #generation = '';
  #absences: Absences = new Map();

  constructor(context: WorkerContext) {
    this.#context = context;
    this.pollMs = context.pollMs;
  }

  step(): Promise<Progress> {
    return waitingForNode(this.#context, () => this.#context.nodes.use((node) => this.#poll(node)));
  }

  async #poll(node: BitcoinNode): Promise<Progress> {
    const { session } = this.#context;
    const tip = await this.#tip();
    // Before any block has been followed, what confirmed long ago can't be told from what is new.
    if (tip === undefined) return 'idle';
    const before = await node.chainInfo();
    const listed = await node.mempoolTxids();
    const after = await node.chainInfo();
    const isSteady = before.bestBlockHash === tip && after.bestBlockHash === tip;
    await this.#forgetIfMoreIsWatched();
    this.#forgetUnlisted(listed);
    const { pending, gone } = await unconfirmedTxids(session);
    const known = { pending, gone, isIrrelevant: (txid: Txid) => this.#irrelevant.has(txid) };
    const diff = diffMempool(listed, known, FETCHES_PER_STEP);
    const seen = await this.#examine(node, [...diff.unexamined, ...diff.returned], new Set(listed));
    if (seen === 'refused' || !diff.complete) return 'progress';
    // What isn't there may be in a block that we haven't processed.
    if (!isSteady) return 'idle';
    await this.#evictAbsent(diff.absent, listed.length === 0);
    return 'idle';
  }

  async #tip(): Promise<BlockHash | undefined> {
    const { reader, network } = this.#context;
    return (await reader.loadState(chainStream, network)).state.tip?.hash;
  }

  async #examine(
    node: BitcoinNode,
    txids: readonly Txid[],
    listed: ReadonlySet<Txid>,
  ): Promise<'stored' | 'refused' | 'nothing'> {
    const { session } = this.#context;
    const observed = await this.#fetch(node, txids);
    if (observed.length === 0) return 'nothing';
    const view = new WatchView();
    await loadAround(session, observed, view);
    const ours = new Set(concerning(observed, view));
    const relevant = observed.filter((transaction) => ours.has(transaction) || conflicts(transaction, view));
    this.#remember(observed, new Set(relevant), listed);
    if (relevant.length === 0) return 'nothing';
    const lookedUp = await lookUpPrevouts(node, relevant, view, true);
    return execute(this.#context, this.name, [{ kind: 'observe_mempool', transactions: relevant, lookedUp }]);
  }

  /** Parents before children, so that a child that spends an output of ours is known by it. */
  async #fetch(node: BitcoinNode, txids: readonly Txid[]): Promise<readonly ObservedTransaction[]> {
    const fetched: (ObservedTransaction & { readonly parents: readonly Txid[] })[] = [];
    for (const txid of txids) {
      const raw = await node.rawTransaction(txid);
      // Has left again, or a node that serves nonsense: looked at again as long as it is listed.
      const parsed = raw && parseTransaction(raw);
      if (!parsed?.ok || parsed.value.txid !== txid) continue;
      fetched.push({ ...observe(parsed.value), parents: parsed.value.inputs.map((input) => input.outpoint.txid) });
    }
    return parentsFirst(fetched).map(({ parents: _, ...transaction }) => transaction);
  }

  /** What has an unexamined parent may yet turn out to spend from us. */
  #remember(
    observed: readonly ObservedTransaction[],
    relevant: ReadonlySet<ObservedTransaction>,
    listed: ReadonlySet<Txid>,
  ): void {
    const examined = new Set(observed.map(({ txid }) => txid));
    for (const transaction of observed) {
      if (relevant.has(transaction) || this.#irrelevant.size >= IRRELEVANT_MAX) continue;
      const isUndecided = transaction.spends.some((outpoint) => {
        const parent = outpoint.slice(0, outpoint.indexOf(':')) as Txid;
        return listed.has(parent) && !examined.has(parent) && !this.#irrelevant.has(parent);
      });
      if (!isUndecided) this.#irrelevant.add(transaction.txid);
    }
  }

  async #forgetIfMoreIsWatched(): Promise<void> {
    const generation = await watchGeneration(this.#context.session);
    if (generation !== this.#generation) this.#irrelevant = new Set();
    this.#generation = generation;
  }

  #forgetUnlisted(listed: readonly Txid[]): void {
    this.#irrelevant = new Set(listed.filter((txid) => this.#irrelevant.has(txid)));
  }

  async #evictAbsent(absent: readonly Txid[], mempoolEmpty: boolean): Promise<void> {
    const { session, runtime } = this.#context;
    const wanted = await wantedTxids(session, absent);
    const now = runtime.now();
    const foreign = absent.filter((txid) => !wanted.has(txid));
    this.#absences = trackAbsences(this.#absences, foreign, now);
    const txids = evicted(this.#absences, mempoolEmpty, now, EVICTION_POLICY);
    if (txids.length === 0) return;
    await execute(this.#context, this.name, [{ kind: 'evict', txids, reason: 'not in the node’s mempool any more' }]);
  }
}

function conflicts(transaction: ObservedTransaction, view: WatchView): boolean {
  return transaction.spends.some((outpoint) =>
    view.spenders(outpoint).some((known) => known.transaction.txid !== transaction.txid),
  );
}
