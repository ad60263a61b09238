import {
  availableAccount,
  correction,
  inFlightAccount,
  incomingAccount,
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
import type { LivingSettlement, Payout, Terms } from '../settlement.ts';

/** Sets amount plus fee cap aside until the transaction is built. */
export const reservation = (terms: Terms, feeCapSats: bigint): Transfer =>
  pending({
    ...keyOf(terms, 'reserve'),
    debit: availableAccount(terms.payer),
    credit: inFlightAccount(terms.payer),
    amount: terms.amountSats + feeCapSats,
  });

/** The transaction is built: amount and its fee are on their way, the rest of the cap is free again. */
export const commitment = (terms: Terms, feeSats: bigint): Transfer =>
  post({ ...keyOf(terms, 'commit'), pendingId: reservationId(terms.settlementId), amount: terms.amountSats + feeSats });

/** Another version may take a larger share of the fee. */
export const heldMore = (
  terms: Terms,
  { lineageId, version }: { readonly lineageId: string; readonly version: number },
  amount: bigint,
): Transfer =>
  single({
    ...inLineage(terms, lineageId, 'bump', version),
    debit: availableAccount(terms.payer),
    credit: inFlightAccount(terms.payer),
    amount,
  });

/** Nothing will be paid: everything reserved is free again. */
export const release = (terms: Terms): Transfer =>
  voidPending({ ...keyOf(terms, 'release'), pendingId: reservationId(terms.settlementId) });

/** In a block: the fee has left, the amount is the payee's, not yet final. */
export function payoutConfirmed(terms: Terms, payout: Payout): readonly Transfer[] {
  return [feeSpent(terms, payout, payout.life), amountMoved(terms, payout.life)];
}

/** Out of the block it was in, before it was final: all as before. */
export function payoutUnconfirmed(terms: Terms, payout: Payout): readonly Transfer[] {
  return [feeUnspent(terms, payout), amountMovedBack(terms, payout.life)];
}

/** Final: the payee may spend it, and the payer what was held for dearer versions. */
export function payoutSettled(terms: Terms, payout: Payout, settledTimes: number): readonly Transfer[] {
  const settled = single({
    ...keyOf(terms, 'settle', settledTimes),
    debit: incomingAccount(terms.payee),
    credit: availableAccount(terms.payee),
    amount: terms.amountSats,
  });
  const restSats = payout.heldSats - payout.feeSats;
  return restSats === 0n ? [settled] : [settled, heldLess(terms, 'rest', settledTimes, restSats)];
}

/** A reorg past the target: what the payee has is put in suspense, even if it spent it since. */
export function payoutReopened(state: LivingSettlement, payout: Payout): readonly Transfer[] {
  const { terms, settledTimes } = state;
  return [
    feeUnspent(terms, payout),
    correction({
      ...keyOf(terms, 'reopen', settledTimes),
      corrects: settledId(state),
      debit: availableAccount(terms.payee),
      credit: settlementSuspenseAccount(),
      amount: terms.amountSats,
    }),
  ];
}

/**
 * In a block again while reopened: the fee has left once more; the amount stays in suspense until it is final. Another version than before
 * costs more or less: that is the payer's, whether he has it or not.
 */
export function reopenedConfirmed(terms: Terms, before: Payout, payout: Payout): readonly Transfer[] {
  const { life, feeSats } = payout;
  const moreSats = feeSats - before.heldSats;
  const spent = feeSpent(terms, payout, life);
  if (moreSats < 0n) return [spent, heldLess(terms, 'cheaper', life, -moreSats)];
  if (moreSats === 0n) return [spent];
  const dearer = correction({
    ...keyOf(terms, 'dearer', life),
    corrects: feeId(terms.settlementId, before.life),
    debit: availableAccount(terms.payer),
    credit: inFlightAccount(terms.payer),
    amount: moreSats,
  });
  return [dearer, spent];
}

export const reopenedUnconfirmed = (terms: Terms, payout: Payout): Transfer => feeUnspent(terms, payout);

/** Final after all. */
export const reopenedSettled = (terms: Terms, settledTimes: number): Transfer =>
  single({
    ...keyOf(terms, 'resettle', settledTimes),
    debit: settlementSuspenseAccount(),
    credit: availableAccount(terms.payee),
    amount: terms.amountSats,
  });

/** It can't confirm any more: amount and fee are the payer's again. */
export function payoutReversed(terms: Terms, payout: Payout): readonly Transfer[] {
  return [
    single({
      ...keyOf(terms, 'reverse'),
      debit: settlementSuspenseAccount(),
      credit: availableAccount(terms.payer),
      amount: terms.amountSats,
    }),
    single({
      ...keyOf(terms, 'reverse_fee'),
      debit: inFlightAccount(terms.payer),
      credit: availableAccount(terms.payer),
      amount: payout.heldSats,
    }),
  ];
}

/** Every transaction that could pay it is dead, and it never was final. */
export const payoutFailed = (terms: Terms, payout: Payout): Transfer =>
  single({
    ...keyOf(terms, 'fail'),
    debit: inFlightAccount(terms.payer),
    credit: availableAccount(terms.payer),
    amount: terms.amountSats + payout.heldSats,
  });

/** Ids of transfers that later ones of this settlement may name. */
export function settlementTransferIds(state: LivingSettlement): readonly TransferId[] {
  const { settlementId } = state.terms;
  const ids = [reservationId(settlementId)];
  const payout = 'payout' in state ? state.payout : undefined;
  if (payout !== undefined && payout.life > 0)
    ids.push(feeId(settlementId, payout.life), amountId(settlementId, payout.life));
  if (state.settledTimes > 0) ids.push(settledId(state));
  return ids;
}

const reservationId = (settlementId: string): TransferId =>
  transferId({ purpose: 'reserve', object: settlementId, life: 1 });
const feeId = (settlementId: string, life: number): TransferId =>
  transferId({ purpose: 'fee', object: settlementId, life });
const amountId = (settlementId: string, life: number): TransferId =>
  transferId({ purpose: 'payout', object: settlementId, life });

/** The first time a settlement settles from `incoming`, later ones from suspense. */
const settledId = (state: LivingSettlement): TransferId =>
  transferId({
    purpose: state.settledTimes === 1 ? 'settle' : 'resettle',
    object: state.terms.settlementId,
    life: state.settledTimes,
  });

const heldLess = (terms: Terms, purpose: string, life: number, amount: bigint): Transfer =>
  single({
    ...keyOf(terms, purpose, life),
    debit: inFlightAccount(terms.payer),
    credit: availableAccount(terms.payer),
    amount,
  });

const feeSpent = (terms: Terms, payout: Payout, life: number): Transfer =>
  single({
    ...keyOf(terms, 'fee', life),
    debit: inFlightAccount(terms.payer),
    credit: transitAccount(),
    amount: payout.feeSats,
  });

const feeUnspent = (terms: Terms, payout: Payout): Transfer =>
  correction({
    ...keyOf(terms, 'fee_back', payout.life),
    corrects: feeId(terms.settlementId, payout.life),
    debit: transitAccount(),
    credit: inFlightAccount(terms.payer),
    amount: payout.feeSats,
  });

const amountMoved = (terms: Terms, life: number): Transfer =>
  single({
    ...keyOf(terms, 'payout', life),
    debit: inFlightAccount(terms.payer),
    credit: incomingAccount(terms.payee),
    amount: terms.amountSats,
  });

const amountMovedBack = (terms: Terms, life: number): Transfer =>
  correction({
    ...keyOf(terms, 'payout_back', life),
    corrects: amountId(terms.settlementId, life),
    debit: incomingAccount(terms.payee),
    credit: inFlightAccount(terms.payer),
    amount: terms.amountSats,
  });

/** Lineages count their versions and lives alike, and a payout may be in several. */
const inLineage = (terms: Terms, lineageId: string, purpose: string, life: number): ReturnType<typeof keyOf> => ({
  ...keyOf(terms, purpose, life),
  object: `${terms.settlementId}/${lineageId}`,
});

function keyOf(
  terms: Terms,
  purpose: string,
  life = 1,
): { purpose: string; object: string; life: number; settlementId: string } {
  return { purpose, object: terms.settlementId, life, settlementId: terms.settlementId };
}

/** In a block although it was taken for dead (a reorg past finality): the fee is nobody's until somebody has looked at it. */
export const lateConfirmation = (terms: Terms, lineageId: string, feeSats: bigint, life: number): Transfer =>
  single({
    ...inLineage(terms, lineageId, 'late_fee', life),
    debit: settlementSuspenseAccount(),
    credit: transitAccount(),
    amount: feeSats,
  });

export const lateConfirmationUndone = (terms: Terms, lineageId: string, feeSats: bigint, life: number): Transfer =>
  single({
    ...inLineage(terms, lineageId, 'late_fee_back', life),
    debit: transitAccount(),
    credit: settlementSuspenseAccount(),
    amount: feeSats,
  });
