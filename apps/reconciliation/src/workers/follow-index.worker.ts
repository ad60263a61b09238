import { type BlockHash, checkBlock } from '@finality/bitcoin';
import { type BitcoinNode, NodeError } from '@finality/bitcoin-node';
import { unwrap, type Worker } from '@finality/kernel';
import type { BlockToIndex } from '../commands.ts';
import { indexedBlocks, type IndexTip, indexTip } from '../projections/chain-index.projection.ts';
import { type Progress, store, type WorkContext } from './context.ts';

const BLOCKS_PER_STEP = 25;
const BLOCK_BYTES_PER_STEP = 16_000_000;
const BLOCKS_PER_READ = 100;
/** Blocks of a reorg: six weeks. A deeper one needs a person. */
const REORG_BLOCKS_MAX = 6_000;

/** Keeps the index of our wallets' outputs at the node's active chain. */
export class FollowIndex implements Worker {
  readonly name = 'follow-index';
  readonly pollMs: number;
  readonly #context: WorkContext;

  constructor(context: WorkContext) {
    this.#context = context;
    this.pollMs = context.pollMs;
  }

  async step(): Promise<Progress> {
    try {
      return await this.follow();
    } catch (error) {
      if (!(error instanceof NodeError)) throw error;
      this.#context.log.warn({ kind: error.kind, error: error.message }, 'the bitcoin node can’t be asked');
      return 'idle';
    }
  }

  /** One step that says so when the node can't be asked. @throws NodeError */
  follow(): Promise<Progress> {
    return this.#context.nodes.use((node) => this.#follow(node));
  }

  async #follow(node: BitcoinNode): Promise<Progress> {
    const { session, startHeight } = this.#context;
    const tip = await indexTip(session);
    const { height, bestBlockHash } = await node.chainInfo();
    if (tip?.hash === bestBlockHash) return 'idle';
    if (tip && (await node.blockHash(tip.height)) !== tip.hash) return this.#rollBack(node, tip);
    return this.#indexBlocks(node, tip, tip ? tip.height + 1 : startHeight, height);
  }

  async #indexBlocks(node: BitcoinNode, tip: IndexTip | null, from: number, nodeHeight: number): Promise<Progress> {
    const blocks: BlockToIndex[] = [];
    let previous: BlockHash | undefined = tip?.hash;
    let bytes = 0;
    for (let height = from; height <= nodeHeight && blocks.length < BLOCKS_PER_STEP; height++) {
      const hash = await node.blockHash(height);
      const raw = hash && (await node.rawBlock(hash));
      if (!raw) break;
      const { header, transactions } = unwrap(checkBlock(raw, this.#context.network));
      // A reorg while we read: the next step sees the other branch.
      if (header.hash !== hash || (previous !== undefined && header.previousHash !== previous)) break;
      blocks.push({ height, hash, transactions });
      previous = hash;
      bytes += raw.length;
      if (bytes > BLOCK_BYTES_PER_STEP) break;
    }
    if (blocks.length === 0) return 'idle';
    await store(this.#context, this.name, { kind: 'index_blocks', after: tip?.hash ?? null, blocks });
    return 'progress';
  }

  async #rollBack(node: BitcoinNode, tip: IndexTip): Promise<Progress> {
    const { session } = this.#context;
    for (let through = tip.height - 1; tip.height - through < REORG_BLOCKS_MAX; through -= BLOCKS_PER_READ) {
      const page = await indexedBlocks(session, through - BLOCKS_PER_READ + 1, through);
      for (const { height, hash } of page) {
        if ((await node.blockHash(height)) !== hash) continue;
        await store(this.#context, this.name, { kind: 'roll_back', toHeight: height });
        return 'progress';
      }
      if (page.length === 0) break;
    }
    throw new Error(`the node shares none of the last ${REORG_BLOCKS_MAX} blocks of the index: it is another chain`);
  }
}
