import type { BlockHash, BlockHeader } from '@finality/bitcoin';
import { assert } from '@finality/kernel';
import type { BlockRef } from './chain.ts';

/** A block in the tree, with the work of the chain that ends in it. */
export interface ChainedHeader extends BlockRef {
  readonly previousHash: BlockHash;
  /** Expected hashes of this block and all before it, counted from wherever our chain begins. */
  readonly chainWork: bigint;
}

/** A part of the tree of blocks: everything in it hangs together from one root. Chains are compared by work (DESIGN 10). */
export class HeaderChain {
  readonly #byHash = new Map<BlockHash, ChainedHeader>();

  constructor(root: ChainedHeader) {
    this.#byHash.set(root.hash, root);
  }

  get(hash: BlockHash): ChainedHeader | undefined {
    return this.#byHash.get(hash);
  }

  /** Hangs a header under the one before it; undefined when that isn't in the tree. Its proof of work must have been checked. */
  connect(header: Pick<BlockHeader, 'hash' | 'previousHash' | 'work'>): ChainedHeader | undefined {
    const previous = this.#byHash.get(header.previousHash);
    if (!previous) return undefined;
    const chained: ChainedHeader = {
      hash: header.hash,
      previousHash: header.previousHash,
      height: previous.height + 1,
      chainWork: previous.chainWork + header.work,
    };
    this.#byHash.set(chained.hash, chained);
    return chained;
  }

  /** The last block that both branches have. */
  fork(a: BlockHash, b: BlockHash): ChainedHeader {
    let left = this.#known(a);
    let right = this.#known(b);
    while (left.hash !== right.hash) {
      if (left.height >= right.height) left = this.#known(left.previousHash);
      else right = this.#known(right.previousHash);
    }
    return left;
  }

  /** From `tip` down to, but without, `ancestor`. */
  branch(tip: BlockHash, ancestor: BlockHash): readonly ChainedHeader[] {
    const blocks: ChainedHeader[] = [];
    for (let block = this.#known(tip); block.hash !== ancestor; block = this.#known(block.previousHash))
      blocks.push(block);
    return blocks;
  }

  /** The block whose chain has most work; among equals the one that `preferred` is, else the first that came. */
  best(preferred?: BlockHash): ChainedHeader {
    let best = preferred === undefined ? undefined : this.#byHash.get(preferred);
    for (const block of this.#byHash.values()) if (!best || block.chainWork > best.chainWork) best = block;
    assert(best, 'a tree has a root');
    return best;
  }

  #known(hash: BlockHash): ChainedHeader {
    const block = this.#byHash.get(hash);
    assert(block, `block ${hash} is in the tree`);
    return block;
  }
}
