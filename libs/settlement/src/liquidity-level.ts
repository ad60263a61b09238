import { assert } from '@finality/kernel';
import type { Unit } from '@finality/ledger';

/** How an institution's liquidity stands against the levels that it has set. */
export type LiquidityLevel = 'ok' | 'warn' | 'critical';

/** In the smallest part of a unit, of what an institution can pay in it: available and what is left of its credit line. */
export interface LiquidityAlerts {
  /** Not below {@link criticalBelow}. */
  readonly warnBelow: bigint;
  readonly criticalBelow: bigint;
}

/** What has fallen below a level counts as above it again from a tenth more on, so that going back and forth around it isn't told each time. */
const REARM_DIVISOR = 10n;

/** @param before the level that it had last. @param spendable negative when it is past its limit */
export function levelAt(
  { warnBelow, criticalBelow }: LiquidityAlerts,
  spendable: bigint,
  before: LiquidityLevel,
): LiquidityLevel {
  if (spendable < raised(criticalBelow, before === 'critical')) return 'critical';
  return spendable < raised(warnBelow, before !== 'ok') ? 'warn' : 'ok';
}

const raised = (level: bigint, isBelow: boolean): bigint => (isBelow ? level + level / REARM_DIVISOR : level);

/** Levels of an institution's liquidity in one unit, and how it stood when that was told last. */
export interface WatchedLiquidity {
  readonly unit: Unit;
  readonly alerts: LiquidityAlerts;
  readonly level: LiquidityLevel;
  readonly before: LiquidityLevel;
}

export type WatchEvent =
  /** Missing: its liquidity in the unit isn't watched. */
  | {
      readonly type: 'liquidity_alerts_set';
      readonly unit: Unit;
      readonly alerts?: LiquidityAlerts;
      readonly by: string;
    }
  | {
      readonly type: 'liquidity_level_changed';
      readonly unit: Unit;
      readonly level: LiquidityLevel;
      readonly spendable: bigint;
    };

/** What is watched of one institution, by the codes of the units. */
export function rewatched(all: readonly WatchedLiquidity[], event: WatchEvent): readonly WatchedLiquidity[] {
  const { unit } = event;
  const before = watchedIn(all, unit);
  const others = all.filter((each) => each !== before);
  const withOne = (one: WatchedLiquidity): readonly WatchedLiquidity[] =>
    [...others, one].sort((a, b) => (a.unit < b.unit ? -1 : 1));
  if (event.type === 'liquidity_level_changed') {
    assert(before !== undefined, 'a level is changed where there are levels');
    return withOne({ ...before, level: event.level, before: before.level });
  }
  const { alerts } = event;
  // What was told last was told: also of other levels.
  const { level, before: earlier } = before ?? { level: 'ok', before: 'ok' };
  return alerts === undefined ? others : withOne({ unit, alerts, level, before: earlier });
}

export const watchedIn = (all: readonly WatchedLiquidity[], unit: Unit): WatchedLiquidity | undefined =>
  all.find((each) => each.unit === unit);
