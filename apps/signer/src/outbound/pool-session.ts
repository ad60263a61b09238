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

/** Several reads of one moment. */
export async function snapshot<T>(pool: Pool, read: (session: Session) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const result = await read({
      async query<Row extends object>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
        return (await client.query<Row>({ text, values: [...values], types: pgTypes })).rows;
      },
    });
    await client.query('COMMIT');
    client.release();
    return result;
  } catch (error) {
    client.release(true);
    throw error;
  }
}
