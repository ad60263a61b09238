import type { Txid } from '@finality/bitcoin';
import { decodeJson, type Instant } from '@finality/kernel';
import type { HandOutAccepted, SigningAccepted } from '@finality/signing';
import type { Pool } from 'pg';
import { EPOCH_HIGHEST } from './journal.ts';

export interface JournalRow {
  readonly position: bigint;
  readonly lineageId: string;
  readonly version: number;
  readonly walletId: string;
  readonly txid: Txid;
  readonly unsignedTransaction: Buffer;
  readonly signedAt: Instant;
  readonly handedOut: boolean;
}

export interface JournalPage {
  readonly entries: readonly JournalRow[];
  /** Of the whole journal; 0 when it is empty. */
  readonly lastPosition: bigint;
}

/** The journal after a position, for reconciliation. */
export async function readJournalPage(pool: Pool, after: bigint, limit: number): Promise<JournalPage> {
  const { rows } = await pool.query<{
    position: bigint;
    lineage_id: string;
    version: number;
    wallet_id: string;
    txid: Txid;
    unsigned_transaction: Buffer;
    signed_at: bigint;
    handed_out: boolean;
  }>(
    `SELECT position, lineage_id, version, wallet_id, txid, unsigned_transaction, signed_at, handed_out
     FROM journal WHERE position > $1 ORDER BY position LIMIT $2`,
    [after, limit],
  );
  const { rows: heads } = await pool.query<{ last: bigint }>('SELECT coalesce(max(position), 0) AS last FROM journal');
  const entries = rows.map((row) => ({
    position: row.position,
    lineageId: row.lineage_id,
    version: row.version,
    walletId: row.wallet_id,
    txid: row.txid,
    unsignedTransaction: row.unsigned_transaction,
    signedAt: Number(row.signed_at) as Instant,
    handedOut: row.handed_out,
  }));
  return { entries, lastPosition: heads[0]!.last };
}

export interface SignedRow {
  readonly position: bigint;
  readonly accepted: SigningAccepted | HandOutAccepted;
}

/** The journal after a position, each entry with the event that it stands for. */
export async function readSignedPage(
  pool: Pool,
  after: bigint,
  limit: number,
): Promise<{ readonly rows: readonly SignedRow[]; readonly lastPosition: bigint; readonly epochHighest: number }> {
  const { rows } = await pool.query<{ position: bigint; data: string }>(
    'SELECT position, e.data FROM journal JOIN events e USING (position) WHERE position > $1 ORDER BY position LIMIT $2',
    [after, limit],
  );
  const { rows: heads } = await pool.query<{ last: bigint }>('SELECT coalesce(max(position), 0) AS last FROM journal');
  const { rows: epochs } = await pool.query<{ highest: number }>(EPOCH_HIGHEST);
  return {
    rows: rows.map(({ position, data }) => ({ position, accepted: decodeJson(data) as SignedRow['accepted'] })),
    lastPosition: heads[0]!.last,
    epochHighest: epochs[0]!.highest,
  };
}
