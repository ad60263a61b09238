import type { WritingSession } from '@finality/event-store';
import type { Instant } from '@finality/kernel';
import type { Pool } from 'pg';

export const NOW = 1_700_000_000_000 as Instant;

/** The schema of a service with the tables of an event store and a ledger. */
export interface LedgerSchema {
  readonly pool: Pool;
  readonly owner: Pool;
}

/** One transaction as the service's role. */
export async function transaction<T>(
  { pool }: LedgerSchema,
  work: (session: WritingSession) => Promise<T> | T,
): Promise<T> {
  const client = await pool.connect();
  const sent: Promise<unknown>[] = [];
  const query = async <Row extends object>(text: string, values?: readonly unknown[]): Promise<Row[]> =>
    (await client.query<Row>(text, values === undefined ? undefined : [...values])).rows;
  try {
    await client.query('BEGIN');
    const value = await work({ query, send: (text, values) => void sent.push(query(text, values)) });
    // As a batch does it: the end is sent before there is an answer.
    sent.push(query('COMMIT'));
    await Promise.allSettled(sent);
    await Promise.all(sent);
    return value;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}

/** What only the owner can do: switches the trigger off, changes the tables, and switches it on again. */
export async function tamper({ owner }: LedgerSchema, sql: string): Promise<void> {
  await owner.query(`ALTER TABLE ledger_transfers DISABLE TRIGGER insert_only; ${sql};
                     ALTER TABLE ledger_transfers ENABLE ALWAYS TRIGGER insert_only`);
}

export const clear = (schema: LedgerSchema): Promise<void> =>
  tamper(
    schema,
    `TRUNCATE ledger_transfers, ledger_accounts, ledger_checkpoints; UPDATE ledger_checkpoints_head SET number = 0;
     UPDATE ledger_head SET number = 0, chain = decode(repeat('00', 32), 'hex'), position = 0, accounts = 0`,
  );
