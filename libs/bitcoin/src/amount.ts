import { err, MAX_MONEY_SATS, ok, type Result, type Sats } from '@finality/kernel';
import { type Fault, fault } from './fault.ts';

export type AmountFault = Fault<'INVALID_AMOUNT' | 'AMOUNT_NOT_WHOLE_SATS' | 'AMOUNT_OUT_OF_RANGE'>;

const DECIMALS = 8;
const TEXT_LENGTH_MAX = 40;
const DECIMAL = /^(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,2}))?$/;

/**
 * Exact satoshi of a decimal BTC amount (`0.1`, `1`, `20.99999999`, and `1e-8`, which Go programs such as btcd print). Never through a
 * float: hand it the source text of a JSON number. Refuses fractions of a satoshi, signs, and more than 21 million bitcoin.
 */
export function parseBtc(text: string): Result<Sats, AmountFault> {
  const match = text.length <= TEXT_LENGTH_MAX ? DECIMAL.exec(text) : null;
  if (!match)
    return err(
      fault('INVALID_AMOUNT', `expected a decimal number of bitcoin, got "${text.slice(0, TEXT_LENGTH_MAX)}"`),
    );
  const fraction = match[2] ?? '';
  const shift = DECIMALS - fraction.length + Number(match[3] ?? 0);
  const digits = BigInt(match[1] + fraction);
  const scale = 10n ** BigInt(Math.abs(shift));
  if (shift < 0 && digits % scale !== 0n) {
    return err(fault('AMOUNT_NOT_WHOLE_SATS', `expected at most ${DECIMALS} decimals, got "${text}"`));
  }
  const value = shift < 0 ? digits / scale : digits * scale;
  if (value > MAX_MONEY_SATS) return err(fault('AMOUNT_OUT_OF_RANGE', `expected at most 21000000 BTC, got "${text}"`));
  return ok(value as Sats);
}

/** Decimal BTC with all eight decimals, as Bitcoin Core prints it: `0.00000001`. Differences may be negative. */
export function formatBtc(valueSats: bigint): string {
  const digits = (valueSats < 0n ? -valueSats : valueSats).toString().padStart(DECIMALS + 1, '0');
  return `${valueSats < 0n ? '-' : ''}${digits.slice(0, -DECIMALS)}.${digits.slice(-DECIMALS)}`;
}
