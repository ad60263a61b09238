import {
  type BlockHash,
  bytesFromHex,
  type OutpointKey,
  outpointKey,
  type ParsedTransaction,
  parseTransaction,
  type Prevout,
  scriptTypeOf,
  type ScriptHex,
  type Txid,
} from '@finality/bitcoin';
import { type BroadcastAnswer, interpretBroadcastError, NodeUnreachable } from '@finality/bitcoin-node';
import { type AncestorInput, observe, observeInBlock } from '@finality/chain';
import { broadcast, type BlockNode, type MempoolEntry, NodeFaults, SimulatedChain } from '@finality/chain-simulator';
import { assert, type Sats, unwrap } from '@finality/kernel';
import type { OfferedVersion } from '@finality/settlement';
import {
  type Chain,
  type Confirmed,
  confirmedIn,
  type LookedUp,
  type WorldBlock,
  type WorldOutput,
  type WorldTx,
} from '@finality/settlement/spec';
import { elsewhereScript, isTheirs, rootScript, signed, type Spending } from './keys.fixture.ts';

const ROOTS = 300;
const ROOT_SATS = 1_000_000n;
const COINBASE_MATURITY = 100;
/** Of what outsiders keep for themselves; the first are the world's. */
const CHANGE_FROM = 10_000;
const MINER = 9_999;
/** Not worth an output of its own. */
const CHANGE_MIN_SATS = 1_000n;
/** The most that inputs and outputs of any kind here take. */
const INPUT_VBYTES = 110;
const OUTPUT_VBYTES = 43;
/** What outsiders pay: each more than the one before, so that nodes take the later of two that exclude each other, but for one in so many. */
const FEE_RATE_FIRST = 3n;
const PENNYWISE_EVERY = 4;
/** Whoever wants nothing else in the place of what he spends leaves so much of it. */
const PIN_FEE_SATS = 30_000n;

/** Mined once: outsiders' old coins, each with a script of its own. */
let prepared: { readonly chain: SimulatedChain; readonly roots: readonly OutpointKey[] } | undefined;

function prepare(now: number): NonNullable<typeof prepared> {
  const chain = new SimulatedChain({ now: () => now });
  const script = elsewhereScript(MINER);
  unwrap(chain.mine({ script, count: COINBASE_MATURITY + 1 }));
  const [coinbase] = chain.block(chain.nodeAt(1)!).transactions;
  const coin = { outpoint: outpointKey({ txid: coinbase!.txid, vout: 0 }), ...prevoutOf(coinbase!, 0)! };
  const outputs = Array.from({ length: ROOTS }, (_, i) => ({ script: rootScript(i), valueSats: ROOT_SATS }));
  const fan = signed([coin], outputs, 0);
  unwrap(chain.mine({ script, transactions: [fan] }));
  return { chain, roots: outputs.map((_, vout) => outpointKey({ txid: fan.txid, vout })) };
}

/**
 * A node of the chain simulator, without RPC: what is in its chain is valid, signatures among it, what waits in its mempool has been admitted by its
 * policy, and what it refuses isn't there. Whoever made a transaction keeps it; most of them offer it to the node.
 */
export class NodeChain implements Chain {
  readonly node: SimulatedChain;
  readonly faults = new NodeFaults();
  readonly known = new Map<Txid, WorldTx>();
  readonly #parsed = new Map<Txid, ParsedTransaction>();
  readonly #roots: readonly OutpointKey[];
  readonly #start: BlockNode;
  readonly #blocks = new Map<BlockHash, WorldBlock>();
  #active: readonly WorldBlock[] = [];
  #rooted = 0;
  #paid = 0;

  constructor(now: () => number) {
    const { chain, roots } = (prepared ??= prepare(now()));
    this.node = new SimulatedChain({ now, from: chain });
    this.#start = this.node.tip;
    this.#roots = roots;
    for (const transaction of chain.block(chain.tip).transactions) this.#parsed.set(transaction.txid, transaction);
  }

  /** The last block before the world's. */
  get start(): Pick<BlockNode, 'height' | 'hash'> {
    return this.#start;
  }

  get tip(): Pick<BlockNode, 'height' | 'hash'> {
    return this.node.tip;
  }

  get blocks(): readonly WorldBlock[] {
    const { tip } = this.node;
    if ((this.#active.at(-1)?.hash ?? this.#start.hash) === tip.hash) return this.#active;
    const path: WorldBlock[] = [];
    for (let at = tip; at !== this.#start; at = at.parent!) path.push(this.#blockOf(at));
    this.#active = path.reverse();
    return this.#active;
  }

  /** Of any branch. */
  block(hash: BlockHash): WorldBlock {
    return this.#blocks.get(hash) ?? this.#blockOf(this.node.node(hash)!);
  }

  isInvalid(hash: BlockHash): boolean {
    return this.node.node(hash)!.failed;
  }

  get mempool(): ReadonlyMap<Txid, WorldTx> {
    return new Map(this.node.mempool.entries().map(({ transaction }) => [transaction.txid, worldTx(transaction)]));
  }

  confirmed(): Confirmed {
    return confirmedIn(this.blocks);
  }

  root(): OutpointKey {
    const outpoint = this.#roots[this.#rooted++];
    assert(outpoint !== undefined, `outsiders have ${ROOTS} coins`);
    return outpoint;
  }

  isRoot(outpoint: string): boolean {
    return this.#roots.includes(outpoint as OutpointKey);
  }

  elsewhere(index: number): ScriptHex {
    return elsewhereScript(index);
  }

  pay(spends: readonly OutpointKey[], outputs: readonly WorldOutput[], coinbase = false): WorldTx {
    const made = outputs.map(({ script, valueSats }, vout) => ({ vout, script, valueSats: valueSats as Sats }));
    if (coinbase) return { txid: '' as Txid, coinbase, spends: [], outputs: made };
    const vbytes = 11 + INPUT_VBYTES * spends.length + OUTPUT_VBYTES * (outputs.length + 1);
    this.#paid += 1;
    const rate = this.#paid % PENNYWISE_EVERY === 0 ? 1n : FEE_RATE_FIRST + BigInt(this.#paid);
    return this.#keep(this.#signed(spends, outputs, rate * BigInt(vbytes)));
  }

  /** As much of it as the coins are good for; what is left over is theirs who spend them. */
  #signed(spends: readonly OutpointKey[], outputs: readonly WorldOutput[], feeSats: bigint): ParsedTransaction {
    const coins = spends.map((outpoint) => this.#coin(outpoint));
    const totalSats = coins.reduce((sum, { valueSats }) => sum + valueSats, 0n);
    let leftSats = totalSats - (feeSats < totalSats / 2n ? feeSats : totalSats / 2n);
    const paid = outputs.map(({ script, valueSats }) => {
      const most = valueSats < leftSats ? valueSats : leftSats;
      leftSats -= most;
      return { script, valueSats: most };
    });
    const change = { script: elsewhereScript(CHANGE_FROM + this.#paid), valueSats: leftSats };
    return signed(coins, leftSats >= CHANGE_MIN_SATS || paid.length === 0 ? [...paid, change] : paid, 0);
  }

  #coin(outpoint: OutpointKey): Spending {
    const made = this.#parsed.get(outpoint.slice(0, 64) as Txid);
    const prevout = made && prevoutOf(made, Number(outpoint.slice(65)));
    assert(prevout !== undefined, `${outpoint} was made by somebody`);
    return { outpoint, ...prevout };
  }

  #keep(transaction: ParsedTransaction): WorldTx {
    const tx = worldTx(transaction);
    this.#parsed.set(tx.txid, transaction);
    this.known.set(tx.txid, tx);
    return tx;
  }

  learn({ txid, signedHex }: Pick<OfferedVersion, 'txid' | 'signedHex'>): void {
    const transaction = unwrap(parseTransaction(signedHex!));
    assert(transaction.txid === txid, 'signing leaves the txid as it was');
    this.#keep(transaction);
  }

  accept(tx: WorldTx): boolean {
    const transaction = this.#parsed.get(tx.txid);
    if (transaction === undefined || this.node.mempool.has(tx.txid)) return false;
    return broadcast(this.node, transaction.raw).ok;
  }

  /** By whoever has nothing but this node, which may be away: it may have taken it all the same. */
  send(signedHex: string): BroadcastAnswer {
    const { outage } = this.faults;
    const unknown = { kind: 'unknown', cause: new NodeUnreachable('the node', outage) } as const;
    if (outage === 'refuse' || outage === 'hang') return unknown;
    const sent = broadcast(this.node, bytesFromHex(signedHex));
    if (outage === 'cut_answer') return unknown;
    return sent.ok ? { kind: 'accepted' } : interpretBroadcastError(sent.error.code, sent.error.message);
  }

  /** What waits in the mempool and spends the same, with all that needs it. */
  rivalsOf(txid: Txid): ReadonlySet<Txid> {
    const { mempool } = this.node;
    const { inputs } = this.#parsed.get(txid)!;
    const rivals = inputs.flatMap(({ outpoint }) => mempool.spenderOf(outpointKey(outpoint)) ?? []);
    return mempool.descendantsOf(rivals.filter((rival) => rival !== txid));
  }

  mine(choose: (tx: WorldTx) => boolean, unseen: readonly WorldTx[] = []): WorldBlock {
    const coinbase = unseen.find((tx) => tx.coinbase);
    const script = coinbase?.outputs[0]?.script ?? elsewhereScript(MINER);
    const chosen = this.node.mempool.entries().filter(({ transaction }) => choose(worldTx(transaction)));
    const offered = [
      ...unseen.flatMap(({ txid }) => this.#parsed.get(txid) ?? []),
      ...chosen.map(({ transaction }: MempoolEntry) => transaction),
    ];
    unwrap(this.node.mine({ script, transactions: this.#fitting(offered) }));
    return this.#blockOf(this.node.tip);
  }

  /** What can be in one block together, the first first. */
  #fitting(offered: readonly ParsedTransaction[]): readonly ParsedTransaction[] {
    const [fitting, present, spent] = [[] as ParsedTransaction[], new Set<OutpointKey>(), new Set<OutpointKey>()];
    const height = this.tip.height + 1;
    for (const transaction of offered) {
      const { txid, inputs, outputs, locktime } = transaction;
      const fits = inputs.every(({ outpoint }) => {
        const coin = this.node.coin(outpoint);
        const isMature = coin !== undefined && (!coin.coinbase || height - coin.height >= COINBASE_MATURITY);
        return (isMature || present.has(outpointKey(outpoint))) && !spent.has(outpointKey(outpoint));
      });
      if (!fits || locktime >= height) continue;
      fitting.push(transaction);
      for (const { outpoint } of inputs) spent.add(outpointKey(outpoint));
      outputs.forEach((_output, vout) => present.add(outpointKey({ txid, vout })));
    }
    return fitting;
  }

  /** The node is told that they are invalid, and goes over to the best of what is left. */
  disconnect(count: number, keep: (tx: WorldTx) => boolean): readonly WorldBlock[] {
    const before = this.blocks;
    const first = before[Math.max(0, before.length - count)];
    if (first === undefined) return [];
    this.node.invalidate(this.node.node(first.hash)!);
    return this.#gone(before, keep);
  }

  /** Others have mined a longer branch. @returns the blocks that are none of the chain's any more, tip first */
  overtake(count: number, keep: (tx: WorldTx) => boolean): readonly WorldBlock[] {
    const before = this.blocks;
    const depth = Math.min(count, before.length);
    if (depth === 0) return [];
    unwrap(this.node.reorg(depth, { script: elsewhereScript(MINER) }));
    return this.#gone(before, keep);
  }

  /** No mempool keeps all that it might. */
  #gone(before: readonly WorldBlock[], keep: (tx: WorldTx) => boolean): readonly WorldBlock[] {
    const now = new Set(this.blocks.map(({ hash }) => hash));
    const gone = before.filter(({ hash }) => !now.has(hash)).reverse();
    for (const tx of gone.flatMap(({ txs }) => txs)) if (!keep(tx)) this.evict(tx.txid);
    return gone;
  }

  evict(txid: Txid): void {
    this.node.evict(txid);
  }

  loseMempool(): void {
    this.node.loseMempool();
  }

  pin(txid: Txid): void {
    const { outputs } = this.#parsed.get(txid)!;
    const vout = outputs.findIndex(({ script, valueSats }) => isTheirs(script) && valueSats > CHANGE_MIN_SATS);
    if (vout === -1) return;
    this.#paid += 1;
    const left = { script: elsewhereScript(CHANGE_FROM + this.#paid), valueSats: CHANGE_MIN_SATS };
    this.accept(this.#keep(this.#signed([outpointKey({ txid, vout })], [left], PIN_FEE_SATS)));
  }

  lookUp(txs: readonly WorldTx[]): LookedUp {
    const prevouts = new Map<OutpointKey, Prevout>();
    const ancestorInputs = new Map<Txid, readonly AncestorInput[]>();
    for (const { txid, spends, coinbase } of txs) {
      if (coinbase) continue;
      for (const outpoint of spends) {
        const made = this.#parsed.get(outpoint.slice(0, 64) as Txid);
        const prevout = made && prevoutOf(made, Number(outpoint.slice(65)));
        if (prevout !== undefined) prevouts.set(outpoint, prevout);
      }
      ancestorInputs.set(txid, this.#ancestorInputs(txid));
    }
    return { transactions: new Set(txs.map(({ txid }) => txid)), prevouts, ancestorInputs };
  }

  #ancestorInputs(txid: Txid): readonly AncestorInput[] {
    const { mempool } = this.node;
    if (!mempool.has(txid)) return [];
    const ancestors = [...mempool.ancestorsOf([txid])].filter((each) => each !== txid);
    return ancestors.flatMap((ancestor) =>
      mempool.get(ancestor)!.transaction.inputs.map(({ outpoint }) => ({ outpoint: outpointKey(outpoint), ancestor })),
    );
  }

  #blockOf(node: BlockNode): WorldBlock {
    const known = this.#blocks.get(node.hash);
    if (known !== undefined) return known;
    const { transactions } = this.node.block(node);
    for (const transaction of transactions) this.#parsed.set(transaction.txid, transaction);
    const block = {
      height: node.height,
      hash: node.hash,
      previousHash: node.parent!.hash,
      txs: transactions.map(observeInBlock),
    };
    this.#blocks.set(node.hash, block);
    return block;
  }
}

const prevoutOf = ({ outputs }: ParsedTransaction, vout: number): Prevout | undefined => {
  const output = outputs[vout];
  if (output === undefined || scriptTypeOf(output.script) === 'nulldata') return undefined;
  return { script: output.script, valueSats: output.valueSats };
};

const WORLD_TXS = new WeakMap<ParsedTransaction, WorldTx>();

function worldTx(transaction: ParsedTransaction): WorldTx {
  const known = WORLD_TXS.get(transaction);
  if (known !== undefined) return known;
  const tx = observe(transaction);
  WORLD_TXS.set(transaction, tx);
  return tx;
}
