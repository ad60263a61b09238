import { type OutpointKey, type ParsedTransaction, outpointKey, scriptTypeOf, type Txid } from '@finality/bitcoin';
import { assert } from '@finality/kernel';
import type { Coin } from './consensus.ts';

/** The unspent outputs of the active chain. */
export class CoinSet {
  readonly #coins = new Map<OutpointKey, Coin>();

  get size(): number {
    return this.#coins.size;
  }

  copy(): CoinSet {
    const copy = new CoinSet();
    for (const [key, coin] of this.#coins) copy.#coins.set(key, coin);
    return copy;
  }

  get(key: OutpointKey): Coin | undefined {
    return this.#coins.get(key);
  }

  entries(): IterableIterator<[OutpointKey, Coin]> {
    return this.#coins.entries();
  }

  /** Whether any output of this transaction is unspent: all that a node without an index knows of confirmed transactions. */
  hasOutputOf(transaction: ParsedTransaction): boolean {
    return transaction.outputs.some((_output, vout) => this.#coins.has(outpointKey({ txid: transaction.txid, vout })));
  }

  /** Spends the inputs, which must be there, and adds the outputs that can ever be spent. Returns what was spent, in order. */
  apply(transaction: ParsedTransaction, height: number): readonly Coin[] {
    const spent = transaction.isCoinbase
      ? []
      : transaction.inputs.map((input) => this.#take(outpointKey(input.outpoint)));
    transaction.outputs.forEach(({ valueSats, script }, vout) => {
      if (scriptTypeOf(script) === 'nulldata') return;
      this.#coins.set(outpointKey({ txid: transaction.txid, vout }), {
        valueSats,
        script,
        height,
        coinbase: transaction.isCoinbase,
      });
    });
    return spent;
  }

  /** The inverse of {@link apply}. */
  revert(transaction: ParsedTransaction, spent: readonly Coin[]): void {
    transaction.outputs.forEach((_output, vout) =>
      this.#coins.delete(outpointKey({ txid: transaction.txid as Txid, vout })),
    );
    if (transaction.isCoinbase) return;
    transaction.inputs.forEach((input, i) => this.#coins.set(outpointKey(input.outpoint), spent[i]!));
  }

  #take(key: OutpointKey): Coin {
    const coin = this.#coins.get(key);
    assert(coin, `${key} is unspent`);
    this.#coins.delete(key);
    return coin;
  }
}
