import { type FingerprintKey, FingerprintSet } from './fingerprints.ts';
import type { ObservedTransaction } from './transaction.ts';

/**
 * All that is watched, small enough to be kept in memory: which transactions of a block may concern us. It takes none that does for one that
 * doesn't; the few that it finds are compared exactly, by a {@link WatchView} that is loaded around them.
 */
export class WatchSet {
  readonly #scripts: FingerprintSet;
  readonly #outpoints: FingerprintSet;

  constructor(key: FingerprintKey) {
    this.#scripts = new FingerprintSet(key);
    this.#outpoints = new FingerprintSet(key);
  }

  get bytes(): number {
    return this.#scripts.bytes + this.#outpoints.bytes;
  }

  watchScript(script: string): void {
    this.#scripts.add(script);
  }

  /** An output of ours, or what a known transaction, or one that it needs, spends: whoever else spends that excludes it. */
  watchOutpoint(outpoint: string): void {
    this.#outpoints.add(outpoint);
  }

  /** Those that may concern us, in their order; spenders of outputs that the same list makes included. */
  matching(transactions: readonly ObservedTransaction[]): readonly ObservedTransaction[] {
    const created = new Set<string>();
    return transactions.filter(({ txid, outputs, spends }) => {
      let isOurs = false;
      for (const { vout, script } of outputs) {
        if (!this.#scripts.has(script)) continue;
        created.add(`${txid}:${vout}`);
        isOurs = true;
      }
      return isOurs || spends.some((outpoint) => this.#outpoints.has(outpoint) || created.has(outpoint));
    });
  }
}
