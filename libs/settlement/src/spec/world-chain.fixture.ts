import { createHash } from 'node:crypto';
import type { BlockHash, OutpointKey, ScriptHex, Txid } from '@finality/bitcoin';
import type { ChainCommand, Prevout } from '@finality/chain';
import type { Sats } from '@finality/kernel';
import type { OfferedVersion } from '../lineage.ts';

/** A transaction as far as this model knows any: who spends what and pays whom. */
export interface WorldTx {
  readonly txid: Txid;
  readonly coinbase: boolean;
  readonly spends: readonly OutpointKey[];
  readonly outputs: readonly { readonly vout: number; readonly valueSats: Sats; readonly script: ScriptHex }[];
}

export interface WorldBlock {
  readonly height: number;
  readonly hash: BlockHash;
  readonly previousHash: BlockHash;
  readonly txs: readonly WorldTx[];
}

export interface WorldOutput {
  readonly script: ScriptHex;
  readonly valueSats: bigint;
}

/** What blocks made, and by whom it was spent. */
export interface Confirmed {
  readonly txids: ReadonlySet<string>;
  readonly made: ReadonlyMap<string, WorldTx>;
  readonly spentBy: ReadonlyMap<string, Txid>;
}

/** What whoever watches asks a node for, about transactions that it has found there. */
export type LookedUp = Extract<ChainCommand, { kind: 'connect_block' }>['lookedUp'];

/** The Bitcoin network as a world has it: this model of one, or a node of the chain simulator. */
export interface Chain {
  /** From the first one that the world has seen mined. */
  readonly blocks: readonly WorldBlock[];
  readonly tip: { readonly height: number; readonly hash: BlockHash };
  readonly mempool: ReadonlyMap<Txid, WorldTx>;
  /** Every transaction that somebody has, whole and signed. */
  readonly known: ReadonlyMap<Txid, WorldTx>;
  confirmed(): Confirmed;
  /** An outsider's old coin, to be spent by {@link pay}. */
  root(): OutpointKey;
  isRoot(outpoint: string): boolean;
  /** An outsider's script. */
  elsewhere(index: number): ScriptHex;
  /** Made and signed by whoever has the keys, and as yet nowhere but with him. A coinbase is part of the block that it is mined in. */
  pay(spends: readonly OutpointKey[], outputs: readonly WorldOutput[], coinbase?: boolean): WorldTx;
  /** A transaction of ours that has been signed. */
  learn(version: OfferedVersion): void;
  /** Into the mempool. False: it is there already, or the node refuses it. */
  accept(tx: WorldTx): boolean;
  /** A block of those that are chosen and can be in it, and of some that no mempool has had. */
  mine(choose: (tx: WorldTx) => boolean, unseen?: readonly WorldTx[]): WorldBlock;
  /** Takes blocks off; their transactions go back to the mempool where `keep` says so. @returns tip first */
  disconnect(count: number, keep: (tx: WorldTx) => boolean): readonly WorldBlock[];
  /** With all that spend its outputs. */
  evict(txid: Txid): void;
  loseMempool(): void;
  /** Somebody who is paid by it spends that so dearly that nothing takes its place. */
  pin(txid: Txid): void;
  lookUp(txs: readonly WorldTx[]): LookedUp;
}

export const sha = (text: string): string => createHash('sha256').update(text).digest('hex');

/**
 * A chain with a mempool: transactions need their inputs, exclude those that spend the same, and come back after a reorg. Outpoints made by
 * `root` are somebody else's old coins, always there to be spent once.
 */
export class WorldChain implements Chain {
  readonly blocks: WorldBlock[] = [];
  readonly mempool = new Map<Txid, WorldTx>();
  /** Every transaction that was ever made. */
  readonly known = new Map<Txid, WorldTx>();
  /** Whose outputs somebody has spent so often, or so dearly, that no node takes another in their place. */
  readonly #pinned = new Set<Txid>();
  readonly #roots = new Set<string>();
  #made = 0;

  get tip(): { readonly height: number; readonly hash: BlockHash } {
    const last = this.blocks.at(-1);
    return last ?? { height: 100, hash: sha('genesis') as BlockHash };
  }

  #newTxid(): Txid {
    this.#made += 1;
    return sha(`tx ${this.#made}`) as Txid;
  }

  root(): OutpointKey {
    const outpoint = `${this.#newTxid()}:0` as OutpointKey;
    this.#roots.add(outpoint);
    return outpoint;
  }

  isRoot(outpoint: string): boolean {
    return this.#roots.has(outpoint);
  }

  elsewhere(index: number): ScriptHex {
    return foreignScript(sha(`elsewhere ${index}`));
  }

  pay(spends: readonly OutpointKey[], outputs: readonly WorldOutput[], coinbase = false): WorldTx {
    const made = outputs.map(({ script, valueSats }, vout) => ({ vout, script, valueSats: valueSats as Sats }));
    const tx = { txid: this.#newTxid(), coinbase, spends, outputs: made };
    this.known.set(tx.txid, tx);
    return tx;
  }

  learn({ txid, inputs, outputs }: OfferedVersion): void {
    const spends = inputs.map(({ outpoint }) => outpoint);
    const made = outputs.map(({ valueSats, destination }, vout) => ({ vout, valueSats, script: destination.script }));
    this.known.set(txid, { txid, coinbase: false, spends, outputs: made });
  }

  pin(txid: Txid): void {
    this.#pinned.add(txid);
  }

  lookUp(txs: readonly WorldTx[]): LookedUp {
    const spends = txs.flatMap((tx) => tx.spends);
    const prevouts = spends.map((outpoint): [OutpointKey, Prevout] => {
      return [outpoint, { script: foreignScript(outpoint), valueSats: 1n as Sats }];
    });
    return {
      transactions: new Set(txs.map(({ txid }) => txid)),
      prevouts: new Map(prevouts),
      ancestorInputs: new Map(),
    };
  }

  confirmed(): Confirmed {
    return confirmedIn(this.blocks);
  }

  /** Into the mempool, in the place of what spends the same. False: an input isn't there (any more). */
  accept(tx: WorldTx): boolean {
    this.known.set(tx.txid, tx);
    const { txids, made, spentBy } = this.confirmed();
    if (tx.coinbase || txids.has(tx.txid) || this.mempool.has(tx.txid)) return false;
    const isThere = (outpoint: string): boolean =>
      this.isRoot(outpoint) || made.has(outpoint) || this.mempool.has(outpoint.slice(0, 64) as Txid);
    if (!tx.spends.every((outpoint) => isThere(outpoint) && !spentBy.has(outpoint))) return false;
    const rivals = [...this.mempool.values()].filter((other) => other.spends.some((o) => tx.spends.includes(o)));
    if (rivals.some(({ txid }) => this.#pinned.has(txid))) return false;
    // A replacement can't need what it replaces.
    const gone = new Set(rivals.flatMap((rival) => [rival.txid, ...this.#descendants(rival.txid)]));
    if (tx.spends.some((outpoint) => gone.has(outpoint.slice(0, 64) as Txid))) return false;
    for (const txid of gone) this.mempool.delete(txid);
    this.mempool.set(tx.txid, tx);
    return true;
  }

  /** A block of those that are chosen and can be in it, and of some that nobody has seen before. */
  mine(choose: (tx: WorldTx) => boolean, unseen: readonly WorldTx[] = []): WorldBlock {
    const { txids, made, spentBy } = this.confirmed();
    const [present, spent] = [new Set(made.keys()), new Set<string>(spentBy.keys())];
    const txs: WorldTx[] = [];
    for (const tx of [...unseen, ...[...this.mempool.values()].filter(choose)]) {
      this.known.set(tx.txid, tx);
      const fits = tx.spends.every((o) => (this.isRoot(o) || present.has(o)) && !spent.has(o));
      if (!fits || txids.has(tx.txid)) continue;
      txs.push(tx);
      for (const outpoint of tx.spends) spent.add(outpoint);
      for (const { vout } of tx.outputs) present.add(`${tx.txid}:${vout}`);
    }
    const { height, hash } = this.tip;
    this.#made += 1;
    const block = { height: height + 1, hash: sha(`block ${this.#made}`) as BlockHash, previousHash: hash, txs };
    this.blocks.push(block);
    this.#tidyMempool();
    return block;
  }

  /** Takes blocks off; their transactions go back to the mempool where `keep` says so. @returns tip first */
  disconnect(count: number, keep: (tx: WorldTx) => boolean): readonly WorldBlock[] {
    const gone = this.blocks.splice(Math.max(0, this.blocks.length - count)).reverse();
    const waiting = [...this.mempool.values()];
    this.mempool.clear();
    const back = gone.toReversed().flatMap((block) => block.txs);
    for (const tx of [...back.filter((tx) => !tx.coinbase && keep(tx)), ...waiting]) this.accept(tx);
    return gone;
  }

  evict(txid: Txid): void {
    for (const gone of [txid, ...this.#descendants(txid)]) this.mempool.delete(gone);
  }

  loseMempool(): void {
    this.mempool.clear();
  }

  #tidyMempool(): void {
    const waiting = [...this.mempool.values()];
    this.mempool.clear();
    for (const tx of waiting) this.accept(tx);
  }

  #descendants(txid: Txid): Txid[] {
    const children = [...this.mempool.values()].filter((tx) => tx.spends.some((o) => o.startsWith(`${txid}:`)));
    return children.flatMap((child) => [child.txid, ...this.#descendants(child.txid)]);
  }
}

/** What outsiders' coins are locked by: each its own script. */
export const foreignScript = (outpoint: string): ScriptHex => `0014${outpoint.slice(0, 40)}` as ScriptHex;

export function confirmedIn(blocks: readonly WorldBlock[]): Confirmed {
  const txids = new Set<string>();
  const made = new Map<string, WorldTx>();
  const spentBy = new Map<string, Txid>();
  for (const tx of blocks.flatMap((block) => block.txs)) {
    txids.add(tx.txid);
    for (const outpoint of tx.spends) spentBy.set(outpoint, tx.txid);
    for (const { vout } of tx.outputs) made.set(`${tx.txid}:${vout}`, tx);
  }
  return { txids, made, spentBy };
}
