import { err, ok, refusal, type Refusal, type Result } from '@finality/kernel';
import type { Book } from '../book.ts';
import { mustPost } from '../postings/post.ts';
import { payoutFailed, release } from '../postings/payout.ts';
import { isWaiting, lineageIdOf, living, type LivingSettlement, type WaitingSettlement } from '../settlement.ts';
import { replaceWithout } from './bump.ts';
import { settleLeftOver } from './requeue.ts';
import { leave } from './reserve.ts';

const WITHDRAWABLE: readonly LivingSettlement['status'][] = [
  'received',
  'scheduled',
  'screening',
  'under_review',
  'approved',
  'queued',
  'reserved',
  'awaiting_signature',
];

/** Whether a settlement can still be taken back at once: nothing has left that somebody could sign. */
const isWithdrawable = (state: LivingSettlement): boolean =>
  WITHDRAWABLE.includes(state.status) && !('payout' in state);

/** It has said itself by when. */
export const OVERDUE = 'not executed by its expires_at';

const OTHERS_NEED_IT = 'expected a settlement whose transaction the others in it can do without';

/**
 * By the payer. Once a transaction was offered for it, another that leaves it out is to take its place: until one of them is final, it may
 * end either way.
 */
export function cancel(
  book: Book,
  settlementId: string,
  reason: string,
  by: string,
): Result<LivingSettlement, Refusal> {
  const state = book.settlements.get(settlementId);
  if (state.status === 'none') return err(refusal('not_found', 'UNKNOWN_SETTLEMENT', `no settlement ${settlementId}`));
  if (isWaiting(state)) return drop(book, state, reason, by);
  if (!isWithdrawable(state)) {
    const message = `expected a settlement that isn't being paid yet, got one that is ${state.status}`;
    return err(refusal('failed_precondition', 'NOT_CANCELLABLE', message));
  }
  if (!giveBack(book, state, reason)) {
    return err(refusal('failed_precondition', 'NOT_CANCELLABLE', OTHERS_NEED_IT));
  }
  book.cancelTimer(settlementId, state.status === 'scheduled' ? 'due' : 'expiry');
  return ok(living(book.settlements.record(settlementId, { type: 'settlement_cancelled', at: book.now, reason, by })));
}

function drop(book: Book, state: WaitingSettlement, reason: string, by: string): Result<LivingSettlement, Refusal> {
  if (state.cancelling !== undefined) return ok(state);
  const { settlementId } = state.terms;
  const { lineageId } = state.payout;
  const { status } = book.lineages.get(lineageId);
  if (status === 'final' || status === 'planned') return dropLeftOver(book, state, reason, by);
  const planned = replaceWithout(book, lineageId, settlementId);
  if (!planned.ok) return planned;
  return ok(
    living(book.settlements.record(settlementId, { type: 'cancellation_requested', at: book.now, reason, by })),
  );
}

/** All that was offered for it is dead: it ends at once. */
function dropLeftOver(
  book: Book,
  { terms, payout }: WaitingSettlement,
  reason: string,
  by: string,
): Result<LivingSettlement, Refusal> {
  const { settlementId } = terms;
  if (book.lineages.get(payout.lineageId).status === 'planned') {
    if (!leave(book, settlementId, payout.lineageId, reason))
      return err(refusal('failed_precondition', 'NOT_CANCELLABLE', OTHERS_NEED_IT));
  }
  mustPost(book.ledger, payoutFailed(terms, payout));
  const after = book.settlements.record(settlementId, { type: 'settlement_cancelled', at: book.now, reason, by });
  if (book.lineages.get(payout.lineageId).status === 'final') settleLeftOver(book, payout.lineageId);
  return ok(living(after));
}

/** Its time is up. What is being paid goes on. */
export function expire(book: Book, settlementId: string): void {
  const state = book.settlements.get(settlementId);
  if (state.status === 'none' || !isWithdrawable(state)) return;
  const reason = state.terms.expiresAt === undefined ? `not executed within ${book.policy.expiryMs} ms` : OVERDUE;
  if (giveBack(book, state, reason))
    book.settlements.record(settlementId, { type: 'settlement_expired', at: book.now, reason });
}

/** The signer wouldn’t sign for it, and hasn’t been asked to: what it is to be paid at has been taken off the list, or approvals are missing. */
export function destinationRefused(book: Book, lineageId: string, settlementId: string, rule: string): void {
  const state = book.settlements.get(settlementId);
  if (state.status !== 'reserved' || state.lineageId !== lineageId) return;
  const reason = `the signer doesn’t pay it: ${rule}`;
  if (!giveBack(book, state, reason)) return;
  book.cancelTimer(settlementId);
  book.settlements.record(settlementId, { type: 'settlement_failed', at: book.now, reason });
}

function giveBack(book: Book, state: LivingSettlement, reason: string): boolean {
  const lineageId = lineageIdOf(state);
  if (lineageId === undefined) return true;
  if (!leave(book, state.terms.settlementId, lineageId, reason)) return false;
  mustPost(book.ledger, release(state));
  return true;
}
