import { verdict, type VerdictEvent, type VerdictState } from '@finality/aml';
import { amlV1, encoded, TOPICS } from '@finality/contracts';
import type { AnyStreamType, StreamType } from '@finality/event-store';
import { toMessage } from './verdict-message.ts';

const SCHEMA_VERSION = 1;

/** By subject: a settlement's id or a deposit's outpoint. */
export const verdictStream: StreamType<VerdictState, VerdictEvent> = {
  aggregate: verdict,
  institutions: (state) => (state.status === 'monitored' ? state.institutions : []),
  isOver: ({ status }) => status === 'monitored',
  publish(event) {
    const message = amlV1.VerdictReached.fromPartial({ verdict: toMessage(event.verdict) });
    return [
      {
        topic: TOPICS.amlVerdict.name,
        orderingKey: event.verdict.subjectId,
        type: TOPICS.amlVerdict.message,
        schemaVersion: SCHEMA_VERSION,
        payload: encoded(amlV1.VerdictReached, message),
      },
    ];
  },
};

/** Every type of stream in this service's store. */
export const STREAMS: readonly AnyStreamType[] = [verdictStream];
