import { encoded, riskV1, TOPICS } from '@finality/contracts';
import type { AnyStreamType, StreamType } from '@finality/event-store';
import {
  type AmountHistory,
  type LabelListEvent,
  type LabelListState,
  labelList,
  merchant,
  type MerchantEvent,
  scriptActivity,
  type ScriptActivity,
  type ScriptEvent,
  verdict,
  type VerdictEvent,
  type VerdictState,
} from '@finality/risk';
import { toMessage } from './verdict-message.ts';

const SCHEMA_VERSION = 1;

/** By subject: a settlement's id or a deposit's outpoint. */
export const verdictStream: StreamType<VerdictState, VerdictEvent> = {
  aggregate: verdict,
  institutions: (state) => (state.status === 'screened' ? state.institutions : []),
  isOver: ({ status, counted }) => status === 'screened' && counted,
  publish(event) {
    if (event.type !== 'screened') return [];
    const message = riskV1.VerdictReached.fromPartial({ verdict: toMessage(event.verdict) });
    return [
      {
        topic: TOPICS.riskVerdict.name,
        orderingKey: event.verdict.subjectId,
        type: TOPICS.riskVerdict.message,
        schemaVersion: SCHEMA_VERSION,
        payload: encoded(riskV1.VerdictReached, message),
      },
    ];
  },
};

/** By institution, as a payee. */
export const merchantStream: StreamType<AmountHistory, MerchantEvent> = {
  aggregate: merchant,
  institutions: () => [],
  publish: () => [],
};

/** By script hash. */
export const scriptStream: StreamType<ScriptActivity, ScriptEvent> = {
  aggregate: scriptActivity,
  institutions: () => [],
  publish: () => [],
};

/** By name of the list. */
export const labelListStream: StreamType<LabelListState, LabelListEvent> = {
  aggregate: labelList,
  institutions: () => [],
  publish: () => [],
};

/** Every type of stream in this service's store. */
export const STREAMS: readonly AnyStreamType[] = [verdictStream, merchantStream, scriptStream, labelListStream];
