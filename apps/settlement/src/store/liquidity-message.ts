import { liquidityV1, toTimestamp } from '@finality/contracts';
import { type Institution, type InstitutionEvent, type LiquidityLevel, watchedIn } from '@finality/settlement';

const { LIQUIDITY_LEVEL_CRITICAL, LIQUIDITY_LEVEL_OK, LIQUIDITY_LEVEL_WARN } = liquidityV1.LiquidityLevel;

export const LEVELS: Readonly<Record<LiquidityLevel, liquidityV1.LiquidityLevel>> = {
  ok: LIQUIDITY_LEVEL_OK,
  warn: LIQUIDITY_LEVEL_WARN,
  critical: LIQUIDITY_LEVEL_CRITICAL,
};

/** Whose liquidity has crossed a level, right after it was found out. */
export function levelMessage(
  { institutionId, watched }: Exclude<Institution, { status: 'none' }>,
  { at, unit, level, spendable }: Extract<InstitutionEvent, { type: 'liquidity_level_changed' }>,
): liquidityV1.LiquidityLevelChanged {
  const { alerts, before } = watchedIn(watched, unit) ?? {};
  return {
    institutionId,
    unit,
    level: LEVELS[level],
    previousLevel: LEVELS[before ?? 'ok'],
    spendable,
    alerts,
    at: toTimestamp(at),
  };
}
