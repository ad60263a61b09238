import type { AddressPurpose, IssuedAddress } from '@finality/address';
import type { Branch, ScriptHex } from '@finality/bitcoin';
import type { Instant } from '@finality/kernel';
import type { Pool } from 'pg';

/** An address that was issued; one that wasn't is a bug. */
export async function addressById(pool: Pool, addressId: string): Promise<IssuedAddress> {
  const { rows } = await pool.query<{
    script: ScriptHex;
    address: string;
    wallet_id: string;
    institution_id: string;
    purpose: AddressPurpose;
    label: string;
    branch: Branch;
    index: number;
    issued_at: bigint;
  }>(
    'SELECT script, address, wallet_id, institution_id, purpose, label, branch, index, issued_at FROM addresses WHERE address_id = $1',
    [addressId],
  );
  const [row] = rows;
  if (!row) throw new Error(`address ${addressId} was issued and isn't there`);
  const { wallet_id: walletId, institution_id: institutionId, issued_at: issuedAt, ...rest } = row;
  return { addressId, walletId, institutionId, ...rest, issuedAt: Number(issuedAt) as Instant };
}
