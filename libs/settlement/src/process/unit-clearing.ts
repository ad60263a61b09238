import { assert } from '@finality/kernel';
import { accountSpec, availableAccount, BTC, type LedgerError } from '@finality/ledger';
import type { Book } from '../book.ts';
import { novation } from '../postings/clearing.ts';
import type { LivingSettlement, Terms } from '../settlement.ts';
import { LENDING_CAP } from './line.ts';
import type { UnitTerms } from '../unit-terms.ts';

/**
 * A settlement in another unit, or of one unit against another: all its legs are posted as one group, final at once, or none is. It stands in no line: what it waits
 * for may be another's liquidity, and a quote doesn't wait for long; but it sells no satoshi that the payer's line waits for. Windows net satoshi that
 * one pays to the other, and none of these.
 */
export function clearUnits(book: Book, state: LivingSettlement, units: UnitTerms): void {
  const { terms } = state;
  if (isOver(book, terms)) return;
  const reason = waitsBehind(book, terms, units) ?? post(book, terms);
  if (reason === undefined) return;
  const { settlementId } = terms;
  const at = book.now;
  if (units.exchange?.failOnShortage === true) {
    book.cancelTimer(settlementId);
    book.settlements.record(settlementId, { type: 'settlement_failed', at, reason });
  } else if (state.status !== 'queued') {
    const waitsFor = 'INSUFFICIENT_LIQUIDITY';
    book.settlements.record(settlementId, { type: 'liquidity_awaited', at, reason, waitsFor });
  }
}

/** A quote isn't kept any longer than it was given: its timer ends what hasn't settled by then. */
const isOver = ({ now }: Book, { units, expiresAt }: Terms): boolean =>
  units?.exchange !== undefined && expiresAt !== undefined && expiresAt <= now;

const waitsBehind = ({ queues }: Book, { from }: Terms, { paid }: UnitTerms): string | undefined =>
  paid.unit === BTC && queues.hasBefore(from, 'normal') ? `others of ${from} wait for liquidity before it` : undefined;

/** @returns why it can't be settled */
function post(book: Book, terms: Terms): string | undefined {
  const posted = book.ledger.post(novation(terms));
  if (!posted.ok) return shortage(posted.error, terms);
  const { settlementId } = terms;
  const at = book.now;
  book.settlements.record(settlementId, { type: 'liquidity_reserved', at }, { type: 'settlement_settled', at });
  book.cancelTimer(settlementId);
  return undefined;
}

/** What a market maker has is nobody else's business. */
function shortage(error: LedgerError, { payer }: Terms): string {
  if (error.kind === 'lending_cap') return LENDING_CAP;
  assert(error.kind === 'insufficient', `liquidity can only be lacking: ${error.kind}`);
  const { account, needed, available } = error;
  const { unit } = accountSpec(account);
  if (account !== availableAccount(payer)) return `insufficient liquidity: who quoted it lacks ${unit}`;
  return `insufficient liquidity: expected ${needed} of ${unit}, ${available} of ${unit} available`;
}
