import { POOL_WALLET_ID } from '@finality/address';
import type { addressV1 } from '@finality/contracts';
import { purposeOf } from '../messages.ts';
import type { Fields } from './validation.ts';

type DepositPurpose = 'clearing' | 'wallet';

/** What an institution may ask addresses for, with the wallet that goes with it. */
export function depositPurpose(
  request: Pick<addressV1.IssueAddressRequest, 'purpose' | 'walletId'>,
  fields: Fields,
): DepositPurpose | undefined {
  const { walletId } = request;
  const purpose = purposeOf(request.purpose);
  fields.id('wallet_id', walletId, 0);
  if (purpose !== 'clearing' && purpose !== 'wallet') {
    fields.add('purpose', 'expected ADDRESS_PURPOSE_CLEARING or ADDRESS_PURPOSE_WALLET');
    return undefined;
  }
  if (purpose === 'clearing' && walletId !== '') fields.add('wallet_id', 'expected none: clearing has the pool wallet');
  if (purpose === 'wallet' && walletId === POOL_WALLET_ID)
    fields.add('wallet_id', 'expected a wallet of the institution');
  return purpose;
}

/** Empty: the only wallet of the institution. */
export const depositWallet = (purpose: DepositPurpose, walletId: string): string =>
  purpose === 'clearing' ? POOL_WALLET_ID : walletId;
