import type { BlockHash, ParsedBlock } from '@finality/bitcoin';
import type { BlockNode } from './consensus.ts';

/** All blocks that were ever taken, on whichever branch, and which of their tips to follow. */
export class BlockTree {
  readonly #nodes = new Map<BlockHash, BlockNode>();
  readonly #tips = new Set<BlockNode>();

  get size(): number {
    return this.#nodes.size;
  }

  get(hash: BlockHash): BlockNode | undefined {
    return this.#nodes.get(hash);
  }

  /** Blocks without a block on top. */
  tips(): readonly BlockNode[] {
    return [...this.#tips];
  }

  add(block: ParsedBlock, raw: Uint8Array, parent: BlockNode | undefined): BlockNode {
    const { hash, time, work } = block.header;
    const node: BlockNode = {
      hash,
      parent,
      height: parent ? parent.height + 1 : 0,
      time,
      chainWork: (parent?.chainWork ?? 0n) + work,
      raw,
      transactionCount: block.transactions.length,
      sequence: this.#nodes.size,
      failed: false,
    };
    this.#nodes.set(hash, node);
    if (parent) this.#tips.delete(parent);
    this.#tips.add(node);
    return node;
  }

  /** A tree of its own with all that is in this one. */
  copy(): BlockTree {
    const copy = new BlockTree();
    for (const node of this.#nodes.values()) {
      const parent = node.parent && copy.get(node.parent.hash)!;
      const own = { ...node, parent };
      copy.#nodes.set(own.hash, own);
      if (this.#tips.has(node)) copy.#tips.add(own);
    }
    return copy;
  }

  /** The block with the most work behind it that isn't failed; of equals the one seen first. */
  best(): BlockNode {
    let best: BlockNode | undefined;
    for (const tip of this.#tips) {
      const candidate = lastGood(tip);
      if (candidate && (!best || isBetter(candidate, best))) best = candidate;
    }
    if (!best) throw new Error('the genesis block has failed');
    return best;
  }

  /** Marks a block and all on top of it as failed. */
  fail(node: BlockNode): void {
    for (const each of this.#nodes.values()) if (descends(each, node)) each.failed = true;
  }

  /** Takes the mark off a block, all below it and all on top of it, as Bitcoin Core's reconsiderblock does. */
  forgive(node: BlockNode): void {
    for (const each of this.#nodes.values()) if (descends(each, node)) each.failed = false;
    for (let at = node.parent; at; at = at.parent) at.failed = false;
  }
}

/** The block of a node's branch at a height not above it. */
export function ancestorAt(node: BlockNode, height: number): BlockNode {
  let at = node;
  while (at.height > height && at.parent) at = at.parent;
  return at;
}

/** The last block that two branches share. */
export function forkOf(a: BlockNode, b: BlockNode): BlockNode {
  let [left, right] = [ancestorAt(a, b.height), ancestorAt(b, a.height)];
  while (left !== right) [left, right] = [left.parent!, right.parent!];
  return left;
}

const descends = (node: BlockNode, from: BlockNode): boolean => ancestorAt(node, from.height) === from;

const isBetter = (a: BlockNode, b: BlockNode): boolean =>
  a.chainWork > b.chainWork || (a.chainWork === b.chainWork && a.sequence < b.sequence);

function lastGood(tip: BlockNode): BlockNode | undefined {
  let at: BlockNode | undefined = tip;
  while (at?.failed) at = at.parent;
  return at;
}
