import { err, fieldError, invalid, ok, type Refusal, type Result } from '@finality/kernel';
import { BTC, clearingClaim, TRANSFER_AMOUNT_MAX } from '@finality/ledger';
import type { Assessment, Terms } from '../settlement.ts';
import type { Submission } from './submit.ts';

/** What the terms of a settlement in another unit have that those in satoshi don't; nothing for one in satoshi. */
export function unitTerms(submission: Submission): Result<Partial<Terms>, Refusal> {
  const { from, to, mode, paid } = submission;
  if (paid === undefined) return ok({});
  const { unit, amount } = paid;
  if (mode !== 'centralized')
    return refused('amount', 'expected none: on-chain nothing but satoshi is paid, in amount_sats');
  if (unit === BTC) return refused('amount.unit', 'expected another unit than BTC, which goes into amount_sats');
  if (amount < 1n || amount > TRANSFER_AMOUNT_MAX)
    return refused('amount.amount', `expected 1 to ${TRANSFER_AMOUNT_MAX}, got ${amount}`);
  return ok({ payer: clearingClaim(from, unit), payee: clearingClaim(to, unit), units: { paid } });
}

const refused = (field: string, description: string): Result<never, Refusal> =>
  err(invalid(fieldError(field, description)));

/** Thresholds are in satoshi: what nobody can value, a person looks at. Nothing for what has a value. */
export function unvalued({ units }: Pick<Terms, 'units'>): readonly Assessment[] {
  if (units === undefined || units.valueSats !== undefined) return [];
  const reason = `no rate says what ${units.paid.unit} is worth: thresholds can't judge it`;
  return [{ recommendation: 'manual_review', rulesVersion: UNIT_RULES, reason }];
}

const UNIT_RULES = 'units-1';
