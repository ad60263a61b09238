import { assert, type CauseContext } from '@finality/kernel';
import { beginnerOf, type LineagePlan } from '@finality/settlement';
import type { SettlementEnv } from '../env.ts';
import { settlementStream } from '../store/streams.ts';

/** Why a worker does something that nobody has asked for: by itself. */
export const ownCause = ({ runtime }: Pick<SettlementEnv, 'runtime'>, id: string): CauseContext => ({
  actor: { kind: 'service', id: 'settlement' },
  occurredAt: runtime.now(),
  correlationId: id,
  causationId: id,
});

type LineageWork = Pick<LineagePlan, 'lineageId' | 'payouts' | 'consolidates' | 'parent'>;

/** Why a worker does something for a lineage: for the first that it pays, else for the one that it, or what it pays for, has its id from; or by itself. */
export async function causesOfLineages(
  env: Pick<SettlementEnv, 'pool' | 'runtime'>,
  lineages: readonly LineageWork[],
): Promise<readonly CauseContext[]> {
  const idOf = (lineage: LineageWork): string => lineage.payouts[0]?.settlementId ?? beginnerOf(lineage);
  const settlementIds = lineages.filter(({ consolidates }) => !consolidates).map(idOf);
  const causes = await causesOfWork(env, settlementIds);
  const byId = new Map(causes.map((cause, i) => [settlementIds[i]!, cause]));
  return lineages.map((lineage) => byId.get(idOf(lineage)) ?? ownCause(env, lineage.lineageId));
}

/**
 * Why a worker does something for these settlements, in their order: it goes on under the correlation id and the trace of the request that
 * each began with.
 */
export async function causesOfWork(
  { pool, runtime }: Pick<SettlementEnv, 'pool' | 'runtime'>,
  settlementIds: readonly string[],
): Promise<readonly CauseContext[]> {
  const streams = settlementIds.map((id) => `${settlementStream.aggregate.name}/${id}`);
  const { rows } = await pool.query<{
    stream: string;
    event_id: string;
    correlation_id: string;
    traceparent: string | null;
  }>(
    'SELECT stream, event_id, correlation_id, traceparent FROM events WHERE version = 1 AND stream = ANY($1::text[])',
    [streams],
  );
  const first = new Map(rows.map((row) => [row.stream, row]));
  return streams.map((stream): CauseContext => {
    const row = first.get(stream);
    assert(row !== undefined, `${stream} has begun`);
    return {
      actor: { kind: 'service', id: 'settlement' },
      occurredAt: runtime.now(),
      correlationId: row.correlation_id,
      causationId: row.event_id,
      ...(row.traceparent === null ? {} : { traceparent: row.traceparent }),
    };
  });
}
