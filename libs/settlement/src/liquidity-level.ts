/** How an institution's liquidity stands against the levels that it has set. */
export type LiquidityLevel = 'ok' | 'warn' | 'critical';

/** In satoshi of what an institution can pay: available and what is left of its credit line. */
export interface LiquidityAlerts {
  /** Not below {@link criticalBelowSats}. */
  readonly warnBelowSats: bigint;
  readonly criticalBelowSats: bigint;
}

/** What has fallen below a level counts as above it again from a tenth more on, so that going back and forth around it isn't told each time. */
const REARM_DIVISOR = 10n;

/** @param before the level that it had last. @param spendableSats negative when it is past its limit */
export function levelAt(
  { warnBelowSats, criticalBelowSats }: LiquidityAlerts,
  spendableSats: bigint,
  before: LiquidityLevel,
): LiquidityLevel {
  if (spendableSats < raised(criticalBelowSats, before === 'critical')) return 'critical';
  return spendableSats < raised(warnBelowSats, before !== 'ok') ? 'warn' : 'ok';
}

const raised = (levelSats: bigint, isBelow: boolean): bigint =>
  isBelow ? levelSats + levelSats / REARM_DIVISOR : levelSats;
