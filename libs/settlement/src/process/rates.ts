import {
  assert,
  err,
  fieldError,
  type Instant,
  invalid,
  ok,
  refusal,
  type Refusal,
  type Result,
} from '@finality/kernel';
import { BTC, type Unit } from '@finality/ledger';
import type { Book } from '../book.ts';
import { PLATFORM_INSTITUTION_ID } from '../institution.ts';
import { type KnownQuote, knownQuote } from '../quote.ts';
import { exchanged, liveRate, type Rate, rateIdOf, type RateState } from '../rate.ts';
import { secondPersonRequired } from './second-person.ts';

export type KnownRate = Exclude<RateState, { status: 'none' }>;
export interface RateProposal extends Omit<Rate, 'rateId'> {
  /** Published by the maker itself. */
  readonly isOwn: boolean;
}

/** A rate that nobody looks after is a gift to whoever sees it first; what only thresholds rest on does for a week. */
export const RATE_VALID_MAX_MS = 24 * 3_600_000;
export const REFERENCE_VALID_MAX_MS = 7 * 24 * 3_600_000;

/**
 * A maker's rate, in place of the one it had for that direction. Quotes that are locked stay. What operators say, of references or for a maker, takes two.
 * @returns UNKNOWN_INSTITUTION, INSTITUTION_FROZEN, INVALID_ARGUMENT, SECOND_PERSON_REQUIRED
 */
export function publishRate(book: Book, proposal: RateProposal): Result<KnownRate, Refusal> {
  const { isOwn, ...published } = proposal;
  const { makerId, base, counter } = published;
  const refused = rateRefusal(book, proposal);
  if (refused !== undefined) return err(refused);
  if ((!isOwn || makerId === PLATFORM_INSTITUTION_ID) && published.confirmedBy === undefined)
    return err(secondPersonRequired('maker_institution'));
  const rateId = rateIdOf(makerId, base, counter);
  return ok(known(book.rates.record(rateId, { type: 'rate_published', at: book.now, rate: { ...published, rateId } })));
}

/** What is wrong with it, whoever says it. @returns UNKNOWN_INSTITUTION, INSTITUTION_FROZEN, INVALID_ARGUMENT */
export function rateRefusal(book: Book, { makerId, base, counter, validUntil }: RateProposal): Refusal | undefined {
  const isReference = makerId === PLATFORM_INSTITUTION_ID;
  if (base === counter) return invalid(fieldError('counter_unit', `expected another unit than ${base}`));
  if (isReference && counter !== BTC)
    return invalid(fieldError('counter_unit', `expected BTC of a reference rate, got ${counter}`));
  const validMs = isReference ? REFERENCE_VALID_MAX_MS : RATE_VALID_MAX_MS;
  if (validUntil <= book.now || validUntil - book.now > validMs)
    return invalid(fieldError('valid_until', `expected a time in the next ${validMs / 3_600_000} hours`));
  return isReference ? undefined : partyRefusal(book, makerId, 'maker_institution');
}

/** Nothing is quoted at it any more. Withdrawn already: nothing happens. @returns UNKNOWN_RATE */
export function withdrawRate(book: Book, rateId: string, by: string): Result<KnownRate, Refusal> {
  const state = book.rates.get(rateId);
  if (state.status === 'none') return err(unknownRate(rateId));
  if (state.status === 'withdrawn') return ok(state);
  return ok(known(book.rates.record(rateId, { type: 'rate_withdrawn', at: book.now, by })));
}

export interface QuoteRequest {
  readonly quoteId: string;
  readonly institutionId: string;
  readonly makerId: string;
  readonly sellUnit: Unit;
  readonly buyUnit: Unit;
  readonly fixed: 'sell' | 'buy';
  readonly amount: bigint;
  /** API key. */
  readonly requestedBy: string;
}

/**
 * Locks both amounts of an exchange at the maker's rate of now.
 * @returns UNKNOWN_RATE, UNKNOWN_INSTITUTION, INSTITUTION_FROZEN, OWN_RATE, AMOUNT_NOT_QUOTABLE
 */
export function requestQuote(book: Book, request: QuoteRequest): Result<KnownQuote, Refusal> {
  const { quoteId, institutionId, makerId, sellUnit, buyUnit, fixed, amount, requestedBy } = request;
  if (institutionId === makerId)
    return failed('OWN_RATE', 'expected the rate of another institution', 'maker_institution');
  const refused =
    partyRefusal(book, institutionId, 'institution_id') ?? partyRefusal(book, makerId, 'maker_institution');
  if (refused !== undefined) return err(refused);
  const state = book.rates.get(rateIdOf(makerId, sellUnit, buyUnit));
  const rate = liveRate(state, book.now);
  if (rate === undefined || state.status === 'none') return err(unknownRate(rateIdOf(makerId, sellUnit, buyUnit)));
  const legs = exchanged(rate, fixed, amount);
  if (legs === undefined || legs.sell.amount > (rate.baseMax ?? legs.sell.amount)) {
    const most = rate.baseMax === undefined ? '' : `, and at most ${rate.baseMax} ${sellUnit} to be sold`;
    const message = `expected 1 to 2^63 − 1 of both units${most}`;
    return failed('AMOUNT_NOT_QUOTABLE', message, `${fixed}_amount`);
  }
  const expiresAt = Math.min(book.now + rate.quoteMs, rate.validUntil) as Instant;
  const { price } = rate;
  const rests = { price, rateVersion: state.version, expiresAt, requestedBy };
  const terms = { quoteId, institutionId, makerId, ...legs, ...rests };
  return ok(knownQuote(book.quotes.record(quoteId, { type: 'quote_locked', at: book.now, terms })));
}

function known(state: RateState): KnownRate {
  assert(state.status !== 'none', 'the rate is known');
  return state;
}

function partyRefusal(book: Book, institutionId: string, field: string): Refusal | undefined {
  const { status } = book.institutions.get(institutionId);
  if (status === 'active') return undefined;
  const message = `expected an active institution, got ${status === 'none' ? 'an unknown' : 'a frozen'} one: "${institutionId}"`;
  const fields = [fieldError(field, message)];
  return status === 'none'
    ? refusal('not_found', 'UNKNOWN_INSTITUTION', message, { fields })
    : refusal('failed_precondition', 'INSTITUTION_FROZEN', message, { fields });
}

const unknownRate = (rateId: string): Refusal =>
  refusal('not_found', 'UNKNOWN_RATE', `nobody quotes at ${rateId} now: expected a rate that is published and valid`);

const failed = (reason: string, message: string, field: string): Result<never, Refusal> =>
  err(refusal('failed_precondition', reason, message, { fields: [fieldError(field, message)] }));
