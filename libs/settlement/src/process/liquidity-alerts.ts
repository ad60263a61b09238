import { err, fieldError, invalid, type Refusal, type Result } from '@finality/kernel';
import { clearingClaim, type Unit } from '@finality/ledger';
import type { Book } from '../book.ts';
import type { Institution } from '../institution.ts';
import { levelAt, type LiquidityAlerts, watchedIn } from '../liquidity-level.ts';
import { existing, unknownInstitution } from './institutions.ts';

export interface LiquidityAlertsRequest {
  readonly institutionId: string;
  readonly unit: Unit;
  /** Missing: nobody is told any more. */
  readonly alerts?: LiquidityAlerts;
  /** API key that asked. */
  readonly by: string;
}

/** From now on its liquidity in the unit is watched; if it is below a level already, that is told at once. */
export function setLiquidityAlerts(
  book: Book,
  { institutionId, unit, alerts, by }: LiquidityAlertsRequest,
): Result<Exclude<Institution, { status: 'none' }>, Refusal> {
  if (book.institutions.get(institutionId).status === 'none') return err(unknownInstitution(institutionId));
  if (alerts !== undefined && alerts.criticalBelow > alerts.warnBelow)
    return err(invalid(fieldError('alerts.critical_below', 'expected at most warn_below')));
  const set = alerts === undefined ? {} : { alerts };
  book.institutions.record(institutionId, { type: 'liquidity_alerts_set', at: book.now, unit, ...set, by });
  observeLiquidity(book, institutionId, unit);
  return existing(book.institutions.get(institutionId));
}

/** Tells when the institution's liquidity in the unit has crossed a level; where it hasn't, this leaves no trace. */
export function observeLiquidity(book: Book, institutionId: string, unit: Unit): void {
  const state = book.institutions.get(institutionId);
  const watched = state.status === 'none' ? undefined : watchedIn(state.watched, unit);
  if (watched === undefined) return;
  const spendable = book.ledger.spendable(clearingClaim(institutionId, unit));
  const level = levelAt(watched.alerts, spendable, watched.level);
  if (level === watched.level) return;
  book.institutions.record(institutionId, { type: 'liquidity_level_changed', at: book.now, unit, level, spendable });
}
