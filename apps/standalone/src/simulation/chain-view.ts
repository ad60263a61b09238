import { type BlockHash, type OutpointKey, outpointKey, type ScriptHex, type Txid } from '@finality/bitcoin';
import type { SimulatedChain } from '@finality/chain-simulator';
import { assert } from '@finality/kernel';

interface Output {
  readonly outpoint: OutpointKey;
  readonly txid: Txid;
  readonly script: ScriptHex;
  readonly valueSats: bigint;
}

interface Effects {
  readonly spends: readonly OutpointKey[];
  readonly outputs: readonly Output[];
}

export interface Unspent<Place> {
  readonly script: ScriptHex;
  readonly valueSats: bigint;
  readonly place: Place;
}

/** What the simulated chain itself says, read from its blocks and from nothing that the platform has computed. */
export class ChainView {
  readonly #chain: SimulatedChain;
  readonly #startHeight: number;
  readonly #effects = new Map<BlockHash, Effects>();

  constructor(chain: SimulatedChain, startHeight: number) {
    this.#chain = chain;
    this.#startHeight = startHeight;
  }

  /** Outputs to those scripts unspent at a block, on whatever branch it is. */
  unspentAt<Place>(hash: string, places: ReadonlyMap<ScriptHex, Place>): ReadonlyMap<OutpointKey, Unspent<Place>> {
    const unspent = new Map<OutpointKey, Unspent<Place>>();
    for (const { spends, outputs } of this.#branch(hash)) {
      for (const { outpoint, script, valueSats } of outputs) {
        const place = places.get(script);
        if (place !== undefined) unspent.set(outpoint, { script, valueSats, place });
      }
      for (const outpoint of spends) unspent.delete(outpoint);
    }
    return unspent;
  }

  get tipHash(): string {
    return this.#chain.tip.hash;
  }

  /** Outputs of the active chain, spent or not, by script. */
  outputsByScript(): ReadonlyMap<ScriptHex, readonly Output[]> {
    const found = new Map<ScriptHex, Output[]>();
    for (const { outputs } of this.#branch(this.#chain.tip.hash)) {
      for (const output of outputs) found.set(output.script, [...(found.get(output.script) ?? []), output]);
    }
    return found;
  }

  /** Whether the mempool has a transaction that pays this script. */
  isPendingTo(script: ScriptHex): boolean {
    return this.#chain.mempool
      .entries()
      .some(({ transaction }) => transaction.outputs.some((output) => output.script === script));
  }

  #branch(hash: string): readonly Effects[] {
    const path: Effects[] = [];
    let node = this.#chain.node(hash as BlockHash);
    assert(node, `block ${hash} has been mined`);
    while (node && node.height >= this.#startHeight) {
      path.push(this.#effectsOf(node));
      node = node.parent;
    }
    return path.reverse();
  }

  #effectsOf(node: NonNullable<ReturnType<SimulatedChain['node']>>): Effects {
    const known = this.#effects.get(node.hash);
    if (known) return known;
    const { transactions } = this.#chain.block(node);
    const effects: Effects = {
      spends: transactions.flatMap(({ isCoinbase, inputs }) =>
        isCoinbase ? [] : inputs.map(({ outpoint }) => outpointKey(outpoint)),
      ),
      outputs: transactions.flatMap(({ txid, outputs }) =>
        outputs.map(({ script, valueSats }, vout) => ({
          outpoint: outpointKey({ txid, vout }),
          txid,
          script,
          valueSats,
        })),
      ),
    };
    this.#effects.set(node.hash, effects);
    return effects;
  }
}
