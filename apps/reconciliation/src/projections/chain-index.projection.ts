import type { BlockHash, ParsedTransaction } from '@finality/bitcoin';
import type { Session } from '@finality/event-store';
import type { ChainOutput, IndexedBlock } from '@finality/reconciliation';

// Our wallets' outputs by block, so that the chain can be seen as it was at any block that the node still has.

export interface IndexTip {
  readonly height: number;
  readonly hash: BlockHash;
}

export async function indexTip(session: Session): Promise<IndexTip | null> {
  const [tip] = await session.query<IndexTip>('SELECT height, hash FROM index_blocks ORDER BY height DESC LIMIT 1');
  return tip ?? null;
}

/** Of the blocks indexed, from `from` to `through`, highest first. */
export function indexedBlocks(session: Session, from: number, through: number): Promise<IndexTip[]> {
  return session.query('SELECT height, hash FROM index_blocks WHERE height BETWEEN $1 AND $2 ORDER BY height DESC', [
    from,
    through,
  ]);
}

/** Where a wallet has a script. */
export interface ScriptPlace {
  readonly walletId: string;
  readonly branch: number;
  readonly index: number;
}

/** The places of those of these scripts that are ours. */
export async function placesOfScripts(
  session: Session,
  scripts: readonly string[],
): Promise<ReadonlyMap<string, ScriptPlace>> {
  const rows = await session.query<ScriptPlace & { readonly script: string }>(
    'SELECT script, wallet_id AS "walletId", branch, index FROM index_scripts WHERE script = ANY($1::text[])',
    [scripts],
  );
  return new Map(rows.map(({ script, ...place }) => [script, place]));
}

export async function saveBlock(
  session: Session,
  tip: IndexTip,
  { created, spent }: IndexedBlock,
  transactions: readonly ParsedTransaction[],
): Promise<void> {
  await session.query('INSERT INTO index_blocks (height, hash) VALUES ($1, $2)', [tip.height, tip.hash]);
  if (created.length > 0) {
    await session.query(
      `INSERT INTO index_outputs (outpoint, wallet_id, value_sats, script, height)
       SELECT o, w, v, s, $1 FROM unnest($2::text[], $3::text[], $4::bigint[], $5::text[]) AS n (o, w, v, s)`,
      [
        tip.height,
        created.map((output) => output.outpoint),
        created.map((output) => output.walletId),
        created.map((output) => output.valueSats),
        created.map((output) => output.script),
      ],
    );
  }
  if (spent.length > 0) {
    const spenders = await session.query<{ txid: string }>(
      `UPDATE index_outputs SET spent_height = $1, spent_by = n.by FROM unnest($2::text[], $3::text[]) AS n (o, by)
       WHERE outpoint = n.o RETURNING n.by AS txid`,
      [tip.height, spent.map(({ outpoint }) => outpoint), spent.map(({ byTxid }) => byTxid)],
    );
    const ours = new Set(spenders.map(({ txid }) => txid));
    await savePaid(
      session,
      tip,
      created,
      transactions.filter(({ txid }) => ours.has(txid)),
    );
  }
}

async function savePaid(
  session: Session,
  { height }: IndexTip,
  created: IndexedBlock['created'],
  transactions: readonly ParsedTransaction[],
): Promise<void> {
  const own = new Set(created.map(({ outpoint }) => outpoint));
  const paid = transactions
    .flatMap(({ txid, outputs }) => outputs.map((output, vout) => ({ ...output, outpoint: `${txid}:${vout}` })))
    .filter(({ outpoint }) => !own.has(outpoint));
  if (paid.length === 0) return;
  await session.query(
    `INSERT INTO index_paid (outpoint, value_sats, script, height)
     SELECT o, v, s, $1 FROM unnest($2::text[], $3::bigint[], $4::text[]) AS n (o, v, s)`,
    [
      height,
      paid.map(({ outpoint }) => outpoint),
      paid.map(({ valueSats }) => valueSats),
      paid.map(({ script }) => script),
    ],
  );
}

export async function rollBack(session: Session, toHeight: number): Promise<void> {
  await session.query('DELETE FROM index_outputs WHERE height > $1', [toHeight]);
  await session.query('DELETE FROM index_paid WHERE height > $1', [toHeight]);
  await session.query('UPDATE index_outputs SET spent_height = NULL, spent_by = NULL WHERE spent_height > $1', [
    toHeight,
  ]);
  await session.query('DELETE FROM index_blocks WHERE height > $1', [toHeight]);
}

/** All unspent outputs at a height, and the named ones if they existed by then; those of others are in no wallet, and as good as spent. */
export function outputsAt(session: Session, height: number, named: readonly string[]): Promise<ChainOutput[]> {
  return session.query(
    `SELECT o.outpoint, o.wallet_id AS "walletId", o.value_sats AS "valueSats", o.script,
       coalesce(o.spent_height <= $1, false) AS spent
     FROM index_outputs o
     WHERE o.height <= $1 AND (o.spent_height IS NULL OR o.spent_height > $1 OR o.outpoint = ANY($2::text[]))
     UNION ALL
     SELECT outpoint, '', value_sats, script, true FROM index_paid
     WHERE height <= $1 AND outpoint = ANY($2::text[])
     ORDER BY 1`,
    [height, named],
  );
}
