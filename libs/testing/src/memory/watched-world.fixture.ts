import type { ScriptHex, Txid } from '@finality/bitcoin';
import { HeaderChain, planFollow } from '@finality/chain';
import { type ChainFact, offered, type SettlementPolicy } from '@finality/settlement';
import {
  confirmedIn,
  type ConsumedChain,
  type MemoryBook,
  World,
  type WorldBlock,
  type WorldTx,
} from '@finality/settlement/spec';
import { shortened } from './commands.fixture.ts';
import { NodeChain } from './node-chain.fixture.ts';
import type { Message, Parts } from './parts.fixture.ts';

/** Each block of a regtest is worth the same. */
const WORK = 2n;
/** Blocks that the watcher reads in one go. */
const CONNECT_MAX = 4;

/** The node, and who looks at it: what is mined, and what waits, is known here only once the chain-watcher has gone and looked, and somebody has heard of it. */
export abstract class WatchedWorld extends World {
  declare readonly chain: NodeChain;
  declare protected readonly parts: Parts;
  /** How blocks hang together, as the watcher sees it from their headers. */
  readonly #headers: HeaderChain;
  /** The watcher's own chain. */
  readonly #followed: WorldBlock[] = [];
  /** Signed transactions that the watcher has been handed to broadcast, and whether a node has had them. */
  readonly #toBroadcast = new Map<string, { readonly signedHex: string; announced: boolean }>();
  /** What a node should have taken and hasn't. */
  readonly refused: string[] = [];
  #consumed: ConsumedChain;
  /** Some of what the watcher has found out at one time has been heard, and some not. */
  #isBetween = false;
  /** Steps for which the node can't be reached. */
  #outage = 0;

  constructor(policy: SettlementPolicy, late: readonly string[], book: MemoryBook, make: (world: World) => Parts) {
    super(policy, late, book, new NodeChain(() => book.now));
    this.parts = make(this);
    const { start } = this.chain;
    this.#headers = new HeaderChain({ ...start, previousHash: start.hash, chainWork: 0n });
    this.#consumed = consumedOf(this.chain, [], new Map());
    this.parts.bus.subscribe('transactions', 'watcher', (message) => {
      if (message.kind !== 'signed') return;
      const { txid, signedHex } = message;
      if (!this.#toBroadcast.has(txid)) this.#toBroadcast.set(txid, { signedHex, announced: false });
    });
  }

  override get consumed(): ConsumedChain {
    return this.#consumed;
  }

  /** All facts of one observation have been heard, or none. */
  get isBetween(): boolean {
    return this.#isBetween;
  }

  /** The settlement service has heard it. */
  protected heard({ state }: Extract<Message, { kind: 'fact' }>): void {
    this.#isBetween = state === undefined;
    this.#consumed = state ?? this.#consumed;
  }

  /** The node can't be reached for some steps; or takes what it is sent, and nobody hears of it. */
  nodeGoesAway(steps: number, how: NodeChain['faults']['outage']): void {
    this.#outage = steps;
    this.chain.faults.outage = how;
  }

  /** A step goes by, or no outage goes on any longer. */
  nodeComesBack(atOnce = false): void {
    this.#outage = atOnce ? 0 : Math.max(0, this.#outage - 1);
    if (this.#outage === 0) this.chain.faults.outage = 'none';
  }

  /** What waits between these two, one after the other, until somebody crashes. */
  pump(lane: string, max = Number.POSITIVE_INFINITY): void {
    for (let i = 0; i < max && this.parts.bus.deliver(lane); i++);
  }

  override mine(choose: (tx: WorldTx) => boolean, unseen: readonly WorldTx[] = []): void {
    const { height, txs } = this.chain.mine(choose, unseen);
    const made = txs.slice(1).map(({ txid }) => txid.slice(0, 8));
    this.parts.trace.add(
      `block ${height} of ${made.join(' ') || 'nothing'}`,
      this.parts.faults.calm && made.length === 0,
    );
    this.#sync();
  }

  override reorg(depth: number, keep: (tx: WorldTx) => boolean): void {
    const isOvertaken = this.parts.random.chance(0.5);
    const gone = isOvertaken ? this.chain.overtake(depth, keep) : this.chain.disconnect(depth, keep);
    const how = isOvertaken ? 'others have mined more' : 'they are invalid';
    this.parts.trace.add(`reorg of ${gone.length} blocks: ${how}, and the tip is ${this.chain.tip.height}`);
    this.#sync();
  }

  #sync(): void {
    if (!this.parts.faults.calm) return;
    this.follow();
    this.parts.bus.drain();
  }

  /** The watcher goes from its own tip to the node's: back to the fork, then block by block, a portion at a time. */
  follow(): void {
    if (this.#isDown()) return;
    this.#readHeaders();
    while (this.#followed.at(-1)?.hash !== this.chain.blocks.at(-1)?.hash) if (!this.#followOn()) return;
  }

  #readHeaders(): void {
    for (const { hash, previousHash } of this.chain.blocks)
      if (this.#headers.get(hash) === undefined) this.#headers.connect({ hash, previousHash, work: WORK });
  }

  #followOn(): boolean {
    const tip = this.#followed.at(-1)?.hash ?? this.chain.start.hash;
    const tipInvalid = this.chain.isInvalid(tip);
    const plan = { tip, nodeBest: this.chain.tip.hash, connectMax: CONNECT_MAX, tipInvalid };
    const { disconnect, connect, waiting } = planFollow(this.#headers, plan);
    if (waiting !== undefined) return false;
    if (disconnect.length > 0) {
      const gone = (): readonly WorldBlock[] => this.#followed.splice(-disconnect.length).reverse();
      if (!this.#watched('blocks are gone', () => this.watcher.disconnected(gone()))) return false;
    }
    return connect.every(({ hash, height }) =>
      this.#watched(`there is block ${height}`, () => {
        const block = this.chain.block(hash);
        this.#followed.push(block);
        return this.watcher.connected(block);
      }),
    );
  }

  /** One append of the watcher's. */
  #watched(what: string, observe: () => readonly ChainFact[]): boolean {
    const asked = this.parts.faults.effect(`the watcher notes that ${what}`, () => this.facts(observe()));
    return asked.answered;
  }

  override facts(facts: readonly ChainFact[]): void {
    const watched = new Map<ScriptHex, string>();
    for (const place of this.places) if (place.watched) watched.set(place.script, place.walletId);
    const state = consumedOf(this.chain, this.#followed, watched);
    facts.forEach((fact, i) => {
      this.parts.bus.publish('chain', 'regtest', { kind: 'fact', fact, ...(i === facts.length - 1 && { state }) });
    });
    if (this.parts.faults.calm) this.parts.bus.drain();
  }

  override poll(evicting: boolean): void {
    if (!this.#isDown()) super.poll(evicting);
  }

  override rescan(): void {
    const late = this.places.filter((place) => !place.watched);
    if (late.length === 0 || this.#isDown()) return;
    this.watchLate(late);
    this.#watched('scripts were late', () => this.#followed.flatMap((block) => this.watcher.rescanned(block)));
  }

  override agree(): void {
    const tip = this.#followed.at(-1);
    if (tip !== undefined) this.facts([{ kind: 'block_agreed', block: { height: tip.height, hash: tip.hash } }]);
  }

  /** What has reached the watcher goes to the node. What owners of keys have signed they send themselves. */
  override broadcast(lineageId: string): void {
    this.pump(`watcher < transactions ${lineageId}`);
    const { versions, custodial } = offered(this.book.lineages.get(lineageId));
    for (const version of versions) {
      const { txid } = version;
      const isHanded = this.#toBroadcast.has(txid);
      if (isHanded) this.becomesBroadcastable(version);
      const tx = this.chain.known.get(txid);
      if (isHanded) this.#send(lineageId, txid);
      else if (tx !== undefined && !custodial) this.chain.accept(tx);
    }
  }

  /** No answer of the node's is more than a fact or none. */
  #send(lineageId: string, txid: Txid): void {
    const sending = this.#toBroadcast.get(txid)!;
    const answer = this.chain.send(sending.signedHex);
    const { kind } = answer;
    const reason = 'reason' in answer ? `, ${shortened(answer.reason)}` : '';
    const isDull = kind.startsWith('already_') || (this.parts.faults.calm && kind !== 'accepted');
    this.parts.trace.add(`the node is sent ${txid.slice(0, 8)}: ${kind}${reason}`, isDull);
    if (kind === 'rejected' || kind === 'mempool_conflict') this.#noteRefusal(lineageId, txid, answer.reason);
    if (sending.announced || (kind !== 'accepted' && kind !== 'already_in_mempool' && kind !== 'already_mined')) return;
    const what = `${txid.slice(0, 8)} was broadcast`;
    if (this.#watched(what, () => this.watcher.broadcast(txid, lineageId, kind))) sending.announced = true;
  }

  /** A version that is built later is dearer by enough to replace those before it, as long as nobody else has spent what they pay. */
  #noteRefusal(lineageId: string, txid: Txid, reason: string): void {
    const { versions } = offered(this.book.lineages.get(lineageId));
    const number = versions.findIndex((each) => each.txid === txid);
    const before = versions.slice(0, number).map((each) => each.txid);
    const rivals = [...this.chain.rivalsOf(txid)];
    // Its nLockTime is the height that it was built on, and the chain may have been longer then.
    const isExpected = reason === 'non-final' || rivals.some((rival) => !before.includes(rival));
    if (!isExpected) this.refused.push(`${lineageId} version ${number + 1}: ${reason}`);
  }

  #isDown(): boolean {
    return this.chain.faults.outage !== 'none';
  }
}

function consumedOf(
  { start, known }: NodeChain,
  followed: readonly WorldBlock[],
  watched: ConsumedChain['watched'],
): ConsumedChain {
  const blocks = [...followed];
  return { chain: { blocks, tip: blocks.at(-1) ?? start, known, confirmed: () => confirmedIn(blocks) }, watched };
}
