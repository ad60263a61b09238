import { assert, assertNever } from '@finality/kernel';
import { again, move } from './settlement-life.ts';
import type { LivingSettlement, SettlementEvent } from './settlement.ts';

export type JudgedEvent = Extract<
  SettlementEvent,
  {
    type:
      | 'screening_requested'
      | 'risk_assessed'
      | 'aml_assessed'
      | 'review_required'
      | 'approval_given'
      | 'compliance_passed'
      | 'settlement_approved';
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
        ...(event.approvals && { approvals: { ...event.approvals, given: [] } }),
        ...(event.limitsVersion !== undefined && { counted: { at, version: event.limitsVersion } }),
      };
    case 'risk_assessed':
      return { ...state, risk: event.assessment, updatedAt: at };
    case 'aml_assessed':
      return { ...state, aml: event.assessment, updatedAt: at };
    case 'review_required':
      return {
        ...move(state, 'under_review', at, event.reason),
        status: 'under_review',
        compliance: event.compliance ? 'awaited' : 'unneeded',
      };
    case 'approval_given': {
      const { status, approvals } = state;
      assert(status === 'under_review' && approvals !== undefined, 'what is under review, and needs them, is approved');
      assert(!approvals.given.some(({ by }) => by === event.approval.by), 'everybody approves once');
      const given = [...approvals.given, { ...event.approval, at }];
      return { ...again(state, at), status, compliance: state.compliance, approvals: { ...approvals, given } };
    }
    case 'compliance_passed':
      assert(state.status === 'under_review' && state.compliance === 'awaited', 'it was left to a compliance officer');
      return {
        ...again(state, at),
        status: 'under_review',
        compliance: 'passed',
        ...(event.confirmations && { confirmations: event.confirmations }),
      };
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
