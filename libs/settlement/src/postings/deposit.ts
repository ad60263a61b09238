import { assert } from '@finality/kernel';
import {
  type AccountId,
  availableAccount,
  correction,
  heldAccount,
  incomingAccount,
  single,
  type Transfer,
  transferId,
  type TransferId,
  transitAccount,
  walletSuspenseAccount,
} from '@finality/ledger';
import type { Beneficiary, KnownDeposit } from '../deposit.ts';

/** Seen: on its way in, or in suspense where it is nobody's. */
export const depositBooked = (deposit: KnownDeposit): Transfer =>
  single({
    ...key(deposit, 'deposit', deposit.episode),
    debit: transitAccount(),
    credit: arrivalAccount(deposit, deposit.beneficiary),
    amount: deposit.terms.valueSats,
  });

/** Its transaction is gone for now. */
export const depositUnbooked = (deposit: KnownDeposit): Transfer =>
  correction({
    ...key(deposit, 'deposit_gone', deposit.episode),
    corrects: bookedId(deposit),
    debit: arrivalAccount(deposit, deposit.beneficiary),
    credit: transitAccount(),
    amount: deposit.terms.valueSats,
  });

/** From suspense to its beneficiary: the notice of the address came late. */
export const depositAttributed = (deposit: KnownDeposit, beneficiary: Beneficiary): Transfer =>
  correction({
    ...key(deposit, 'deposit_attributed', deposit.episode),
    corrects: bookedId(deposit),
    debit: arrivalAccount(deposit, deposit.beneficiary),
    credit: arrivalAccount(deposit, beneficiary),
    amount: deposit.terms.valueSats,
  });

/** Final and approved. `life` is that of the decision. */
export const depositCredited = (deposit: KnownDeposit, life: number): Transfer =>
  single({
    ...key(deposit, 'deposit_credit', life),
    debit: deposit.status === 'held' ? heldAccount(claimOf(deposit)) : incomingAccount(claimOf(deposit)),
    credit: availableAccount(claimOf(deposit)),
    amount: deposit.terms.valueSats,
  });

/** Final, not approved. */
export const depositHeld = (deposit: KnownDeposit, life: number): Transfer =>
  single({
    ...key(deposit, 'deposit_hold', life),
    debit: incomingAccount(claimOf(deposit)),
    credit: heldAccount(claimOf(deposit)),
    amount: deposit.terms.valueSats,
  });

/** A reorg took back what was credited or held: it is on its way in again, even where it was spent. */
export function depositUndecided(deposit: KnownDeposit): Transfer {
  assert(deposit.status === 'credited' || deposit.status === 'held', 'only a decision can be taken back');
  const credited = deposit.status === 'credited';
  return correction({
    ...key(deposit, 'deposit_undecided', deposit.decisions),
    corrects: transferId(key(deposit, credited ? 'deposit_credit' : 'deposit_hold', deposit.decisions)),
    debit: credited ? availableAccount(claimOf(deposit)) : heldAccount(claimOf(deposit)),
    credit: incomingAccount(claimOf(deposit)),
    amount: deposit.terms.valueSats,
  });
}

/** Ids of transfers that later ones of this deposit may name. */
export function depositTransferIds(deposit: KnownDeposit): readonly TransferId[] {
  if (deposit.decisions === 0) return [bookedId(deposit)];
  const decided = (purpose: string): TransferId => transferId(key(deposit, purpose, deposit.decisions));
  return [bookedId(deposit), decided('deposit_credit'), decided('deposit_hold')];
}

const bookedId = (deposit: KnownDeposit): TransferId => transferId(key(deposit, 'deposit', deposit.episode));

function arrivalAccount(deposit: KnownDeposit, beneficiary: Beneficiary): AccountId {
  return beneficiary.kind === 'suspense'
    ? walletSuspenseAccount(deposit.terms.walletId)
    : incomingAccount(beneficiary.claim);
}

function claimOf(deposit: KnownDeposit): Extract<Beneficiary, { kind: 'institution' }>['claim'] {
  assert(deposit.beneficiary.kind === 'institution', 'what is in suspense belongs to nobody');
  return deposit.beneficiary.claim;
}

const key = (
  deposit: KnownDeposit,
  purpose: string,
  life: number,
): { purpose: string; object: string; life: number } => ({
  purpose,
  object: deposit.terms.outpoint,
  life,
});
