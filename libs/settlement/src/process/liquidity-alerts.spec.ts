import { unwrap } from '@finality/kernel';
import { BTC } from '@finality/ledger';
import { describe, expect, it } from 'vitest';
import { type LiquidityAlerts, watchedIn } from '../liquidity-level.ts';
import { Exchange, USD } from '../spec/exchange.fixture.ts';
import { approved, funded, given, submitted } from '../spec/given.fixture.ts';
import type { Command } from '../spec/commands.fixture.ts';
import type { World } from '../spec/world.fixture.ts';
import { setCreditLine } from './credit-lines.ts';
import { observeLiquidity, setLiquidityAlerts } from './liquidity-alerts.ts';

const watching = (warnBelow: bigint, criticalBelow: bigint): Command => ({
  type: 'set_liquidity_alerts',
  request: { institutionId: 'a', unit: BTC, alerts: { warnBelow, criticalBelow }, by: 'k' },
});
const told = (command: Command) => (world: World) => world.tell(command);
const OBSERVED: Command = { type: 'observe_liquidity', institutionId: 'a', unit: BTC };
const SET = 'institution/a liquidity_alerts_set';
const CHANGED = 'institution/a liquidity_level_changed';

const levelOf = (world: World): unknown => {
  const institution = world.book.institutions.get('a');
  return institution.status === 'none' ? undefined : watchedIn(institution.watched, BTC)?.level;
};

describe('liquidity that is watched', () => {
  const RICH = [funded('a', 'clearing', 10_000n), told(watching(5_000n, 1_000n))];

  it('is told of when it falls below a level, and when it is above again, once each', () => {
    const spent = given(...RICH, submitted('centralized', 5_001n), approved);
    expect(levelOf(spent.when(OBSERVED, OBSERVED).then(CHANGED))).toBe('warn');
    const low = given(...RICH, submitted('centralized', 9_500n), approved, told(OBSERVED));
    expect(levelOf(low.when(OBSERVED).then())).toBe('critical');
    const again = given(
      ...RICH,
      submitted('centralized', 9_500n),
      approved,
      told(OBSERVED),
      funded('a', 'clearing', 5_000n),
    );
    expect(levelOf(again.when(OBSERVED, OBSERVED).then(CHANGED))).toBe('ok');
  });

  it('counts what is left of a credit line', () => {
    const line = {
      institutionId: 'a',
      creditLineSats: 4_999n,
      reason: 'reviewed',
      by: 'operator',
      confirmedBy: 'operator-2',
    };
    given(told({ type: 'set_credit_line', request: line }))
      .when(watching(4_999n, 0n))
      .then(SET);
    given(told({ type: 'set_credit_line', request: line }))
      .when(watching(5_000n, 0n))
      .then(SET, CHANGED);
  });

  it('is told of at once when it is below a level that is set', () => {
    expect(levelOf(given().when(watching(2n, 1n)).then(SET, CHANGED))).toBe('critical');
  });

  it('is told of at once when it is above levels that are lowered', () => {
    expect(
      levelOf(
        given(...RICH, told(watching(20_000n, 0n)))
          .when(watching(5_000n, 0n))
          .then(SET, CHANGED),
      ),
    ).toBe('ok');
    given(...RICH)
      .when(watching(6_000n, 0n))
      .then(SET);
  });

  it('is watched no more when nobody wants it', () => {
    const off = { type: 'set_liquidity_alerts', request: { institutionId: 'a', unit: BTC, by: 'k' } } as const;
    const world = given(...RICH).when(off, submitted('centralized', 10_000n), approved, OBSERVED).world;
    expect(world.book.log.filter(({ event }) => event.type === 'liquidity_level_changed')).toEqual([]);
    expect(levelOf(world)).toBeUndefined();
  });

  it('is watched in each unit by itself: of what it has there, and may owe there', () => {
    const exchange = new Exchange('a');
    const { book } = exchange;
    exchange.fund('a', 10_000n);
    const watch = (alerts?: LiquidityAlerts): void =>
      void unwrap(setLiquidityAlerts(book, { institutionId: 'a', unit: USD, by: 'k', ...(alerts && { alerts }) }));
    const seen = (): unknown => {
      for (const unit of [USD, BTC]) observeLiquidity(book, 'a', unit);
      const institution = book.institutions.get('a');
      return institution.status === 'none' ? [] : institution.watched.map(({ unit, level }) => [unit, level]);
    };
    watch({ warnBelow: 4_000n, criticalBelow: 1_000n });
    expect(seen()).toEqual([[USD, 'critical']]);
    const line = { creditLineSats: 0n, limit: { unit: USD, amount: 3_000n }, reason: 'reviewed' };
    unwrap(setCreditLine(book, { institutionId: 'a', ...line, by: 'o', confirmedBy: 'p' }));
    expect(seen()).toEqual([[USD, 'warn']]);
    exchange.payIn('a', USD, 1_400n);
    expect(seen()).toEqual([[USD, 'ok']]);
    const told = book.log.filter(({ event }) => event.type === 'liquidity_level_changed');
    expect(told.map(({ event }) => event)).toMatchObject([
      { unit: USD, level: 'critical', spendable: 0n },
      { unit: USD, level: 'warn', spendable: 3_000n },
      { unit: USD, level: 'ok', spendable: 4_400n },
    ]);
    watch();
    expect(seen()).toEqual([]);
  });

  it('has levels in their order, and is somebody’s', () => {
    given().when(watching(1n, 2n)).refused('INVALID_ARGUMENT');
    const nobodys = { ...watching(2n, 1n), request: { institutionId: 'nobody', unit: BTC, by: 'k' } } as Command;
    given().when(nobodys).refused('UNKNOWN_INSTITUTION');
    given().when({ type: 'observe_liquidity', institutionId: 'nobody', unit: BTC }).then();
  });
});
