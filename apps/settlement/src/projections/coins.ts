import type { OutpointKey, ScriptHex } from '@finality/bitcoin';
import type { Session } from '@finality/event-store';
import { decodeJson, encodeJson, sats } from '@finality/kernel';
import type { Coin, FundingSource } from '@finality/settlement';

interface CoinRow {
  readonly outpoint: string;
  readonly wallet_id: string;
  readonly custodial: boolean;
  readonly value_sats: bigint;
  readonly script: string;
  readonly branch: number;
  readonly index: number;
  readonly height: number | null;
  readonly life: number;
  readonly spent_by: string | null;
  readonly spends: number;
  readonly claimed_by: string | null;
  /** Ids of lineages, which have no spaces, with spaces between. */
  readonly former_claims: string;
  readonly released: boolean;
  readonly sources: string;
}

const COLUMNS =
  'outpoint, wallet_id, custodial, value_sats, script, branch, index, height, life, spent_by, spends, claimed_by, former_claims, released, sources';
const FREE = 'spent_by IS NULL AND claimed_by IS NULL AND height IS NOT NULL AND released';

export interface CoinsWanted {
  readonly outpoints: Iterable<string>;
  /** Created or spent by these. */
  readonly txids: Iterable<string>;
  /** All free coins of these wallets. */
  readonly freeOf: Iterable<string>;
}

export async function loadCoins(session: Session, wanted: CoinsWanted): Promise<readonly Coin[]> {
  const [outpoints, txids, wallets] = [[...wanted.outpoints], [...wanted.txids], [...wanted.freeOf]];
  if (outpoints.length + txids.length + wallets.length === 0) return [];
  const rows = await session.query<CoinRow>(
    `SELECT ${COLUMNS} FROM coins WHERE outpoint = ANY($1::text[])
     UNION SELECT ${COLUMNS} FROM coins WHERE txid = ANY($2::text[])
     UNION SELECT ${COLUMNS} FROM coins WHERE spent_by = ANY($2::text[])
     UNION SELECT ${COLUMNS} FROM coins WHERE wallet_id = ANY($3::text[]) AND ${FREE}
     ORDER BY outpoint`,
    [outpoints, txids, wallets],
  );
  return rows.map(coinOf);
}

/** Every coin that the ledger holds for unspent. */
export async function unspentCoins(session: Session): Promise<readonly Coin[]> {
  const rows = await session.query<CoinRow>(
    `SELECT ${COLUMNS} FROM coins WHERE spent_by IS NULL AND height IS NOT NULL ORDER BY outpoint`,
  );
  return rows.map(coinOf);
}

export async function saveCoins(session: Session, coins: readonly Coin[]): Promise<void> {
  if (coins.length === 0) return;
  await session.query(
    `INSERT INTO coins (outpoint, txid, wallet_id, custodial, value_sats, script, branch, index, height, life, spent_by, spends, claimed_by, released, sources, former_claims)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::bigint[], $6::text[], $7::integer[], $8::integer[], $9::integer[],
       $10::integer[], $11::text[], $12::integer[], $13::text[], $14::boolean[], $15::text[], $16::text[])
     ON CONFLICT (outpoint) DO UPDATE SET height = excluded.height, life = excluded.life, spent_by = excluded.spent_by, spends = excluded.spends,
       claimed_by = excluded.claimed_by, released = excluded.released, former_claims = excluded.former_claims`,
    [
      coins.map((coin) => coin.outpoint),
      coins.map((coin) => coin.outpoint.slice(0, coin.outpoint.indexOf(':'))),
      coins.map((coin) => coin.walletId),
      coins.map((coin) => coin.custodial),
      coins.map((coin) => coin.valueSats),
      coins.map((coin) => coin.script),
      coins.map((coin) => coin.branch),
      coins.map((coin) => coin.index),
      coins.map((coin) => coin.height ?? null),
      coins.map((coin) => coin.life),
      coins.map((coin) => coin.spentBy ?? null),
      coins.map((coin) => coin.spends),
      coins.map((coin) => coin.claimedBy ?? null),
      coins.map((coin) => coin.released),
      coins.map((coin) => encodeJson(coin.sources)),
      coins.map((coin) => coin.formerClaims.join(' ')),
    ],
  );
}

function coinOf(row: CoinRow): Coin {
  return {
    outpoint: row.outpoint as OutpointKey,
    walletId: row.wallet_id,
    custodial: row.custodial,
    valueSats: sats(row.value_sats),
    script: row.script as ScriptHex,
    branch: row.branch === 1 ? 1 : 0,
    index: row.index,
    life: row.life,
    spends: row.spends,
    released: row.released,
    formerClaims: row.former_claims === '' ? [] : row.former_claims.split(' '),
    sources: decodeJson(row.sources) as readonly FundingSource[],
    ...(row.height === null ? {} : { height: row.height }),
    ...(row.spent_by === null ? {} : { spentBy: row.spent_by }),
    ...(row.claimed_by === null ? {} : { claimedBy: row.claimed_by }),
  };
}
