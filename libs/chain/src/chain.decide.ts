import {
  type BlockHash,
  decideFeeRates,
  FEE_TARGETS,
  type FeeBucket,
  type FeeDecision,
  feeRate,
  type OutpointKey,
  type Txid,
} from '@finality/bitcoin';
import {
  accept,
  assert,
  assertNever,
  type Decision,
  err,
  type Instant,
  ok,
  refuse,
  type Result,
} from '@finality/kernel';
import type { BlockRef, FeeEstimates, BroadcastSuccess, ChainEvent, ChainState } from './chain.ts';
import type { ChainRefusal } from './chain.errors.ts';
import {
  type AncestorInput,
  type ObservedTransaction,
  type Prevout,
  rawFor,
  type TransactionStatus,
  type WatchedInput,
  type WatchedOutput,
  type WatchedTransaction,
} from './transaction.ts';
import type { OwnOutput, WatchView } from './watch-view.ts';

/** What was found out about the outputs that transactions spend, before the batch began. */
export interface LookedUp {
  /** Transactions whose foreign inputs were asked for, with or without an answer. */
  readonly transactions: ReadonlySet<Txid>;
  readonly prevouts: ReadonlyMap<OutpointKey, Prevout>;
  /** Of transactions in the mempool: what the unconfirmed ones that they need spend. */
  readonly ancestorInputs: ReadonlyMap<Txid, readonly AncestorInput[]>;
}

/** Whose word it is, and when it was given. */
export interface Observer {
  /** As the node names itself. */
  readonly node: string;
  readonly at: Instant;
}

export interface DisconnectedBlock extends BlockRef {
  readonly previousHash: BlockHash;
}

export type ChainCommand =
  | {
      readonly kind: 'connect_block';
      readonly height: number;
      readonly hash: BlockHash;
      readonly previousHash: BlockHash;
      readonly time: number;
      readonly transactions: readonly ObservedTransaction[];
      readonly lookedUp: LookedUp;
      readonly observer: Observer;
    }
  /** A whole reorg's worth, tip first: all or none. */
  | {
      readonly kind: 'disconnect_blocks';
      readonly blocks: readonly DisconnectedBlock[];
    }
  | {
      readonly kind: 'observe_mempool';
      readonly transactions: readonly ObservedTransaction[];
      readonly lookedUp: LookedUp;
      readonly observer: Observer;
    }
  /** Transactions that have been absent from the mempool for long enough. */
  | {
      readonly kind: 'evict';
      readonly txids: readonly Txid[];
      /** For how long the node keeps a transaction; null when for ever. */
      readonly expiryMs: number | null;
      readonly observer: Observer;
    }
  /** A block of long ago, for scripts that have become watched since. */
  | {
      readonly kind: 'rescan_block';
      readonly height: number;
      readonly hash: BlockHash;
      readonly transactions: readonly ObservedTransaction[];
      readonly lookedUp: LookedUp;
    }
  /** What the node estimates. The same as before is no news. */
  | { readonly kind: 'estimate_fees'; readonly fees: FeeEstimates; readonly node: string }
  /** Blocks that the second node has as well, oldest first, from the one after the last agreed on. */
  | { readonly kind: 'agree'; readonly blocks: readonly BlockRef[] }
  /** Blocks agreed on that the second node has left, the last first. */
  | { readonly kind: 'dispute'; readonly blocks: readonly DisconnectedBlock[] }
  | {
      readonly kind: 'record_broadcast';
      readonly txid: Txid;
      readonly lineageId: string;
      readonly answer: BroadcastSuccess;
    };

type CommandOf<Kind extends ChainCommand['kind']> = Extract<ChainCommand, { readonly kind: Kind }>;

export type ChainDecision = Decision<ChainEvent, ChainRefusal>;

/**
 * The facts that a command leads to. Of a block: those about its transactions first, its own last, so that whoever has consumed the
 * block's has consumed them all. `view` isn't touched: whoever appends the facts applies them to it.
 */
export function decideChain(command: ChainCommand, state: ChainState, view: WatchView): ChainDecision {
  switch (command.kind) {
    case 'connect_block':
      return connectBlock(command, state, view);
    case 'disconnect_blocks':
      return disconnectBlocks(command.blocks, state, view);
    case 'observe_mempool':
      return observeMempool(command, view);
    case 'evict':
      return evict(command, view);
    case 'rescan_block':
      return rescanBlock(command, view);
    case 'estimate_fees':
      return sameFees(state.fees, command.fees)
        ? accept()
        : accept({ type: 'fees_estimated' as const, fees: command.fees, node: command.node });
    case 'agree':
      return agree(command.blocks, state);
    case 'dispute':
      return dispute(command.blocks, state);
    case 'record_broadcast':
      return accept({
        type: 'transaction_broadcast' as const,
        txid: command.txid,
        lineageId: command.lineageId,
        answer: command.answer,
      });
    default:
      return assertNever(command, 'chain command');
  }
}

/** Those that touch watched scripts or exclude a known transaction, in their order. */
export function relevant(
  transactions: readonly ObservedTransaction[],
  view: WatchView,
): readonly ObservedTransaction[] {
  const ours = new Set(concerning(transactions, view));
  return transactions.filter((transaction) => ours.has(transaction) || mayExclude(transaction, view));
}

function mayExclude({ txid, spends }: ObservedTransaction, view: WatchView): boolean {
  return spends.some(
    (outpoint) =>
      view.spenders(outpoint).some((known) => known.transaction.txid !== txid) ||
      view.dependents(outpoint).some(({ ancestor }) => ancestor !== txid),
  );
}

/** Those that touch watched scripts, in their order; spenders of outputs that the same list makes included. */
export function concerning(
  transactions: readonly ObservedTransaction[],
  view: WatchView,
): readonly ObservedTransaction[] {
  const created = new Set<string>();
  return transactions.filter((transaction) => {
    const paysUs = transaction.outputs.filter((output) => view.script(output.script) !== undefined);
    for (const { vout } of paysUs) created.add(`${transaction.txid}:${vout}`);
    return (
      paysUs.length > 0 ||
      transaction.spends.some((outpoint) => view.output(outpoint) !== undefined || created.has(outpoint))
    );
  });
}

function connectBlock(command: CommandOf<'connect_block'>, state: ChainState, view: WatchView): ChainDecision {
  const { height, hash, previousHash, time, observer } = command;
  if (state.tip && (state.tip.hash !== previousHash || state.tip.height + 1 !== height)) {
    const { tip } = state;
    const message = `expected a block after ${tip.hash} at ${tip.height}, got ${hash} at ${height} after ${previousHash}`;
    return refuse({ reason: 'NOT_AT_TIP', message });
  }
  const ours = describe(command.transactions, command.lookedUp, view);
  if (!ours.ok) return refuse(ours.error);
  const facts: ChainEvent[] = [];
  for (const observed of command.transactions) {
    const transaction = ours.value.get(observed.txid);
    if (transaction) facts.push({ type: 'transaction_confirmed', transaction, height, blockHash: hash });
    facts.push(...exclusions(observed, { height, hash }, observer, view));
  }
  return accept<ChainEvent>(...facts, { type: 'block_connected', height, hash, previousHash, time });
}

function disconnectBlocks(blocks: readonly DisconnectedBlock[], state: ChainState, view: WatchView): ChainDecision {
  const last = blocks.at(-1);
  if (!last || state.tip?.hash !== blocks[0]!.hash) {
    const message = `expected the tip ${state.tip?.hash} first, got ${blocks[0]?.hash}`;
    return refuse({ reason: 'NOT_AT_TIP', message });
  }
  const facts: ChainEvent[] = [];
  for (const [i, { height, hash, previousHash }] of blocks.entries()) {
    assert(i === 0 || blocks[i - 1]!.previousHash === hash, 'blocks are disconnected one after the other');
    for (const txid of confirmedIn(hash, view)) {
      facts.push({ type: 'transaction_unconfirmed', txid, height, blockHash: hash });
    }
    const forkHeight = last.height - 1;
    facts.push({ type: 'block_disconnected', height, hash, previousHash, forkHeight, depth: blocks.length });
  }
  return accept(...facts);
}

const FEES = ['fast', 'normal', 'slow', 'floor'] as const;

const sameFees = (before: FeeEstimates | null, now: FeeEstimates): boolean =>
  before !== null && FEES.every((target) => before[target] === now[target]) && sameMempool(before, now);

/** A mempool is never twice the same: it is news when it takes more than a twentieth more or less to outbid it, for any target. */
function sameMempool({ mempool: before }: FeeEstimates, { mempool: now }: FeeEstimates): boolean {
  if (before === null || now === null) return before === now;
  const [rates, others] = [outbidding(before), outbidding(now)];
  return FEE_TARGETS.every((target) => {
    const [a, b] = [rates[target].feeRate, others[target].feeRate];
    const [low, high] = a < b ? [a, b] : [b, a];
    return (high - low) * NEWS_PART <= high;
  });
}

const outbidding = (mempool: readonly FeeBucket[]): FeeDecision['targets'] =>
  decideFeeRates({ estimates: {}, mempool, ...ANY_FEE_RATE }).targets;

const ANY_FEE_RATE = { floor: feeRate(0n), cap: feeRate(10_000_000n) };
const NEWS_PART = 20n;

/** Whoever asked the second node has compared the hashes with ours; what we have gone over to since isn't at its place any more. */
function agree(blocks: readonly BlockRef[], { tip, agreed }: ChainState): ChainDecision {
  const [first] = blocks;
  const last = blocks.at(-1);
  const follows = first && last && tip && (agreed === null || agreed.height + 1 === first.height);
  if (!follows || last.height > tip.height) {
    const message = `expected blocks from ${(agreed?.height ?? -1) + 1} to ${tip?.height}, got ${first?.height} to ${last?.height}`;
    return refuse({ reason: 'NOT_AGREED_UPON', message });
  }
  return accept(...blocks.map(({ height, hash }) => ({ type: 'block_agreed' as const, height, hash })));
}

function dispute(blocks: readonly DisconnectedBlock[], { agreed }: ChainState): ChainDecision {
  if (blocks[0]?.hash !== agreed?.hash || !agreed) {
    const message = `expected the block agreed on last, ${agreed?.hash}, first, got ${blocks[0]?.hash}`;
    return refuse({ reason: 'NOT_AGREED_UPON', message });
  }
  return accept(
    ...blocks.map(({ height, hash, previousHash }) => ({
      type: 'block_disputed' as const,
      height,
      hash,
      previousHash,
    })),
  );
}

/** In a fixed order, so that the same history gives the same facts. */
function confirmedIn(blockHash: BlockHash, view: WatchView): readonly Txid[] {
  return [...view.transactions()]
    .filter(({ status }) => status.kind === 'confirmed' && status.blockHash === blockHash)
    .map(({ transaction }) => transaction.txid)
    .sort();
}

function observeMempool(command: CommandOf<'observe_mempool'>, view: WatchView): ChainDecision {
  // A poll that began before a block was connected tells of transactions that the block has settled.
  const current = command.transactions.filter(({ txid }) => !isSettledByBlock(view.transaction(txid)?.status));
  const ours = describe(current, command.lookedUp, view);
  if (!ours.ok) return refuse(ours.error);
  const facts: ChainEvent[] = [];
  for (const observed of current) {
    const transaction = ours.value.get(observed.txid);
    const known = view.transaction(observed.txid)?.status.kind;
    // After a reorg it is expected back: nobody was told that it had gone.
    if (transaction && known !== 'mempool' && known !== 'unconfirmed') {
      const ancestorInputs = command.lookedUp.ancestorInputs.get(observed.txid) ?? [];
      facts.push({ type: 'transaction_seen', transaction, ancestorInputs, at: command.observer.at });
    }
    facts.push(...exclusions(observed, IN_MEMPOOL, command.observer, view));
  }
  return accept(...facts);
}

function isSettledByBlock(status: TransactionStatus | undefined): boolean {
  return status?.kind === 'confirmed' || (status?.kind === 'replaced' && status.byBlockHash !== '');
}

function evict(command: CommandOf<'evict'>, view: WatchView): ChainDecision {
  const { expiryMs, observer } = command;
  const facts = command.txids.flatMap((txid): ChainEvent[] => {
    const status = view.transaction(txid)?.status;
    if (!isPending(status)) return [];
    const hasExpired = expiryMs !== null && status.kind === 'mempool' && observer.at - status.since >= expiryMs;
    const reason = hasExpired ? 'expired' : 'evicted';
    return [{ type: 'transaction_evicted', txid, reason, conflictingTxid: '', node: observer.node }];
  });
  return accept(...facts);
}

function isPending(status: TransactionStatus | undefined): status is TransactionStatus {
  return status?.kind === 'mempool' || status?.kind === 'unconfirmed';
}

function rescanBlock(command: CommandOf<'rescan_block'>, view: WatchView): ChainDecision {
  const ours = describe(command.transactions, command.lookedUp, view);
  if (!ours.ok) return refuse(ours.error);
  const news = [...ours.value.values()].filter((transaction) => {
    const known = view.transaction(transaction.txid);
    return known?.status.kind !== 'confirmed' || ownParts(known.transaction) < ownParts(transaction);
  });
  const { height, hash } = command;
  return accept<ChainEvent>(
    ...news.map((transaction) => ({
      type: 'transaction_confirmed' as const,
      transaction,
      height,
      blockHash: hash,
    })),
  );
}

const ownParts = ({ inputs, outputs }: WatchedTransaction): number =>
  outputs.length + inputs.filter((input) => input.walletId !== '').length;

/** Where a transaction is. */
type Place = { readonly height: number; readonly hash: string };
const IN_MEMPOOL: Place = { height: 0, hash: '' };

/** Known transactions that this one excludes: by spending what they spend, or what an ancestor of theirs spends. */
function exclusions(
  observed: ObservedTransaction,
  place: Place,
  { node }: Observer,
  view: WatchView,
): readonly ChainEvent[] {
  const replaced = replacements(observed, place, node, view);
  const found = new Map<Txid, ChainEvent>();
  for (const { known, ancestor } of observed.spends.flatMap((outpoint) => view.dependents(outpoint))) {
    const { txid } = known.transaction;
    if (ancestor === observed.txid || replaced.has(txid) || !isPending(known.status)) continue;
    const conflictingTxid = observed.txid;
    found.set(txid, { type: 'transaction_evicted', txid, reason: 'double_spent', conflictingTxid, node });
  }
  return [...replaced.values(), ...found.values()];
}

/** Unless it is known already. */
function replacements(
  observed: ObservedTransaction,
  { height, hash }: Place,
  node: string,
  view: WatchView,
): ReadonlyMap<Txid, ChainEvent> {
  const found = new Map<Txid, ChainEvent>();
  for (const outpoint of observed.spends) {
    for (const { transaction, status } of view.spenders(outpoint)) {
      const { txid } = transaction;
      if (txid === observed.txid || found.has(txid) || isSettledByBlock(status)) continue;
      if (status.kind === 'replaced' && status.byTxid === observed.txid && status.byBlockHash === hash) continue;
      found.set(txid, {
        type: 'transaction_replaced',
        txid,
        byTxid: observed.txid,
        outpoint,
        byHeight: height,
        byBlockHash: hash,
        node,
      });
    }
  }
  return found;
}

/** Transactions of the list that touch watched scripts, with all that is known about what they spend. */
function describe(
  list: readonly ObservedTransaction[],
  lookedUp: LookedUp,
  view: WatchView,
): Result<ReadonlyMap<Txid, WatchedTransaction>, ChainRefusal> {
  const described = new Map<Txid, WatchedTransaction>();
  const created = new Map<string, OwnOutput>();
  for (const observed of concerning(list, view)) {
    const { txid, coinbase } = observed;
    const known = new Map(view.transaction(txid)?.transaction.inputs.map((input) => [input.outpoint, input]));
    const inputs = observed.spends.map((outpoint): WatchedInput => {
      const own = view.output(outpoint) ?? created.get(outpoint);
      if (own) return { outpoint, ...own };
      const foreign = lookedUp.prevouts.get(outpoint) ?? known.get(outpoint);
      return { outpoint, script: foreign?.script ?? '', walletId: '', valueSats: foreign?.valueSats ?? 0n };
    });
    const isGuess = inputs.some(({ script }) => script === '') && !lookedUp.transactions.has(txid) && known.size === 0;
    if (isGuess)
      return err({ reason: 'PREVOUTS_NOT_LOOKED_UP', message: `expected what ${txid} spends to be looked up` });
    const outputs = observed.outputs.flatMap((output): WatchedOutput[] => {
      const watched = view.script(output.script);
      return watched ? [{ ...output, ...watched }] : [];
    });
    for (const { vout, walletId, script, valueSats } of outputs)
      created.set(`${txid}:${vout}`, { walletId, script, valueSats });
    described.set(txid, { txid, coinbase, inputs, outputs, ...rawFor(observed, outputs) });
  }
  return ok(described);
}
