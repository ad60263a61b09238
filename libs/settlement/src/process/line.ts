import { assert, err, ok, refusal, type Refusal, type Result } from '@finality/kernel';
import { accountSpec, availableAccount, BTC, type LedgerError } from '@finality/ledger';
import type { Book } from '../book.ts';
import { novation } from '../postings/clearing.ts';
import { isInLine, lineOf, type Priority, priorityOf } from '../queue.ts';
import { living, type LivingSettlement, type Terms, type WaitReason } from '../settlement.ts';
import { capShortage } from './debit-caps.ts';
import { enterWindow } from './windows.ts';

/**
 * CENTRALIZED, and just approved: reserved and settled are one step, final at once; or it takes its place in the payer's line of what it pays in. It never overtakes
 * one of its own priority or a higher one, whatever they need. An exchange takes from its maker what that has quoted, and waits for nobody in the maker's line: a quote is
 * firm, and two exchanges in opposite directions would wait for each other.
 */
export function clear(book: Book, state: LivingSettlement): void {
  const { terms } = state;
  // Its timer ends it.
  if (isOver(book, terms)) return;
  const { settlementId, from, units } = terms;
  const lack = book.queues.hasBefore(lineOf(terms), priorityOf(state))
    ? lacksLiquidity(`others of ${from} wait before it`)
    : novate(book, state);
  if (lack === undefined) return;
  const at = book.now;
  if (units?.exchange?.failOnShortage === true) {
    book.cancelTimer(settlementId);
    book.settlements.record(settlementId, { type: 'settlement_failed', at, reason: lack.reason });
  } else {
    book.settlements.record(settlementId, { type: 'liquidity_awaited', at, ...lack });
  }
}

/** Settles what the payer can pay by now, from the front of a line on, until there isn't enough for the next. An exchange whose quote is over holds up nobody. */
export function releaseLine(book: Book, line: string): void {
  for (const settlementId of book.queues.of(line)) {
    const state = living(book.settlements.get(settlementId));
    if (!isOver(book, state.terms) && novate(book, state) !== undefined) return;
  }
}

/** A quote isn't kept any longer than it was given: whatever has it and hasn't settled by then expires. */
const isOver = ({ now }: Book, { units, expiresAt }: Terms): boolean =>
  units?.exchange !== undefined && expiresAt !== undefined && expiresAt <= now;

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
  if (!posted.ok) return lacksLiquidity(shortage(posted.error, terms));
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

/** What others owe is nobody else's business; nor is what a market maker has. */
export const LENDING_CAP = 'insufficient liquidity: what the platform lends in all is lent';

export function shortage(error: LedgerError, { payer, units }: Pick<Terms, 'payer' | 'units'>): string {
  if (error.kind === 'lending_cap') return LENDING_CAP;
  assert(error.kind === 'insufficient', `liquidity can only be lacking: ${error.kind}`);
  const { account, needed, available } = error;
  const { unit } = accountSpec(account);
  if (units?.exchange !== undefined && account !== availableAccount(payer))
    return `insufficient liquidity: who quoted it lacks ${unit}`;
  const counted = unit === BTC ? 'sat' : `of ${unit}`;
  return `insufficient liquidity: expected ${needed} ${counted}, ${available} ${counted} available`;
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
