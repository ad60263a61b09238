import { encoded, reconciliationV1, TOPICS } from '@finality/contracts';
import type { AnyStreamType, StreamType } from '@finality/event-store';
import { type Run, run, type RunEvent } from '@finality/reconciliation';
import { reportMessage } from './report-message.ts';

/** By report id. */
export const runStream: StreamType<Run, RunEvent> = {
  aggregate: run,
  institutions: () => [],
  publish(event, state) {
    if (event.type !== 'run_completed' || state.status !== 'completed') return [];
    const message = { report: reportMessage(state.report) };
    return [
      {
        topic: TOPICS.reconciliationRun.name,
        orderingKey: state.report.reportId,
        type: TOPICS.reconciliationRun.message,
        schemaVersion: 1,
        payload: encoded(reconciliationV1.RunCompleted, message),
      },
    ];
  },
};

/** Every type of stream in this service's store. */
export const STREAMS: readonly AnyStreamType[] = [runStream];
