import { describe, expect, it } from 'vitest';
import { BTC, parseUnit, scaleOf } from './unit.ts';

describe('units', () => {
  // ISO 4217, list one, column "minor unit".
  it.each([
    ['BTC', 8],
    ['USD', 2],
    ['EUR', 2],
    ['GBP', 2],
    ['CHF', 2],
    ['JPY', 0],
    ['KRW', 0],
    ['CLP', 0],
    ['ISK', 0],
    ['KWD', 3],
    ['BHD', 3],
    ['TND', 3],
    ['ZMW', 2],
    ['AED', 2],
  ])('%s has %i decimal places', (code, scale) => {
    const unit = parseUnit(code);
    expect(unit).toBe(code);
    expect(scaleOf(unit ?? BTC)).toBe(scale);
  });

  it.each(['', 'usd', 'sat', 'XAU', 'XTS', 'XXX', 'CHE', 'USN', 'US', 'USDT', 'available', 'toString'])(
    'has no unit "%s"',
    (code) => {
      expect(parseUnit(code)).toBeUndefined();
    },
  );
});
