import type { Runtime } from '@finality/kernel';
import { TRANSFER_AMOUNT_MAX } from '@finality/ledger';
import type { ServiceMetrics } from '@finality/service';
import type { LiquidityLevel } from '@finality/settlement';
import type { Pool } from 'pg';
import { WATCHED } from './projections/streams.ts';
import { kept } from './stakes.ts';

const LEVELS: readonly LiquidityLevel[] = ['ok', 'warn', 'critical'];

interface Queues {
  readonly count: number;
  readonly sats: number;
  readonly oldestSeconds: number;
}

/** What waits for liquidity on clearing balances, and how those stand that want to be told. */
export function watchQueues(metrics: ServiceMetrics, pool: Pool, runtime: Runtime): void {
  const queues = kept(runtime, () => readQueues(pool, runtime));
  const watch = (name: string, help: string, read: (queues: Queues) => number): void =>
    metrics.watch(name, help, {}, async () => read(await queues()));
  watch('finality_queued_settlements', 'CENTRALIZED settlements that wait for liquidity', ({ count }) => count);
  watch('finality_queued_sats', 'Sum of CENTRALIZED settlements that wait for satoshi', ({ sats }) => sats);
  watch(
    'finality_queue_oldest_seconds',
    'How long the CENTRALIZED settlement that has waited for liquidity for longest has; 0 when none does',
    ({ oldestSeconds }) => oldestSeconds,
  );
  const levels = kept(runtime, () => countLevels(pool));
  for (const level of LEVELS) {
    metrics.watch(
      'finality_liquidity_watched',
      'Clearing balances, in any unit, that somebody wants to be told of, by their level',
      { level },
      async () => (await levels()).get(level) ?? 0,
    );
  }
}

async function readQueues(pool: Pool, runtime: Runtime): Promise<Queues> {
  const { rows } = await pool.query<{ count: bigint; sats: bigint; oldest: bigint | null }>(
    `SELECT count, sats, recorded_at AS oldest FROM (
       SELECT count(*) AS count, coalesce(least(sum(amount) FILTER (WHERE payer_claim = 'clearing/' || from_institution), ${TRANSFER_AMOUNT_MAX}), 0)::bigint AS sats,
         min(updated_position) AS first FROM settlements
       WHERE status = 'queued' AND mode = 'centralized') queued LEFT JOIN events ON position = queued.first`,
  );
  const { count, sats, oldest } = rows[0]!;
  const oldestSeconds = oldest === null ? 0 : Math.max(0, (runtime.now() - Number(oldest)) / 1_000);
  // Gauges are floating-point numbers: exact up to 90 million bitcoin.
  return { count: Number(count), sats: Number(sats), oldestSeconds };
}

async function countLevels(pool: Pool): Promise<ReadonlyMap<string, number>> {
  const { rows } = await pool.query<{ level: string; count: bigint }>(
    `SELECT level, count(*) AS count FROM ${WATCHED} WHERE watched IS NOT NULL GROUP BY level`,
  );
  return new Map(rows.map(({ level, count }) => [level, Number(count)]));
}
