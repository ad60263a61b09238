import type { exchangeV1 } from '@finality/contracts';
import { err, type FieldError, fieldError, ok, type Result } from '@finality/kernel';
import { BTC, type Money, parseUnit, TRANSFER_AMOUNT_MAX, type Unit } from '@finality/ledger';

const SHOWN_MAX = 16;

export function parseUnitField(code: string, field: string): Result<Unit, FieldError> {
  const unit = parseUnit(code);
  if (unit !== undefined) return ok(unit);
  return err(fieldError(field, `expected "BTC" or an ISO 4217 code in upper case, got "${code.slice(0, SHOWN_MAX)}"`));
}

/** An amount of a unit, in its smallest part. */
export function parseMoney(money: exchangeV1.Money | undefined, field: string): Result<Money, FieldError> {
  if (money === undefined) return err(fieldError(field, 'expected an amount of a unit, got nothing'));
  const unit = parseUnitField(money.unit, `${field}.unit`);
  if (!unit.ok) return unit;
  if (money.amount < 1n || money.amount > TRANSFER_AMOUNT_MAX)
    return err(fieldError(`${field}.amount`, `expected 1 to ${TRANSFER_AMOUNT_MAX}, got ${money.amount}`));
  return ok({ unit: unit.value, amount: money.amount });
}

/** As {@link parseMoney}, of a unit that banks keep. */
export function parseBankMoney(money: exchangeV1.Money | undefined, field: string): Result<Money, FieldError> {
  const parsed = parseMoney(money, field);
  if (!parsed.ok || parsed.value.unit !== BTC) return parsed;
  return err(fieldError(`${field}.unit`, 'expected another unit than BTC, which comes in and goes out on the chain'));
}
