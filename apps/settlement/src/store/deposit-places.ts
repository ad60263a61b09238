import type { Session } from '@finality/event-store';
import type { DepositPlace, Loaded } from './batch-book.ts';
import type { Needs } from './needs.ts';

/** Deposits that a transaction, an address or a wallet of the batch may be about. */
export async function loadDepositOutpoints(session: Session, needs: Needs): Promise<Loaded['depositOutpoints']> {
  if (needs.txids.size + needs.attribute.size + needs.announced.size === 0) return [];
  const columns = 'outpoint, txid, script, wallet_id AS "walletId"';
  const rows = await session.query<DepositPlace>(
    `SELECT ${columns} FROM deposits WHERE txid = ANY($1::text[])
     UNION SELECT ${columns} FROM deposits WHERE script = ANY($2::text[]) AND suspense = 'unissued_address'
     UNION SELECT ${columns} FROM deposits WHERE wallet_id = ANY($3::text[]) AND suspense = 'unissued_address'
     ORDER BY outpoint`,
    [[...needs.txids], [...needs.attribute], [...needs.announced]],
  );
  if (rows.length > 0) needs.chain = true;
  for (const { outpoint } of rows) {
    needs.deposits.add(outpoint);
    needs.outpoints.add(outpoint);
  }
  return rows;
}
