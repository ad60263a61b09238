import { chargeFee } from '@finality/bitcoin';
import type { Sats } from '@finality/kernel';
import type { Payout, Terms } from './settlement.ts';

/** What the payee's output has: the amount less its part of the fee. */
export const paidSats = ({ amountSats }: Terms, { payeeFeeSats }: Pick<Payout, 'payeeFeeSats'>): Sats =>
  (amountSats - payeeFeeSats) as Sats;

/** What the payer gets back from the platform: bumps that it bears. */
export const refundSats = ({ fees }: Terms, { feeSats, droppedSats, quoteSats }: Payout): Sats =>
  chargeFee((feeSats - droppedSats) as Sats, quoteSats, fees).platformSats;
