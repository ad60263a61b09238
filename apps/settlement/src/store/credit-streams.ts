import { encoded, liquidityV1, TOPICS } from '@finality/contracts';
import type { AnyStreamType, StreamType } from '@finality/event-store';
import {
  type Credit,
  creditAggregate,
  type CreditEvent,
  type Default,
  defaultAggregate,
  type DefaultEvent,
} from '@finality/settlement';
import { defaultMessage } from './default-message.ts';
import { message } from './public-message.ts';

/** Told by an RPC, to whom it concerns. */
export const creditStream: StreamType<Credit, CreditEvent> = {
  aggregate: creditAggregate,
  institutions: (state) => (state.status === 'none' ? [] : [state.institutionId]),
  publish: () => [],
};

/** Each step, as it stands then. */
export const defaultStream: StreamType<Default, DefaultEvent> = {
  aggregate: defaultAggregate,
  institutions: (state) => (state.status === 'none' ? [] : [state.institutionId]),
  publish(_event, state) {
    if (state.status === 'none') return [];
    const payload = encoded(liquidityV1.DefaultChanged, { default: defaultMessage(state) });
    return [message(TOPICS.default, state.defaultId, payload)];
  },
};

/** Every type of stream that is about credit. */
export const CREDIT_STREAMS: readonly AnyStreamType[] = [creditStream, defaultStream];
