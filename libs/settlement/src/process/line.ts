import { assert, err, ok, refusal, type Refusal, type Result } from '@finality/kernel';
import type { LedgerError } from '@finality/ledger';
import type { Book } from '../book.ts';
import { novation } from '../postings/clearing.ts';
import { isInLine, type Priority, priorityOf } from '../queue.ts';
import { living, type LivingSettlement, type Terms, type WaitReason } from '../settlement.ts';
import { capShortage } from './debit-caps.ts';
import { enterWindow } from './windows.ts';

/**
 * CENTRALIZED, and just approved: reserved and settled are one step, final at once; or it takes its place in the payer's line. It never overtakes one of
 * its own priority or a higher one, whatever they need.
 */
export function clear(book: Book, state: LivingSettlement): void {
  const { settlementId, from } = state.terms;
  const lack = book.queues.hasBefore(from, priorityOf(state))
    ? lacksLiquidity(`others of ${from} wait before it`)
    : novate(book, state);
  if (lack !== undefined) book.settlements.record(settlementId, { type: 'liquidity_awaited', at: book.now, ...lack });
}

/** Settles what the payer can pay by now, from the front of its line on, until there isn't enough for the next. */
export function releaseLine(book: Book, institutionId: string): void {
  for (const settlementId of book.queues.of(institutionId))
    if (novate(book, living(book.settlements.get(settlementId))) !== undefined) return;
}

/** Why a settlement waits in its payer's line. */
interface Lack {
  readonly waitsFor: WaitReason;
  readonly reason: string;
}

const lacksLiquidity = (reason: string): Lack => ({ waitsFor: 'INSUFFICIENT_LIQUIDITY', reason });

/** @returns why it can't be settled */
function novate(book: Book, { terms }: LivingSettlement): Lack | undefined {
  const overCap = capShortage(book, terms);
  if (overCap !== undefined) return { waitsFor: 'WINDOW_DEBIT_CAP', reason: overCap };
  const posted = book.ledger.post(novation(terms));
  if (!posted.ok) return lacksLiquidity(shortage(posted.error));
  settleNow(book, terms);
  return undefined;
}

/** Its transfers have been made. @param gridlockId where it was settled together with others, which paid for it */
export function settleNow(book: Book, terms: Terms, gridlockId?: string): void {
  const at = book.now;
  const windowId = enterWindow(book, terms);
  const settled = {
    type: 'settlement_settled',
    at,
    ...(windowId !== undefined && { windowId }),
    ...(gridlockId !== undefined && { gridlockId }),
  } as const;
  book.settlements.record(terms.settlementId, { type: 'liquidity_reserved', at }, settled);
  book.cancelTimer(terms.settlementId);
}

/** What others owe is nobody else's business. */
export const LENDING_CAP = 'insufficient liquidity: what the platform lends in all is lent';

export function shortage(error: LedgerError): string {
  if (error.kind === 'lending_cap') return LENDING_CAP;
  assert(error.kind === 'insufficient', `liquidity can only be lacking: ${error.kind}`);
  return `insufficient liquidity: expected ${error.needed} sat, ${error.available} sat available`;
}

/** The payer wants it paid sooner, or later: it goes to the end of those of that priority. The same as before changes nothing. */
export function reprioritize(
  book: Book,
  settlementId: string,
  priority: Priority,
  by: string,
): Result<LivingSettlement, Refusal> {
  const state = book.settlements.get(settlementId);
  if (state.status === 'none') return err(refusal('not_found', 'UNKNOWN_SETTLEMENT', `no settlement ${settlementId}`));
  if (!isInLine(state)) {
    const message = `expected a CENTRALIZED settlement that is queued, got one that is ${state.terms.mode} and ${state.status}`;
    return err(refusal('failed_precondition', 'NOT_QUEUED', message));
  }
  if (priorityOf(state) === priority) return ok(state);
  const event = { type: 'priority_changed', at: book.now, priority, by } as const;
  return ok(living(book.settlements.record(settlementId, event)));
}
