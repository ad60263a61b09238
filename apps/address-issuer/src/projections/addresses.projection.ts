import type { AddressPurpose, IssuedAddress, WalletEvent } from '@finality/address';
import type { Branch, ScriptHex } from '@finality/bitcoin';
import type { Session, StoredEvent } from '@finality/event-store';
import type { Instant } from '@finality/kernel';
import { bigintColumn } from '@finality/service';
import { EntitySchema } from 'typeorm';

export interface AddressRow {
  readonly addressId: string;
  readonly position: bigint;
  readonly script: ScriptHex;
  readonly address: string;
  readonly walletId: string;
  readonly institutionId: string;
  readonly purpose: AddressPurpose;
  readonly label: string;
  readonly externalId: string;
  readonly branch: Branch;
  readonly index: number;
  readonly issuedAt: bigint;
}

export const addressEntity = new EntitySchema<AddressRow>({
  name: 'Address',
  tableName: 'addresses',
  columns: {
    addressId: { name: 'address_id', type: 'text', primary: true },
    position: { type: 'bigint', transformer: bigintColumn },
    script: { type: 'text' },
    address: { type: 'text' },
    walletId: { name: 'wallet_id', type: 'text' },
    institutionId: { name: 'institution_id', type: 'text' },
    purpose: { type: 'text' },
    label: { type: 'text' },
    externalId: { name: 'external_id', type: 'text' },
    branch: { type: 'smallint' },
    index: { type: 'integer' },
    issuedAt: { name: 'issued_at', type: 'bigint', transformer: bigintColumn },
  },
});

export function addressOfRow({ position: _position, issuedAt, ...row }: AddressRow): IssuedAddress {
  return { ...row, issuedAt: Number(issuedAt) as Instant };
}

/** Adds what was issued, in the batch that issues it: one statement however many. */
export async function projectAddresses(session: Session, events: readonly StoredEvent<WalletEvent>[]): Promise<void> {
  const issued = events.flatMap(({ data, position }) =>
    data.type === 'address_issued' ? [{ ...data.address, position }] : [],
  );
  if (issued.length === 0) return;
  await session.query(
    `INSERT INTO addresses (address_id, position, script, address, wallet_id, institution_id, purpose, label, external_id, branch, index,
       issued_at)
     SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
       $10::smallint[], $11::int[], $12::bigint[])`,
    [
      issued.map(({ addressId }) => addressId),
      issued.map(({ position }) => position),
      issued.map(({ script }) => script),
      issued.map(({ address }) => address),
      issued.map(({ walletId }) => walletId),
      issued.map(({ institutionId }) => institutionId),
      issued.map(({ purpose }) => purpose),
      issued.map(({ label }) => label),
      issued.map(({ externalId }) => externalId),
      issued.map(({ branch }) => branch),
      issued.map(({ index }) => index),
      issued.map(({ issuedAt }) => issuedAt),
    ],
  );
}
