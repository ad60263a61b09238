import { assert, err, fieldError, invalid, refusal, type Refusal, type Result } from '@finality/kernel';
import { BTC } from '@finality/ledger';
import type { Book } from '../book.ts';
import { living, type LivingSettlement } from '../settlement.ts';
import { paidOf } from '../unit-terms.ts';
import { submit, type Submission } from './submit.ts';

/** A settlement that pays another one back. */
export type Reversal = Submission & { readonly reverses: string };

/** Of one settlement, those that came to nothing included: all of them are read when one more is asked for. */
export const REVERSALS_MAX = 100;

/**
 * Pays a settled settlement back, in whole or in part, by a new one in the opposite direction that goes the way of any other. Whoever asks has
 * been found to be the payee, or to act for it. What its reversals pay, or may still pay, is never more than the original paid.
 */
export function reverse(book: Book, reversal: Reversal): Result<LivingSettlement, Refusal> {
  const { reverses, settlementId } = reversal;
  const original = book.settlements.get(reverses);
  if (original.status === 'none') return err(refusal('not_found', 'UNKNOWN_SETTLEMENT', `no settlement ${reverses}`));
  const { terms, reversals } = original;
  assert(reversal.from === terms.to && reversal.to === terms.from, 'a reversal goes back the way the original came');
  const problem = notReversible(original) ?? exceeded(book, original, reversal);
  if (problem !== undefined) return err(problem);
  if (reversals.length >= REVERSALS_MAX) {
    const message = `expected a settlement with fewer than ${REVERSALS_MAX} reversals, those that came to nothing included`;
    return err(refusal('failed_precondition', 'TOO_MANY_REVERSALS', message));
  }
  const submitted = submit(book, reversal);
  if (!submitted.ok) return submitted;
  book.settlements.record(reverses, { type: 'reversal_requested', at: book.now, reversalId: settlementId });
  return submitted;
}

function notReversible({ status, terms }: LivingSettlement): Refusal | undefined {
  if (terms.reverses !== undefined) {
    const message = `${terms.settlementId} is a reversal itself: submit a new settlement instead`;
    return refusal('failed_precondition', 'REVERSAL_OF_REVERSAL', message);
  }
  if (status === 'settled') return undefined;
  return refusal(
    'failed_precondition',
    'NOT_SETTLED',
    `expected a settlement that is settled, got one that is ${status}`,
  );
}

function exceeded(book: Book, { terms }: LivingSettlement, reversal: Reversal): Refusal | undefined {
  if (terms.units?.exchange !== undefined) return exchangeExceeded(book, terms.settlementId, reversal);
  const { unit, amount: all } = paidOf(terms);
  const { amount, unit: asked } = reversal.paid ?? { unit: BTC, amount: reversal.amountSats };
  const field = unit === BTC ? 'amount_sats' : 'amount.amount';
  if (asked !== unit) return invalid(fieldError(field, `expected what was paid, ${unit}, got ${asked}`));
  const left = all - reversedAmount(book, terms.settlementId);
  if (amount <= left) return undefined;
  const message = `expected at most what isn't reversed yet, ${left} of ${all}, got ${amount}`;
  return refusal('failed_precondition', 'REVERSAL_EXCEEDS_ORIGINAL', message, { fields: [fieldError(field, message)] });
}

/** A leg's part is no whole number of the other's: all of it is paid back, or nothing. */
function exchangeExceeded(book: Book, settlementId: string, { paid, amountSats }: Reversal): Refusal | undefined {
  if (paid !== undefined || amountSats !== 0n)
    return invalid(fieldError('amount', 'expected none: what was exchanged is paid back as a whole'));
  if (livingReversals(book, settlementId).length === 0) return undefined;
  const message = 'expected an exchange that nothing has paid back yet, or may';
  return refusal('failed_precondition', 'REVERSAL_EXCEEDS_ORIGINAL', message);
}

/** What reversals of a settlement have paid back, or may still pay back, in what it has paid. */
export function reversedAmount(book: Pick<Book, 'settlements'>, settlementId: string): bigint {
  return livingReversals(book, settlementId).reduce((sum, { terms }) => sum + paidOf(terms).amount, 0n);
}

const livingReversals = (book: Pick<Book, 'settlements'>, settlementId: string): readonly LivingSettlement[] =>
  living(book.settlements.get(settlementId))
    .reversals.map((id) => living(book.settlements.get(id)))
    .filter((reversal) => !cameToNothing(reversal));

/** For good. One that a reorg took back may confirm again as long as nothing that excludes it is final. */
function cameToNothing(state: LivingSettlement): boolean {
  switch (state.status) {
    case 'rejected':
    case 'failed':
    case 'cancelled':
    case 'expired':
      return true;
    case 'reversed':
      return state.because === 'excluded';
    default:
      return false;
  }
}
