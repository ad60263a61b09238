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
  // In a restored store a lineage may have its id from a settlement that is lost.
  const byId = await causesOfBegun(env, lineages.filter(({ consolidates }) => !consolidates).map(idOf));
  return lineages.map((lineage) => byId.get(idOf(lineage)) ?? ownCause(env, lineage.lineageId));
}

/**
 * Why a worker does something for these settlements, in their order: it goes on under the correlation id and the trace of the request that
 * each began with.
 */
export async function causesOfWork(
  env: Pick<SettlementEnv, 'pool' | 'runtime'>,
  settlementIds: readonly string[],
): Promise<readonly CauseContext[]> {
  const causes = await causesOfBegun(env, settlementIds);
  return settlementIds.map((id) => {
    const cause = causes.get(id);
    assert(cause !== undefined, `settlement ${id} has begun`);
    return cause;
  });
}

/** By settlement, of those that have begun. */
async function causesOfBegun(
  { pool, runtime }: Pick<SettlementEnv, 'pool' | 'runtime'>,
  settlementIds: readonly string[],
): Promise<ReadonlyMap<string, CauseContext>> {
  const prefix = `${settlementStream.aggregate.name}/`;
  const { rows } = await pool.query<{
    stream: string;
    event_id: string;
    correlation_id: string;
    traceparent: string | null;
  }>(
    'SELECT stream, event_id, correlation_id, traceparent FROM events WHERE version = 1 AND stream = ANY($1::text[])',
    [settlementIds.map((id) => `${prefix}${id}`)],
  );
  const causes = rows.map((row): [string, CauseContext] => [
    row.stream.slice(prefix.length),
    {
      actor: { kind: 'service', id: 'settlement' },
      occurredAt: runtime.now(),
      correlationId: row.correlation_id,
      causationId: row.event_id,
      ...(row.traceparent === null ? {} : { traceparent: row.traceparent }),
    },
  ]);
  return new Map(causes);
}
