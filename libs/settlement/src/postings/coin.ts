import {
  type AccountId,
  correction,
  custodyAccount,
  single,
  type Transfer,
  transferId,
  type TransferId,
  transitAccount,
  walletSuspenseAccount,
} from '@finality/ledger';
import type { Coin } from '../coin.ts';

/** In a block: the wallet has it. */
export const coinCreated = (coin: Coin): Transfer =>
  single({
    ...createdKey(coin),
    debit: custodyAccount(coin.walletId),
    credit: transitAccount(),
    amount: coin.valueSats,
  });

/** Its block is gone. */
export const coinUncreated = (coin: Coin): Transfer =>
  correction({
    purpose: 'coin_uncreated',
    object: coin.outpoint,
    life: coin.life,
    corrects: transferId(createdKey(coin)),
    debit: transitAccount(),
    credit: custodyAccount(coin.walletId),
    amount: coin.valueSats,
  });

/** A transaction in a block spends it. */
export const coinSpent = (coin: Coin): Transfer =>
  single({ ...spentKey(coin), debit: transitAccount(), credit: custodyAccount(coin.walletId), amount: coin.valueSats });

/** The block of the transaction that spent it is gone. */
export const coinUnspent = (coin: Coin): Transfer =>
  correction({
    purpose: 'coin_unspent',
    object: coin.outpoint,
    life: coin.spends,
    corrects: transferId(spentKey(coin)),
    debit: custodyAccount(coin.walletId),
    credit: transitAccount(),
    amount: coin.valueSats,
  });

/** Ids of transfers that later ones of this coin may name. */
export function coinTransferIds(coin: Coin): readonly TransferId[] {
  return [
    ...(coin.life > 0 ? [transferId(createdKey(coin))] : []),
    ...(coin.spends > 0 ? [spentKey, foreignKey, ownerKey].map((key) => transferId(key(coin))) : []),
  ];
}

const createdKey = (coin: Coin): { purpose: string; object: string; life: number } => ({
  purpose: 'coin_created',
  object: coin.outpoint,
  life: coin.life,
});
const spentKey = (coin: Coin): { purpose: string; object: string; life: number } => ({
  purpose: 'coin_spent',
  object: coin.outpoint,
  life: coin.spends,
});

/** Spent by a transaction that isn't ours: the loss stands in the wallet's suspense until somebody has looked at it. */
export const foreignSpend = (coin: Coin): Transfer =>
  single({
    ...foreignKey(coin),
    debit: walletSuspenseAccount(coin.walletId),
    credit: transitAccount(),
    amount: coin.valueSats,
  });

export const foreignSpendUndone = (coin: Coin): Transfer =>
  correction({
    purpose: 'foreign_spend_undone',
    object: coin.outpoint,
    life: coin.spends,
    corrects: transferId(foreignKey(coin)),
    debit: transitAccount(),
    credit: walletSuspenseAccount(coin.walletId),
    amount: coin.valueSats,
  });

const foreignKey = (coin: Coin): { purpose: string; object: string; life: number } => ({
  purpose: 'foreign_spend',
  object: coin.outpoint,
  life: coin.spends,
});

/** Spent by its owner, who has the key. He may do so before it is final, or while it is reserved: that his claim may be overdrawn stops nothing. */
export const ownerSpend = (coin: Coin, from: AccountId): Transfer =>
  correction({
    ...ownerKey(coin),
    corrects: transferId(createdKey(coin)),
    debit: from,
    credit: transitAccount(),
    amount: coin.valueSats,
  });

export const ownerSpendUndone = (coin: Coin, from: AccountId): Transfer =>
  correction({
    purpose: 'owner_spend_undone',
    object: coin.outpoint,
    life: coin.spends,
    corrects: transferId(ownerKey(coin)),
    debit: transitAccount(),
    credit: from,
    amount: coin.valueSats,
  });

const ownerKey = (coin: Coin): { purpose: string; object: string; life: number } => ({
  purpose: 'owner_spend',
  object: coin.outpoint,
  life: coin.spends,
});
