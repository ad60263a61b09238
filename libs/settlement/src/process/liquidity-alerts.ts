import { err, fieldError, invalid, type Refusal, type Result } from '@finality/kernel';
import type { Book } from '../book.ts';
import type { Institution } from '../institution.ts';
import { levelAt, type LiquidityAlerts } from '../liquidity-level.ts';
import { existing, unknownInstitution } from './institutions.ts';

export interface LiquidityAlertsRequest {
  readonly institutionId: string;
  /** Missing: nobody is told any more. */
  readonly alerts?: LiquidityAlerts;
  /** API key that asked. */
  readonly by: string;
}

/** From now on its liquidity is watched; if it is below a level already, that is told at once. */
export function setLiquidityAlerts(
  book: Book,
  { institutionId, alerts, by }: LiquidityAlertsRequest,
): Result<Exclude<Institution, { status: 'none' }>, Refusal> {
  if (book.institutions.get(institutionId).status === 'none') return err(unknownInstitution(institutionId));
  if (alerts !== undefined && alerts.criticalBelowSats > alerts.warnBelowSats)
    return err(invalid(fieldError('critical_below_sats', 'expected at most warn_below_sats')));
  const set = alerts === undefined ? {} : { alerts };
  book.institutions.record(institutionId, { type: 'liquidity_alerts_set', at: book.now, ...set, by });
  observeLiquidity(book, institutionId);
  return existing(book.institutions.get(institutionId));
}

/** Tells when the institution's liquidity has crossed a level; where it hasn't, this leaves no trace. */
export function observeLiquidity(book: Book, institutionId: string): void {
  const state = book.institutions.get(institutionId);
  if (state.status === 'none' || state.watched === undefined) return;
  const spendableSats = book.ledger.spendable({ kind: 'clearing', institutionId });
  const level = levelAt(state.watched.alerts, spendableSats, state.watched.level);
  if (level === state.watched.level) return;
  book.institutions.record(institutionId, { type: 'liquidity_level_changed', at: book.now, level, spendableSats });
}
