import type { PerBranch, Wallet, WalletEvent, WalletKind, WalletRequest } from '@finality/address';
import {
  type Branch,
  deriveScript,
  parseDescriptor,
  type Network,
  type ScriptHex,
  type WalletScriptType,
} from '@finality/bitcoin';
import type { Session, StoredEvent } from '@finality/event-store';
import { assertNever, type Instant, unwrap } from '@finality/kernel';
import { bigintColumn } from '@finality/service';
import { EntitySchema } from 'typeorm';
import type { WalletInUse } from '../commands.ts';

export interface WalletRow {
  readonly walletId: string;
  readonly position: bigint;
  readonly institutionId: string;
  readonly kind: WalletKind;
  readonly status: 'requested' | 'registered';
  readonly scriptType: WalletScriptType;
  readonly external: string | null;
  readonly internal: string | null;
  readonly birthdayHeight: number;
  readonly createdAt: bigint | null;
  readonly watchedExternal: number;
  readonly watchedInternal: number;
  readonly verifiedExternal: number;
  readonly verifiedInternal: number;
  readonly scanning: boolean;
  readonly blocked: string | null;
}

export const walletEntity = new EntitySchema<WalletRow>({
  name: 'Wallet',
  tableName: 'wallets',
  columns: {
    walletId: { name: 'wallet_id', type: 'text', primary: true },
    position: { type: 'bigint', transformer: bigintColumn },
    institutionId: { name: 'institution_id', type: 'text' },
    kind: { type: 'text' },
    status: { type: 'text' },
    scriptType: { name: 'script_type', type: 'text' },
    external: { type: 'text', nullable: true },
    internal: { type: 'text', nullable: true },
    birthdayHeight: { name: 'birthday_height', type: 'integer' },
    createdAt: { name: 'created_at', type: 'bigint', nullable: true, transformer: bigintColumn },
    watchedExternal: { name: 'watched_external', type: 'integer' },
    watchedInternal: { name: 'watched_internal', type: 'integer' },
    verifiedExternal: { name: 'verified_external', type: 'integer' },
    verifiedInternal: { name: 'verified_internal', type: 'integer' },
    scanning: { type: 'boolean' },
    blocked: { type: 'text', nullable: true },
  },
});

/** A registered wallet as it stands in the table. */
export function walletOf(row: WalletRow): WalletInUse {
  const { walletId, institutionId, kind, scriptType, external, internal, birthdayHeight, createdAt } = row;
  if (external === null || internal === null || createdAt === null)
    throw new Error(`wallet ${walletId} has no keys yet`);
  const keys = { scriptType, external, internal };
  const wallet = { walletId, institutionId, kind, ...keys, birthdayHeight, createdAt: Number(createdAt) as Instant };
  return { wallet, scanning: row.scanning };
}

/** The first script of each branch: stands for all scripts of the wallet. */
export function firstScripts(
  keys: Pick<Wallet, 'external' | 'internal'>,
  network: Network,
): readonly [ScriptHex, ScriptHex] {
  const descriptor = unwrap(parseDescriptor([keys.external, keys.internal], network));
  return [deriveScript(descriptor, 0, 0).script, deriveScript(descriptor, 1, 0).script];
}

/** Follows the wallets' events, in the batch that appends them. */
export async function projectWallets(
  session: Session,
  events: readonly StoredEvent<WalletEvent>[],
  network: Network,
): Promise<void> {
  const watched = new Map<string, Watched>();
  const verified = new Map<string, PerBranch>();
  for (const { data, position, stream } of events) {
    const walletId = stream.slice(stream.indexOf('/') + 1);
    switch (data.type) {
      case 'wallet_requested':
        await projectRequested(session, data.request, position);
        break;
      case 'wallet_registered':
        await projectRegistered(session, data.wallet, position, network);
        break;
      case 'watch_extended':
        watched.set(walletId, data);
        break;
      case 'derivation_verified':
        verified.set(walletId, data.below);
        break;
      case 'wallet_blocked':
        await session.query('UPDATE wallets SET blocked = $2 WHERE wallet_id = $1', [walletId, data.reason]);
        break;
      case 'address_issued':
      case 'address_used':
      case 'indices_skipped':
        break;
      default:
        assertNever(data, 'wallet event');
    }
  }
  await updateWatched(session, watched);
  await updateVerified(session, verified);
}

type Watched = Pick<Extract<WalletEvent, { readonly type: 'watch_extended' }>, 'below' | 'scanning'>;

async function updateWatched(session: Session, watched: ReadonlyMap<string, Watched>): Promise<void> {
  if (watched.size === 0) return;
  const news = [...watched.values()];
  await session.query(
    `UPDATE wallets SET watched_external = n.external, watched_internal = n.internal, scanning = n.scanning
     FROM unnest($1::text[], $2::int[], $3::int[], $4::boolean[]) AS n (wallet_id, external, internal, scanning)
     WHERE wallets.wallet_id = n.wallet_id`,
    [
      [...watched.keys()],
      news.map(({ below }) => below.external),
      news.map(({ below }) => below.internal),
      news.map(({ scanning }) => scanning),
    ],
  );
}

async function updateVerified(session: Session, verified: ReadonlyMap<string, PerBranch>): Promise<void> {
  if (verified.size === 0) return;
  const counts = [...verified.values()];
  await session.query(
    `UPDATE wallets SET verified_external = n.external, verified_internal = n.internal
     FROM unnest($1::text[], $2::int[], $3::int[]) AS n (wallet_id, external, internal) WHERE wallets.wallet_id = n.wallet_id`,
    [[...verified.keys()], counts.map(({ external }) => external), counts.map(({ internal }) => internal)],
  );
}

async function projectRequested(session: Session, request: WalletRequest, position: bigint): Promise<void> {
  const { walletId, institutionId, kind, scriptType, birthdayHeight } = request;
  await session.query(
    `INSERT INTO wallets (wallet_id, position, institution_id, kind, status, script_type, birthday_height, scanning)
     VALUES ($1, $2, $3, $4, 'requested', $5, $6, $6 > 0)`,
    [walletId, position, institutionId, kind, scriptType, birthdayHeight],
  );
}

async function projectRegistered(session: Session, wallet: Wallet, position: bigint, network: Network): Promise<void> {
  const { walletId, institutionId, kind, scriptType, external, internal, birthdayHeight, createdAt } = wallet;
  await session.query(
    `INSERT INTO wallets (wallet_id, position, institution_id, kind, status, script_type, external, internal, birthday_height, created_at, scanning)
     VALUES ($1, $2, $3, $4, 'registered', $5, $6, $7, $8, $9, $8 > 0)
     ON CONFLICT (wallet_id) DO UPDATE SET position = excluded.position, status = excluded.status, external = excluded.external,
       internal = excluded.internal, created_at = excluded.created_at`,
    [walletId, position, institutionId, kind, scriptType, external, internal, birthdayHeight, createdAt],
  );
  const scripts = firstScripts(wallet, network);
  const branches: readonly Branch[] = [0, 1];
  await session.query(
    'INSERT INTO wallet_branches (first_script, wallet_id, branch) SELECT script, $1, branch FROM unnest($2::text[], $3::int[]) AS b (script, branch)',
    [walletId, scripts, branches],
  );
}
