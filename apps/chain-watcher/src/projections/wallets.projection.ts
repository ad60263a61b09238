import type { Below, WatchState } from '@finality/chain';
import type { Session } from '@finality/event-store';
import type { Instant } from '@finality/kernel';
import type { CommandOf } from '../commands.ts';

// Wallets as they are watched, for the worker that extends the watch.

export interface WalletToExtend {
  readonly walletId: string;
  readonly external: string;
  readonly internal: string;
  readonly birthdayHeight: number;
  readonly createdAt: Instant | null;
  readonly wanted: WatchState['wanted'];
  readonly watched: WatchState['watched'];
  readonly rescan: WatchState['rescan'];
}

/** Wallets with scripts to derive, then those with blocks to read again. */
export async function walletsToExtend(session: Session, limit: number): Promise<readonly WalletToExtend[]> {
  const rows = await session.query<{
    wallet_id: string;
    external_descriptor: string;
    internal_descriptor: string;
    birthday_height: number;
    created_at: bigint | null;
    external_wanted: number;
    internal_wanted: number;
    external_below: number;
    internal_below: number;
    rescan_next: number | null;
    rescan_through: number | null;
  }>(
    `SELECT * FROM watched_wallets
     WHERE external_below < external_wanted OR internal_below < internal_wanted OR rescan_next IS NOT NULL
     ORDER BY (external_below < external_wanted OR internal_below < internal_wanted) DESC, wallet_id LIMIT $1`,
    [limit],
  );
  return rows.map((row) => ({
    walletId: row.wallet_id,
    external: row.external_descriptor,
    internal: row.internal_descriptor,
    birthdayHeight: row.birthday_height,
    createdAt: row.created_at === null ? null : (Number(row.created_at) as Instant),
    wanted: { external: row.external_wanted, internal: row.internal_wanted },
    watched: { external: row.external_below, internal: row.internal_below },
    rescan:
      row.rescan_next === null || row.rescan_through === null
        ? null
        : { next: row.rescan_next, through: row.rescan_through },
  }));
}

/** Changes whenever more scripts are watched: what didn't concern us before it may do so now. */
export async function watchGeneration(session: Session): Promise<string> {
  const [row] = await session.query<{ generation: string }>(
    'SELECT coalesce(sum(external_below + internal_below), 0)::text AS generation FROM watched_wallets',
  );
  return row?.generation ?? '0';
}

export async function saveWallet(session: Session, state: WatchState): Promise<void> {
  await session.query(
    `INSERT INTO watched_wallets VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
     ON CONFLICT (wallet_id) DO UPDATE SET external_wanted = excluded.external_wanted,
       internal_wanted = excluded.internal_wanted, external_below = excluded.external_below,
       internal_below = excluded.internal_below, rescan_next = excluded.rescan_next,
       rescan_through = excluded.rescan_through`,
    [
      state.walletId,
      state.custodial,
      state.external,
      state.internal,
      state.birthdayHeight,
      state.createdAt,
      state.wanted.external,
      state.wanted.internal,
      state.watched.external,
      state.watched.internal,
      state.rescan?.next ?? null,
      state.rescan?.through ?? null,
    ],
  );
}

/** One past the highest index of each branch. */
export async function scriptsSaved(session: Session, walletId: string): Promise<Below> {
  const [row] = await session.query<Below>(
    `SELECT coalesce(max(index) FILTER (WHERE branch = 0) + 1, 0) AS external, coalesce(max(index) FILTER (WHERE branch = 1) + 1, 0) AS internal
     FROM watched_scripts WHERE wallet_id = $1`,
    [walletId],
  );
  return row!;
}

/** The address issuer refuses a descriptor that is registered already; should two wallets share a script after all, the first keeps it. */
export async function saveScripts(
  session: Session,
  { walletId, scripts }: Pick<CommandOf<'store_scripts'>, 'walletId' | 'scripts'>,
): Promise<void> {
  await session.query(
    `INSERT INTO watched_scripts (script, wallet_id, branch, index)
     SELECT s, $1, b, i FROM unnest($2::text[], $3::smallint[], $4::int[]) AS n (s, b, i)
     ON CONFLICT DO NOTHING`,
    [
      walletId,
      scripts.map(({ script }) => script),
      scripts.map(({ branch }) => branch),
      scripts.map(({ index }) => index),
    ],
  );
}
