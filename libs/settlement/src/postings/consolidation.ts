import {
  availableAccount,
  type Claim,
  inFlightAccount,
  pending,
  post,
  type Transfer,
  transferId,
  type TransferId,
  voidPending,
} from '@finality/ledger';
import type { LineageIdentity } from '../lineage.ts';
import { heldKey } from './lineage.ts';

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

/** The transaction is built: its fee is in flight, even where a reorg has taken since what it was reserved from. */
export const consolidationHeld = (owner: Owner, version: number, amount: bigint): Transfer =>
  post({ ...heldKey(owner, version), pendingId: consolidationReservationId(owner), amount });

/** The transaction will never be built. */
export const consolidationReleased = (owner: Owner): Transfer =>
  voidPending({ ...keyOf(owner, 'consolidation_release'), pendingId: consolidationReservationId(owner) });

/** The transfer that ends with either. */
export const consolidationReservationId = (owner: Owner): TransferId =>
  transferId(keyOf(owner, 'consolidation_reserve'));

const claimOf = ({ walletId }: Owner): Claim => ({ kind: 'wallet', walletId });

const keyOf = ({ lineageId }: Owner, purpose: string): { purpose: string; object: string; life: number } => ({
  purpose,
  object: lineageId,
  life: 1,
});
