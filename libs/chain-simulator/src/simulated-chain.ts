import {
  type BlockFault,
  type BlockHash,
  bytesFromHex,
  checkBlock,
  type Outpoint,
  outpointKey,
  type ParsedBlock,
  type ParsedTransaction,
  parseBlock,
  parseTransaction,
  type ScriptHex,
  type Txid,
} from '@finality/bitcoin';
import { assert, assertNever, err, ok, type Result, unwrap } from '@finality/kernel';
import { buildBlock } from './block-builder.ts';
import { checkAgainstParent, connectBlock, disconnectBlock } from './block-rules.ts';
import { BlockTree, forkOf } from './block-tree.ts';
import { CoinSet } from './coin-set.ts';
import { type BlockNode, type Coin, GENESIS_HEX, medianTimePast, subsidySats } from './consensus.ts';
import type { Journal, JournalRecord } from './journal.ts';
import { Mempool, type MempoolEntry } from './mempool.ts';
import { type Admission, checkForMempool, type MempoolContext, type RejectReason } from './mempool-rules.ts';
import { selectForBlock } from './template.ts';

export interface ChainOptions {
  /** Milliseconds since 1970: the only thing from outside that the chain depends on besides its calls. */
  readonly now: () => number;
  /** Where changes are written before they take effect; none for a chain that lives in memory. */
  readonly journal?: Journal;
  /** What a journal held: applied first, without being written again. */
  readonly records?: readonly JournalRecord[];
  /** Another chain that this one begins as a copy of: what many share is mined once. Its mempool must be empty, and neither has a journal. */
  readonly from?: SimulatedChain;
}

/** What a node tells those who listen to it. */
export type ChainNotice =
  | { readonly kind: 'connected' | 'disconnected' | 'tip'; readonly hash: BlockHash }
  /** To the mempool, or from it for another reason than a block's taking it. */
  | { readonly kind: 'added' | 'removed'; readonly txid: Txid };

export interface MineOptions {
  /** Who is paid. */
  readonly script: ScriptHex;
  /** Default 1. */
  readonly count?: number;
  /** For the first block, parents first; the others take none. Default: what the mempool holds, for every block. */
  readonly transactions?: readonly ParsedTransaction[];
  /** The block to mine on, of any branch; default: the active tip. Off the active tip the mempool isn't looked at. */
  readonly parent?: BlockHash;
}

/** Blocks taken off by invalidateblock whose transactions return to the mempool; those of deeper ones vanish, as in Bitcoin Core. */
const RETURN_DEPTH_MAX = 10;
/** A cache: when it is full it starts anew. */
const VERIFIED_MAX = 100_000;

/**
 * A regtest network of one node: blocks with proof of work, branches chosen by work, coins, a mempool, and the rules of Bitcoin for all
 * of them. Synchronous; the same options and calls always give the same chain, byte for byte.
 */
export class SimulatedChain {
  readonly #now: () => number;
  readonly #tree: BlockTree;
  readonly #active: BlockNode[] = [];
  readonly #coins: CoinSet;
  readonly #mempool = new Mempool();
  readonly #blockOf = new Map<Txid, BlockNode>();
  readonly #failures = new Map<BlockHash, RejectReason>();
  readonly #verified = new Set<string>();
  #journal: Journal | undefined;
  #startedMs: number;
  #listener: (notice: ChainNotice) => void = () => undefined;

  constructor(options: ChainOptions) {
    this.#now = options.now;
    this.#startedMs = options.now();
    const { from } = options;
    this.#tree = from ? from.#tree.copy() : new BlockTree();
    this.#coins = from ? from.#coins.copy() : new CoinSet();
    if (from) this.#goOnFrom(from);
    else {
      const genesis = bytesFromHex(GENESIS_HEX);
      this.#active.push(this.#tree.add(unwrap(parseBlock(genesis)), genesis, undefined));
    }
    for (const record of options.records ?? []) this.#replay(record);
    this.#journal = options.journal;
  }

  /** What its node estimates for any target, sat per 1,000 virtual bytes; undefined as on a regtest without history. */
  feeEstimateSatPerKvb: bigint | undefined;

  /** Since it was made, or made anew by {@link loseMempool}. */
  get uptimeSeconds(): number {
    return Math.floor((this.#now() - this.#startedMs) / 1_000);
  }

  get tip(): BlockNode {
    return this.#active.at(-1)!;
  }

  /** Who is told what happens from now on, while it happens. */
  listen(listener: (notice: ChainNotice) => void): void {
    this.#listener = listener;
  }

  get coins(): Pick<CoinSet, 'get' | 'entries' | 'size' | 'hasOutputOf'> {
    return this.#coins;
  }

  get mempool(): Pick<Mempool, 'get' | 'has' | 'entries' | 'size' | 'spenderOf' | 'ancestorsOf' | 'descendantsOf'> {
    return this.#mempool;
  }

  /** A block of any branch. */
  node(hash: BlockHash): BlockNode | undefined {
    return this.#tree.get(hash);
  }

  /** A block of the active chain; `undefined` above its tip. */
  nodeAt(height: number): BlockNode | undefined {
    return this.#active[height];
  }

  isActive(node: BlockNode): boolean {
    return this.#active[node.height] === node;
  }

  tips(): readonly BlockNode[] {
    const tips = this.#tree.tips();
    return tips.includes(this.tip) ? tips : [...tips, this.tip];
  }

  block(node: BlockNode): ParsedBlock {
    return unwrap(parseBlock(node.raw));
  }

  /** A transaction of the mempool or the active chain; `block` where it is mined. */
  findTransaction(txid: Txid): { readonly transaction: ParsedTransaction; readonly block?: BlockNode } | undefined {
    const waiting = this.#mempool.get(txid);
    if (waiting) return { transaction: waiting.transaction };
    const block = this.#blockOf.get(txid);
    if (!block) return undefined;
    return { transaction: this.block(block).transactions.find((transaction) => transaction.txid === txid)!, block };
  }

  coin(outpoint: Outpoint): Coin | undefined {
    return this.#coins.get(outpointKey(outpoint));
  }

  /** Takes a transaction into the mempool, in place of those it replaces, or says why not. */
  accept(transaction: ParsedTransaction): Result<Admission, RejectReason> {
    return this.#accept(transaction, Math.floor(this.#now() / 1000));
  }

  /** What the mempool would say to these, one after the other, without taking any. */
  test(transactions: readonly ParsedTransaction[]): readonly Result<Admission, RejectReason>[] {
    const context = { ...this.#context(), mempool: transactions.length > 1 ? this.#mempool.copy() : this.#mempool };
    return transactions.map((transaction, i) => {
      const verdict = checkForMempool(transaction, context);
      if (verdict.ok && i + 1 < transactions.length)
        admit(context.mempool, transaction, verdict.value, 0, this.tip.height);
      return verdict;
    });
  }

  /** Drops a transaction and its descendants from the mempool, as expiry or a full mempool would. Returns what went. */
  evict(txid: Txid): readonly Txid[] {
    if (!this.#mempool.has(txid)) return [];
    this.#journal?.append({ kind: 'evicted', txid });
    return this.#removed(this.#mempool.removeWithDescendants(txid));
  }

  /** What a node does that keeps no transaction for longer than that. Returns what went. */
  expire(keptSeconds: number): readonly Txid[] {
    const before = Math.floor(this.#now() / 1_000) - keptSeconds;
    const old = this.#mempool.entries().filter((entry) => entry.time < before);
    return old.flatMap(({ transaction }) => this.evict(transaction.txid));
  }

  /** What becomes of a node that doesn't keep its mempool and is started again. */
  loseMempool(): void {
    for (const { transaction } of this.#mempool.entries()) this.evict(transaction.txid);
    this.#startedMs = this.#now();
  }

  /** Mines blocks and returns their hashes, or why the transactions asked for can't be in a block. */
  mine(options: MineOptions): Result<readonly BlockHash[], RejectReason> {
    const { count = 1, transactions } = options;
    const hashes: BlockHash[] = [];
    let parent = options.parent;
    for (let i = 0; i < count; i++) {
      const mined = this.#mineOne(options.script, i === 0 ? transactions : transactions && [], parent);
      if (!mined.ok) return mined;
      hashes.push(mined.value);
      if (parent !== undefined) parent = mined.value;
    }
    return ok(hashes);
  }

  /**
   * Replaces the last `depth` blocks by `depth + 1` others, the first of which holds `transactions`. Those of the old branch return to
   * the mempool unless they conflict. Refused like {@link mine}: then the old branch stays.
   */
  reorg(
    depth: number,
    options: Pick<MineOptions, 'script' | 'transactions'>,
  ): Result<readonly BlockHash[], RejectReason> {
    const fork = this.nodeAt(this.tip.height - depth);
    assert(fork, `a reorg of ${depth} blocks needs as many, got ${this.tip.height}`);
    return this.mine({ transactions: [], ...options, parent: fork.hash, count: depth + 1 });
  }

  /** Takes a block from outside: `ok` when it is kept (on the active chain or not). */
  submitBlock(raw: Uint8Array): Result<BlockNode, RejectReason> {
    return this.#submit(raw, Math.floor(this.#now() / 1000));
  }

  /** Takes a block and all on top of it for invalid; the next best branch becomes active. */
  invalidate(node: BlockNode): void {
    assert(node.parent, 'the genesis block is valid');
    this.#journal?.append({ kind: 'invalidated', hash: node.hash });
    this.#tree.fail(node);
    this.#activate(RETURN_DEPTH_MAX);
  }

  /** Undoes {@link invalidate} for a block, all below it and all on top of it. */
  reconsider(node: BlockNode): void {
    this.#journal?.append({ kind: 'reconsidered', hash: node.hash });
    this.#tree.forgive(node);
    this.#activate();
  }

  #mineOne(
    script: ScriptHex,
    chosen: readonly ParsedTransaction[] | undefined,
    parentHash: BlockHash | undefined,
  ): Result<BlockHash, RejectReason> {
    const parent = parentHash === undefined ? this.tip : this.#tree.get(parentHash);
    if (!parent) return err('prev-blk-not-found');
    const onTip = parent === this.tip;
    const transactions = chosen ?? (onTip ? selectForBlock(this.#mempool).map((entry) => entry.transaction) : []);
    const raw = buildBlock({
      previousHash: parent.hash,
      height: parent.height + 1,
      time: Math.max(medianTimePast(parent) + 1, Math.floor(this.#now() / 1000)),
      script,
      // Off the tip the coins aren't at hand: its miner leaves the fees.
      rewardSats: subsidySats(parent.height + 1) + (onTip ? this.#feesOf(transactions) : 0n),
      transactions,
      extraNonce: this.#tree.size,
    });
    const refused = onTip ? this.#dryRun(raw) : undefined;
    if (refused !== undefined) return err(refused);
    const taken = this.#submit(raw, Number.POSITIVE_INFINITY);
    return taken.ok ? ok(taken.value.hash) : taken;
  }

  #dryRun(raw: Uint8Array): RejectReason | undefined {
    const block = unwrap(parseBlock(raw));
    const early = checkAgainstParent(block, this.tip, Number.POSITIVE_INFINITY);
    if (early !== undefined) return early;
    const connected = connectBlock(block, this.#context());
    if (!connected.ok) return connected.error;
    disconnectBlock(block, connected.value, this.#coins);
    return undefined;
  }

  /** What these leave to the miner, as far as their inputs are known: a block with others is refused anyway. */
  #feesOf(transactions: readonly ParsedTransaction[]): bigint {
    const values = new Map<string, bigint>();
    let feesSats = 0n;
    for (const { txid, inputs, outputs } of transactions) {
      for (const { outpoint } of inputs) {
        const key = outpointKey(outpoint);
        feesSats += values.get(key) ?? this.#coins.get(key)?.valueSats ?? 0n;
      }
      outputs.forEach((output, vout) => {
        values.set(outpointKey({ txid, vout }), output.valueSats);
        feesSats -= output.valueSats;
      });
    }
    return feesSats > 0n ? feesSats : 0n;
  }

  #submit(raw: Uint8Array, nowSeconds: number): Result<BlockNode, RejectReason> {
    const checked = checkBlock(raw, 'regtest');
    if (!checked.ok) return err(coreReason(checked.error));
    const known = this.#tree.get(checked.value.header.hash);
    if (known) return err(known.failed ? 'duplicate-invalid' : 'duplicate');
    const parent = this.#tree.get(checked.value.header.previousHash);
    if (!parent) return err('prev-blk-not-found');
    if (parent.failed) return err('bad-prevblk');
    const refused = checkAgainstParent(checked.value, parent, nowSeconds);
    if (refused !== undefined) return err(refused);
    this.#journal?.append({ kind: 'block', raw });
    const node = this.#tree.add(checked.value, raw, parent);
    this.#activate();
    return node.failed ? err(this.#failures.get(node.hash) ?? 'bad-prevblk') : ok(node);
  }

  /** Goes over to the best branch, if it is another, and brings the mempool in line with it. */
  #activate(returnDepthMax = Number.POSITIVE_INFINITY): void {
    const before = this.tip;
    const returned: ParsedTransaction[][] = [];
    // Each round that finds an invalid block leaves one branch less.
    for (let best = this.#tree.best(); best !== this.tip; best = this.#tree.best()) {
      const fork = forkOf(this.tip, best);
      while (this.tip !== fork) {
        const transactions = this.#disconnectTip();
        if (returned.length < returnDepthMax) returned.push(transactions);
      }
      const path: BlockNode[] = [];
      for (let at = best; at !== fork; at = at.parent!) path.push(at);
      for (const node of path.reverse()) if (!this.#connect(node)) break;
    }
    if (returned.length > 0) this.#readmit(returned.reverse().flat());
    if (this.tip !== before) this.#listener({ kind: 'tip', hash: this.tip.hash });
  }

  #connect(node: BlockNode): boolean {
    const block = this.block(node);
    const connected = connectBlock(block, this.#context());
    if (!connected.ok) {
      this.#failures.set(node.hash, connected.error);
      this.#tree.fail(node);
      return false;
    }
    node.spent = connected.value;
    this.#active.push(node);
    this.#listener({ kind: 'connected', hash: node.hash });
    for (const transaction of block.transactions) {
      this.#blockOf.set(transaction.txid, node);
      this.#mempool.remove(transaction.txid);
      this.#remember(transaction);
    }
    for (const transaction of block.transactions) this.#dropConflicts(transaction);
    return true;
  }

  #dropConflicts(mined: ParsedTransaction): void {
    for (const { outpoint } of mined.inputs) {
      const conflict = this.#mempool.spenderOf(outpointKey(outpoint));
      if (conflict !== undefined) this.#removed(this.#mempool.removeWithDescendants(conflict));
    }
  }

  #disconnectTip(): ParsedTransaction[] {
    const node = this.#active.pop();
    assert(node?.spent, 'a block that was connected is disconnected');
    const block = this.block(node);
    disconnectBlock(block, node.spent, this.#coins);
    for (const transaction of block.transactions) this.#blockOf.delete(transaction.txid);
    this.#listener({ kind: 'disconnected', hash: node.hash });
    return block.transactions.slice(1);
  }

  /** After a reorg: what the old branch held and what the mempool held, as far as they go together with the new branch. */
  #readmit(returned: readonly ParsedTransaction[]): void {
    const waiting = this.#mempool.entries();
    const before = new Set(waiting.map((entry) => entry.transaction.txid));
    this.#mempool.clear();
    const time = Math.floor(this.#now() / 1000);
    const candidates: readonly Pick<MempoolEntry, 'transaction' | 'time' | 'height'>[] = [
      ...returned.map((transaction) => ({ transaction, time, height: this.tip.height })),
      ...waiting,
    ];
    for (const { transaction, time: since, height } of candidates) {
      const verdict = checkForMempool(transaction, this.#context(), { returning: true });
      if (verdict.ok) admit(this.#mempool, transaction, verdict.value, since, height);
    }
    const after = this.#mempool.entries().map((entry) => entry.transaction.txid);
    for (const txid of after) if (!before.delete(txid)) this.#listener({ kind: 'added', txid });
    this.#removed([...before]);
  }

  #removed(txids: readonly Txid[]): readonly Txid[] {
    for (const txid of txids) this.#listener({ kind: 'removed', txid });
    return txids;
  }

  #accept(transaction: ParsedTransaction, time: number): Result<Admission, RejectReason> {
    const verdict = checkForMempool(transaction, this.#context());
    if (!verdict.ok) return verdict;
    this.#journal?.append({ kind: 'transaction', time, raw: transaction.raw });
    admit(this.#mempool, transaction, verdict.value, time, this.tip.height);
    this.#remember(transaction);
    this.#removed([...verdict.value.evicted]);
    this.#listener({ kind: 'added', txid: transaction.txid });
    return verdict;
  }

  #context(): MempoolContext {
    return {
      coins: this.#coins,
      mempool: this.#mempool,
      tip: this.tip,
      ancestorAt: (height) => this.#active[height]!,
      isVerified: (wtxid) => this.#verified.has(wtxid),
    };
  }

  #remember({ wtxid }: ParsedTransaction): void {
    if (this.#verified.size >= VERIFIED_MAX) this.#verified.clear();
    this.#verified.add(wtxid);
  }

  #goOnFrom(other: SimulatedChain): void {
    assert(other.#mempool.size === 0, 'what waits in a mempool has been seen by one node alone');
    const own = (node: BlockNode): BlockNode => this.#tree.get(node.hash)!;
    for (const node of other.#active) this.#active.push(own(node));
    for (const [txid, node] of other.#blockOf) this.#blockOf.set(txid, own(node));
  }

  /** A record that is refused now was refused then, or is so by rules that have changed since. */
  #replay(record: JournalRecord): void {
    switch (record.kind) {
      case 'block':
        this.#submit(record.raw, Number.POSITIVE_INFINITY);
        return;
      case 'invalidated':
        return this.invalidate(this.#tree.get(record.hash)!);
      case 'reconsidered':
        return this.reconsider(this.#tree.get(record.hash)!);
      case 'transaction':
        this.#accept(unwrap(parseTransaction(record.raw)), record.time);
        return;
      case 'evicted':
        this.evict(record.txid);
        return;
      default:
        assertNever(record);
    }
  }
}

function admit(
  mempool: Mempool,
  transaction: ParsedTransaction,
  admission: Admission,
  time: number,
  height: number,
): void {
  for (const txid of admission.evicted) mempool.remove(txid);
  mempool.add(transaction, admission.feeSats, time, height);
}

/** Bitcoin Core's words for what is wrong with a block. */
function coreReason(fault: BlockFault): RejectReason {
  switch (fault.reason) {
    case 'MALFORMED_HEADER':
    case 'MALFORMED_BLOCK':
      return 'malformed';
    case 'NOT_LINKED':
      return 'prev-blk-not-found';
    case 'TARGET_TOO_EASY':
      return 'bad-diffbits';
    case 'INSUFFICIENT_WORK':
      return 'high-hash';
    case 'NO_COINBASE':
      return 'bad-cb-missing';
    case 'MERKLE_ROOT_MISMATCH':
      return 'bad-txnmrklroot';
    case 'MERKLE_TREE_MUTATED':
      return 'bad-txns-duplicate';
    case 'WITNESS_COMMITMENT_MISMATCH':
      return 'bad-witness-merkle-match';
    case 'UNEXPECTED_WITNESS':
      return 'unexpected-witness';
    case 'BLOCK_TOO_HEAVY':
      return 'bad-blk-weight';
    default:
      return assertNever(fault.reason);
  }
}
