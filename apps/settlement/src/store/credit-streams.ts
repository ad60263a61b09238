import type { AnyStreamType, StreamType } from '@finality/event-store';
import { type Credit, creditAggregate, type CreditEvent } from '@finality/settlement';

/** Told by an RPC, to whom it concerns. */
export const creditStream: StreamType<Credit, CreditEvent> = {
  aggregate: creditAggregate,
  institutions: (state) => (state.status === 'none' ? [] : [state.institutionId]),
  publish: () => [],
};

/** Every type of stream that is about credit. */
export const CREDIT_STREAMS: readonly AnyStreamType[] = [creditStream];
