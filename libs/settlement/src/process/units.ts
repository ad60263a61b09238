import {
  assert,
  err,
  fieldError,
  type Instant,
  invalid,
  MAX_MONEY_SATS,
  ok,
  refusal,
  type Refusal,
  type Result,
  type Sats,
} from '@finality/kernel';
import { BTC, clearingClaim, type Money, TRANSFER_AMOUNT_MAX } from '@finality/ledger';
import type { Book } from '../book.ts';
import type { QuoteTerms } from '../quote.ts';
import { liveRate, referenceRateId, worth } from '../rate.ts';
import { type Assessment, living, type Terms } from '../settlement.ts';
import { type ExchangeTerms, isUnvalued, type UnitTerms } from '../unit-terms.ts';
import { counterpartyRefusal } from './counterparties.ts';
import type { Submission } from './submit.ts';

/**
 * What the terms of a settlement in another unit, or at a quote, have that those in satoshi don't; nothing for one in satoshi.
 * @returns UNKNOWN_QUOTE, QUOTE_USED, QUOTE_EXPIRED, QUOTE_MISMATCH, COUNTERPARTY_NOT_ALLOWED, INSTITUTION_FROZEN, INVALID_ARGUMENT
 */
export function unitTerms(book: Book, submission: Submission): Result<Partial<Terms>, Refusal> {
  const { from, to, mode, paid, quoteId, executeAt } = submission;
  const undone = exchangeReversed(book, submission);
  if (undone === undefined && quoteId === undefined && paid === undefined) return ok({});
  if (mode !== 'centralized')
    return wrong(quoteId === undefined ? 'amount' : 'quote_id', 'expected none: on-chain nothing but satoshi is paid');
  if (undone !== undefined) return unwound(book, submission, undone);
  if (quoteId !== undefined) return exchangeTerms(book, submission, quoteId);
  const { unit, amount } = paid!;
  if (unit === BTC) return wrong('amount.unit', 'expected another unit than BTC, which goes into amount_sats');
  if (amount < 1n || amount > TRANSFER_AMOUNT_MAX)
    return wrong('amount.amount', `expected 1 to ${TRANSFER_AMOUNT_MAX}, got ${amount}`);
  // What it is worth on another day nobody can tell today.
  const units: UnitTerms = { paid: paid!, ...(executeAt === undefined ? valueOf(book, paid!) : {}) };
  return ok({ payer: clearingClaim(from, unit), payee: clearingClaim(to, unit), units });
}

function exchangeTerms(book: Book, submission: Submission, quoteId: string): Result<Partial<Terms>, Refusal> {
  const { from, to, executeAt, expiresAt, failOnShortage = false } = submission;
  const quote = book.quotes.get(quoteId);
  // To anybody but the institution that asked for it, it doesn't exist.
  if (quote.status === 'none' || quote.terms.institutionId !== from)
    return refused('not_found', 'UNKNOWN_QUOTE', `no quote ${quoteId} of ${from}`);
  const { makerId, sell, buy, expiresAt: quotedUntil } = quote.terms;
  if (quote.status === 'used')
    return refused('failed_precondition', 'QUOTE_USED', `settlement ${quote.settlementId} has it`);
  if (quotedUntil <= book.now)
    return refused('failed_precondition', 'QUOTE_EXPIRED', 'expected a quote that is still valid: request another one');
  if (executeAt !== undefined) return wrong('execute_at', 'expected none: a quote is for now');
  const problem = mismatchOf(submission, quote.terms) ?? counterpartyRefusal(book, { from, to: makerId });
  if (problem !== undefined) return err(problem);
  if (book.institutions.get(makerId).status !== 'active')
    return refused('failed_precondition', 'INSTITUTION_FROZEN', `${makerId}, who quoted it, is frozen`);
  const receiver = to === makerId ? from : to;
  const legs = [
    { from, to: makerId, money: sell },
    { from: makerId, to: receiver, money: buy },
  ];
  const exchange: ExchangeTerms = { quoteId, makerId, bought: buy, legs, failOnShortage };
  return ok({
    amountSats: 0n as Sats,
    payer: clearingClaim(from, sell.unit),
    payee: clearingClaim(receiver, buy.unit),
    units: { paid: sell, ...valueOf(book, sell, buy), exchange },
    expiresAt: Math.min(quotedUntil, expiresAt ?? quotedUntil) as Instant,
  });
}

/** What a settlement pays back that was one unit against another. */
const exchangeReversed = (book: Book, { reverses }: Submission): ExchangeTerms | undefined =>
  reverses === undefined ? undefined : living(book.settlements.get(reverses)).terms.units?.exchange;

/** As long as a quote may be at most: whoever stands behind it in the line that pays has to wait no longer than for one. */
const EXCHANGE_REVERSAL_MS = 3_600_000;
/** Where a person has to look at it first; it holds up the line from then on only. */
const EXCHANGE_REVERSAL_MAX_MS = 86_400_000;

/** Both legs back the way they came, at the amounts that they had, until the time asked for, or else for an hour: what a quote's end is to an exchange. */
function unwound(
  book: Book,
  { from, to, expiresAt, failOnShortage = false }: Submission,
  undone: ExchangeTerms,
): Result<Partial<Terms>, Refusal> {
  if (expiresAt !== undefined && expiresAt - book.now > EXCHANGE_REVERSAL_MAX_MS)
    return wrong('expires_at', 'expected a time at most a day ahead: an exchange that is paid back may hold up a line');
  const back = undone.legs.map((leg) => ({ from: leg.to, to: leg.from, money: leg.money }));
  const paying = back.find((leg) => leg.from === from);
  const other = back.find((leg) => leg !== paying);
  assert(
    paying !== undefined && other !== undefined,
    'an exchange has two legs, and whoever it went to gives one back',
  );
  const got = paying.to === to ? paying : other;
  const exchange: ExchangeTerms = { ...undone, bought: other.money, legs: [paying, other], failOnShortage };
  return ok({
    payer: clearingClaim(from, paying.money.unit),
    payee: clearingClaim(to, got.money.unit),
    units: { paid: paying.money, ...valueOf(book, paying.money, other.money), exchange },
    expiresAt: expiresAt ?? ((book.now + EXCHANGE_REVERSAL_MS) as Instant),
  });
}

/** What is said beside the quote has to be what was quoted. */
function mismatchOf({ amountSats, paid }: Submission, { sell }: QuoteTerms): Refusal | undefined {
  const said = paid ?? (amountSats === 0n ? sell : { unit: BTC, amount: amountSats });
  if (said.unit === sell.unit && said.amount === sell.amount) return undefined;
  const message = `expected what was quoted, ${sell.amount} of ${sell.unit}, got ${said.amount} of ${said.unit}`;
  const fields = [fieldError(paid === undefined ? 'amount_sats' : 'amount', message)];
  return refusal('failed_precondition', 'QUOTE_MISMATCH', message, { fields });
}

/** From here on it is that settlement's, whatever becomes of it; one that pays it back uses nothing. */
export function useQuote(book: Book, { settlementId, units, reverses }: Terms): void {
  const quoteId = units?.exchange?.quoteId;
  if (quoteId !== undefined && reverses === undefined)
    book.quotes.record(quoteId, { type: 'quote_used', at: book.now, settlementId });
}

/** What leaves with it, by the leg that is satoshi, else at the reference rate. Nothing where that would be more than there can be. */
function valueOf(book: Book, ...legs: readonly Money[]): Pick<UnitTerms, 'valueSats'> {
  const inSats = legs.find(({ unit }) => unit === BTC);
  const [{ unit, amount }] = legs as readonly [Money];
  const rate = inSats === undefined ? liveRate(book.rates.get(referenceRateId(unit)), book.now) : undefined;
  const valueSats = inSats?.amount ?? (rate && worth(rate, amount));
  return valueSats === undefined || valueSats > MAX_MONEY_SATS ? {} : { valueSats: valueSats as Sats };
}

/** Thresholds are in satoshi: what nobody can value, a person looks at. Nothing for what has a value. */
export function unvalued({ units }: Pick<Terms, 'units'>): readonly Assessment[] {
  if (units === undefined || !isUnvalued({ units })) return [];
  const reason = `no rate says what ${units.paid.unit} is worth: thresholds can't judge it`;
  return [{ recommendation: 'manual_review', rulesVersion: UNIT_RULES, reason }];
}

const UNIT_RULES = 'units-1';

const wrong = (field: string, description: string): Result<never, Refusal> =>
  err(invalid(fieldError(field, description)));

const refused = (kind: Refusal['kind'], reason: string, message: string): Result<never, Refusal> =>
  err(refusal(kind, reason, message, { fields: [fieldError('quote_id', message)] }));
