import pg from 'pg';
import { median, percentile } from './figures.ts';

/** Rows of one statement, and of one transaction. */
const ROWS_PER_BATCH = 1_000;
const INSERT_MS = 2_000;
const INSERT_ROUNDS = 3;
const COMMIT_MS = 3_000;
/** Of a row besides its payload: position, and the header that Postgres gives every row. */
const ROW_OVERHEAD_BYTES = 32;

export interface Stored {
  readonly rows: number;
  readonly bytes: number;
  readonly commits: number;
}

/** Everything that the services have stored so far. */
export async function stored(client: pg.Client): Promise<Stored> {
  const tables = await client.query<{ name: string }>(
    `SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) AS name FROM pg_tables
     WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'bench')`,
  );
  const counts = tables.rows.map(
    ({ name }) => `SELECT count(*) AS rows, coalesce(sum(pg_column_size(t)), 0) AS bytes FROM ${name} t`,
  );
  const { rows } = await client.query<{ rows: string; bytes: string; commits: string }>(
    `SELECT sum(rows) AS rows, sum(bytes) AS bytes, (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()) AS commits
     FROM (${counts.join(' UNION ALL ')}) every_table`,
  );
  const [row] = rows;
  return { rows: Number(row!.rows), bytes: Number(row!.bytes), commits: Number(row!.commits) };
}

export interface Inserts {
  /** Median of the rounds. */
  readonly perSecond: number;
  readonly rows: number;
}

/** How fast this server takes rows of that size when nothing else is asked of it: batch after batch, each durable, in several sessions. */
export async function rawInserts(url: string, rowBytes: number, sessions: number): Promise<Inserts> {
  const clients = await Promise.all(Array.from({ length: sessions }, () => connect(url)));
  const payload = 'x'.repeat(Math.max(1, Math.round(rowBytes) - ROW_OVERHEAD_BYTES));
  const batch = Array.from({ length: ROWS_PER_BATCH }, () => payload);
  let rows = 0;
  const insertFor = async (client: pg.Client, table: string): Promise<number> => {
    const end = performance.now() + INSERT_MS;
    let position = 0;
    while (performance.now() < end) {
      const positions = batch.map((_, i) => position + i + 1);
      await client.query(`INSERT INTO ${table} SELECT * FROM unnest($1::bigint[], $2::text[])`, [positions, batch]);
      position += ROWS_PER_BATCH;
    }
    return position;
  };
  const rates: number[] = [];
  try {
    await clients[0]!.query('CREATE SCHEMA IF NOT EXISTS bench');
    for (let round = 0; round < INSERT_ROUNDS; round++) {
      const tables = clients.map((_, i) => `bench.inserts_${round}_${i}`);
      for (const table of tables) {
        await clients[0]!.query(`CREATE TABLE ${table} (position bigint PRIMARY KEY, payload text NOT NULL)`);
      }
      const startMs = performance.now();
      const inserted = await Promise.all(clients.map((client, i) => insertFor(client, tables[i]!)));
      const sum = inserted.reduce((total, each) => total + each, 0);
      rows += sum;
      rates.push((sum * 1_000) / (performance.now() - startMs));
    }
    return { perSecond: median(rates), rows };
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}

/** A durable commit of one row, one after the other, in milliseconds. */
export async function bareCommits(url: string): Promise<{ p50Ms: number; p99Ms: number }> {
  const client = await connect(url);
  try {
    await client.query('CREATE SCHEMA IF NOT EXISTS bench');
    await client.query('CREATE TABLE bench.commits (position bigint PRIMARY KEY)');
    const end = performance.now() + COMMIT_MS;
    const latenciesMs: number[] = [];
    for (let position = 1; performance.now() < end; position++) {
      const startMs = performance.now();
      await client.query('INSERT INTO bench.commits VALUES ($1)', [position]);
      latenciesMs.push(performance.now() - startMs);
    }
    return { p50Ms: percentile(latenciesMs, 0.5), p99Ms: percentile(latenciesMs, 0.99) };
  } finally {
    await client.end();
  }
}

export async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name: 'finality/bench' });
  await client.connect();
  return client;
}
