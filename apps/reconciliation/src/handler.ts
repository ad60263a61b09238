import type { Batch, CommandHandler, Handled, Session, StoreCommand, StoredEvent } from '@finality/event-store';
import { assert, assertNever, refusal } from '@finality/kernel';
import { decideRun, indexBlock, type Run, type RunCommand } from '@finality/reconciliation';
import type { CommandOf, ReconciliationCommand } from './commands.ts';
import {
  indexTip,
  type IndexTip,
  placesOfScripts,
  rollBack,
  saveBlock,
  type ScriptPlace,
} from './projections/chain-index.projection.ts';
import { projectReports } from './projections/reports.projection.ts';
import {
  type IndexedWallet,
  type Issued,
  issuedByWallet,
  saveIssued,
  saveScripts,
  saveWallet,
  walletsById,
} from './projections/wallets.projection.ts';
import { runStream } from './streams.ts';

type Command = StoreCommand<ReconciliationCommand>;

export interface World {
  tip: IndexTip | null;
  readonly placeOfScript: ReadonlyMap<string, ScriptPlace>;
  readonly wallets: Map<string, IndexedWallet>;
  readonly issued: Map<string, Issued>;
  /** In the order of the commands. */
  readonly writes: ((session: Session) => Promise<void>)[];
}

const NONE_ISSUED: Issued = { external: 0, internal: 0 };

const NOTHING: Handled<Run> = { kind: 'accepted', reply: { status: 'none' } };

/** Runs are events; the index is derived from the node's blocks and from what other services published, so it has none. */
export class ReconciliationHandler implements CommandHandler<ReconciliationCommand, World, Run> {
  readonly #deriveAhead: number;

  constructor(options: { readonly deriveAhead: number }) {
    this.#deriveAhead = options.deriveAhead;
  }

  async load(session: Session, commands: readonly Command[], batch: Batch): Promise<World> {
    const bodies = commands.map(({ body }) => body);
    const runs = bodies.flatMap((body) => ('reportId' in body ? [`${runStream.aggregate.name}/${body.reportId}`] : []));
    await batch.loadStreams(session, runs);
    const scripts = new Set(
      bodies
        .flatMap((body) => (body.kind === 'index_blocks' ? body.blocks : []))
        .flatMap((block) => block.transactions)
        .flatMap((transaction) => transaction.outputs.map((output) => output.script)),
    );
    const placeOfScript = await placesOfScripts(session, [...scripts]);
    const named = bodies.flatMap((body) => ('walletId' in body ? [body.walletId] : []));
    const walletIds = [...new Set([...named, ...[...placeOfScript.values()].map(({ walletId }) => walletId)])];
    const wallets = walletIds.length > 0 ? await walletsById(session, walletIds) : [];
    return {
      tip: await indexTip(session),
      placeOfScript,
      wallets: new Map(wallets.map((wallet) => [wallet.walletId, wallet])),
      issued: walletIds.length > 0 ? await issuedByWallet(session, walletIds) : new Map<string, Issued>(),
      writes: [],
    };
  }

  handle({ body }: Command, world: World, batch: Batch): Handled<Run> {
    switch (body.kind) {
      case 'add_wallet':
        return this.#addWallet(body, world);
      case 'index_used':
        return this.#indexUsed(body, world);
      case 'store_scripts':
        return this.#storeScripts(body, world);
      case 'index_blocks':
        return this.#indexBlocks(body, world);
      case 'roll_back':
        return this.#rollBack(body.toHeight, world);
      case 'start_run':
        return this.#run(body.reportId, { ...body, at: batch.now }, batch);
      case 'complete_run':
        return this.#run(body.reportId, { ...body, at: batch.now }, batch);
      default:
        return assertNever(body, 'command');
    }
  }

  async save(session: Session, world: World, events: readonly StoredEvent[], batch: Batch): Promise<void> {
    for (const write of world.writes) await write(session);
    await projectReports(session, events, batch);
  }

  #addWallet(
    { walletId, custodial, external, internal, birthdayHeight }: CommandOf<'add_wallet'>,
    world: World,
  ): Handled<Run> {
    if (world.wallets.has(walletId)) return NOTHING;
    const issued = world.issued.get(walletId) ?? NONE_ISSUED;
    const wanted = {
      externalWanted: issued.external + this.#deriveAhead,
      internalWanted: issued.internal + this.#deriveAhead,
    };
    const keys = { walletId, custodial, external, internal, birthdayHeight };
    return this.#putWallet(
      { ...keys, ...wanted, externalBelow: 0, internalBelow: 0, rescanFrom: birthdayHeight },
      world,
    );
  }

  #indexUsed({ walletId, branch, index }: CommandOf<'index_used'>, world: World): Handled<Run> {
    const issued = world.issued.get(walletId) ?? NONE_ISSUED;
    const part = branch === 0 ? 'external' : 'internal';
    world.issued.set(walletId, { ...issued, [part]: Math.max(issued[part], index + 1) });
    world.writes.push((session) => saveIssued(session, walletId, branch, index));
    const wallet = world.wallets.get(walletId);
    if (!wallet) return NOTHING;
    const below = branch === 0 ? wallet.externalBelow : wallet.internalBelow;
    // Told too late: the address may have been paid in blocks that were read without its script.
    return this.#extend(wallet, { branch, index }, index >= below ? wallet.birthdayHeight : null, world);
  }

  /** By halves, so that it happens seldom and long before an index is needed. */
  #extend(
    wallet: IndexedWallet,
    { branch, index }: Pick<ScriptPlace, 'branch' | 'index'>,
    from: number | null,
    world: World,
  ): Handled<Run> {
    const wanted = branch === 0 ? wallet.externalWanted : wallet.internalWanted;
    if (index + this.#deriveAhead / 2 < wanted) return NOTHING;
    const next = index + 1 + this.#deriveAhead;
    const more = branch === 0 ? { externalWanted: next } : { internalWanted: next };
    return this.#putWallet({ ...wallet, ...more, rescanFrom: earlier(wallet.rescanFrom, from) }, world);
  }

  #storeScripts(
    { walletId, scripts, externalBelow, internalBelow }: CommandOf<'store_scripts'>,
    world: World,
  ): Handled<Run> {
    const wallet = world.wallets.get(walletId);
    assert(wallet, `wallet ${walletId} is there to have scripts derived`);
    world.writes.push((session) => saveScripts(session, walletId, scripts));
    if (wallet.rescanFrom !== null) this.#rollBack(wallet.rescanFrom - 1, world);
    return this.#putWallet({ ...wallet, externalBelow, internalBelow, rescanFrom: null }, world);
  }

  #putWallet(wallet: IndexedWallet, world: World): Handled<Run> {
    world.wallets.set(wallet.walletId, wallet);
    world.writes.push((session) => saveWallet(session, wallet));
    return NOTHING;
  }

  #indexBlocks({ after, blocks }: CommandOf<'index_blocks'>, world: World): Handled<Run> {
    if ((world.tip?.hash ?? null) !== after) {
      const message = `expected blocks after ${world.tip?.hash ?? 'none'}, got blocks after ${after ?? 'none'}`;
      return { kind: 'refused', refusal: refusal('aborted', 'NOT_AT_TIP', message, { retryable: true }) };
    }
    for (const { height, hash, transactions } of blocks) {
      const indexed = indexBlock(transactions, (script) => world.placeOfScript.get(script)?.walletId);
      const tip = { height, hash };
      for (const { script } of indexed.created) this.#paid(world.placeOfScript.get(script)!, height, world);
      world.writes.push((session) => saveBlock(session, tip, indexed, transactions));
      world.tip = tip;
    }
    return NOTHING;
  }

  /** Whoever has a wallet's keys hands out addresses without asking us: the next ones may have been paid in the same block. */
  #paid(place: ScriptPlace, height: number, world: World): void {
    const wallet = world.wallets.get(place.walletId);
    assert(wallet, `wallet ${place.walletId} has scripts`);
    if (!wallet.custodial) this.#extend(wallet, place, height, world);
  }

  #rollBack(toHeight: number, world: World): Handled<Run> {
    if (world.tip === null || world.tip.height <= toHeight) return NOTHING;
    world.writes.push((session) => rollBack(session, toHeight));
    // Which block is there now isn't known here: blocks of the same batch that count on one are refused, and read again.
    world.tip = { height: toHeight, hash: '' as IndexTip['hash'] };
    return NOTHING;
  }

  #run(reportId: string, command: RunCommand, batch: Batch): Handled<Run> {
    const decision = decideRun(command, batch.state(runStream, reportId));
    if (decision.kind === 'refused') return assertNever(decision.refused);
    const reply = batch.append(runStream, reportId, ...decision.events);
    return { kind: 'accepted', reply };
  }
}

const earlier = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? (a ?? b) : Math.min(a, b);
