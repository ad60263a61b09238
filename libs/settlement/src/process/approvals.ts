import { err, ok, refusal, type Refusal, type Result } from '@finality/kernel';
import type { Book } from '../book.ts';
import { approvalsRequired, type ApprovalTier, type PaymentRulesState } from '../payment-rules.ts';
import type { Approvals } from '../settlement-life.ts';
import type { Terms } from '../settlement.ts';
import { unknownInstitution } from './institutions.ts';

export interface ApprovalPolicyRequest {
  readonly institutionId: string;
  /** Lowest first: more for more. */
  readonly tiers: readonly ApprovalTier[];
  readonly reason: string;
  /** API key. */
  readonly by: string;
  /** Asked for by the institution itself, which may ask for more approvals and not for fewer. */
  readonly isOwn: boolean;
}

/** Takes the place of all tiers there were. What has begun needs what it needed then. */
export function setApprovalPolicy(book: Book, request: ApprovalPolicyRequest): Result<PaymentRulesState, Refusal> {
  const { institutionId, tiers, reason, by, isOwn } = request;
  if (book.institutions.get(institutionId).status === 'none') return err(unknownInstitution(institutionId));
  const state = book.paymentRules.get(institutionId);
  const before = state.status === 'none' ? [] : state.tiers;
  // More is asked for more: what a tier asks for is kept wherever it is kept from its lowest amount on.
  const isKept = before.every(({ aboveSats, approvals }) => approvalsRequired(tiers, aboveSats + 1n) >= approvals);
  if (isOwn && !isKept) {
    const message = 'expected at least as many approvals of each amount as now: an operator may ask for fewer';
    return err(refusal('permission_denied', 'APPROVALS_LOWERED', message));
  }
  const event = { type: 'approval_tiers_set', at: book.now, institutionId, by, tiers, reason } as const;
  return ok(book.paymentRules.record(institutionId, event));
}

/** What a settlement that begins needs of the payer's persons; undefined: nothing. */
export function approvalsFor(
  book: Book,
  { from, amountSats }: Terms,
): Pick<Approvals, 'required' | 'rulesVersion'> | undefined {
  const state = book.paymentRules.get(from);
  if (state.status === 'none') return undefined;
  const required = approvalsRequired(state.tiers, amountSats);
  return required === 0 ? undefined : { required, rulesVersion: state.version };
}
