import {
  availableAccount,
  clearingClaim,
  pledgeAccount,
  type Pledge,
  single,
  type SingleTransfer,
  type Unit,
} from '@finality/ledger';

/** Of an institution's own, to be put aside or given back. */
export interface PledgeMove {
  /** One for each request. */
  readonly pledgeId: string;
  readonly institutionId: string;
  readonly pledge: Pledge;
  readonly unit: Unit;
  readonly amount: bigint;
}

const accountsOf = ({ institutionId, pledge, unit }: Omit<PledgeMove, 'pledgeId' | 'amount'>) => ({
  available: availableAccount(clearingClaim(institutionId, unit)),
  pledged: pledgeAccount(pledge, institutionId, unit),
});

/** From what it can pay with to what it has put aside. */
export function posted(move: PledgeMove): SingleTransfer {
  const { available, pledged } = accountsOf(move);
  return single({
    purpose: 'pledge_posted',
    object: move.pledgeId,
    life: 1,
    debit: available,
    credit: pledged,
    amount: move.amount,
  });
}

/** And back. */
export function released(move: PledgeMove): SingleTransfer {
  const { available, pledged } = accountsOf(move);
  return single({
    purpose: 'pledge_released',
    object: move.pledgeId,
    life: 1,
    debit: pledged,
    credit: available,
    amount: move.amount,
  });
}

/** From its own collateral to what it owes for a window. */
export function taken(institutionId: string, windowId: string, unit: Unit, amount: bigint): SingleTransfer {
  const { available, pledged } = accountsOf({ institutionId, pledge: 'collateral', unit });
  const object = `${windowId}:${institutionId}:${unit}`;
  return single({ purpose: 'collateral_taken', object, life: 1, debit: pledged, credit: available, amount });
}
