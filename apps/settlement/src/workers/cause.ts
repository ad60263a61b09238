import { assert, type CauseContext } from '@finality/kernel';
import type { SettlementEnv } from '../env.ts';
import { settlementStream } from '../store/streams.ts';

/** Why a worker does something that nobody has asked for: by itself. */
export const ownCause = ({ runtime }: Pick<SettlementEnv, 'runtime'>, id: string): CauseContext => ({
  actor: { kind: 'service', id: 'settlement' },
  occurredAt: runtime.now(),
  correlationId: id,
  causationId: id,
});

/** Why a worker does something for a lineage: for the first that it pays, or by itself where it pays nobody. */
export async function causesOfLineages(
  env: Pick<SettlementEnv, 'pool' | 'runtime'>,
  lineages: readonly { readonly lineageId: string; readonly payouts: readonly { readonly settlementId: string }[] }[],
): Promise<readonly CauseContext[]> {
  const paid = lineages.flatMap(({ payouts }) => payouts.slice(0, 1).map(({ settlementId }) => settlementId));
  const causes = new Map((await causesOfWork(env, paid)).map((cause, i) => [paid[i]!, cause]));
  return lineages.map(({ lineageId, payouts: [first] }) =>
    first === undefined ? ownCause(env, lineageId) : causes.get(first.settlementId)!,
  );
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
