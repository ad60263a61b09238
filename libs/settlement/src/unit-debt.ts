import { type Aggregate, assertNever, fieldError, type Instant, refusal, type Refusal } from '@finality/kernel';
import type { Money, Unit } from '@finality/ledger';
import type { Book } from './book.ts';

/** The most that banks hold for all in one unit. */
export const AT_BANKS_MAX = 2n ** 62n;

/**
 * The most that could ever be owed in one unit. No balance in it, reserved, available or drawn, nor what it could spend with its line, exceeds an
 * int64: the balances of a unit add up to zero with what is at banks, so none is above {@link AT_BANKS_MAX}, all that is owed, 3 × 2^61 together,
 * and what the platform's standby line has lent (10^16 at most, as any line), and none below what may be owed. In BTC what is in custody stands for
 * what is at banks: no more than there will ever be.
 */
export const OWED_MAX = 2n ** 61n;

/**
 * What could be owed in one unit: each institution's highest line ever, since a line that is lowered or over leaves what was drawn of it, and what
 * corrections of bank lines took, which skip limits. It only grows: so it holds whatever has been paid back, and nobody adds up balances for it.
 * A deposit that a reorganisation takes back from somebody who has spent it isn't counted: it was on the chain.
 */
export interface UnitDebt {
  /** By institution. */
  readonly lines: Readonly<Record<string, bigint>>;
  readonly corrected: bigint;
}

export type UnitDebtEvent = { readonly at: Instant } & (
  | { readonly type: 'line_counted'; readonly institutionId: string; readonly amount: bigint }
  | { readonly type: 'correction_counted'; readonly bookingId: string; readonly amount: bigint }
);

export const unitDebtAggregate: Aggregate<UnitDebt, UnitDebtEvent> = {
  name: 'unit_debt',
  initialState: { lines: {}, corrected: 0n },
  evolve(state, event) {
    switch (event.type) {
      case 'line_counted':
        return { ...state, lines: { ...state.lines, [event.institutionId]: event.amount } };
      case 'correction_counted':
        return { ...state, corrected: state.corrected + event.amount };
      default:
        return assertNever(event, 'unit debt event');
    }
  },
};

/** All of it. */
export const owedAtMost = ({ lines, corrected }: UnitDebt): bigint =>
  Object.values(lines).reduce((sum, amount) => sum + amount, corrected);

/** What a line of this amount would add. */
export function lineGrowth(book: Book, institutionId: string, { unit, amount }: Money): bigint {
  const highest = book.unitDebts.get(unit).lines[institutionId] ?? 0n;
  return amount > highest ? amount - highest : 0n;
}

/** What a line comes to is counted as far as there was none as high before. */
export function countLine(book: Book, institutionId: string, line: Money): void {
  const { unit, amount } = line;
  if (lineGrowth(book, institutionId, line) === 0n) return;
  book.unitDebts.record(unit, { type: 'line_counted', at: book.now, institutionId, amount });
}

/** @param by what could be owed more. @returns AMOUNT_TOO_LARGE */
export function owedRefusal(book: Book, unit: Unit, by: bigint, field: string): Refusal | undefined {
  const before = owedAtMost(book.unitDebts.get(unit));
  if (before + by <= OWED_MAX) return undefined;
  const message = `expected at most ${OWED_MAX} ${unit} that all could ever owe together, got ${by} more than ${before}`;
  return refusal('failed_precondition', 'AMOUNT_TOO_LARGE', message, { fields: [fieldError(field, message)] });
}
