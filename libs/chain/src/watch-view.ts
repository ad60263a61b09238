import type { OutpointKey, Txid } from '@finality/bitcoin';
import { assert, assertNever } from '@finality/kernel';
import type { ChainEvent } from './chain.ts';
import type {
  AncestorInput,
  KnownTransaction,
  TransactionStatus,
  WatchedInput,
  WatchedScript,
  WatchedTransaction,
} from './transaction.ts';

/** A watched output, as the input that spends it sees it. */
export type OwnOutput = Omit<WatchedInput, 'outpoint'>;

/**
 * What matching looks things up in: the part of the watched scripts, and of the transactions known already, that a batch of commands
 * touches. Whoever makes one must load everything that shares a script, an outpoint or a txid with those commands.
 */
export class WatchView {
  readonly #scripts = new Map<string, WatchedScript>();
  readonly #transactions = new Map<string, KnownTransaction>();
  readonly #outputs = new Map<string, OwnOutput>();
  readonly #spenders = new Map<string, Set<Txid>>();
  readonly #dependents = new Map<string, Map<Txid, Txid>>();
  readonly #touched = new Set<Txid>();

  watch(script: string, watched: WatchedScript): void {
    this.#scripts.set(script, watched);
  }

  /** Takes over a transaction as it was stored. */
  load(known: KnownTransaction): void {
    const { txid, inputs, outputs } = known.transaction;
    this.#transactions.set(txid, known);
    for (const output of outputs) {
      const { walletId, script, valueSats } = output;
      this.#outputs.set(`${txid}:${output.vout}`, { walletId, script, valueSats });
    }
    for (const { outpoint } of inputs) {
      const spenders = this.#spenders.get(outpoint) ?? new Set();
      this.#spenders.set(outpoint, spenders.add(txid));
    }
    for (const { outpoint, ancestor } of known.ancestorInputs) {
      const dependents = this.#dependents.get(outpoint) ?? new Map<Txid, Txid>();
      this.#dependents.set(outpoint, dependents.set(txid, ancestor));
    }
  }

  script(script: string): WatchedScript | undefined {
    return this.#scripts.get(script);
  }

  /** Wallets that own a loaded script. */
  watchedWallets(): ReadonlySet<string> {
    return new Set([...this.#scripts.values()].map(({ walletId }) => walletId));
  }

  transaction(txid: Txid): KnownTransaction | undefined {
    return this.#transactions.get(txid);
  }

  /** Of a known transaction, whatever has become of its transaction. */
  output(outpoint: OutpointKey): OwnOutput | undefined {
    return this.#outputs.get(outpoint);
  }

  /** Known transactions that spend it, each excluding the others. */
  spenders(outpoint: string): readonly KnownTransaction[] {
    return [...(this.#spenders.get(outpoint) ?? [])].map((txid) => this.#transactions.get(txid)!);
  }

  /** Known transactions that need this outpoint to be spent by a certain other one, an unconfirmed ancestor of theirs. */
  dependents(outpoint: string): readonly { readonly known: KnownTransaction; readonly ancestor: Txid }[] {
    return [...(this.#dependents.get(outpoint) ?? [])].map(([txid, ancestor]) => ({
      known: this.#transactions.get(txid)!,
      ancestor,
    }));
  }

  *transactions(): Iterable<KnownTransaction> {
    yield* this.#transactions.values();
  }

  /** Transactions that facts have changed since they were loaded. */
  touched(): readonly KnownTransaction[] {
    return [...this.#touched].map((txid) => this.#transactions.get(txid)!);
  }

  /** Folds a fact in, so that the next command of the batch sees it. */
  apply(event: ChainEvent): void {
    switch (event.type) {
      case 'transaction_seen':
        return this.#put(event.transaction, { kind: 'mempool', since: event.at }, event.ancestorInputs);
      case 'transaction_confirmed': {
        const { transaction, height, blockHash } = event;
        return this.#put(transaction, { kind: 'confirmed', height, blockHash }, this.#ancestorInputs(transaction));
      }
      case 'transaction_unconfirmed':
        return this.#setStatus(event.txid, { kind: 'unconfirmed' });
      case 'transaction_replaced':
        return this.#setStatus(event.txid, { kind: 'replaced', byTxid: event.byTxid, byBlockHash: event.byBlockHash });
      case 'transaction_evicted':
        return this.#setStatus(event.txid, { kind: 'evicted' });
      case 'block_disconnected':
        return this.#forgetReplacementsIn(event.hash);
      case 'block_connected':
      case 'block_agreed':
      case 'block_disputed':
      case 'fees_estimated':
      case 'transaction_broadcast':
        return;
      default:
        assertNever(event, 'chain event');
    }
  }

  #put(transaction: WatchedTransaction, status: TransactionStatus, ancestorInputs: readonly AncestorInput[]): void {
    this.load({ transaction, status, ancestorInputs });
    this.#touched.add(transaction.txid);
  }

  #setStatus(txid: Txid, status: TransactionStatus): void {
    const known = this.#transactions.get(txid);
    assert(known, `transaction ${txid} is known`);
    this.#put(known.transaction, status, known.ancestorInputs);
  }

  /** What a block had excluded isn't excluded by it any more, though the mempool may well hold the replacement again. */
  #forgetReplacementsIn(blockHash: string): void {
    for (const { transaction, status, ancestorInputs } of this.#transactions.values()) {
      if (status.kind !== 'replaced' || status.byBlockHash !== blockHash) continue;
      this.#put(transaction, { ...status, byBlockHash: '' }, ancestorInputs);
    }
  }

  #ancestorInputs({ txid }: WatchedTransaction): readonly AncestorInput[] {
    return this.#transactions.get(txid)?.ancestorInputs ?? [];
  }
}
