import { STORE_TABLES } from '@finality/event-store';
import { createPool, silentLog } from '@finality/service';
import type { Pool } from 'pg';
import { expect } from 'vitest';
import { type Rebuildable, rebuildService } from '../rebuild/rebuild.ts';

/** What TypeORM keeps, and tables of a backup that a test has taken. */
const OTHERS = /^(migrations|backup_of_.*)$/;
const NETWORK = 'regtest';

/**
 * After a real history, with nothing running: each table of the service is the record, rebuilt, or named with how it comes back; and a rebuild leaves every
 * one of them as it was, row by row.
 */
export async function expectRebuilt(service: Rebuildable, url: string): Promise<void> {
  const pool = createPool(url, { applicationName: 'compare', connectionsMax: 1, log: silentLog });
  const { projections = [], derived = [], left = {} } = service.rebuild?.(NETWORK) ?? {};
  const rebuilt = [...projections, ...derived].flatMap(({ tables }) => tables);
  const known = ['stream_states', ...STORE_TABLES, ...rebuilt, ...Object.keys(left)];
  try {
    const tables = await tablesOf(pool, service.schema);
    expect(tables, `${service.name}: a table that nobody rebuilds and nobody names`).toEqual(known.toSorted());
    const before = await rowsOf(pool, service, tables);
    for (const { tables: filled } of derived)
      if (filled.includes('ledger_accounts'))
        await pool.query(`UPDATE ${service.schema}.ledger_accounts SET debits_posted = debits_posted + 1`);
    const report = await rebuildService(service, { url, network: NETWORK }, () => 0);
    expect(report).toMatchObject({ service: service.name, tables: rebuilt, left });
    const after = await rowsOf(pool, service, tables);
    for (const table of tables) expect(after.get(table), `${service.name}.${table}`).toEqual(before.get(table));
  } finally {
    await pool.end();
  }
}

async function tablesOf(pool: Pool, schema: string): Promise<readonly string[]> {
  const { rows } = await pool.query<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = $1 AND table_type = 'BASE TABLE'`,
    [schema],
  );
  return rows
    .map(({ name }) => name)
    .filter((name) => !OTHERS.test(name))
    .sort();
}

async function rowsOf(
  pool: Pool,
  { schema, rebuild }: Rebuildable,
  tables: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const projections = rebuild?.(NETWORK).projections ?? [];
  const found = new Map<string, readonly string[]>();
  for (const table of tables) {
    const forgotten = projections.find((projection) => projection.tables.includes(table))?.forgets ?? [];
    const { rows } = await pool.query<{ row: string }>(
      `SELECT (to_jsonb(t) - $1::text[])::text AS row FROM ${schema}.${table} t ORDER BY 1`,
      [forgotten],
    );
    found.set(
      table,
      rows.map(({ row }) => row),
    );
  }
  return found;
}
