import type { Sats } from '@finality/kernel';
import { BTC, type Money } from '@finality/ledger';
import type { Terms } from './settlement.ts';

/** What a settlement pays that isn't satoshi on its way from payer to payee. */
export interface UnitTerms {
  /** What the payer gives. */
  readonly paid: Money;
  /** What that was worth in satoshi, rounded up, when it was submitted; missing: nobody could tell, and a person decides. */
  readonly valueSats?: Sats;
}

/** Value that moves from one institution's clearing balance to another's. */
export interface Leg {
  readonly from: string;
  readonly to: string;
  readonly money: Money;
}

type Paying = Pick<Terms, 'from' | 'to' | 'amountSats' | 'units'>;

/** What a settlement pays. */
export const paidOf = ({ amountSats, units }: Pick<Terms, 'amountSats' | 'units'>): Money =>
  units?.paid ?? { unit: BTC, amount: amountSats };

/** What moves when a CENTRALIZED settlement settles: all of it or nothing. */
export const legsOf = (terms: Paying): readonly Leg[] => [{ from: terms.from, to: terms.to, money: paidOf(terms) }];
