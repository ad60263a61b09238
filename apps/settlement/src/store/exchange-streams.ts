import { encoded, exchangeV1, TOPICS } from '@finality/contracts';
import type { AnyStreamType, StreamType } from '@finality/event-store';
import {
  type BankBooking,
  bankBookingAggregate,
  type BankBookingEvent,
  type Quote,
  quoteAggregate,
  type QuoteEvent,
  rateAggregate,
  type RateEvent,
  type RateState,
  type UnitDebt,
  unitDebtAggregate,
  type UnitDebtEvent,
} from '@finality/settlement';
import { bankBookingMessage, quoteMessage, rateMessage } from './exchange-messages.ts';
import { message } from './public-message.ts';

/** What is stored of money beside the chain's, whom it concerns, and what it tells the world. */

export const bankBookingStream: StreamType<BankBooking, BankBookingEvent> = {
  aggregate: bankBookingAggregate,
  institutions: (state) => (state.status === 'none' ? [] : [state.line.institutionId]),
  publish(_event, state) {
    if (state.status === 'none') return [];
    const changed = { booking: bankBookingMessage(state) };
    const payload = encoded(exchangeV1.BankBookingChanged, changed);
    return [message(TOPICS.bankBooking, state.line.bookingId, payload)];
  },
};

export const rateStream: StreamType<RateState, RateEvent> = {
  aggregate: rateAggregate,
  institutions: (state) => (state.status === 'none' ? [] : [state.rate.makerId]),
  publish(_event, state) {
    if (state.status === 'none') return [];
    const payload = encoded(exchangeV1.RateChanged, { rate: rateMessage(state) });
    return [message(TOPICS.rate, state.rate.rateId, payload)];
  },
};

export const quoteStream: StreamType<Quote, QuoteEvent> = {
  aggregate: quoteAggregate,
  institutions: (state) => (state.status === 'none' ? [] : [state.terms.institutionId, state.terms.makerId]),
  publish(event, state) {
    if (state.status === 'none') return [];
    const payload = encoded(exchangeV1.QuoteChanged, { quote: quoteMessage(state, event.at) });
    return [message(TOPICS.quote, state.terms.quoteId, payload)];
  },
};

/** Counted for nobody to see: what bounds balances. */
export const unitDebtStream: StreamType<UnitDebt, UnitDebtEvent> = {
  aggregate: unitDebtAggregate,
  institutions: () => [],
  publish: () => [],
};

export const EXCHANGE_STREAMS: readonly AnyStreamType[] = [bankBookingStream, rateStream, quoteStream, unitDebtStream];
