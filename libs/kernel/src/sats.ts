import { assert } from './assert.ts';
import type { Brand } from './brand.ts';
import { type FieldError, fieldError } from './errors.ts';
import { err, ok, type Result } from './result.ts';

/** An amount of bitcoin in satoshi: never a float, never a bare `number`. May be negative where a difference is meant. */
export type Sats = Brand<bigint, 'Sats'>;

/** 21 million bitcoin: no amount on the network can be larger. */
export const MAX_MONEY_SATS = 2_100_000_000_000_000n as Sats;

export const ZERO_SATS = 0n as Sats;

/** An amount we computed or read from a chain or a database: 0 to 21·10^14; anything else is a bug. */
export function sats(value: bigint): Sats {
  assert(value >= 0n && value <= MAX_MONEY_SATS, `${value} is not an amount of 0 to ${MAX_MONEY_SATS} sat`);
  return value as Sats;
}

/** An amount that somebody asks to move: 1 to 21·10^14 sat. */
export function parseAmount(value: bigint, field: string): Result<Sats, FieldError> {
  if (value < 1n) return err(fieldError(field, `expected at least 1 sat, got ${value}`));
  if (value > MAX_MONEY_SATS)
    return err(fieldError(field, `expected at most ${MAX_MONEY_SATS} sat (21 million bitcoin), got ${value}`));
  return ok(value as Sats);
}

export function addSats(...amounts: readonly bigint[]): Sats {
  return amounts.reduce((sum, amount) => sum + amount, 0n) as Sats;
}
