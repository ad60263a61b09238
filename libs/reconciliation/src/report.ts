import { accept, type Aggregate, assert, assertNever, type Decision, type Instant } from '@finality/kernel';
import type { Comparison } from './compare.ts';

/** What was compared: ledger, chain and signer's journal, each at a fixed point. */
export interface Cut {
  readonly ledgerPosition: bigint;
  readonly height: number;
  readonly blockHash: string;
  readonly signerJournalPosition: bigint;
}

export interface Report extends Comparison {
  readonly reportId: string;
  readonly cut: Cut;
  readonly startedAt: Instant;
  readonly completedAt: Instant;
}

/** A run of reconciliation: asked for, then completed, whoever of several finishes it first. */
export type Run =
  | { readonly status: 'none' }
  | { readonly status: 'running'; readonly reportId: string; readonly startedAt: Instant }
  | { readonly status: 'completed'; readonly report: Report };

export type RunEvent =
  | { readonly type: 'run_started'; readonly reportId: string; readonly startedAt: Instant }
  | {
      readonly type: 'run_completed';
      readonly cut: Cut;
      readonly comparison: Comparison;
      readonly completedAt: Instant;
    };

export type RunCommand =
  | { readonly kind: 'start_run'; readonly reportId: string; readonly at: Instant }
  | { readonly kind: 'complete_run'; readonly cut: Cut; readonly comparison: Comparison; readonly at: Instant };

export const run: Aggregate<Run, RunEvent> = {
  name: 'run',
  initialState: { status: 'none' },
  evolve(state, event) {
    switch (event.type) {
      case 'run_started':
        return { status: 'running', reportId: event.reportId, startedAt: event.startedAt };
      case 'run_completed': {
        assert(state.status === 'running', 'a run is completed once');
        const { reportId, startedAt } = state;
        const { cut, comparison, completedAt } = event;
        return { status: 'completed', report: { reportId, cut, ...comparison, startedAt, completedAt } };
      }
      default:
        return assertNever(event, 'run event');
    }
  },
};

/** Never refuses: a run is started once and completed once, repeats change nothing. */
export function decideRun(command: RunCommand, state: Run): Decision<RunEvent, never> {
  switch (command.kind) {
    case 'start_run': {
      if (state.status !== 'none') return accept();
      return accept({ type: 'run_started', reportId: command.reportId, startedAt: command.at });
    }
    case 'complete_run': {
      if (state.status !== 'running') return accept();
      const { cut, comparison, at } = command;
      return accept({ type: 'run_completed', cut, comparison, completedAt: at });
    }
    default:
      return assertNever(command, 'run command');
  }
}
