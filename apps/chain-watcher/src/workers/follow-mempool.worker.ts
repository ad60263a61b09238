import { type BlockHash, parseOutpointKey, parseTransaction, type Txid } from '@finality/bitcoin';
import type { BitcoinNode } from '@finality/bitcoin-node';
import {
  type Absences,
  concerning,
  detectLoss,
  diffMempool,
  evicted,
  type MempoolPolicy,
  type MempoolSight,
  observe,
  type ObservedTransaction,
  parentsFirst,
  relevant,
  trackAbsences,
  WatchView,
} from '@finality/chain';
import { type Instant, unwrap, type Worker } from '@finality/kernel';
import { lookUpInMempool, type Surroundings } from '../outbound/prevouts.ts';
import { wantedTxids } from '../projections/broadcasts.projection.ts';
import { loadByTxid, unconfirmedTxids } from '../projections/transactions.projection.ts';
import { watchGeneration } from '../projections/wallets.projection.ts';
import { chainStream } from '../streams.ts';
import { execute, matched, observer, type Progress, waitingForNode, type WorkerContext } from './context.ts';

/** Transactions fetched per step, and how many of them at once: as many as there are connections to the node. */
const FETCHES_PER_STEP = 1_000;
const FETCHES_AT_ONCE = 4;
/** A node that tells what comes is asked for all that it has only so often: for what has gone, and for what was missed. */
const LISTING_MS_WITH_PUSH = 10_000;
/** Outpoints asked about in one call. */
const SPENDERS_MAX = 1_000;
/** Remembered as none of our business, but for what it may have excluded: more than any node's mempool has held. */
const IRRELEVANT_MAX = 500_000;

export const MEMPOOL_POLICY: MempoolPolicy = { pollsMin: 4, recoveryMs: 600_000, lossSizeMin: 20 };
/** Bitcoin Core's -mempoolexpiry, 336 hours unless changed. btcd keeps everything. */
const CORE_EXPIRY_MS = 336 * 3_600_000;

/**
 * Follows the mempool: looks at what the node has told of, and lists it, the only way that all nodes offer. Says what has come, what has taken another's place, and, after it has stayed away
 * for a while, what has gone. Transactions of ours are never gone: they are sent again.
 */
export class FollowMempool implements Worker {
  readonly name = 'follow-mempool';
  readonly pollMs: number;
  readonly #context: WorkerContext;
  #irrelevant = new Set<Txid>();
  #generation = '';
  #absences: Absences = new Map();
  #listed = new Set<Txid>();
  #listedAt: Instant | undefined;
  #sight: MempoolSight | undefined;
  #lostSince: Instant | null = null;

  constructor(context: WorkerContext) {
    this.#context = context;
    this.pollMs = context.pollMs;
  }

  step(): Promise<Progress> {
    return waitingForNode(this.#context, () => this.#context.nodes.use((node) => this.#poll(node)));
  }

  async #poll(node: BitcoinNode): Promise<Progress> {
    const { session, runtime } = this.#context;
    const tip = await this.#tip();
    // Before any block has been followed, what confirmed long ago can't be told from what is new.
    if (tip === undefined) return 'idle';
    if (!this.#isListingDue()) return this.#lookAtArrived(node);
    const before = await node.chainInfo();
    const uptimeMs = await node.uptimeMs();
    const listed = await node.mempoolTxids();
    const after = await node.chainInfo();
    const isSteady = before.bestBlockHash === tip && after.bestBlockHash === tip;
    await this.#forgetIfMoreIsWatched();
    this.#forgetUnlisted(listed);
    this.#listed = new Set(listed);
    const { pending, gone } = await unconfirmedTxids(session);
    const known = { pending, gone, isIrrelevant: (txid: Txid) => this.#irrelevant.has(txid) };
    const diff = diffMempool(listed, known, FETCHES_PER_STEP);
    const seen = await this.#examine(node, [...diff.unexamined, ...diff.returned]);
    if (seen === 'refused' || !diff.complete) return 'progress';
    this.#listedAt = runtime.now();
    // What isn't there may be in a block that we haven't processed.
    if (!isSteady) return 'idle';
    await this.#noticeLoss({ tip, txids: new Set(listed), uptimeMs }, diff.absent.length);
    await this.#evictAbsent(node, diff.absent);
    return 'idle';
  }

  /** Where the node tells nothing, always. */
  #isListingDue(): boolean {
    const { hints, runtime } = this.#context;
    if (hints.takeMissed()) this.#listedAt = undefined;
    if (hints.channel === 'polling' || this.#listedAt === undefined) return true;
    return runtime.now() - this.#listedAt >= LISTING_MS_WITH_PUSH;
  }

  /** What the node has told of is fetched without listing the rest. */
  async #lookAtArrived(node: BitcoinNode): Promise<Progress> {
    const arrived = this.#context.hints.takeArrived(FETCHES_PER_STEP);
    if (arrived.length === 0) return 'idle';
    for (const txid of arrived) this.#listed.add(txid);
    await this.#forgetIfMoreIsWatched();
    const unexamined = arrived.filter((txid) => !this.#irrelevant.has(txid));
    if ((await this.#examine(node, unexamined)) === 'refused') this.#listedAt = undefined;
    return 'progress';
  }

  /** A node that was started again isn't a wave of evictions: what is ours is sent to it again, the rest has time to come back. */
  async #noticeLoss(sight: MempoolSight, absent: number): Promise<void> {
    const { runtime, log, status } = this.#context;
    const now = runtime.now();
    const loss = detectLoss(this.#sight, sight, absent, MEMPOOL_POLICY);
    this.#sight = sight;
    if (this.#lostSince !== null && now - this.#lostSince >= MEMPOOL_POLICY.recoveryMs) this.#lostSince = null;
    if (loss) {
      // From the latest loss on, but told once.
      const isNew = this.#lostSince === null;
      this.#lostSince = now;
      if (isNew) log.error({ why: loss, absent }, 'the node has lost its mempool');
      await execute(this.#context, this.name, [{ kind: 'mempool_lost' }]);
    }
    status.mempoolLost(this.#lostSince !== null);
  }

  async #tip(): Promise<BlockHash | undefined> {
    const { reader, network } = this.#context;
    return (await reader.loadState(chainStream, network)).state.tip?.hash;
  }

  async #examine(node: BitcoinNode, txids: readonly Txid[]): Promise<'stored' | 'refused' | 'nothing'> {
    const observed = await this.#fetch(node, txids);
    if (observed.length === 0) return 'nothing';
    const { transactions: candidates, view } = await matched(this.#context, observed);
    const transactions = relevant(candidates, view);
    const outcome =
      transactions.length === 0 ? 'nothing' : await this.#tell(node, transactions, { view, around: observed });
    if (outcome !== 'refused') this.#remember(observed, new Set(concerning(candidates, view)));
    return outcome;
  }

  async #tell(
    node: BitcoinNode,
    transactions: readonly ObservedTransaction[],
    surroundings: Surroundings,
  ): Promise<'stored' | 'refused'> {
    const lookedUp = await lookUpInMempool(node, transactions, surroundings);
    const said = { lookedUp, observer: observer(this.#context, node) };
    return execute(this.#context, this.name, [{ kind: 'observe_mempool', transactions, ...said }]);
  }

  /** Parents before children, so that a child that spends an output of ours is known by it. */
  async #fetch(node: BitcoinNode, txids: readonly Txid[]): Promise<readonly ObservedTransaction[]> {
    const fetched: (ObservedTransaction & { readonly parents: readonly Txid[] })[] = [];
    for (let from = 0; from < txids.length; from += FETCHES_AT_ONCE) {
      const some = txids.slice(from, from + FETCHES_AT_ONCE);
      const raws = await Promise.all(some.map((txid) => node.rawTransaction(txid)));
      for (const [i, raw] of raws.entries()) {
        // Has left again, or a node that serves nonsense: looked at again as long as it is listed.
        const parsed = raw && parseTransaction(raw);
        if (!parsed?.ok || parsed.value.txid !== some[i]) continue;
        fetched.push({ ...observe(parsed.value), parents: parsed.value.inputs.map((input) => input.outpoint.txid) });
      }
    }
    return parentsFirst(fetched).map(({ parents: _, ...transaction }) => transaction);
  }

  /** What has an unexamined parent may yet turn out to spend from us. */
  #remember(observed: readonly ObservedTransaction[], ours: ReadonlySet<ObservedTransaction>): void {
    const examined = new Set(observed.map(({ txid }) => txid));
    for (const transaction of observed) {
      if (ours.has(transaction) || this.#irrelevant.size >= IRRELEVANT_MAX) continue;
      const isUndecided = transaction.spends.some((outpoint) => {
        const parent = outpoint.slice(0, outpoint.indexOf(':')) as Txid;
        return this.#listed.has(parent) && !examined.has(parent) && !this.#irrelevant.has(parent);
      });
      if (!isUndecided) this.#irrelevant.add(transaction.txid);
    }
  }

  async #forgetIfMoreIsWatched(): Promise<void> {
    const generation = await watchGeneration(this.#context.session);
    if (generation !== this.#generation) {
      this.#irrelevant = new Set();
      // What has come before may concern us now.
      this.#listedAt = undefined;
    }
    this.#generation = generation;
  }

  #forgetUnlisted(listed: readonly Txid[]): void {
    this.#irrelevant = new Set(listed.filter((txid) => this.#irrelevant.has(txid)));
  }

  async #evictAbsent(node: BitcoinNode, absent: readonly Txid[]): Promise<void> {
    const { session, runtime } = this.#context;
    const wanted = await wantedTxids(session, absent);
    const now = runtime.now();
    const foreign = absent.filter((txid) => !wanted.has(txid));
    this.#absences = trackAbsences(this.#absences, foreign);
    const txids = evicted(this.#absences, this.#lostSince, now, MEMPOOL_POLICY);
    if (txids.length === 0) return;
    // What stands in its way may have been looked at before it was known what for.
    await this.#examine(node, await this.#spendersInMempool(node, txids));
    const expiryMs = node.kind === 'btcd' ? null : CORE_EXPIRY_MS;
    await execute(this.#context, this.name, [
      { kind: 'evict', txids, expiryMs, observer: observer(this.#context, node) },
    ]);
  }

  async #spendersInMempool(node: BitcoinNode, txids: readonly Txid[]): Promise<readonly Txid[]> {
    const view = new WatchView();
    await loadByTxid(this.#context.session, txids, view);
    const outpoints = txids
      .flatMap((txid) => view.transaction(txid)?.transaction.inputs ?? [])
      .map(({ outpoint }) => unwrap(parseOutpointKey(outpoint)));
    const spenders = await node.mempoolSpenders(outpoints.slice(0, SPENDERS_MAX));
    return [...new Set(spenders.filter((spender) => spender !== undefined))];
  }
}
