import { liquidityV1, toTimestamp } from '@finality/contracts';
import type { Institution, InstitutionEvent, LiquidityLevel } from '@finality/settlement';

const { LIQUIDITY_LEVEL_CRITICAL, LIQUIDITY_LEVEL_OK, LIQUIDITY_LEVEL_WARN } = liquidityV1.LiquidityLevel;

export const LEVELS: Readonly<Record<LiquidityLevel, liquidityV1.LiquidityLevel>> = {
  ok: LIQUIDITY_LEVEL_OK,
  warn: LIQUIDITY_LEVEL_WARN,
  critical: LIQUIDITY_LEVEL_CRITICAL,
};

/** Whose liquidity has crossed a level, right after it was found out. */
export function levelMessage(
  { institutionId, watched }: Exclude<Institution, { status: 'none' }>,
  { at, level, spendableSats }: Extract<InstitutionEvent, { type: 'liquidity_level_changed' }>,
): liquidityV1.LiquidityLevelChanged {
  return {
    institutionId,
    level: LEVELS[level],
    previousLevel: LEVELS[watched?.before ?? 'ok'],
    spendableSats,
    alerts: watched?.alerts,
    at: toTimestamp(at),
  };
}
