import { exchangeV1, TOPICS } from '@finality/contracts';
import type { AnyStreamType, StreamType } from '@finality/event-store';
import { type BankBooking, bankBookingAggregate, type BankBookingEvent } from '@finality/settlement';
import { bankBookingMessage } from './exchange-messages.ts';
import { message } from './streams.ts';

/** What is stored of money beside the chain's, whom it concerns, and what it tells the world. */

export const bankBookingStream: StreamType<BankBooking, BankBookingEvent> = {
  aggregate: bankBookingAggregate,
  institutions: (state) => (state.status === 'none' ? [] : [state.line.institutionId]),
  publish(_event, state) {
    if (state.status === 'none') return [];
    const changed = { booking: bankBookingMessage(state) };
    const payload = exchangeV1.BankBookingChanged.encode(changed).finish();
    return [message(TOPICS.bankBooking, state.line.bookingId, payload)];
  },
};

export const EXCHANGE_STREAMS: readonly AnyStreamType[] = [bankBookingStream];
