import type { Sats } from '@finality/kernel';
import {
  type AccountId,
  availableAccount,
  correction,
  inFlightAccount,
  incomingAccount,
  networkFeesAccount,
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
import { paidSats, refundSats } from '../payout-amounts.ts';
import { type DestinationPayee, type LivingSettlement, type Payee, type Payout, type Terms } from '../settlement.ts';

type Reserved = Pick<LivingSettlement, 'terms' | 'reservedTimes'>;

/** Sets amount plus what the fee may take aside until the transaction is built. `life`: how often that has been done for this settlement. */
export const reservation = (terms: Terms, feeReservedSats: bigint, life: number): Transfer =>
  pending({
    ...keyOf(terms, 'reserve', life),
    debit: availableAccount(terms.payer),
    credit: inFlightAccount(terms.payer),
    amount: terms.amountSats + feeReservedSats,
  });

/** The transaction is built: what is paid and its fee are on their way, the rest of what was reserved is free again. */
export const commitment = ({ terms, reservedTimes }: Reserved, payout: Payout): Transfer =>
  post({
    ...keyOf(terms, 'commit'),
    pendingId: reservationId(terms.settlementId, reservedTimes),
    amount: paidSats(terms, payout) + payout.feeSats,
  });

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
export const release = ({ terms, reservedTimes }: Reserved): Transfer =>
  voidPending({
    ...keyOf(terms, 'release', reservedTimes),
    pendingId: reservationId(terms.settlementId, reservedTimes),
  });

/** In a block: the fee has left, what was paid is the payee's, not yet final. */
export function payoutConfirmed(terms: Terms, payout: Payout): readonly Transfer[] {
  return [...feeSpent(terms, payout), amountMoved(terms, payout)];
}

/** Out of the block it was in, before it was final: all as before. */
export function payoutUnconfirmed(terms: Terms, payout: Payout): readonly Transfer[] {
  return [...feeUnspent(terms, payout), amountMovedBack(terms, payout)];
}

/** Final: the payee may spend it, and the payer what was held for dearer versions, and what the platform bears of this one. */
export function payoutSettled(terms: Terms, payout: Payout, settledTimes: number): readonly Transfer[] {
  const { payee } = terms;
  const settled = isOutside(payee)
    ? []
    : [
        single({
          ...keyOf(terms, 'settle', settledTimes),
          debit: incomingAccount(payee),
          credit: availableAccount(payee),
          amount: paidSats(terms, payout),
        }),
      ];
  const restSats = payout.heldSats - payout.feeSats;
  const rest = restSats === 0n ? [] : [heldLess(terms, 'rest', settledTimes, restSats)];
  return [...settled, ...rest, ...refunded(terms, payout, settledTimes)];
}

/** The platform pays for a bump: the fee has left the payer's wallet, so it pays on the payer's clearing balance. */
function refunded(terms: Terms, payout: Payout, settledTimes: number): readonly Transfer[] {
  const amount = refundSats(terms, payout);
  if (amount === 0n) return [];
  const key = keyOf(terms, 'bump_refund', settledTimes);
  return [single({ ...key, debit: networkFeesAccount(), credit: refundAccount(terms), amount })];
}

function unrefunded(terms: Terms, payout: Payout, settledTimes: number): readonly Transfer[] {
  const amount = refundSats(terms, payout);
  if (amount === 0n) return [];
  const key = keyOf(terms, 'bump_refund_back', settledTimes);
  const corrects = refundId(terms.settlementId, settledTimes);
  return [correction({ ...key, corrects, debit: refundAccount(terms), credit: networkFeesAccount(), amount })];
}

/** Where the payer gets what the platform bears. */
export const refundAccount = ({ from }: Terms): AccountId =>
  availableAccount({ kind: 'clearing', institutionId: from });

/** A reorg past the target: what the payee has is put in suspense, even if it spent it since. */
export function payoutReopened(state: LivingSettlement, payout: Payout): readonly Transfer[] {
  const { terms, settledTimes } = state;
  return [
    ...feeUnspent(terms, payout),
    ...unrefunded(terms, payout, settledTimes),
    correction({
      ...keyOf(terms, 'reopen', settledTimes),
      corrects: isOutside(terms.payee) ? leftThen(state, payout) : settledId(state),
      debit: isOutside(terms.payee) ? transitAccount() : availableAccount(terms.payee),
      credit: settlementSuspenseAccount(),
      amount: paidSats(terms, payout),
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
  const spent = [...feeSpent(terms, payout), ...(isOutside(terms.payee) ? [leftAgain(terms, payout)] : [])];
  if (moreSats < 0n) return [...spent, heldLess(terms, 'cheaper', life, -moreSats)];
  if (moreSats === 0n) return spent;
  const dearer = correction({
    ...keyOf(terms, 'dearer', life),
    corrects: transferId(keyOf(terms, feeParts(before)[0]!.purpose, before.life)),
    debit: availableAccount(terms.payer),
    credit: inFlightAccount(terms.payer),
    amount: moreSats,
  });
  return [dearer, ...spent];
}

export const reopenedUnconfirmed = (terms: Terms, payout: Payout): readonly Transfer[] => [
  ...feeUnspent(terms, payout),
  ...(isOutside(terms.payee) ? [leftAgainUndone(terms, payout)] : []),
];

/** What stands in suspense for it: undone by a reorg past its target, and neither settled again nor given back. What has left again has left. */
export function suspendedSats(state: LivingSettlement): Sats {
  const isSuspended = state.status === 'reopened' || (state.status === 'reversed' && state.because === 'overdue');
  if (!isSuspended || state.payout === undefined) return 0n as Sats;
  if (isOutside(state.terms.payee) && 'block' in state) return 0n as Sats;
  return paidSats(state.terms, state.payout);
}

/** Final after all. */
export function reopenedSettled(terms: Terms, payout: Payout, settledTimes: number): readonly Transfer[] {
  const { payee } = terms;
  const refund = refunded(terms, payout, settledTimes);
  if (isOutside(payee)) return refund;
  const settled = single({
    ...keyOf(terms, 'resettle', settledTimes),
    debit: settlementSuspenseAccount(),
    credit: availableAccount(payee),
    amount: paidSats(terms, payout),
  });
  return [settled, ...refund];
}

/** It can't confirm any more: amount and fee are the payer's again. */
export function payoutReversed(terms: Terms, payout: Payout): readonly Transfer[] {
  return [
    single({
      ...keyOf(terms, 'reverse'),
      debit: settlementSuspenseAccount(),
      credit: availableAccount(terms.payer),
      amount: paidSats(terms, payout),
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
    amount: paidSats(terms, payout) + payout.heldSats,
  });

/** Ids of transfers that later ones of this settlement may name. */
export function settlementTransferIds(state: LivingSettlement): readonly TransferId[] {
  const { settlementId } = state.terms;
  const ids = [reservationId(settlementId, Math.max(1, state.reservedTimes))];
  const payout = 'payout' in state ? state.payout : undefined;
  if (payout !== undefined && payout.life > 0) {
    const parts = feeParts(payout).map(({ purpose }) => transferId(keyOf(state.terms, purpose, payout.life)));
    ids.push(...parts, amountId(settlementId, payout.life), leftId(settlementId, payout.life));
  }
  if (state.settledTimes > 0) ids.push(settledId(state), refundId(settlementId, state.settledTimes));
  return ids;
}

const reservationId = (settlementId: string, life: number): TransferId =>
  transferId({ purpose: 'reserve', object: settlementId, life });
const refundId = (settlementId: string, life: number): TransferId =>
  transferId({ purpose: 'bump_refund', object: settlementId, life });
const amountId = (settlementId: string, life: number): TransferId =>
  transferId({ purpose: 'payout', object: settlementId, life });

const leftId = (settlementId: string, life: number): TransferId =>
  transferId({ purpose: 'left', object: settlementId, life });

/** What took the amount out of the platform when it was last in a block. */
const leftThen = ({ terms, settledTimes }: LivingSettlement, { life }: Payout): TransferId =>
  settledTimes === 1 ? amountId(terms.settlementId, life) : leftId(terms.settlementId, life);

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

interface FeePart {
  readonly purpose: 'fee' | 'payee_fee' | 'dropped_change';
  readonly amount: bigint;
}

/** A share of the fee by what it is: the payer's for room in the block, the payee's, and what was too little for change. */
function feeParts({ feeSats, droppedSats, payeeFeeSats }: Payout): readonly FeePart[] {
  const neededSats = feeSats - droppedSats;
  // A version may cost less than the payee was quoted: the rest of the quote is the payer's.
  const payeesSats = payeeFeeSats < neededSats ? payeeFeeSats : neededSats;
  const parts: readonly FeePart[] = [
    { purpose: 'fee', amount: neededSats - payeesSats },
    { purpose: 'payee_fee', amount: payeesSats },
    { purpose: 'dropped_change', amount: droppedSats },
  ];
  return parts.filter(({ amount }) => amount > 0n);
}

const feeSpent = (terms: Terms, payout: Payout): readonly Transfer[] =>
  feeParts(payout).map(({ purpose, amount }) =>
    single({
      ...keyOf(terms, purpose, payout.life),
      debit: inFlightAccount(terms.payer),
      credit: transitAccount(),
      amount,
    }),
  );

const feeUnspent = (terms: Terms, payout: Payout): readonly Transfer[] =>
  feeParts(payout).map(({ purpose, amount }) =>
    correction({
      ...keyOf(terms, `${purpose}_back`, payout.life),
      corrects: transferId(keyOf(terms, purpose, payout.life)),
      debit: transitAccount(),
      credit: inFlightAccount(terms.payer),
      amount,
    }),
  );

const amountMoved = (terms: Terms, payout: Payout): Transfer =>
  single({
    ...keyOf(terms, 'payout', payout.life),
    debit: inFlightAccount(terms.payer),
    credit: arrivalAccount(terms.payee),
    amount: paidSats(terms, payout),
  });

const amountMovedBack = (terms: Terms, payout: Payout): Transfer =>
  correction({
    ...keyOf(terms, 'payout_back', payout.life),
    corrects: amountId(terms.settlementId, payout.life),
    debit: arrivalAccount(terms.payee),
    credit: inFlightAccount(terms.payer),
    amount: paidSats(terms, payout),
  });

/** In a block again, after it was in suspense: the amount has left once more. */
const leftAgain = (terms: Terms, payout: Payout): Transfer =>
  single({
    ...keyOf(terms, 'left', payout.life),
    debit: settlementSuspenseAccount(),
    credit: transitAccount(),
    amount: paidSats(terms, payout),
  });

const leftAgainUndone = (terms: Terms, payout: Payout): Transfer =>
  correction({
    ...keyOf(terms, 'left_back', payout.life),
    corrects: leftId(terms.settlementId, payout.life),
    debit: transitAccount(),
    credit: settlementSuspenseAccount(),
    amount: paidSats(terms, payout),
  });

/** What is paid at a destination isn't on the platform any more: it leaves as fees do. */
const isOutside = (payee: Payee): payee is DestinationPayee => payee.kind === 'destination';

const arrivalAccount = (payee: Payee): AccountId => (isOutside(payee) ? transitAccount() : incomingAccount(payee));

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
export const lateConfirmation = (terms: Terms, lineageId: string, payout: LatePayout, life: number): Transfer =>
  single({
    ...inLineage(terms, lineageId, 'late_fee', life),
    debit: settlementSuspenseAccount(),
    credit: transitAccount(),
    amount: goneLate(terms, payout),
  });

/** As the version in the block pays it. */
interface LatePayout {
  readonly amountSats: bigint;
  readonly feeSats: bigint;
}

const goneLate = ({ payee }: Terms, { amountSats, feeSats }: LatePayout): bigint =>
  isOutside(payee) ? amountSats + feeSats : feeSats;

export const lateConfirmationUndone = (terms: Terms, lineageId: string, payout: LatePayout, life: number): Transfer =>
  single({
    ...inLineage(terms, lineageId, 'late_fee_back', life),
    debit: transitAccount(),
    credit: settlementSuspenseAccount(),
    amount: goneLate(terms, payout),
  });
