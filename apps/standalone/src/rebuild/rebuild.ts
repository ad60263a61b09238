import { lockedTransaction, type Rebuild, rebuildProjections, type TransactionTimeouts } from '@finality/event-store';
import { createPool, rolesOf, type ServiceBlueprint, silentLog } from '@finality/service';
import type { Pool } from 'pg';

/** A table of millions takes minutes: nothing ends it but its end, or that of this process. */
const TIMEOUTS: TransactionTimeouts = { idleMs: 60_000, transactionMs: 0, tcpUserMs: 60_000 };

export interface RebuildReport {
  readonly service: string;
  readonly events: number;
  readonly streams: number;
  /** Filled anew besides the states of streams. */
  readonly tables: readonly string[];
  /** As they were: by table, why, and how it comes back. */
  readonly left: Readonly<Record<string, string>>;
  readonly seconds: number;
}

/** Of a service that keeps nothing but states. */
const NOTHING: Rebuild = { projections: [], left: {} };

export type Rebuildable = Pick<ServiceBlueprint, 'name' | 'schema' | 'streams' | 'rebuild'>;

/** The service has sessions on the database: what it holds in memory would be of the past. */
export class ServiceRuns extends Error {}

/**
 * Fills anew what a service keeps of its events, in one transaction: all of it or nothing.
 * @param at url of the owner of its tables, or of a superuser; its network of Bitcoin
 * @throws ServiceRuns before anything has been changed
 */
export async function rebuildService(
  { name, schema, streams, rebuild }: Rebuildable,
  { url, network }: { readonly url: string; readonly network: string },
  monotonicMs: () => number,
): Promise<RebuildReport> {
  const pool = createPool(url, { applicationName: 'rebuild', log: silentLog, connectionsMax: 2 });
  try {
    await refuseWhileRunning(pool, name);
    const wanted = rebuild?.(network) ?? NOTHING;
    const startedMs = monotonicMs();
    const { events, streams: count } = await lockedTransaction({ pool, schema, timeouts: TIMEOUTS }, (session) =>
      rebuildProjections(session, streams, wanted),
    );
    const seconds = (monotonicMs() - startedMs) / 1_000;
    const tables = [...wanted.projections, ...(wanted.derived ?? [])].flatMap((each) => each.tables);
    return { service: name, events, streams: count, tables, left: wanted.left, seconds };
  } finally {
    await pool.end();
  }
}

async function refuseWhileRunning(pool: Pool, name: ServiceBlueprint['name']): Promise<void> {
  const { rows } = await pool.query<{ application_name: string }>(
    'SELECT application_name FROM pg_stat_activity WHERE usename = $1 AND datname = current_database() LIMIT 1',
    [rolesOf(name).login],
  );
  if (rows[0] !== undefined)
    throw new ServiceRuns(`${name} runs: "${rows[0].application_name}" has a session on its database; stop it first`);
}
