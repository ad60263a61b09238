import { type Aggregate, assertNever, type Instant } from '@finality/kernel';
import { BTC, type Money, TRANSFER_AMOUNT_MAX, type Unit } from '@finality/ledger';
import { PLATFORM_INSTITUTION_ID } from './institution.ts';

/** How many smallest parts of the counter unit one smallest part of the base unit is worth: exactly that, never a rounded number. */
export interface Price {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/** What a market maker gives of one unit for another. The other way round is another rate: what is between them is its spread. */
export interface Rate {
  readonly rateId: string;
  /** Takes the other side of every exchange at it; of {@link referenceRateId} nobody does. */
  readonly makerId: string;
  /** Sold to the maker. */
  readonly base: Unit;
  /** Bought from it. */
  readonly counter: Unit;
  readonly price: Price;
  /** Nothing is quoted at it from then on, and no quote lives longer. */
  readonly validUntil: Instant;
  readonly quoteMs: number;
  /** The most of the base unit that one quote is for; missing: any amount. */
  readonly baseMax?: bigint;
  /** API key. */
  readonly publishedBy: string;
  /** The other operator's, where they have published it. */
  readonly confirmedBy?: string;
}

export type RateEvent = { readonly at: Instant } & (
  { readonly type: 'rate_published'; readonly rate: Rate } | { readonly type: 'rate_withdrawn'; readonly by: string }
);

export type RateState =
  | { readonly status: 'none' }
  | {
      readonly status: 'published' | 'withdrawn';
      readonly rate: Rate;
      /** How often it has been published: which one a quote rests on. */
      readonly version: number;
      readonly publishedAt: Instant;
    };

export const rateAggregate: Aggregate<RateState, RateEvent> = {
  name: 'rate',
  initialState: { status: 'none' },
  evolve(state, event) {
    switch (event.type) {
      case 'rate_published': {
        const version = state.status === 'none' ? 1 : state.version + 1;
        return { status: 'published', rate: event.rate, version, publishedAt: event.at };
      }
      case 'rate_withdrawn':
        return state.status === 'none' ? state : { ...state, status: 'withdrawn' };
      default:
        return assertNever(event, 'rate event');
    }
  },
};

/** A maker has one rate for each direction: a new one takes the place of the one before. */
export const rateIdOf = (makerId: string, base: Unit, counter: Unit): string => `${makerId}/${base}/${counter}`;

/** What operators say a unit is worth in satoshi: for thresholds, and nobody exchanges at it. */
export const referenceRateId = (unit: Unit): string => rateIdOf(PLATFORM_INSTITUTION_ID, unit, BTC);

/** The rate, if something can be quoted at it now. */
export const liveRate = (state: RateState, now: Instant): Rate | undefined =>
  state.status === 'published' && now < state.rate.validUntil ? state.rate : undefined;

/** Both legs of an exchange, and what rounding them leaves with the maker. */
export interface Exchanged {
  readonly sell: Money;
  readonly buy: Money;
  /** sell × numerator − buy × denominator, 0 or more: so many denominator-ths of the bought unit's smallest part. */
  readonly remainder: bigint;
}

/**
 * What an amount is exchanged for: rounded to a whole smallest part, always in favour of the maker, so that no exchange and no two of them make
 * anything from nothing. The amount that is asked for is never changed.
 * @param fixed which leg is asked for: what is sold, or what is bought
 * @returns undefined when a leg would be less than one, or more than an int64 holds
 */
export function exchanged(
  { base, counter, price: { numerator, denominator } }: Pick<Rate, 'base' | 'counter' | 'price'>,
  fixed: 'sell' | 'buy',
  amount: bigint,
): Exchanged | undefined {
  const sell = fixed === 'sell' ? amount : ceilDiv(amount * denominator, numerator);
  const buy = fixed === 'buy' ? amount : (amount * numerator) / denominator;
  if (!isAmount(sell) || !isAmount(buy)) return undefined;
  const remainder = sell * numerator - buy * denominator;
  return { sell: { unit: base, amount: sell }, buy: { unit: counter, amount: buy }, remainder };
}

/** What an amount of the base unit is worth in the counter unit, rounded up: thresholds see no less than there is. */
export const worth = ({ price: { numerator, denominator } }: Pick<Rate, 'price'>, amount: bigint): bigint =>
  ceilDiv(amount * numerator, denominator);

/** Rounded up; both are positive. */
const ceilDiv = (dividend: bigint, divisor: bigint): bigint => (dividend + divisor - 1n) / divisor;

const isAmount = (amount: bigint): boolean => amount >= 1n && amount <= TRANSFER_AMOUNT_MAX;
