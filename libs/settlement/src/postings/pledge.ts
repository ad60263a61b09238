import { availableAccount, pledgeAccount, type Pledge, single, type SingleTransfer } from '@finality/ledger';

/** Of an institution's own, to be put aside or given back. */
export interface PledgeMove {
  /** One for each request. */
  readonly pledgeId: string;
  readonly institutionId: string;
  readonly pledge: Pledge;
  /** Satoshi. */
  readonly amountSats: bigint;
}

const accountsOf = ({ institutionId, pledge }: PledgeMove) => ({
  available: availableAccount({ kind: 'clearing', institutionId }),
  pledged: pledgeAccount(pledge, institutionId),
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
    amount: move.amountSats,
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
    amount: move.amountSats,
  });
}
