import type { OutpointKey, ScriptHex } from '@finality/bitcoin';
import { chain, type ChainCommand, type ChainEvent, decideChain, WatchView } from '@finality/chain';
import { assert, assertNever, type Instant, type Sats } from '@finality/kernel';
import type { ChainFact, WatchedTransaction } from '../chain-fact.ts';
import type { Chain, LookedUp, WorldBlock, WorldTx } from './world-chain.fixture.ts';

const observer = { node: 'the model', at: 0 as Instant };

type Success = Extract<ChainCommand, { kind: 'record_broadcast' }>['answer'];
type Described = Extract<ChainEvent, { type: 'transaction_seen' }>['transaction'];

/** The chain-watcher's own rules over the model's blocks and mempool: the facts are those that the platform would get. */
export class WorldWatcher {
  #state = chain.initialState;
  readonly #view = new WatchView();
  readonly #lookUp: Chain['lookUp'];

  constructor({ lookUp }: { readonly lookUp: Chain['lookUp'] }) {
    this.#lookUp = lookUp;
  }

  watch(script: ScriptHex, walletId: string, branch: 0 | 1, index: number, custodial: boolean): void {
    this.#view.watch(script, { walletId, branch, index, custodial });
  }

  connected({ height, hash, previousHash, txs }: WorldBlock): readonly ChainFact[] {
    return this.#facts({
      kind: 'connect_block',
      height,
      hash,
      previousHash,
      time: height,
      observer,
      ...this.#observed(txs),
    });
  }

  disconnected(blocks: readonly WorldBlock[]): readonly ChainFact[] {
    return blocks.length === 0 ? [] : this.#facts({ kind: 'disconnect_blocks', blocks });
  }

  polled(mempool: readonly WorldTx[]): readonly ChainFact[] {
    return this.#facts({ kind: 'observe_mempool', observer, ...this.#observed(mempool) });
  }

  /** Everything that should be in the mempool and isn't. */
  missing(mempool: ReadonlyMap<string, WorldTx>): readonly ChainFact[] {
    const txids = [...this.#view.transactions()]
      .filter(({ status }) => status.kind === 'mempool' || status.kind === 'unconfirmed')
      .map(({ transaction }) => transaction.txid)
      .filter((txid) => !mempool.has(txid))
      .sort();
    return this.#facts({ kind: 'evict', txids, expiryMs: null, observer });
  }

  rescanned({ height, hash, txs }: WorldBlock): readonly ChainFact[] {
    return this.#facts({ kind: 'rescan_block', height, hash, ...this.#observed(txs) });
  }

  broadcast(txid: WorldTx['txid'], lineageId: string, answer: Success = 'accepted'): readonly ChainFact[] {
    return this.#facts({ kind: 'record_broadcast', txid, lineageId, answer });
  }

  #observed(txs: readonly WorldTx[]): { readonly transactions: readonly WorldTx[]; readonly lookedUp: LookedUp } {
    return { transactions: txs, lookedUp: this.#lookUp(txs) };
  }

  #facts(command: ChainCommand): readonly ChainFact[] {
    const decision = decideChain(command, this.#state, this.#view);
    assert(decision.kind === 'accepted', `the watcher refuses ${command.kind}`);
    return decision.events.map((event) => {
      this.#state = chain.evolve(this.#state, event);
      this.#view.apply(event);
      return factOf(event);
    });
  }
}

/** As the settlement service reads the published message. */
function factOf(event: ChainEvent): ChainFact {
  switch (event.type) {
    case 'block_connected':
      return { kind: event.type, block: { height: event.height, hash: event.hash } };
    case 'block_disconnected': {
      const { type: kind, height, hash, forkHeight } = event;
      return { kind, block: { height, hash }, forkHeight };
    }
    case 'transaction_seen':
      return { kind: event.type, transaction: watchedOf(event.transaction) };
    case 'transaction_confirmed':
      return {
        kind: event.type,
        transaction: watchedOf(event.transaction),
        block: { height: event.height, hash: event.blockHash },
      };
    case 'transaction_unconfirmed':
      return { kind: event.type, txid: event.txid, block: { height: event.height, hash: event.blockHash } };
    case 'transaction_replaced': {
      const { txid, byTxid, outpoint, byHeight, byBlockHash } = event;
      const inBlock = byHeight > 0 ? { byBlock: { height: byHeight, hash: byBlockHash } } : {};
      return { kind: event.type, txid, byTxid, outpoint, ...inBlock };
    }
    case 'transaction_evicted':
      return { kind: event.type, txid: event.txid };
    case 'transaction_broadcast':
      return { kind: event.type, txid: event.txid, answer: event.answer };
    case 'block_agreed':
    case 'block_disputed':
    case 'fees_estimated':
      throw new Error('the model has one node, and no market');
    default:
      return assertNever(event, 'chain event');
  }
}

function watchedOf({ txid, coinbase, inputs, outputs }: Described): WatchedTransaction {
  return {
    txid,
    coinbase,
    inputs: inputs.map(({ outpoint, script }) => ({ outpoint, script, address: script === '' ? '' : `of ${script}` })),
    outputs: outputs.map(({ vout, valueSats, script, walletId, custodial, branch, index }) => ({
      outpoint: `${txid}:${vout}` as OutpointKey,
      valueSats: valueSats as Sats,
      script: script as ScriptHex,
      walletId,
      custodial,
      branch,
      index,
      address: `to ${script}`,
    })),
  };
}
