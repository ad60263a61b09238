import type { Session } from '@finality/event-store';
import type { DerivedPlace } from '../commands.ts';

// Wallets whose outputs are indexed, as the address issuer announces them.

export interface IndexedWallet {
  readonly walletId: string;
  readonly custodial: boolean;
  readonly external: string;
  readonly internal: string;
  readonly birthdayHeight: number;
  readonly externalWanted: number;
  readonly internalWanted: number;
  readonly externalBelow: number;
  readonly internalBelow: number;
  /** Blocks from this height on have to be read again once the scripts wanted are there; null: none have to. */
  readonly rescanFrom: number | null;
}

const COLUMNS = `wallet_id AS "walletId", custodial, external_descriptor AS external, internal_descriptor AS internal,
  birthday_height AS "birthdayHeight", external_wanted AS "externalWanted", internal_wanted AS "internalWanted",
  external_below AS "externalBelow", internal_below AS "internalBelow", rescan_from AS "rescanFrom"`;

const IS_BEHIND = 'external_below < external_wanted OR internal_below < internal_wanted';

export function walletsById(session: Session, walletIds: readonly string[]): Promise<IndexedWallet[]> {
  return session.query(`SELECT ${COLUMNS} FROM index_wallets WHERE wallet_id = ANY($1::text[])`, [walletIds]);
}

/** The first wallet with scripts to derive. */
export async function walletToDerive(session: Session): Promise<IndexedWallet | undefined> {
  const [wallet] = await session.query<IndexedWallet>(
    `SELECT ${COLUMNS} FROM index_wallets WHERE ${IS_BEHIND} ORDER BY wallet_id LIMIT 1`,
  );
  return wallet;
}

/** Those of these wallets that the index doesn't cover (yet). */
export async function uncoveredWallets(session: Session, walletIds: readonly string[]): Promise<readonly string[]> {
  const rows = await session.query<{ wallet_id: string }>(
    `SELECT wallet_id FROM index_wallets WHERE wallet_id = ANY($1::text[]) AND NOT (${IS_BEHIND})`,
    [walletIds],
  );
  const covered = new Set(rows.map((row) => row.wallet_id));
  return walletIds.filter((walletId) => !covered.has(walletId));
}

export async function saveWallet(session: Session, wallet: IndexedWallet): Promise<void> {
  await session.query(
    `INSERT INTO index_wallets VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
     ON CONFLICT (wallet_id) DO UPDATE SET external_wanted = excluded.external_wanted,
       internal_wanted = excluded.internal_wanted, external_below = excluded.external_below,
       internal_below = excluded.internal_below, rescan_from = excluded.rescan_from`,
    [
      wallet.walletId,
      wallet.custodial,
      wallet.external,
      wallet.internal,
      wallet.birthdayHeight,
      wallet.externalWanted,
      wallet.internalWanted,
      wallet.externalBelow,
      wallet.internalBelow,
      wallet.rescanFrom,
    ],
  );
}

/** One past the highest index issued, per branch; 0 where none is known. */
export interface Issued {
  readonly external: number;
  readonly internal: number;
}

export async function issuedByWallet(session: Session, walletIds: readonly string[]): Promise<Map<string, Issued>> {
  const rows = await session.query<{ wallet_id: string; branch: number; highest: number }>(
    'SELECT wallet_id, branch, highest FROM index_issued WHERE wallet_id = ANY($1::text[])',
    [walletIds],
  );
  const issued = new Map<string, Issued>();
  for (const { wallet_id: walletId, branch, highest } of rows) {
    const before = issued.get(walletId) ?? { external: 0, internal: 0 };
    issued.set(walletId, { ...before, [branch === 0 ? 'external' : 'internal']: highest + 1 });
  }
  return issued;
}

export async function saveIssued(session: Session, walletId: string, branch: number, index: number): Promise<void> {
  await session.query(
    `INSERT INTO index_issued AS i (wallet_id, branch, highest) VALUES ($1, $2, $3)
     ON CONFLICT (wallet_id, branch) DO UPDATE SET highest = greatest(i.highest, excluded.highest)`,
    [walletId, branch, index],
  );
}

export async function saveScripts(session: Session, walletId: string, scripts: readonly DerivedPlace[]): Promise<void> {
  await session.query(
    `INSERT INTO index_scripts (script, wallet_id, branch, index)
     SELECT s, $1, b, i FROM unnest($2::text[], $3::smallint[], $4::integer[]) AS n (s, b, i) ON CONFLICT DO NOTHING`,
    [
      walletId,
      scripts.map((each) => each.script),
      scripts.map((each) => each.branch),
      scripts.map((each) => each.index),
    ],
  );
}
