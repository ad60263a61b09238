import type { Session } from '@finality/event-store';
import { withTransaction } from '@finality/service';
import type { Pool } from 'pg';

/** Several reads of one moment. */
export function readTransaction<T>(pool: Pool, read: (session: Session) => Promise<T>): Promise<T> {
  return withTransaction(pool, async (client) => {
    await client.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY');
    return read({
      query: async <Row extends object>(text: string, values: readonly unknown[] = []) =>
        (await client.query<Row>(text, [...values])).rows,
    });
  });
}
