import type { Book } from '../book.ts';
import type { Sats } from '@finality/kernel';
import { isAgreed, isOnChain } from '../chain-tip.ts';
import { type ConfirmationDecision, decideConfirmations } from '../confirmation-policy.ts';
import type { BlockRef, Terms } from '../settlement.ts';
import { payingWalletId } from '../window-payout.ts';

/** What makes a payout of ours final. CENTRALIZED is at once: undefined. */
export function payoutConfirmations(
  book: Pick<Book, 'tip' | 'policy' | 'wallet'>,
  terms: Pick<Terms, 'mode' | 'amountSats' | 'payer' | 'netPayout'>,
  reviewed: boolean,
): { readonly confirmations?: ConfirmationDecision } {
  const { mode, amountSats } = terms;
  const walletId = payingWalletId(terms);
  if (mode === 'centralized' || walletId === undefined) return {};
  // Whoever signs for himself may sign something else.
  const ownInputs = book.wallet(walletId)?.custodial === true;
  const staleBlocks = book.tip.get().stale.length;
  const inputs = { purpose: mode, amountSats, reviewed, ownInputs, staleBlocks };
  return { confirmations: decideConfirmations(inputs, book.policy.confirmations) };
}

/** What makes a deposit final. */
export function depositConfirmations(
  { tip, policy }: Pick<Book, 'tip' | 'policy'>,
  amountSats: Sats,
  reviewed: boolean,
): ConfirmationDecision {
  const staleBlocks = tip.get().stale.length;
  const inputs = { purpose: 'deposit', amountSats, reviewed, ownInputs: false, staleBlocks } as const;
  return decideConfirmations(inputs, policy.confirmations);
}

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

/** How many blocks confirm what is in it, itself included. */
export const depthOf = ({ tip }: Pick<Book, 'tip'>, { height }: BlockRef): number => tip.get().height - height + 1;

/** Final, and so long ago, maybe, that nobody has kept the block's hash: no reorg that deep goes unnoticed. */
export function isBuried(book: Pick<Book, 'tip' | 'policy'>, block: BlockRef): boolean {
  const tip = book.tip.get();
  const isForgotten = block.height < (tip.recent[0]?.height ?? 0);
  return depthOf(book, block) >= book.policy.finalDepth && (isForgotten || isOnChain(tip, block));
}
