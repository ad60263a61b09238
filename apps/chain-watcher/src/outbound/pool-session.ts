import { pgTypes, type Session } from '@finality/event-store';
import type { Pool } from 'pg';

/** Reads outside of batches, with the same queries that batches use. The pool's role has the schema as its search_path. */
export function poolSession(pool: Pool): Session {
  return {
    async query<Row extends object>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
      return (await pool.query<Row>({ text, values: [...values], types: pgTypes })).rows;
    },
  };
}
