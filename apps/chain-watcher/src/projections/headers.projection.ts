import type { BlockHash } from '@finality/bitcoin';
import type { ChainedHeader } from '@finality/chain';
import type { Session } from '@finality/event-store';

// Our own headers, of the main chain and of branches that were it once: nodes such as btcd forget those.

export interface StoredHeader extends ChainedHeader {
  /** Seconds since 1970. */
  readonly time: number;
  readonly onMain: boolean;
}

interface HeaderRow {
  readonly hash: BlockHash;
  readonly height: number;
  readonly previous_hash: BlockHash;
  readonly time: bigint;
  readonly chain_work: string;
  readonly on_main: boolean;
}

const COLUMNS = 'hash, height, previous_hash, time, chain_work, on_main';

export async function headersByHash(session: Session, hashes: readonly BlockHash[]): Promise<readonly StoredHeader[]> {
  const rows = await session.query<HeaderRow>(`SELECT ${COLUMNS} FROM headers WHERE hash = ANY($1::text[])`, [hashes]);
  return rows.map(headerOf);
}

/** Of the main chain, from `from` to `through`, lowest first. */
export async function mainHeaders(session: Session, from: number, through: number): Promise<readonly StoredHeader[]> {
  const rows = await session.query<HeaderRow>(
    `SELECT ${COLUMNS} FROM headers WHERE on_main AND height BETWEEN $1 AND $2 ORDER BY height`,
    [from, through],
  );
  return rows.map(headerOf);
}

/** Height of the first block that we have; undefined before there is one. */
export async function firstHeight(session: Session): Promise<number | undefined> {
  const [row] = await session.query<{ height: number | null }>(
    'SELECT min(height) AS height FROM headers WHERE on_main',
  );
  return row?.height ?? undefined;
}

/** Height of the last block of the main chain whose miner gave a time before this (seconds); undefined when none did. */
export async function lastHeightBefore(session: Session, time: number): Promise<number | undefined> {
  const [row] = await session.query<{ height: number | null }>(
    'SELECT max(height) AS height FROM headers WHERE on_main AND time < $1',
    [time],
  );
  return row?.height ?? undefined;
}

export async function saveConnected(session: Session, headers: readonly Omit<StoredHeader, 'onMain'>[]): Promise<void> {
  await session.query(
    `INSERT INTO headers (hash, height, previous_hash, time, chain_work, on_main)
     SELECT *, true FROM unnest($1::text[], $2::int[], $3::text[], $4::bigint[], $5::numeric[])
     ON CONFLICT (hash) DO UPDATE SET on_main = true`,
    [
      headers.map((header) => header.hash),
      headers.map((header) => header.height),
      headers.map((header) => header.previousHash),
      headers.map((header) => header.time),
      headers.map((header) => header.chainWork),
    ],
  );
}

export async function saveDisconnected(session: Session, hashes: readonly BlockHash[]): Promise<void> {
  await session.query('UPDATE headers SET on_main = false WHERE hash = ANY($1::text[])', [hashes]);
}

function headerOf(row: HeaderRow): StoredHeader {
  return {
    hash: row.hash,
    height: row.height,
    previousHash: row.previous_hash,
    time: Number(row.time),
    chainWork: BigInt(row.chain_work),
    onMain: row.on_main,
  };
}
