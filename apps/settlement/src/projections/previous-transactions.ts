import { bytesFromHex, hexFromBytes, type Txid } from '@finality/bitcoin';
import type { Session } from '@finality/event-store';

// What made the coins of wallets that sign for themselves, as chain-watcher told it: their signers may ask for it.

export async function savePreviousTransactions(session: Session, raws: ReadonlyMap<Txid, string>): Promise<void> {
  if (raws.size === 0) return;
  await session.query(
    'INSERT INTO previous_transactions (txid, raw) SELECT * FROM unnest($1::text[], $2::bytea[]) ON CONFLICT (txid) DO NOTHING',
    [[...raws.keys()], [...raws.values()].map(bytesFromHex)],
  );
}

/** By id, hex; those that nobody has told are missing. */
export async function loadPreviousTransactions(
  session: Session,
  txids: readonly Txid[],
): Promise<ReadonlyMap<Txid, string>> {
  const rows = await session.query<{ txid: Txid; raw: Buffer }>(
    'SELECT txid, raw FROM previous_transactions WHERE txid = ANY($1::text[])',
    [txids],
  );
  return new Map(rows.map(({ txid, raw }) => [txid, hexFromBytes(raw)]));
}
