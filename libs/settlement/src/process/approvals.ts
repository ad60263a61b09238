import { err, ok, refusal, type Refusal, type Result } from '@finality/kernel';
import { TRANSFER_AMOUNT_MAX } from '@finality/ledger';
import type { Book } from '../book.ts';
import { type ApprovalTier, type PaymentRulesState, tierOf } from '../payment-rules.ts';
import type { Approvals } from '../settlement-life.ts';
import type { Terms } from '../settlement.ts';
import { isUnvalued, valued } from '../unit-terms.ts';
import { payingWalletId } from '../window-payout.ts';
import { unknownInstitution } from './institutions.ts';
import { type Deciders, secondPersonRequired } from './second-person.ts';

export interface ApprovalPolicyRequest extends Deciders {
  readonly institutionId: string;
  /** Lowest first: more for more. */
  readonly tiers: readonly ApprovalTier[];
  readonly reason: string;
  /** Asked for by the institution itself, which may ask for more approvals and not for fewer. */
  readonly isOwn: boolean;
}

/** Takes the place of all tiers there were. What has begun needs what it needed then. */
export function setApprovalPolicy(book: Book, request: ApprovalPolicyRequest): Result<PaymentRulesState, Refusal> {
  const { isOwn, ...decided } = request;
  const { institutionId, tiers } = decided;
  if (book.institutions.get(institutionId).status === 'none') return err(unknownInstitution(institutionId));
  const state = book.paymentRules.get(institutionId);
  const before = state.status === 'none' ? [] : state.tiers;
  // More is asked for more: what a tier asks for is kept wherever it is kept from its lowest amount on.
  const isKept = before.every(({ aboveSats, approvals, areSigned }) => {
    const tier = tierOf(tiers, aboveSats + 1n);
    return tier !== undefined && tier.approvals >= approvals && (tier.areSigned || !areSigned);
  });
  if (!isKept) {
    const message =
      'expected at least as many approvals of each amount as now, and signed where they are: operators may ask for less';
    if (isOwn) return err(refusal('permission_denied', 'APPROVALS_LOWERED', message));
    if (decided.confirmedBy === undefined) return err(secondPersonRequired('tiers'));
  }
  const event = { type: 'approval_tiers_set', at: book.now, ...decided } as const;
  return ok(book.paymentRules.record(institutionId, event));
}

/** What a settlement that begins needs of the payer's persons; undefined: nothing. */
export function approvalsFor(book: Book, terms: Terms): Omit<Approvals, 'given'> | undefined {
  const state = book.paymentRules.get(terms.from);
  if (state.status === 'none') return undefined;
  // What nobody can value needs what the largest amount does.
  const tier = tierOf(state.tiers, isUnvalued(terms) ? TRANSFER_AMOUNT_MAX : valued(terms).amountSats);
  if (tier === undefined) return undefined;
  // What is paid otherwise the signer doesn't sign.
  const walletId = payingWalletId(terms);
  const isSigners = walletId !== undefined && book.wallet(walletId)?.custodial === true;
  return { required: tier.approvals, areSigned: tier.areSigned && isSigners, rulesVersion: state.version };
}
