import { type BlockHash, hexFromBytes, type Network } from '@finality/bitcoin';
import {
  type ChainCommand,
  type ChainEvent,
  decideChain,
  decideWatch,
  type ObservedTransaction,
  type WatchCommand,
  type WatchedTransaction,
  type WatchState,
  WatchView,
} from '@finality/chain';
import type { Batch, CommandHandler, Handled, Session, StoreCommand, StoredEvent } from '@finality/event-store';
import { assert, assertNever, refusal } from '@finality/kernel';
import type { ChainWatcherCommand, CommandOf } from './commands.ts';
import { isSuccess, makeAllDue, saveAnswer, saveStopped, saveWanted } from './projections/broadcasts.projection.ts';
import { headersByHash, saveConnected, saveDisconnected, type StoredHeader } from './projections/headers.projection.ts';
import { loadAround, loadByTxid, loadOfBlocks, saveTransactions } from './projections/transactions.projection.ts';
import { saveScripts, saveWallet } from './projections/wallets.projection.ts';
import type { WatchIndex } from './projections/watch-index.ts';
import { broadcastStream, chainStream, watchStream } from './streams.ts';

type Command = StoreCommand<ChainWatcherCommand>;

/** What a batch looks things up in, and what it will write beside events. */
export interface World {
  readonly view: WatchView;
  /** Of all transactions that the batch tells of, those that may concern us: the others are nobody's. */
  readonly matching: ReadonlySet<ObservedTransaction>;
  /** Headers that blocks of the batch follow, or that it reads again; and those it connects. */
  readonly headers: Map<BlockHash, StoredHeader>;
  /** In their order; run after the projections that come from events. */
  readonly writes: ((session: Session) => Promise<void>)[];
  readonly wallets: Map<string, WatchState>;
}

const ACCEPTED: Handled<null> = { kind: 'accepted', reply: null };

/** Turns commands into facts (DESIGN 4): all rules are in the chain library, this is where they meet the tables. */
export class ChainHandler implements CommandHandler<ChainWatcherCommand, World, null> {
  readonly #network: Network;
  readonly #watchAhead: number;
  readonly #index: WatchIndex;

  constructor(options: { readonly network: Network; readonly watchAhead: number; readonly index: WatchIndex }) {
    this.#network = options.network;
    this.#index = options.index;
    this.#watchAhead = options.watchAhead;
  }

  async load(session: Session, commands: readonly Command[], batch: Batch): Promise<World> {
    const bodies = commands.map(({ body }) => body);
    const view = new WatchView();
    await this.#index.sync(session);
    const matching = this.#index.matching(bodies.flatMap(transactionsOf));
    await loadAround(session, matching, view);
    const disconnected = bodies.flatMap((body) => (body.kind === 'disconnect_blocks' ? body.blocks : []));
    if (disconnected.length > 0) await loadOfBlocks(session, disconnected, view);
    const evicted = bodies.flatMap((body) => (body.kind === 'evict' ? body.txids : []));
    if (evicted.length > 0) await loadByTxid(session, evicted, view);
    const hashes = bodies.flatMap(headersNeeded);
    const headers = hashes.length > 0 ? await headersByHash(session, hashes) : [];
    await batch.loadStreams(session, [
      `${chainStream.aggregate.name}/${this.#network}`,
      ...bodies.flatMap(streamsOf),
      ...[...view.watchedWallets()].map((walletId) => `${watchStream.aggregate.name}/${walletId}`),
    ]);
    return {
      view,
      matching: new Set(matching),
      headers: new Map(headers.map((header) => [header.hash, header])),
      writes: [],
      wallets: new Map(),
    };
  }

  handle(command: Command, world: World, batch: Batch): Handled<null> {
    const { body } = command;
    switch (body.kind) {
      case 'connect_block':
        return this.#connectBlock(body, world, batch);
      case 'disconnect_blocks':
        return this.#disconnectBlocks(body, world, batch);
      case 'agree':
        return this.#agree(body, world, batch);
      case 'dispute':
      case 'estimate_fees':
      case 'observe_mempool':
      case 'evict':
        return this.#chain(body, world, batch);
      case 'mempool_lost':
        world.writes.push((session) => makeAllDue(session, batch.now));
        return ACCEPTED;
      case 'add_wallet':
        return this.#addWallet(body, world, batch);
      case 'index_issued':
        this.#watch(body.walletId, { ...body, ahead: this.#watchAhead }, world, batch);
        return ACCEPTED;
      case 'store_scripts':
        return this.#storeScripts(body, world, batch);
      case 'rescan':
        return this.#rescan(body, world, batch);
      case 'ignore':
        return ACCEPTED;
      case 'want_broadcast':
        return this.#wantBroadcast(body, world, batch);
      case 'stop_broadcast':
        return this.#stopBroadcast(body, world, batch);
      case 'record_answer':
        return this.#recordAnswer(body, world, batch);
      default:
        return assertNever(body, 'command');
    }
  }

  async save(session: Session, world: World, _events: readonly StoredEvent[]): Promise<void> {
    await saveTransactions(session, world.view.touched());
    for (const state of world.wallets.values()) await saveWallet(session, state);
    for (const write of world.writes) await write(session);
  }

  #connectBlock({ block, ...rest }: CommandOf<'connect_block'>, world: World, batch: Batch): Handled<null> {
    const { height, header, transactions } = block;
    const { hash, previousHash, time, work } = header;
    const ours = transactions.filter((transaction) => world.matching.has(transaction));
    const command: ChainCommand = { ...rest, height, hash, previousHash, time, transactions: ours };
    const handled = this.#chain(command, world, batch);
    if (handled.kind === 'refused') return handled;
    const before = world.headers.get(previousHash)?.chainWork ?? 0n;
    const connected = { hash, height, previousHash, time, chainWork: before + work, onMain: true };
    world.headers.set(hash, connected);
    world.writes.push((session) => saveConnected(session, [connected]));
    return handled;
  }

  #disconnectBlocks(body: CommandOf<'disconnect_blocks'>, world: World, batch: Batch): Handled<null> {
    const handled = this.#chain(body, world, batch);
    if (handled.kind === 'refused') return handled;
    const hashes = body.blocks.map(({ hash }) => hash);
    world.writes.push((session) => saveDisconnected(session, hashes));
    world.writes.push((session) => makeAllDue(session, batch.now));
    return handled;
  }

  #agree(body: CommandOf<'agree'>, world: World, batch: Batch): Handled<null> {
    return notOnMain(body.blocks, world) ?? this.#chain(body, world, batch);
  }

  #storeScripts(body: CommandOf<'store_scripts'>, world: World, batch: Batch): Handled<null> {
    const { watched, rescanFrom } = body;
    const tipHeight = this.#tipHeight(batch);
    this.#watch(body.walletId, { kind: 'scripts_stored', watched, rescanFrom, tipHeight }, world, batch);
    world.writes.push((session) => saveScripts(session, body));
    return ACCEPTED;
  }

  #rescan(body: CommandOf<'rescan'>, world: World, batch: Batch): Handled<null> {
    const gone = notOnMain(body.blocks, world);
    if (gone) return gone;
    const { lookedUp } = body;
    const facts: ChainEvent[] = [];
    for (const block of body.blocks) {
      const state = batch.state(chainStream, this.#network);
      const transactions = block.transactions.filter((transaction) => world.matching.has(transaction));
      const command: ChainCommand = { kind: 'rescan_block', ...block, transactions, lookedUp };
      const decision = decideChain(command, state, world.view);
      if (decision.kind === 'refused') return refused(decision.refused.reason, decision.refused.message);
      facts.push(...decision.events);
    }
    this.#append(facts, world, batch);
    const tipHeight = this.#tipHeight(batch);
    this.#watch(body.walletId, { kind: 'rescanned', next: body.next, tipHeight }, world, batch);
    return ACCEPTED;
  }

  #wantBroadcast(body: CommandOf<'want_broadcast'>, world: World, batch: Batch): Handled<null> {
    const { txid, lineageId, version, raw } = body;
    if (batch.state(broadcastStream, txid).status !== 'unknown') return ACCEPTED;
    const event = { type: 'broadcast_wanted' as const, txid, lineageId, version, raw: hexFromBytes(raw) };
    batch.append(broadcastStream, txid, event);
    world.writes.push((session) => saveWanted(session, body, batch.now));
    return ACCEPTED;
  }

  #stopBroadcast({ txid }: CommandOf<'stop_broadcast'>, world: World, batch: Batch): Handled<null> {
    if (batch.state(broadcastStream, txid).status !== 'wanted') return ACCEPTED;
    batch.append(broadcastStream, txid, { type: 'broadcast_stopped' });
    world.writes.push((session) => saveStopped(session, txid));
    return ACCEPTED;
  }

  #recordAnswer(body: CommandOf<'record_answer'>, world: World, batch: Batch): Handled<null> {
    const { txid, answer } = body;
    const state = batch.state(broadcastStream, txid);
    assert(state.status !== 'unknown', `${txid} was handed to us to be broadcast`);
    if (isSuccess(answer) && !state.announced) {
      batch.append(broadcastStream, txid, { type: 'broadcast_announced' });
      const fact = { kind: 'record_broadcast' as const, txid, lineageId: state.lineageId, answer };
      this.#chain(fact, world, batch);
    }
    world.writes.push((session) => saveAnswer(session, body));
    return ACCEPTED;
  }

  #chain(command: ChainCommand, world: World, batch: Batch): Handled<null> {
    const decision = decideChain(command, batch.state(chainStream, this.#network), world.view);
    if (decision.kind === 'refused') return refused(decision.refused.reason, decision.refused.message);
    this.#append(decision.events, world, batch);
    return ACCEPTED;
  }

  #append(facts: readonly ChainEvent[], world: World, batch: Batch): void {
    batch.append(chainStream, this.#network, ...facts);
    for (const fact of facts) {
      world.view.apply(fact);
      if (fact.type === 'transaction_seen') this.#markPaid(fact.transaction, this.#tipHeight(batch) + 1, world, batch);
      if (fact.type === 'transaction_confirmed') this.#markPaid(fact.transaction, fact.height, world, batch);
    }
  }

  /** Owners of non-custodial wallets hand out addresses without asking us: the watch follows what is paid to. */
  #markPaid(transaction: WatchedTransaction, height: number, world: World, batch: Batch): void {
    for (const { walletId, branch, index } of transaction.outputs) {
      if (!batch.exists(watchStream, walletId)) continue;
      this.#watch(walletId, { kind: 'index_paid', branch, index, height, ahead: this.#watchAhead }, world, batch);
    }
  }

  #tipHeight(batch: Batch): number {
    return batch.state(chainStream, this.#network).tip?.height ?? -1;
  }

  #addWallet({ used, ...wallet }: CommandOf<'add_wallet'>, world: World, batch: Batch): Handled<null> {
    const ahead = this.#watchAhead;
    this.#watch(wallet.walletId, { ...wallet, ahead }, world, batch);
    const last = [
      { branch: 0, index: used.external - 1 },
      { branch: 1, index: used.internal - 1 },
    ] as const;
    for (const each of last)
      if (each.index >= 0) this.#watch(wallet.walletId, { kind: 'index_issued', ...each, ahead }, world, batch);
    return ACCEPTED;
  }

  #watch(walletId: string, command: WatchCommand, world: World, batch: Batch): void {
    const decision = decideWatch(command, batch.state(watchStream, walletId));
    if (decision.kind === 'refused') return assertNever(decision.refused);
    if (decision.events.length === 0) return;
    const state = batch.append(watchStream, walletId, ...decision.events);
    // An address was issued before we heard of its wallet.
    if (state.walletId !== '') world.wallets.set(walletId, state);
  }
}

/** A block that left it while it was being looked at: its successor is looked at instead. */
function notOnMain(blocks: readonly { readonly hash: BlockHash }[], world: World): Handled<null> | undefined {
  const gone = blocks.find(({ hash }) => !world.headers.get(hash)?.onMain);
  return gone && refused('NOT_ON_MAIN', `block ${gone.hash} has left the main chain`);
}

/** Each of these passes: the next step looks at the chain again. */
function refused(reason: string, message: string): Handled<null> {
  return { kind: 'refused', refusal: refusal('aborted', reason, message, { retryable: true }) };
}

function transactionsOf(body: ChainWatcherCommand) {
  switch (body.kind) {
    case 'connect_block':
      return body.block.transactions;
    case 'observe_mempool':
      return body.transactions;
    case 'rescan':
      return body.blocks.flatMap((block) => block.transactions);
    default:
      return [];
  }
}

function headersNeeded(body: ChainWatcherCommand): readonly BlockHash[] {
  if (body.kind === 'connect_block') return [body.block.header.previousHash];
  return body.kind === 'rescan' || body.kind === 'agree' ? body.blocks.map((block) => block.hash) : [];
}

function streamsOf(body: ChainWatcherCommand): readonly string[] {
  switch (body.kind) {
    case 'add_wallet':
    case 'index_issued':
    case 'store_scripts':
    case 'rescan':
      return [`${watchStream.aggregate.name}/${body.walletId}`];
    case 'want_broadcast':
    case 'stop_broadcast':
    case 'record_answer':
      return [`${broadcastStream.aggregate.name}/${body.txid}`];
    default:
      return [];
  }
}
