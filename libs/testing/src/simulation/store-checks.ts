import {
  type AnyStreamType,
  checkStates,
  pgTypes,
  quoteIdentifier,
  quoteLiteral,
  type Session,
  verifyChain,
} from '@finality/event-store';
import type { Pool } from 'pg';

export interface CheckedStore {
  readonly service: string;
  readonly schema: string;
  readonly streams: readonly AnyStreamType[];
}

/** What must hold of every store at every moment: the hash chain is whole, a replay gives the states, no message waits behind another. */
export async function storeProblems(session: Session, store: CheckedStore): Promise<readonly string[]> {
  await session.query(`SET LOCAL search_path = ${quoteIdentifier(store.schema)}`);
  const problems: string[] = [];
  const chain = await verifyChain(session);
  if (!chain.ok) problems.push(`hash chain broken at position ${chain.position}: ${chain.problem}`);
  const { differences } = await checkStates(session, store.streams);
  for (const { stream, problem } of differences) problems.push(`replay of ${stream}: ${problem}`);
  const parked = await session.query<{ topic: string; ordering_key: string; cause: string }>(
    'SELECT topic, ordering_key, cause FROM inbox_keys WHERE parked_at IS NOT NULL ORDER BY topic, ordering_key',
  );
  for (const { topic, ordering_key: key, cause } of parked) problems.push(`parked key ${topic} ${key}: ${cause}`);
  return problems.map((problem) => `${store.service}: ${problem}`);
}

/** What a consumer has received of each key against what its owner has published: never more, and in the end all of it. */
export async function consumptionProblems(
  session: Session,
  consumer: CheckedStore,
  owner: CheckedStore,
  topic: string,
  mustBeDone: boolean,
): Promise<readonly string[]> {
  const rows = await session.query<{ ordering_key: string; published: bigint | null; received: bigint | null }>(
    `SELECT coalesce(p.ordering_key, r.ordering_key) AS ordering_key, p.last_sequence AS published, r.last_sequence AS received
     FROM (SELECT ordering_key, last_sequence FROM ${quoteIdentifier(owner.schema)}.published_keys WHERE topic = $1) p
     FULL JOIN (SELECT ordering_key, last_sequence FROM ${quoteIdentifier(consumer.schema)}.inbox_keys WHERE topic = $1) r USING (ordering_key)
     ORDER BY 1`,
    [topic],
  );
  return rows.flatMap(({ ordering_key: key, published, received }) => {
    const [sent, got] = [published ?? 0n, received ?? 0n];
    if (got > sent) return [`${consumer.service}: received ${got} of ${topic} ${key}, published were ${sent}`];
    if (mustBeDone && got < sent)
      return [`${consumer.service}: received ${got} of ${topic} ${key} and no more, published were ${sent}`];
    return [];
  });
}

/** Where each log ends. */
export async function storePositions(
  pool: Pool,
  stores: readonly CheckedStore[],
): Promise<ReadonlyMap<string, bigint>> {
  const text = stores
    .map(
      ({ service, schema }) =>
        `SELECT ${quoteLiteral(service)} AS service, position FROM ${quoteIdentifier(schema)}.store_head`,
    )
    .join(' UNION ALL ');
  const { rows } = await pool.query<{ service: string; position: bigint }>({ text, types: pgTypes });
  return new Map(rows.map(({ service, position }) => [service, position]));
}

/** The ends of all logs: two runs that did the same have the same. */
export async function storeHeads(session: Session, stores: readonly CheckedStore[]): Promise<readonly string[]> {
  const heads: string[] = [];
  for (const { service, schema } of stores) {
    const [head] = await session.query<{ position: bigint; hash: Buffer }>(
      `SELECT position, hash FROM ${quoteIdentifier(schema)}.store_head`,
    );
    heads.push(`${service} ${head?.position ?? 0n} ${head?.hash.toString('hex') ?? ''}`);
  }
  return heads;
}
