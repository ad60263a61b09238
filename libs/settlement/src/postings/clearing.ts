import { assert } from '@finality/kernel';
import { availableAccount, ccpAccount, single, type SingleTransfer } from '@finality/ledger';
import type { Terms } from '../settlement.ts';

/** CENTRALIZED: novation. The payer owes the central counterparty, the central counterparty the payee; both or none. */
export function novation(terms: Terms): readonly SingleTransfer[] {
  const { settlementId, amountSats: amount, payee } = terms;
  assert(payee.kind === 'clearing', 'clearing balances are paid to clearing balances');
  const key = { object: settlementId, life: 1, settlementId };
  return [
    single({ ...key, purpose: 'novation_payer', debit: availableAccount(terms.payer), credit: ccpAccount(), amount }),
    single({ ...key, purpose: 'novation_payee', debit: ccpAccount(), credit: availableAccount(payee), amount }),
  ];
}
