import { assertNever } from '@finality/kernel';
import { move } from './settlement-life.ts';
import type { LivingSettlement, SettlementEvent } from './settlement.ts';

export type JudgedEvent = Extract<
  SettlementEvent,
  {
    type: 'screening_requested' | 'risk_assessed' | 'aml_assessed' | 'review_required' | 'settlement_approved';
  }
>;

/** On its way from being accepted to being approved. */
export function judged(state: LivingSettlement, event: JudgedEvent): LivingSettlement {
  const { at } = event;
  switch (event.type) {
    case 'screening_requested':
      return {
        ...move(state, 'screening', at),
        status: 'screening',
        sources: event.sources,
        ...(event.limitsVersion !== undefined && { counted: { at, version: event.limitsVersion } }),
      };
    case 'risk_assessed':
      return { ...state, risk: event.assessment, updatedAt: at };
    case 'aml_assessed':
      return { ...state, aml: event.assessment, updatedAt: at };
    case 'review_required':
      return { ...move(state, 'under_review', at, event.reason), status: 'under_review' };
    case 'settlement_approved':
      return {
        ...move(state, 'approved', at, event.reason),
        status: 'approved',
        ...(event.confirmations && { confirmations: event.confirmations }),
      };
    default:
      return assertNever(event, 'settlement event');
  }
}
