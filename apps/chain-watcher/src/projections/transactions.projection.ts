import { type BlockHash, outpointKey, type Txid } from '@finality/bitcoin';
import {
  type AncestorInput,
  type KnownTransaction,
  type ObservedTransaction,
  type TransactionStatus,
  type WatchedScript,
  type WatchedTransaction,
  WatchView,
} from '@finality/chain';
import type { Session } from '@finality/event-store';
import { assertNever, decodeJson, encodeJson, type Instant } from '@finality/kernel';

// Transactions of ours, and what they spend; watched scripts. Derived from the chain facts and the watch events.

interface TransactionRow {
  readonly txid: Txid;
  readonly status: TransactionStatus['kind'];
  readonly height: number | null;
  readonly block_hash: string | null;
  readonly by_txid: string | null;
  readonly by_block_hash: string | null;
  readonly since: bigint | null;
  readonly data: string;
  readonly ancestor_inputs: string;
}

const NAMES = [
  'txid',
  'status',
  'height',
  'block_hash',
  'by_txid',
  'by_block_hash',
  'since',
  'data',
  'ancestor_inputs',
] as const satisfies readonly (keyof TransactionRow)[];
const COLUMNS = NAMES.map((name) => `t.${name}`).join(', ');

/** Adds what shares a script, an outpoint or a txid with the given transactions, those that may concern us: two round trips however many. */
export async function loadAround(
  session: Session,
  observed: readonly ObservedTransaction[],
  view: WatchView,
): Promise<void> {
  if (observed.length === 0) return;
  const scripts = new Set(observed.flatMap((transaction) => transaction.outputs.map((output) => output.script)));
  const outpoints = new Set(observed.flatMap((transaction) => transaction.spends));
  const watched = await session.query<WatchedScript & { readonly script: string }>(
    `SELECT s.script, s.wallet_id AS "walletId", s.branch, s.index, w.custodial
     FROM watched_scripts s JOIN watched_wallets w USING (wallet_id) WHERE s.script = ANY($1::text[])`,
    [[...scripts]],
  );
  for (const { script, ...from } of watched) view.watch(script, from);
  const known = await session.query<TransactionRow>(
    `SELECT ${COLUMNS} FROM transactions t WHERE t.txid = ANY($1::text[])
       OR t.txid IN (SELECT o.txid FROM transaction_outpoints o WHERE o.outpoint = ANY($2::text[]))
     ORDER BY t.txid`,
    [observed.map(({ txid }) => txid), [...outpoints]],
  );
  for (const row of known) view.load(knownOf(row));
}

/** Adds what a reorg takes back: transactions of the blocks, and those that these blocks had excluded. */
export async function loadOfBlocks(
  session: Session,
  blocks: readonly { readonly hash: BlockHash }[],
  view: WatchView,
): Promise<void> {
  const rows = await session.query<TransactionRow>(
    `SELECT ${COLUMNS} FROM transactions t
     WHERE t.block_hash = ANY($1::text[]) OR (t.status = 'replaced' AND t.by_block_hash = ANY($1::text[])) ORDER BY t.txid`,
    [blocks.map(({ hash }) => hash)],
  );
  for (const row of rows) view.load(knownOf(row));
}

export async function loadByTxid(session: Session, txids: readonly Txid[], view: WatchView): Promise<void> {
  const rows = await session.query<TransactionRow>(
    `SELECT ${COLUMNS} FROM transactions t WHERE t.txid = ANY($1::text[]) ORDER BY t.txid`,
    [txids],
  );
  for (const row of rows) view.load(knownOf(row));
}

/** Those that no block holds: which the mempool may still have, and which it had once. */
export async function unconfirmedTxids(
  session: Session,
): Promise<{ readonly pending: ReadonlySet<Txid>; readonly gone: ReadonlySet<Txid> }> {
  const rows = await session.query<Pick<TransactionRow, 'txid' | 'status'>>(
    `SELECT txid, status FROM transactions t
     WHERE status <> 'confirmed' AND NOT (status = 'replaced' AND by_block_hash <> '') ORDER BY txid`,
  );
  const isPending = (row: Pick<TransactionRow, 'status'>): boolean =>
    row.status === 'mempool' || row.status === 'unconfirmed';
  return {
    pending: new Set(rows.filter(isPending).map((row) => row.txid)),
    gone: new Set(rows.filter((row) => !isPending(row)).map((row) => row.txid)),
  };
}

export async function saveTransactions(session: Session, touched: readonly KnownTransaction[]): Promise<void> {
  if (touched.length === 0) return;
  const rows = touched.map(rowOf);
  await session.query(
    `INSERT INTO transactions (${NAMES.join(', ')})
     SELECT * FROM unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::text[])
     ON CONFLICT (txid) DO UPDATE SET status = excluded.status, height = excluded.height, block_hash = excluded.block_hash,
       by_txid = excluded.by_txid, by_block_hash = excluded.by_block_hash, since = excluded.since, data = excluded.data,
       ancestor_inputs = excluded.ancestor_inputs`,
    NAMES.map((name) => rows.map((row) => row[name])),
  );
  const outpoints = touched.flatMap(({ transaction: { txid, inputs, outputs }, ancestorInputs }) => [
    ...[...inputs, ...ancestorInputs].map(({ outpoint }) => ({ outpoint, txid })),
    ...outputs.map(({ vout }) => ({ outpoint: outpointKey({ txid, vout }), txid })),
  ]);
  await session.query(
    'INSERT INTO transaction_outpoints (outpoint, txid) SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING',
    [outpoints.map(({ outpoint }) => outpoint), outpoints.map(({ txid }) => txid)],
  );
}

function knownOf(row: TransactionRow): KnownTransaction {
  return {
    transaction: decodeJson(row.data) as WatchedTransaction,
    status: statusOf(row),
    ancestorInputs: decodeJson(row.ancestor_inputs) as readonly AncestorInput[],
  };
}

function statusOf(row: TransactionRow): TransactionStatus {
  switch (row.status) {
    case 'confirmed':
      return { kind: 'confirmed', height: row.height!, blockHash: row.block_hash! };
    case 'replaced':
      return { kind: 'replaced', byTxid: row.by_txid!, byBlockHash: row.by_block_hash! };
    case 'mempool':
      return { kind: 'mempool', since: Number(row.since!) as Instant };
    case 'unconfirmed':
    case 'evicted':
      return { kind: row.status };
    default:
      return assertNever(row.status, 'status of a transaction');
  }
}

/** What it is as a whole has been told; nothing here rests on it. */
function rowOf({
  transaction: { raw: _raw, ...transaction },
  status,
  ancestorInputs,
}: KnownTransaction): TransactionRow {
  return {
    txid: transaction.txid,
    status: status.kind,
    height: status.kind === 'confirmed' ? status.height : null,
    block_hash: status.kind === 'confirmed' ? status.blockHash : null,
    by_txid: status.kind === 'replaced' ? status.byTxid : null,
    by_block_hash: status.kind === 'replaced' ? status.byBlockHash : null,
    since: status.kind === 'mempool' ? BigInt(status.since) : null,
    data: encodeJson(transaction),
    ancestor_inputs: encodeJson(ancestorInputs),
  };
}
