import { assert, type CauseContext } from '@finality/kernel';
import type { SettlementEnv } from '../env.ts';
import { settlementStream } from '../store/streams.ts';

/**
 * Why a worker does something for these settlements, in their order: it goes on under the correlation id and the trace of the request that
 * each began with.
 */
export function causesOfWork(
  env: Pick<SettlementEnv, 'pool' | 'runtime'>,
  settlementIds: readonly string[],
): Promise<readonly CauseContext[]> {
  return causesOf(
    env,
    settlementIds.map((id) => `${settlementStream.aggregate.name}/${id}`),
  );
}

/** The same for any streams: a lineage that pays nobody any more has no settlement, and in a restored store may never have had one. */
export async function causesOf(
  { pool, runtime }: Pick<SettlementEnv, 'pool' | 'runtime'>,
  streams: readonly string[],
): Promise<readonly CauseContext[]> {
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
