import { type Aggregate, assertNever, type Instant } from '@finality/kernel';
import type { AmlRules } from './rules.ts';

export type Recommendation = 'approve' | 'manual_review' | 'reject';
export type SubjectKind = 'settlement' | 'deposit';

/** A rule that has something to say. */
export interface Alert {
  readonly rule: 'large_amount' | 'rule_failed';
  readonly detail: string;
  /** What the rule looked at, so that the decision can be made again. */
  readonly inputs: Readonly<Record<string, string>>;
}

export interface AmlVerdict {
  /** A settlement's id, or a deposit's outpoint. */
  readonly subjectId: string;
  readonly subjectKind: SubjectKind;
  readonly recommendation: Recommendation;
  readonly alerts: readonly Alert[];
  readonly reason: string;
  readonly rulesVersion: string;
  readonly decidedAt: Instant;
}

export interface Monitored {
  readonly type: 'monitored';
  readonly verdict: AmlVerdict;
  readonly institutions: readonly string[];
}

export type VerdictEvent = Monitored;

export type VerdictState =
  | { readonly status: 'not_monitored' }
  | { readonly status: 'monitored'; readonly verdict: AmlVerdict; readonly institutions: readonly string[] };

/** Stream `verdict/<subject>`. */
export const verdict: Aggregate<VerdictState, VerdictEvent> = {
  name: 'verdict',
  initialState: { status: 'not_monitored' },
  evolve(_state, event) {
    switch (event.type) {
      case 'monitored':
        return { status: 'monitored', verdict: event.verdict, institutions: event.institutions };
      default:
        return assertNever(event.type, 'verdict event');
    }
  },
};

/** A movement of money as monitoring sees it. */
export interface Movement {
  readonly id: string;
  readonly kind: SubjectKind;
  readonly amountSats: bigint;
  readonly at: Instant;
}

/** Monitors one movement (A2). Any alert sends it to a person; a rule that errs does so as well. */
export function monitor(movement: Movement, rules: AmlRules, rulesVersion: string): AmlVerdict {
  const alerts = alertsOf(() => largeAmount(movement, rules));
  return {
    subjectId: movement.id,
    subjectKind: movement.kind,
    recommendation: alerts.length > 0 ? 'manual_review' : 'approve',
    alerts,
    reason: alerts.length > 0 ? alerts.map((alert) => `${alert.rule}: ${alert.detail}`).join('; ') : 'no alert',
    rulesVersion,
    decidedAt: movement.at,
  };
}

/** What the rules say, one after the other. A rule that errs must not count as one that found nothing. */
export function alertsOf(...rules: readonly (() => Alert | undefined)[]): readonly Alert[] {
  return rules.flatMap((rule): readonly Alert[] => {
    try {
      const alert = rule();
      return alert === undefined ? [] : [alert];
    } catch (error) {
      return [{ rule: 'rule_failed', detail: error instanceof Error ? error.message : String(error), inputs: {} }];
    }
  });
}

/** From the threshold on, the threshold itself included. */
function largeAmount(movement: Movement, rules: AmlRules): Alert | undefined {
  const { settlementFromSats, depositFromSats } = rules.largeAmount;
  const fromSats = movement.kind === 'settlement' ? settlementFromSats : depositFromSats;
  if (movement.amountSats < fromSats) return undefined;
  return {
    rule: 'large_amount',
    detail: `${movement.amountSats} sat is at least ${fromSats} sat`,
    inputs: { amount_sats: String(movement.amountSats), from_sats: String(fromSats) },
  };
}
