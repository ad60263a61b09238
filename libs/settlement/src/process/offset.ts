import type { Book } from '../book.ts';
import { novation } from '../postings/clearing.ts';
import { isInLine, lineOf } from '../queue.ts';
import { living, type LivingSettlement, type Settlement } from '../settlement.ts';
import { areWithinCaps } from './debit-caps.ts';
import { settleNow } from './line.ts';

/** Queued settlements that somebody has found to pay for each other; what is found is decided on anew. */
export interface OffsetRequest {
  /** Of this gridlock: whatever is settled together names it. */
  readonly gridlockId: string;
  readonly settlementIds: readonly string[];
}

/**
 * Settles them all at once, or none: if by now one of them isn't queued any more, would overtake another, or would leave its payer past its limit or its cap on a window, nothing
 * happens, and leaves no trace.
 */
export function offset(book: Book, { gridlockId, settlementIds }: OffsetRequest): void {
  const asked = [...new Set(settlementIds)].map((id) => book.settlements.get(id));
  const queued = asked.filter(isOffsettable);
  if (queued.length < asked.length) return;
  const inOrder = firstOfLines(book, queued);
  if (inOrder === undefined) return;
  const terms = inOrder.map((state) => state.terms);
  if (!areWithinCaps(book, terms)) return;
  if (!book.ledger.postNet(terms.flatMap(novation)).ok) return;
  for (const each of terms) settleNow(book, each, gridlockId);
}

/** An exchange moves two units, and pays for nobody: see `resolveGridlock`. */
const isOffsettable = (state: Settlement): state is Extract<Settlement, { status: 'queued' }> =>
  isInLine(state) && state.terms.units?.exchange === undefined;

/** The same settlements, as they stand in their lines; undefined when they aren't the first of them. */
function firstOfLines(book: Book, queued: readonly LivingSettlement[]): readonly LivingSettlement[] | undefined {
  const ids = new Set(queued.map(({ terms }) => terms.settlementId));
  const lines = Map.groupBy(queued, ({ terms }) => lineOf(terms));
  const first = [...lines].flatMap(([line, own]) => book.queues.of(line).slice(0, own.length));
  if (first.length < ids.size || first.some((id) => !ids.has(id))) return undefined;
  return first.map((id) => living(book.settlements.get(id)));
}
