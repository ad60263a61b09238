import { type Aggregate, assert, assertNever, type Instant } from '@finality/kernel';
import type { Exchanged, Price } from './rate.ts';

/** Both amounts of an exchange, locked until it expires. It reserves nothing. */
export interface QuoteTerms extends Exchanged {
  readonly quoteId: string;
  /** Who may use it, once. */
  readonly institutionId: string;
  readonly makerId: string;
  readonly price: Price;
  /** Of the rate that it rests on. */
  readonly rateVersion: number;
  readonly expiresAt: Instant;
  /** API key. */
  readonly requestedBy: string;
}

export type QuoteEvent = { readonly at: Instant } & (
  | { readonly type: 'quote_locked'; readonly terms: QuoteTerms }
  /** Whatever becomes of that settlement. */
  | { readonly type: 'quote_used'; readonly settlementId: string }
);

export type Quote = { readonly status: 'none' } | KnownQuote;

export type KnownQuote = { readonly terms: QuoteTerms; readonly lockedAt: Instant } & (
  { readonly status: 'locked' } | { readonly status: 'used'; readonly settlementId: string }
);

export const quoteAggregate: Aggregate<Quote, QuoteEvent> = {
  name: 'quote',
  initialState: { status: 'none' },
  evolve(state, event) {
    switch (event.type) {
      case 'quote_locked':
        assert(state.status === 'none', 'a quote is locked once');
        return { status: 'locked', terms: event.terms, lockedAt: event.at };
      case 'quote_used':
        assert(state.status === 'locked', `a quote that is ${state.status} isn't used`);
        return { ...state, status: 'used', settlementId: event.settlementId };
      default:
        return assertNever(event, 'quote event');
    }
  },
};

/** The quote, when it must be there. */
export function knownQuote(quote: Quote): KnownQuote {
  assert(quote.status !== 'none', 'the quote is known');
  return quote;
}
