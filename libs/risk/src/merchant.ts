import { type Aggregate, assertNever } from '@finality/kernel';
import { type AmountHistory, NO_AMOUNTS, observeAmount } from './amount-history.ts';

/** A settlement to this merchant (its payee) was approved: its amount is part of the history from here on. */
export interface AmountObserved {
  readonly type: 'amount_observed';
  readonly settlementId: string;
  readonly amountSats: bigint;
}

export type MerchantEvent = AmountObserved;

/** An institution as the payee of settlements: stream `merchant/<institution>`. */
export const merchant: Aggregate<AmountHistory, MerchantEvent> = {
  name: 'merchant',
  initialState: NO_AMOUNTS,
  evolve(state, event) {
    switch (event.type) {
      case 'amount_observed':
        return observeAmount(state, event.amountSats);
      default:
        return assertNever(event.type, 'merchant event');
    }
  },
};
