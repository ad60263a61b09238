import type { Change } from '@finality/event-store';
import type { ServiceMetrics } from '@finality/service';
import type { Settlement } from '@finality/settlement';
import type { Commits } from './commits.ts';
import { settlementStream } from './store/streams.ts';

/** From a tenth of a second (ledger only) to a day (on the chain, with a review). */
const DURATION_BUCKETS_S = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 1_800, 3_600, 7_200, 21_600, 86_400];

/** Settlements that this process has moved, by mode and status, and how long they took from request to finality. */
export function timeSettlements(metrics: ServiceMetrics, commits: Commits): void {
  const seconds = metrics.histogram(
    'finality_settlement_seconds',
    'From request to settled, by mode',
    DURATION_BUCKETS_S,
    ['mode'],
  );
  const changes = metrics.counter(
    'finality_settlement_changes_total',
    'Changes of settlements by mode and new status',
    ['mode', 'status'],
  );
  commits.listen((committed) => {
    for (const { before, after } of settlementsIn(committed)) {
      if (after.status === 'none') continue;
      const moved = before.status === 'none' ? after.transitions : after.transitions.slice(before.transitions.length);
      const mode = after.terms.mode.toUpperCase();
      for (const { status, at } of moved) {
        changes.inc({ mode, status });
        // Reopened and settled once more, it took longer than anybody waited for it the first time.
        if (status === 'settled' && after.settledTimes === 1) seconds.observe((at - after.createdAt) / 1_000, { mode });
      }
    }
  });
}

function settlementsIn(committed: readonly Change[]): { readonly before: Settlement; readonly after: Settlement }[] {
  const prefix = `${settlementStream.aggregate.name}/`;
  return committed
    .filter(({ event }) => event.stream.startsWith(prefix))
    .map(({ before, after }) => ({ before: before as Settlement, after: after as Settlement }));
}
