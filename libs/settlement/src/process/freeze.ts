import type { Book } from '../book.ts';

/** Stops new settlements from and to an institution until somebody has looked at it. Frozen already: the first reason stays. */
export function freeze(book: Book, institutionId: string, reason: string): void {
  if (book.institutions.get(institutionId).status !== 'active') return;
  book.institutions.record(institutionId, { type: 'institution_frozen', at: book.now, reason });
}
