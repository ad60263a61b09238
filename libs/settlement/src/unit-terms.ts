import { type Sats, ZERO_SATS } from '@finality/kernel';
import { BTC, type Money } from '@finality/ledger';
import type { Terms } from './settlement.ts';

/** What a settlement pays that isn't satoshi on its way from payer to payee. */
export interface UnitTerms {
  /** What the payer gives. */
  readonly paid: Money;
  /** What that was worth in satoshi, rounded up, when it was submitted; missing: nobody could tell, and a person decides. */
  readonly valueSats?: Sats;
  /** It is given for another unit: payment versus payment. */
  readonly exchange?: ExchangeTerms;
}

/** One unit against another: both legs move, or none does. */
export interface ExchangeTerms {
  readonly quoteId: string;
  readonly makerId: string;
  /** What is given to the payer, or to whom the payer pays, for what is paid. */
  readonly bought: Money;
  readonly legs: readonly Leg[];
  /** It fails when either leg lacks liquidity, rather than wait for it as long as the quote lives. */
  readonly failOnShortage: boolean;
}

/** Value that moves from one institution's clearing balance to another's. */
export interface Leg {
  readonly from: string;
  readonly to: string;
  readonly money: Money;
}

/** What a settlement pays. */
export const paidOf = ({ amountSats, units }: Pick<Terms, 'amountSats' | 'units'>): Money =>
  units?.paid ?? { unit: BTC, amount: amountSats };

/** What moves when a CENTRALIZED settlement settles: all of it or nothing. */
export const legsOf = (terms: Pick<Terms, 'from' | 'to' | 'amountSats' | 'units'>): readonly Leg[] =>
  terms.units?.exchange?.legs ?? [{ from: terms.from, to: terms.to, money: paidOf(terms) }];

/** As limits count it: in satoshi, by what it is worth. What nobody can value counts as a settlement of nothing, which a person decides on. */
export const valued = <T extends Pick<Terms, 'amountSats' | 'units'>>(terms: T): T =>
  terms.units === undefined ? terms : { ...terms, amountSats: terms.units.valueSats ?? ZERO_SATS };

/** In another unit, of which nobody could tell what it is worth. */
export const isUnvalued = ({ units }: Pick<Terms, 'units'>): boolean =>
  units !== undefined && units.valueSats === undefined;
