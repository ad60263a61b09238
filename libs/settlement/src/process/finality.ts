import type { Book } from '../book.ts';
import type { Sats } from '@finality/kernel';
import { isAgreed, isOnChain } from '../chain-tip.ts';
import type { BlockRef } from '../settlement.ts';

/** Whether a block is enough of a proof for so much: from a limit on, two nodes have to have it. */
export function isTrusted({ tip, policy }: Pick<Book, 'tip' | 'policy'>, block: BlockRef, valueSats: Sats): boolean {
  const { agreeFromSats } = policy;
  return agreeFromSats === undefined || valueSats < agreeFromSats || isAgreed(tip.get(), block.height);
}

/** Deep enough, and still on the chain: only a transaction in such a block makes those that it excludes dead (DESIGN 8). */
export function isFinal(book: Book, block: BlockRef): boolean {
  const tip = book.tip.get();
  return tip.height - block.height + 1 >= book.policy.finalDepth && isOnChain(tip, block);
}
