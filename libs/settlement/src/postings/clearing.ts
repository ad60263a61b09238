import {
  type AccountId,
  availableAccount,
  ccpAccount,
  clearingClaim,
  single,
  type SingleTransfer,
} from '@finality/ledger';
import type { Terms } from '../settlement.ts';
import { legsOf } from '../unit-terms.ts';

/** What the legs' transfers are called: of an exchange the second one gives what the first one pays for. */
const LEGS = ['novation', 'exchange'] as const;

/** CENTRALIZED: novation. The payer owes the central counterparty, the central counterparty the payee; both or none, in all units there are. */
export function novation(terms: Terms): readonly SingleTransfer[] {
  const { settlementId } = terms;
  const key = { object: settlementId, life: 1, settlementId };
  return legsOf(terms).flatMap(({ from, to, money: { unit, amount } }, i) => {
    const purpose = LEGS[i]!;
    const ccp = ccpAccount(unit);
    return [
      single({
        ...key,
        purpose: `${purpose}_payer`,
        debit: availableAccount(clearingClaim(from, unit)),
        credit: ccp,
        amount,
      }),
      single({
        ...key,
        purpose: `${purpose}_payee`,
        debit: ccp,
        credit: availableAccount(clearingClaim(to, unit)),
        amount,
      }),
    ];
  });
}

/** The accounts that {@link novation} moves money between. */
export const clearingAccounts = (terms: Terms): readonly AccountId[] =>
  legsOf(terms).flatMap(({ from, to, money: { unit } }) => [
    availableAccount(clearingClaim(from, unit)),
    ccpAccount(unit),
    availableAccount(clearingClaim(to, unit)),
  ]);
