import { type OutpointKey, outpointKey, type ParsedTransaction, type Txid } from '@finality/bitcoin';
import { assert } from '@finality/kernel';

export interface MempoolEntry {
  readonly transaction: ParsedTransaction;
  readonly feeSats: bigint;
  /** Seconds since 1970 when it came in. */
  readonly time: number;
  /** Of the tip when it came in. */
  readonly height: number;
  readonly parents: ReadonlySet<Txid>;
  readonly children: ReadonlySet<Txid>;
}

interface Links extends MempoolEntry {
  readonly parents: Set<Txid>;
  readonly children: Set<Txid>;
}

/** Unconfirmed transactions and how they spend each other. Entries are in order of arrival, so parents come before children. */
export class Mempool {
  readonly #entries = new Map<Txid, Links>();
  readonly #spenders = new Map<OutpointKey, Txid>();

  get size(): number {
    return this.#entries.size;
  }

  has(txid: Txid): boolean {
    return this.#entries.has(txid);
  }

  get(txid: Txid): MempoolEntry | undefined {
    return this.#entries.get(txid);
  }

  entries(): readonly MempoolEntry[] {
    return [...this.#entries.values()];
  }

  spenderOf(key: OutpointKey): Txid | undefined {
    return this.#spenders.get(key);
  }

  /** The caller has checked that it conflicts with nothing here. */
  add(transaction: ParsedTransaction, feeSats: bigint, time: number, height: number): void {
    const parents = this.parentsOf(transaction);
    for (const { outpoint } of transaction.inputs) {
      const key = outpointKey(outpoint);
      assert(!this.#spenders.has(key), `${key} is spent once in the mempool`);
      this.#spenders.set(key, transaction.txid);
    }
    for (const parent of parents) this.#entries.get(parent)!.children.add(transaction.txid);
    this.#entries.set(transaction.txid, { transaction, feeSats, time, height, parents, children: new Set() });
  }

  parentsOf(transaction: ParsedTransaction): Set<Txid> {
    return new Set(transaction.inputs.map((input) => input.outpoint.txid).filter((txid) => this.#entries.has(txid)));
  }

  /** Takes out one transaction. Its children stay: it was mined, or they go as well. */
  remove(txid: Txid): void {
    const entry = this.#entries.get(txid);
    if (!entry) return;
    for (const parent of entry.parents) this.#entries.get(parent)!.children.delete(txid);
    for (const child of entry.children) this.#entries.get(child)!.parents.delete(txid);
    for (const { outpoint } of entry.transaction.inputs) this.#spenders.delete(outpointKey(outpoint));
    this.#entries.delete(txid);
  }

  /** Takes out a transaction and all that spend its outputs, directly or not. Returns what went, children first. */
  removeWithDescendants(txid: Txid): readonly Txid[] {
    const gone = [...this.descendantsOf([txid])].reverse();
    for (const each of gone) this.remove(each);
    return gone;
  }

  clear(): void {
    this.#entries.clear();
    this.#spenders.clear();
  }

  copy(): Mempool {
    const copy = new Mempool();
    for (const { transaction, feeSats, time, height } of this.#entries.values())
      copy.add(transaction, feeSats, time, height);
    return copy;
  }

  /** Those given and all that spend their outputs; parents before children where they are in one line. */
  descendantsOf(txids: Iterable<Txid>): ReadonlySet<Txid> {
    return this.#reach(txids, (entry) => entry.children);
  }

  /** Those given and all whose outputs they spend. */
  ancestorsOf(txids: Iterable<Txid>): ReadonlySet<Txid> {
    return this.#reach(txids, (entry) => entry.parents);
  }

  /** All that are connected with those given, in either direction. */
  clusterOf(txids: Iterable<Txid>): ReadonlySet<Txid> {
    return this.#reach(txids, (entry) => [...entry.parents, ...entry.children]);
  }

  #reach(txids: Iterable<Txid>, next: (entry: MempoolEntry) => Iterable<Txid>): ReadonlySet<Txid> {
    const reached = new Set(txids);
    // A Set's iteration also visits what is added meanwhile; each txid is visited once, so it ends.
    for (const txid of reached) {
      const entry = this.#entries.get(txid);
      if (entry) for (const each of next(entry)) reached.add(each);
    }
    return reached;
  }
}
