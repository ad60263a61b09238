import {
  availableAccount,
  type Claim,
  inFlightAccount,
  pending,
  type Transfer,
  transferId,
  type TransferId,
  voidPending,
} from '@finality/ledger';
import type { LineageIdentity } from '../lineage.ts';

/** Whose coins become fewer: the wallet's claim bears the fee, as that of any version that pays nobody (lineage.ts). */
type Owner = Pick<LineageIdentity, 'lineageId' | 'walletId'>;

/** Sets the fee aside until the transaction is built. */
export const consolidationReserved = (owner: Owner, amount: bigint): Transfer =>
  pending({
    ...keyOf(owner, 'consolidation_reserve'),
    debit: availableAccount(claimOf(owner)),
    credit: inFlightAccount(claimOf(owner)),
    amount,
  });

/** The transaction is built, or never will be. */
export const consolidationReleased = (owner: Owner): Transfer =>
  voidPending({ ...keyOf(owner, 'consolidation_release'), pendingId: consolidationReservationId(owner) });

/** The transfer that the release of this consolidation names. */
export const consolidationReservationId = (owner: Owner): TransferId =>
  transferId(keyOf(owner, 'consolidation_reserve'));

const claimOf = ({ walletId }: Owner): Claim => ({ kind: 'wallet', walletId });

const keyOf = ({ lineageId }: Owner, purpose: string): { purpose: string; object: string; life: number } => ({
  purpose,
  object: lineageId,
  life: 1,
});
