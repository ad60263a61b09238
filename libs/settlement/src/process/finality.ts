import type { Book } from '../book.ts';
import { isOnChain } from '../chain-tip.ts';
import type { BlockRef } from '../settlement.ts';

/** Deep enough, and still on the chain: only a transaction in such a block makes those that it excludes dead (DESIGN 8). */
export function isFinal(book: Book, block: BlockRef): boolean {
  const tip = book.tip.get();
  return tip.height - block.height + 1 >= book.policy.finalDepth && isOnChain(tip, block);
}
