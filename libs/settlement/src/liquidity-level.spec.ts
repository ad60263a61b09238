import { describe, expect, it } from 'vitest';
import { levelAt, type LiquidityLevel } from './liquidity-level.ts';

const ALERTS = { warnBelow: 1_000n, criticalBelow: 100n };

/** Levels one after the other, as liquidity changes. */
const levels = (...spendable: readonly bigint[]): LiquidityLevel[] => {
  let level: LiquidityLevel = 'ok';
  return spendable.map((sats) => (level = levelAt(ALERTS, sats, level)));
};

describe('a level', () => {
  it('is fallen below to the satoshi', () => {
    expect(levels(1_000n, 999n, 100n, 99n)).toEqual(['ok', 'warn', 'warn', 'critical']);
    expect(levels(-1n)).toEqual(['critical']);
  });

  it('is risen above from a tenth more on', () => {
    expect(levels(999n, 1_099n, 1_100n)).toEqual(['warn', 'warn', 'ok']);
    expect(levels(99n, 109n, 110n, 1_099n, 1_100n)).toEqual(['critical', 'critical', 'warn', 'warn', 'ok']);
    expect(levels(99n, 2_000n)).toEqual(['critical', 'ok']);
  });

  it('isn’t crossed again by going back and forth around it', () => {
    expect(levels(999n, 1_000n, 999n, 1_050n, 999n)).toEqual(['warn', 'warn', 'warn', 'warn', 'warn']);
  });

  it('of nothing is fallen below only past the limit', () => {
    const none = { warnBelow: 0n, criticalBelow: 0n };
    expect([0n, -1n].map((sats) => levelAt(none, sats, 'ok'))).toEqual(['ok', 'critical']);
    expect(levelAt(none, 0n, 'critical')).toBe('ok');
  });
});
