import type { Instant } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import type { Comparison } from './compare.ts';
import { type Cut, decideRun, run, type RunCommand, type RunEvent } from './report.ts';

const at = 1_000 as Instant;
const cut: Cut = { ledgerPosition: 7n, height: 110, blockHash: 'b', signerJournalPosition: 2n };
const comparison: Comparison = { checked: 3n, matched: 3n, breaks: [], timing: [] };
const start: RunCommand = { kind: 'start_run', reportId: 'r1', at };
const complete: RunCommand = { kind: 'complete_run', cut, comparison, at: 2_000 as Instant };
const started: RunEvent = { type: 'run_started', reportId: 'r1', startedAt: at };
const completed: RunEvent = { type: 'run_completed', cut, comparison, completedAt: 2_000 as Instant };

const given = (...events: readonly RunEvent[]) => ({
  when: (command: RunCommand) => decideRun(command, events.reduce(run.evolve, run.initialState)),
});
const accepted = (...events: readonly RunEvent[]) => ({ kind: 'accepted', events });

describe('a run', () => {
  it('starts once', () => {
    expect(given().when(start)).toEqual(accepted(started));
    expect(given(started).when(start)).toEqual(accepted());
    expect(given(started, completed).when(start)).toEqual(accepted());
  });

  it('is completed once, by whoever is first', () => {
    expect(given(started).when(complete)).toEqual(accepted(completed));
    expect(given(started, completed).when(complete)).toEqual(accepted());
    expect(given().when(complete)).toEqual(accepted());
  });

  it('ends as a report', () => {
    expect([started, completed].reduce(run.evolve, run.initialState)).toEqual({
      status: 'completed',
      report: { reportId: 'r1', cut, ...comparison, startedAt: 1_000, completedAt: 2_000 },
    });
  });
});
