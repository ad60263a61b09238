import { availableAccount, clearingClaim } from '@finality/ledger';
import { expect } from 'vitest';
import type { LiquidityAlerts, LiquidityLevel, WatchEvent } from '../liquidity-level.ts';
import type { MemoryBook } from './memory-book.fixture.ts';

/** Below the level, or so little above it that it isn't told yet. */
const mayBeBelow = (level: bigint, spendable: bigint): boolean => spendable < level + level / 10n;

const FITS: Readonly<Record<LiquidityLevel, (alerts: LiquidityAlerts, spendable: bigint) => boolean>> = {
  critical: ({ criticalBelow }, spendable) => mayBeBelow(criticalBelow, spendable),
  warn: ({ criticalBelow, warnBelow }, spendable) => spendable >= criticalBelow && mayBeBelow(warnBelow, spendable),
  ok: ({ warnBelow }, spendable) => spendable >= warnBelow,
};

/** Once somebody has looked at all that is watched: each level is what the account in its unit says, and none was told twice in a row. */
export function checkLevels(book: MemoryBook): void {
  for (const institution of book.institutions.all()) {
    if (institution.status === 'none') continue;
    for (const { unit, alerts, level } of institution.watched) {
      const account = book.ledger.account(availableAccount(clearingClaim(institution.institutionId, unit)));
      const { creditsPosted, debitsPosted, debitsPending, limit } = account;
      const line = limit.kind === 'debits_must_not_exceed_credits' ? limit.overdraft : 0n;
      const spendable = creditsPosted - debitsPosted - debitsPending + line;
      const what = `${institution.institutionId} ${level} at ${spendable} ${unit}`;
      expect(FITS[level](alerts, spendable), what).toBe(true);
    }
  }
  const told = new Map<string, LiquidityLevel>();
  for (const { stream, event } of book.log) {
    if (event.type !== 'liquidity_level_changed' && event.type !== 'liquidity_alerts_set') continue;
    const watch = event as WatchEvent;
    const key = `${stream} ${watch.unit}`;
    if (watch.type === 'liquidity_alerts_set') {
      if (watch.alerts === undefined) told.delete(key);
      continue;
    }
    const { level } = watch;
    expect(told.get(key), `${key} is told ${level} again`).not.toBe(level);
    told.set(key, level);
  }
}
