import {
  availableAccount,
  type Claim,
  correction,
  inFlightAccount,
  pending,
  post,
  settlementSuspenseAccount,
  single,
  type Transfer,
  transferId,
  type TransferId,
  transitAccount,
  voidPending,
} from '@finality/ledger';
import type { LineageIdentity } from '../lineage.ts';

/** Whose coins become fewer: the wallet's claim bears the fee. */
type Owner = Pick<LineageIdentity, 'lineageId' | 'walletId'>;

/** Sets the fee aside until the transaction is built. */
export const consolidationReserved = (owner: Owner, amount: bigint): Transfer =>
  pending({
    ...keyOf(owner, 'consolidation_reserve'),
    debit: availableAccount(claimOf(owner)),
    credit: inFlightAccount(claimOf(owner)),
    amount,
  });

/** The transaction is built: its fee is on its way. */
export const consolidationCommitted = (owner: Owner, amount: bigint): Transfer =>
  post({ ...keyOf(owner, 'consolidation_commit'), pendingId: reservationId(owner), amount });

/** Nothing was offered for signature, and nothing will be. */
export const consolidationReleased = (owner: Owner): Transfer =>
  voidPending({ ...keyOf(owner, 'consolidation_release'), pendingId: reservationId(owner) });

/** In a block: the fee has left. */
export const consolidationSpent = (owner: Owner, amount: bigint, life: number): Transfer =>
  single({
    ...keyOf(owner, 'consolidation_fee', life),
    debit: inFlightAccount(claimOf(owner)),
    credit: transitAccount(),
    amount,
  });

/** Its block is gone. */
export const consolidationUnspent = (owner: Owner, amount: bigint, life: number): Transfer =>
  correction({
    ...keyOf(owner, 'consolidation_fee_back', life),
    corrects: transferId(keyOf(owner, 'consolidation_fee', life)),
    debit: transitAccount(),
    credit: inFlightAccount(claimOf(owner)),
    amount,
  });

/** It can't confirm any more. */
export const consolidationFailed = (owner: Owner, amount: bigint): Transfer =>
  single({
    ...keyOf(owner, 'consolidation_fail'),
    debit: inFlightAccount(claimOf(owner)),
    credit: availableAccount(claimOf(owner)),
    amount,
  });

/** In a block although it was taken for dead: the fee is nobody's until somebody has looked at it. */
export const lateConsolidation = (owner: Owner, amount: bigint, life: number): Transfer =>
  single({
    ...keyOf(owner, 'consolidation_late_fee', life),
    debit: settlementSuspenseAccount(),
    credit: transitAccount(),
    amount,
  });

export const lateConsolidationUndone = (owner: Owner, amount: bigint, life: number): Transfer =>
  single({
    ...keyOf(owner, 'consolidation_late_fee_back', life),
    debit: transitAccount(),
    credit: settlementSuspenseAccount(),
    amount,
  });

/** Ids of transfers that later ones of this consolidation may name. */
export const consolidationTransferIds = (owner: Owner, life: number): readonly TransferId[] => [
  reservationId(owner),
  ...(life > 0 ? [transferId(keyOf(owner, 'consolidation_fee', life))] : []),
];

const reservationId = (owner: Owner): TransferId => transferId(keyOf(owner, 'consolidation_reserve'));

const claimOf = ({ walletId }: Owner): Claim => ({ kind: 'wallet', walletId });

const keyOf = ({ lineageId }: Owner, purpose: string, life = 1): { purpose: string; object: string; life: number } => ({
  purpose,
  object: lineageId,
  life,
});
