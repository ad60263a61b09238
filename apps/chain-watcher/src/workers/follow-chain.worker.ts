import { type BlockHash, checkBlock, checkHeader, parseHeader, type BlockHeader } from '@finality/bitcoin';
import type { BitcoinNode } from '@finality/bitcoin-node';
import {
  type BlockRef,
  type ChainedHeader,
  type FollowPlan,
  type FollowWait,
  HeaderChain,
  observeInBlock,
  planFollow,
} from '@finality/chain';
import { assert, type Worker } from '@finality/kernel';
import type { CheckedBlock, CommandOf } from '../commands.ts';
import { lookUpPrevouts } from '../outbound/prevouts.ts';
import { mainHeaders } from '../projections/headers.projection.ts';
import { chainStream } from '../streams.ts';
import { execute, matched, observer, type Progress, waitingForNode, type WorkerContext } from './context.ts';

/** Blocks per step, and their bytes together: a step takes well under a second of a node's time. */
const BLOCKS_PER_STEP = 25;
const BLOCK_BYTES_PER_STEP = 8_000_000;
/** Headers of one reorg: six weeks of blocks. A deeper one needs a person, not a loop. */
const REORG_HEADERS_MAX = 6_000;
const HEADERS_PER_READ = 100;

/** A block or header that isn't what it should be. Nothing of it is stored, and nobody follows until the node gives a good one. */
class BadBlock extends Error {
  override readonly name = 'BadBlock';
}

/**
 * Follows the node from the last block processed (DESIGN 10): walks back to the fork, takes back what a better branch has overtaken, and
 * checks every block before it counts. Where it stands is in the store alone, so a crash anywhere costs at most one step.
 */
export class FollowChain implements Worker {
  readonly name = 'follow-chain';
  readonly pollMs: number;
  readonly #context: WorkerContext;
  /** The node's best block when it was last seen with less work than ours. */
  #bestWhenBehind: BlockHash | undefined;

  constructor(context: WorkerContext) {
    this.#context = context;
    this.pollMs = context.pollMs;
  }

  step(): Promise<Progress> {
    return waitingForNode(this.#context, () =>
      this.#context.nodes.use(async (node) => {
        try {
          const progress = await this.#follow(node);
          this.#context.status.chainProblem(null);
          return progress;
        } catch (error) {
          if (!(error instanceof BadBlock)) throw error;
          this.#context.status.chainProblem(error.message);
          this.#context.log.error({ problem: error.message }, 'the node gave a bad block: nothing of it is believed');
          return 'idle';
        }
      }),
    );
  }

  async #follow(node: BitcoinNode): Promise<Progress> {
    const { reader, network, session, status } = this.#context;
    const { tip } = (await reader.loadState(chainStream, network)).state;
    if (tip && status.status().tipHash !== tip.hash) {
      const [header] = await mainHeaders(session, tip.height, tip.height);
      status.tipIs(tip, header?.time ?? null);
    }
    const { height, bestBlockHash } = await node.chainInfo();
    status.nodeAnswered(height);
    if (tip === null) return this.#connectFirst(node, height);
    if (tip.hash === bestBlockHash) {
      this.#bestWhenBehind = undefined;
      return 'idle';
    }
    // Nearly always the new blocks simply follow ours.
    if ((await node.blockHash(tip.height)) === tip.hash) {
      const heights = range(tip.height + 1, Math.min(height, tip.height + BLOCKS_PER_STEP));
      return this.#connect(node, heights, tip);
    }
    return this.#switchBranch(node, tip, { height, hash: bestBlockHash });
  }

  async #connectFirst(node: BitcoinNode, nodeHeight: number): Promise<Progress> {
    const { startHeight } = this.#context;
    if (startHeight > nodeHeight) return 'idle';
    return this.#connect(node, [startHeight], null);
  }

  /** The node is on another branch than we are. */
  async #switchBranch(node: BitcoinNode, tip: BlockRef, best: BlockRef): Promise<Progress> {
    const tree = await this.#treeOf(node, tip, best);
    const options = { tip: tip.hash, nodeBest: tree.best, connectMax: BLOCKS_PER_STEP };
    let plan = planFollow(tree.headers, options);
    if (plan.waiting && (await this.#isInvalid(node, { tip, best, waiting: plan.waiting }))) {
      plan = planFollow(tree.headers, { ...options, tipInvalid: true });
    }
    if (plan.waiting) {
      this.#context.log.info({ tip, best, why: plan.waiting }, 'the node’s branch has no more work than ours: staying');
      return 'idle';
    }
    return this.#carryOut(node, plan);
  }

  async #carryOut(node: BitcoinNode, plan: FollowPlan): Promise<Progress> {
    const { disconnect, connect } = plan;
    const fork = connect[0]?.previousHash ?? disconnect.at(-1)?.previousHash;
    assert(fork !== undefined, 'a plan to switch branches isn’t empty');
    // The other branch's first block is had and checked before anything of ours is given up.
    const [first] = connect;
    if (first && !(await this.#fetch(node, first, first.previousHash))) return 'idle';
    const body: CommandOf<'disconnect_blocks'> = { kind: 'disconnect_blocks', blocks: disconnect };
    const outcome = await execute(this.#context, this.name, [body]);
    if (outcome === 'refused') return 'idle';
    this.#context.log.warn({ depth: disconnect.length, fork }, 'a reorg took blocks back');
    return 'progress';
  }

  /** Our branch from the tip down to the fork, and the node's up to where it outweighs ours (or ends). */
  async #treeOf(
    node: BitcoinNode,
    tip: BlockRef,
    best: BlockRef,
  ): Promise<{ readonly headers: HeaderChain; readonly best: BlockHash }> {
    const ours = await this.#branchToFork(node, tip);
    const [fork, ...rest] = ours;
    assert(fork, 'a fork has a block');
    const headers = new HeaderChain(fork);
    for (const header of rest)
      headers.connect({ ...header, work: header.chainWork - headers.get(header.previousHash)!.chainWork });
    const ourWork = headers.get(tip.hash)!.chainWork;
    let last: ChainedHeader = fork;
    for (let height = fork.height + 1; height <= best.height && last.chainWork <= ourWork; height++) {
      if (height - fork.height > REORG_HEADERS_MAX)
        throw new BadBlock(`the node's branch leaves ours more than ${REORG_HEADERS_MAX} blocks ago`);
      const header = await this.#headerAt(node, height);
      const connected = header && headers.connect(header);
      // The node switched branches while we asked: the next step sees the new one.
      if (!connected) break;
      last = connected;
    }
    return { headers, best: last.hash };
  }

  /** Our main chain from the last block that the node shares to the tip, lowest first. */
  async #branchToFork(node: BitcoinNode, tip: BlockRef): Promise<readonly ChainedHeader[]> {
    const { session } = this.#context;
    const branch: ChainedHeader[] = [];
    for (let through = tip.height; branch.length <= REORG_HEADERS_MAX; through -= HEADERS_PER_READ) {
      const page = await mainHeaders(session, through - HEADERS_PER_READ + 1, through);
      for (const header of page.toReversed()) {
        branch.unshift(header);
        if (header.height < tip.height && (await node.blockHash(header.height)) === header.hash) return branch;
      }
      if (page.length === 0) break;
    }
    throw new BadBlock(`the node shares none of our last ${branch.length} blocks`);
  }

  async #headerAt(node: BitcoinNode, height: number): Promise<BlockHeader | undefined> {
    const hash = await node.blockHash(height);
    const raw = hash && (await node.rawHeader(hash));
    if (!raw) return undefined;
    const parsed = parseHeader(raw);
    const checked = parsed.ok ? checkHeader(parsed.value, this.#context.network) : parsed;
    if (!checked.ok) throw new BadBlock(`header at ${height}: ${checked.error.message}`);
    return checked.value;
  }

  /**
   * Only then is a branch with less work the right one. Nodes name the last blocks of their branches alone. Where ours is further down on
   * one that is invalid (blocks are taken back one by one, and we followed half-way), ours is invalid too if the node stays on less work
   * than it would have with ours. One that is still catching up moves between two looks.
   */
  async #isInvalid(
    node: BitcoinNode,
    { tip, best, waiting }: { readonly tip: BlockRef; readonly best: BlockRef; readonly waiting: FollowWait },
  ): Promise<boolean> {
    const invalid = (await node.chainTips()).filter(({ status }) => status === 'invalid');
    if (invalid.some(({ hash }) => hash === tip.hash)) return true;
    const hasStayed = this.#bestWhenBehind === best.hash;
    this.#bestWhenBehind = best.hash;
    if (!hasStayed || waiting === 'equal_work') return false;
    for (const leaf of invalid) if (await descendsFrom(node, leaf, tip)) return true;
    return false;
  }

  async #connect(node: BitcoinNode, heights: readonly number[], tip: BlockRef | null): Promise<Progress> {
    const blocks: CheckedBlock[] = [];
    let previous = tip?.hash;
    let bytes = 0;
    for (const height of heights) {
      const hash = await node.blockHash(height);
      if (!hash) break;
      const fetched = await this.#fetch(node, { height, hash }, previous);
      if (!fetched) break;
      blocks.push(fetched.block);
      previous = hash;
      bytes += fetched.bytes;
      if (bytes > BLOCK_BYTES_PER_STEP) break;
    }
    if (blocks.length === 0) return 'idle';
    return this.#store(node, blocks);
  }

  /** Undefined when the node hasn't got it, or it isn't the successor we asked for: a reorg on its way, as every link is checked. */
  async #fetch(
    node: BitcoinNode,
    { height, hash }: BlockRef,
    previous: BlockHash | undefined,
  ): Promise<{ readonly block: CheckedBlock; readonly bytes: number } | undefined> {
    const raw = await node.rawBlock(hash);
    if (!raw) {
      if ((await node.blockHash(height)) !== hash) return undefined;
      throw new BadBlock(`block ${hash} at ${height}: the node says that it has it, and doesn't give it`);
    }
    const checked = checkBlock(raw, this.#context.network);
    if (!checked.ok) throw new BadBlock(`block ${hash} at ${height}: ${checked.error.message}`);
    const { header, transactions } = checked.value;
    if (header.hash !== hash) throw new BadBlock(`block ${hash} at ${height}: the node gave block ${header.hash}`);
    if (previous !== undefined && header.previousHash !== previous) return undefined;
    return { block: { height, header, transactions: transactions.map(observeInBlock) }, bytes: raw.length };
  }

  async #store(node: BitcoinNode, blocks: readonly CheckedBlock[]): Promise<Progress> {
    const { status } = this.#context;
    const around = blocks.flatMap((block) => block.transactions);
    const { transactions, view } = await matched(this.#context, around);
    const lookedUp = await lookUpPrevouts(node, transactions, { view, around });
    const rest = { lookedUp, observer: observer(this.#context, node) };
    const bodies = blocks.map((block): CommandOf<'connect_block'> => ({ kind: 'connect_block', block, ...rest }));
    const outcome = await execute(this.#context, this.name, bodies);
    if (outcome === 'refused') return 'idle';
    const { height, header } = blocks.at(-1)!;
    status.tipIs({ height, hash: header.hash }, header.time);
    return 'progress';
  }
}

async function descendsFrom(node: BitcoinNode, block: BlockRef, ancestor: BlockRef): Promise<boolean> {
  const above = block.height - ancestor.height;
  if (above <= 0 || above > REORG_HEADERS_MAX) return false;
  let { hash } = block;
  for (let back = 0; back < above; back++) {
    const raw = await node.rawHeader(hash);
    const parsed = raw && parseHeader(raw);
    if (!parsed?.ok) return false;
    hash = parsed.value.previousHash;
  }
  return hash === ancestor.hash;
}

const range = (from: number, through: number): readonly number[] =>
  Array.from({ length: Math.max(0, through - from + 1) }, (_, i) => from + i);
