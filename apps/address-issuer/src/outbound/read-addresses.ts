import type { AddressPurpose, IssuedAddress } from '@finality/address';
import type { Branch, ScriptHex } from '@finality/bitcoin';
import type { Session } from '@finality/event-store';
import type { Instant } from '@finality/kernel';
import type { Pool } from 'pg';

interface Row {
  readonly address_id: string;
  readonly script: ScriptHex;
  readonly address: string;
  readonly wallet_id: string;
  readonly institution_id: string;
  readonly purpose: AddressPurpose;
  readonly label: string;
  readonly external_id: string;
  readonly branch: Branch;
  readonly index: number;
  readonly issued_at: bigint;
}

const COLUMNS =
  'address_id, script, address, wallet_id, institution_id, purpose, label, external_id, branch, index, issued_at';

/** What an institution calls an address. */
export interface ExternalName {
  readonly institutionId: string;
  readonly externalId: string;
}

/** An address that was issued; one that wasn't is a bug. */
export async function addressById(pool: Pool, addressId: string): Promise<IssuedAddress> {
  const { rows } = await pool.query<Row>(`SELECT ${COLUMNS} FROM addresses WHERE address_id = $1`, [addressId]);
  const [row] = rows;
  if (!row) throw new Error(`address ${addressId} was issued and isn't there`);
  return addressOf(row);
}

/** Those of the names that have addresses. */
export async function addressesNamed(
  session: Session,
  names: readonly ExternalName[],
): Promise<readonly IssuedAddress[]> {
  const rows = await session.query<Row>(
    `SELECT ${COLUMNS} FROM addresses JOIN unnest($1::text[], $2::text[]) AS named (of_institution, name)
       ON institution_id = of_institution AND external_id = name WHERE external_id <> ''`,
    [names.map(({ institutionId }) => institutionId), names.map(({ externalId }) => externalId)],
  );
  return rows.map(addressOf);
}

function addressOf({ address_id: addressId, ...row }: Row): IssuedAddress {
  const { wallet_id: walletId, institution_id: institutionId, external_id: externalId, issued_at, ...rest } = row;
  return { addressId, walletId, institutionId, externalId, ...rest, issuedAt: Number(issued_at) as Instant };
}
