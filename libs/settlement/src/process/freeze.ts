import { type AccountId, parseAccountId } from '@finality/ledger';
import type { Book } from '../book.ts';

/** Stops new settlements from and to an institution until somebody has looked at it. Frozen already: the first reason stays. */
export function freeze(book: Book, institutionId: string, reason: string): void {
  if (book.institutions.get(institutionId).status !== 'active') return;
  book.institutions.record(institutionId, { type: 'institution_frozen', at: book.now, reason });
}

/** Whether a correction has overdrawn what somebody owes. Of a memo its owner takes what he likes. */
export function isOwed(book: Book, overdrawn: readonly AccountId[]): boolean {
  return overdrawn.map(parseAccountId).some((name) => {
    if (name.kind !== 'claim' || name.claim.kind !== 'wallet') return true;
    return book.wallet(name.claim.walletId)?.custodial !== false;
  });
}
