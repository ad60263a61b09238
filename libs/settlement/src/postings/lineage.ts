import {
  type AccountId,
  availableAccount,
  type Claim,
  correction,
  inFlightAccount,
  networkFeesAccount,
  single,
  type Transfer,
  transferId,
  type TransferId,
  transitAccount,
} from '@finality/ledger';
import { POOL_WALLET_ID } from '../institution.ts';
import { type OfferedLineage, paysNobody } from '../lineage.ts';

// The fee of versions that pay nobody but the wallet itself: no settlement has a share of it, so the wallet's owner bears it, or the platform.

type Owner = Pick<OfferedLineage, 'lineageId' | 'walletId' | 'anchorsHead' | 'parent'>;

/** What it writes into the chain for itself, and what pays for a stuck payout of the pool, whose coins are no institution's own. */
export const platformBears = ({ anchorsHead, parent, walletId }: Omit<Owner, 'lineageId'>): boolean =>
  anchorsHead !== undefined || (parent !== undefined && walletId === POOL_WALLET_ID);

/** Such a version is offered, and takes so much more than those before. */
export const ownFeeHeld = (lineage: Owner, version: number, amount: bigint): Transfer =>
  single({ ...heldKey(lineage, version), debit: bearer(lineage), credit: inFlight(lineage), amount });

/** In a block: the fee has left. */
export const ownFeeSpent = (lineage: Owner, life: number, amount: bigint): Transfer =>
  single({ ...spentKey(lineage, life), debit: inFlight(lineage), credit: transitAccount(), amount });

/** Its block is gone. */
export const ownFeeUnspent = (lineage: Owner, life: number, amount: bigint): Transfer =>
  correction({
    ...keyOf(lineage, 'own_fee_back', life),
    corrects: transferId(spentKey(lineage, life)),
    debit: transitAccount(),
    credit: inFlight(lineage),
    amount,
  });

/** In a block after what was held for it had been given back (a reorg past finality): the wallet pays, whether it has it or not. */
export const ownFeeDearer = (lineage: Owner, version: number, life: number, amount: bigint): Transfer =>
  correction({
    ...keyOf(lineage, 'own_dearer', life),
    corrects: transferId(heldKey(lineage, version)),
    debit: bearer(lineage),
    credit: inFlight(lineage),
    amount,
  });

/** Final: what dearer versions would have taken is free again. */
export const ownFeeRest = (lineage: Owner, life: number, amount: bigint): Transfer =>
  single({ ...keyOf(lineage, 'own_rest', life), debit: inFlight(lineage), credit: bearer(lineage), amount });

/** No version can confirm any more. */
export const ownFeeFreed = (lineage: Owner, life: number, amount: bigint): Transfer =>
  single({ ...keyOf(lineage, 'own_free', life + 1), debit: inFlight(lineage), credit: bearer(lineage), amount });

/** Ids of transfers that later ones of this lineage may name. */
export function lineageTransferIds(lineage: OfferedLineage): readonly TransferId[] {
  const own = lineage.versions.filter(paysNobody);
  if (own.length === 0) return [];
  const held = own.map(({ version }) => transferId(heldKey(lineage, version)));
  return lineage.life === 0 ? held : [...held, transferId(spentKey(lineage, lineage.life))];
}

/** Whatever holds the fee of a version: a transfer of its own, or what ends a reservation for it. */
export const heldKey = (lineage: Owner, version: number) => keyOf(lineage, 'own_hold', version);
const spentKey = (lineage: Owner, life: number) => keyOf(lineage, 'own_fee', life);
const claimOf = ({ walletId }: Owner): Claim => ({ kind: 'wallet', walletId });
const bearer = (lineage: Owner): AccountId =>
  platformBears(lineage) ? networkFeesAccount() : availableAccount(claimOf(lineage));
const inFlight = (lineage: Owner) => inFlightAccount(claimOf(lineage));

function keyOf(
  { lineageId }: Owner,
  purpose: string,
  life: number,
): { readonly purpose: string; readonly object: string; readonly life: number } {
  return { purpose, object: lineageId, life };
}
