import type { Descriptor, ScriptHex, WalletScriptType } from '@finality/bitcoin';
import type { Session } from '@finality/event-store';
import { decodeJson, encodeJson, type Instant } from '@finality/kernel';
import type { AddressRecord, DestinationRecord, WalletRecord } from '@finality/settlement';

// Wallets and addresses as their issuer announced them.

interface WalletRow {
  readonly wallet_id: string;
  readonly institution_id: string;
  readonly script_type: WalletScriptType;
  readonly custodial: boolean;
  readonly scanning: boolean;
  readonly descriptor: string | null;
  /** What it is on the list as, if it is. */
  readonly destination_id: string | null;
  readonly usable_at: bigint | null;
}

export interface LoadedWallets {
  readonly wallets: readonly WalletRecord[];
  /** By wallet: what it is on the list as. */
  readonly listings: ReadonlyMap<string, DestinationRecord>;
}

/** In the order in which they were registered. */
export async function loadWallets(
  session: Session,
  ids: Iterable<string>,
  institutions: Iterable<string>,
): Promise<LoadedWallets> {
  const [named, owners] = [[...ids], [...institutions]];
  if (named.length + owners.length === 0) return { wallets: [], listings: new Map() };
  const rows = await session.query<WalletRow>(
    `SELECT w.wallet_id, w.institution_id, script_type, custodial, scanning, descriptor, destination_id, usable_at
     FROM wallets w LEFT JOIN LATERAL (
       SELECT destination_id, usable_at FROM destinations d
       WHERE NOT w.custodial AND d.wallet_id = w.wallet_id AND d.status = 'listed' ORDER BY usable_at DESC LIMIT 1) listing ON true
     WHERE w.wallet_id = ANY($1::text[]) OR w.institution_id = ANY($2::text[]) ORDER BY number`,
    [named, owners],
  );
  return { wallets: rows.map(walletIn), listings: new Map(rows.flatMap(listingIn)) };
}

const walletIn = (row: WalletRow): WalletRecord => ({
  walletId: row.wallet_id,
  institutionId: row.institution_id,
  scriptType: row.script_type,
  custodial: row.custodial,
  scanning: row.scanning,
  ...(row.descriptor !== null && { descriptor: decodeJson(row.descriptor) as Descriptor }),
});

function listingIn(row: WalletRow): readonly (readonly [string, DestinationRecord])[] {
  const { destination_id: destinationId, institution_id: institutionId, wallet_id: walletId } = row;
  if (destinationId === null) return [];
  const usableAt = Number(row.usable_at) as Instant;
  const place = { kind: 'wallet', walletId } as const;
  return [[walletId, { destinationId, institutionId, place, status: 'listed', usableAt }]];
}

export async function saveWallets(session: Session, wallets: readonly WalletRecord[]): Promise<void> {
  if (wallets.length === 0) return;
  await session.query(
    `INSERT INTO wallets (wallet_id, institution_id, script_type, custodial, scanning, descriptor)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::boolean[], $6::text[])
     ON CONFLICT (wallet_id) DO UPDATE SET scanning = excluded.scanning`,
    [
      wallets.map((w) => w.walletId),
      wallets.map((w) => w.institutionId),
      wallets.map((w) => w.scriptType),
      wallets.map((w) => w.custodial),
      wallets.map((w) => w.scanning),
      wallets.map((w) => (w.descriptor === undefined ? null : encodeJson(w.descriptor))),
    ],
  );
}

interface AddressRow {
  readonly script: string;
  readonly address: string;
  readonly wallet_id: string;
  readonly institution_id: string;
  readonly purpose: AddressRecord['purpose'];
  readonly branch: number;
  readonly index: number;
}

export async function loadAddresses(session: Session, scripts: Iterable<string>): Promise<readonly AddressRecord[]> {
  const wanted = [...scripts];
  if (wanted.length === 0) return [];
  const rows = await session.query<AddressRow>('SELECT * FROM addresses WHERE script = ANY($1::text[])', [wanted]);
  return rows.map((row) => ({
    script: row.script as ScriptHex,
    address: row.address,
    walletId: row.wallet_id,
    institutionId: row.institution_id,
    purpose: row.purpose,
    branch: row.branch === 1 ? 1 : 0,
    index: row.index,
  }));
}

export async function saveAddresses(session: Session, addresses: readonly AddressRecord[]): Promise<void> {
  if (addresses.length === 0) return;
  await session.query(
    `INSERT INTO addresses (script, address, wallet_id, institution_id, purpose, branch, index)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::integer[])`,
    [
      addresses.map((a) => a.script),
      addresses.map((a) => a.address),
      addresses.map((a) => a.walletId),
      addresses.map((a) => a.institutionId),
      addresses.map((a) => a.purpose),
      addresses.map((a) => a.branch),
      addresses.map((a) => a.index),
    ],
  );
}

interface DestinationRow {
  readonly destination_id: string;
  readonly institution_id: string;
  readonly script: string | null;
  readonly address: string | null;
  readonly wallet_id: string | null;
  readonly status: DestinationRecord['status'];
  readonly usable_at: bigint;
}

export async function loadDestinations(
  session: Session,
  ids: ReadonlySet<string>,
): Promise<readonly DestinationRecord[]> {
  if (ids.size === 0) return [];
  const rows = await session.query<DestinationRow>(
    'SELECT destination_id, institution_id, script, address, wallet_id, status, usable_at FROM destinations WHERE destination_id = ANY($1::text[])',
    [[...ids]],
  );
  return rows.map((row) => ({
    destinationId: row.destination_id,
    institutionId: row.institution_id,
    place:
      row.wallet_id === null
        ? { kind: 'script', script: row.script as ScriptHex, address: row.address ?? '' }
        : { kind: 'wallet', walletId: row.wallet_id },
    status: row.status,
    usableAt: Number(row.usable_at) as Instant,
  }));
}

export async function saveDestinations(session: Session, destinations: readonly DestinationRecord[]): Promise<void> {
  if (destinations.length === 0) return;
  const places = destinations.map(({ place }) => place);
  await session.query(
    `INSERT INTO destinations (destination_id, institution_id, script, address, wallet_id, status, usable_at)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[])
     ON CONFLICT (destination_id) DO UPDATE SET status = EXCLUDED.status, usable_at = EXCLUDED.usable_at`,
    [
      destinations.map((d) => d.destinationId),
      destinations.map((d) => d.institutionId),
      places.map((place) => (place.kind === 'script' ? place.script : null)),
      places.map((place) => (place.kind === 'script' ? place.address : null)),
      places.map((place) => (place.kind === 'wallet' ? place.walletId : null)),
      destinations.map((d) => d.status),
      destinations.map((d) => d.usableAt),
    ],
  );
}
