import {
  accept,
  type Aggregate,
  assertNever,
  type Decision,
  type Instant,
  refusal,
  refuse,
  type Refusal,
  type Sats,
} from '@finality/kernel';
import type { DestinationFacts } from './destination.ts';
import type { SigningFacts } from './facts.ts';
import { isPaid, type PaidOutput, type PayoutAuthorisation, type SigningRequest } from './request.ts';
import { type Refused, refusedBy } from './rules.ts';
import { type SignatoriesState, signatoryNamed } from './signatories.ts';
import { type SignedStatement, type StatementFacts, statementRefusal, type StatementWanted } from './statement.ts';

/** Payouts of an institution above that amount need the signatures of so many of its signatories; 0: of none. */
export interface RequiredApprovals {
  readonly aboveSats: Sats;
  readonly approvals: number;
}

export const REQUIRED_MAX = 5;
/** Of one payout: more than there are signatories to tell apart is nobody's mistake. */
export const PAYOUT_APPROVALS_MAX = 20;

export interface ApprovalRulesState {
  readonly current: RequiredApprovals;
  /** What takes its place, by the signer's clock. */
  readonly next?: { readonly required: RequiredApprovals; readonly from: Instant };
}

export interface ApprovalsRequired {
  readonly type: 'approvals_required';
  readonly institutionId: string;
  readonly required: RequiredApprovals;
  readonly from: Instant;
  readonly request: SignedStatement;
  readonly approval: SignedStatement;
  readonly at: Instant;
}

const NONE: RequiredApprovals = { aboveSats: 0n as Sats, approvals: 0 };

/** What the signer asks for of an institution's payouts, whoever asks it to sign: one stream each. */
export const approvalRulesAggregate: Aggregate<ApprovalRulesState, ApprovalsRequired> = {
  name: 'approval_rules',
  initialState: { current: NONE },
  evolve(state, event) {
    switch (event.type) {
      case 'approvals_required':
        return { current: requiredAt(state, event.at), next: { required: event.required, from: event.from } };
      default:
        return assertNever(event.type, 'event of approval rules');
    }
  },
};

export const requiredAt = ({ current, next }: ApprovalRulesState, now: Instant): RequiredApprovals =>
  next !== undefined && next.from <= now ? next.required : current;

/** How many signatories have to approve a payout of that amount. */
export function approvalsFor(state: ApprovalRulesState, amountSats: Sats, now: Instant): number {
  const { aboveSats, approvals } = requiredAt(state, now);
  return amountSats > aboveSats ? approvals : 0;
}

export interface RequireApprovals {
  readonly institutionId: string;
  readonly required: RequiredApprovals;
  readonly request: SignedStatement;
  readonly approval: SignedStatement;
}

/**
 * On the word of two signatories, and in force when it has cooled: time to find out that it wasn't meant, and for what was accepted under the rules
 * before to be signed. Repeating what is in force, or will be, changes nothing.
 */
export function decideRequireApprovals(
  { institutionId, required, request, approval }: RequireApprovals,
  state: ApprovalRulesState,
  facts: DestinationFacts,
): Decision<ApprovalsRequired, Refusal> {
  if (isSame(state.next?.required ?? state.current, required)) return accept();
  const there = facts.signatories.signatories.length;
  if (required.approvals > there) {
    const message = `expected at least ${required.approvals} signatories of ${institutionId}, got ${there}`;
    return refuse(refusal('failed_precondition', 'TOO_FEW_SIGNATORIES', message));
  }
  if (request.signatory === approval.signatory)
    return refuse(
      refusal('permission_denied', 'APPROVED_BY_REQUESTER', 'expected somebody else to approve than who asked'),
    );
  const other = request.nonce === approval.nonce ? { ...facts, isUsed: () => true } : facts;
  const wrong =
    signedBy({ purpose: 'require approvals', institutionId, required }, request, facts.signatories, facts) ??
    signedBy({ purpose: 'agree to approvals', institutionId, required }, approval, facts.signatories, other);
  if (wrong) return refuse(wrong);
  const from = (facts.now + facts.coolingMs) as Instant;
  return accept({ type: 'approvals_required', institutionId, required, from, request, approval, at: facts.now });
}

const isSame = (a: RequiredApprovals, b: RequiredApprovals): boolean =>
  a.approvals === b.approvals && a.aboveSats === b.aboveSats;

function signedBy(
  statement: StatementWanted,
  signed: SignedStatement,
  signatories: SignatoriesState,
  facts: StatementFacts,
): Refusal | undefined {
  const signatory = signatoryNamed(signatories, statement, signed.signatory, facts.network);
  return signatory.ok ? statementRefusal(statement, signed, signatory.value.script, facts) : signatory.error;
}

/** All of a payout that its approval is about; whose it is and on which network the statement says. */
export interface ApprovedPayout {
  readonly settlementId: string;
  readonly mode: string;
  readonly amountSats: Sats;
  readonly payeeInstitutionId: string;
  readonly walletId: string;
  /** `wallet b-1`, or `destination …`. */
  readonly to: string;
}

export type ApprovalFacts = Pick<SigningFacts, 'network' | 'now' | 'domain' | 'signatories'>;

/** Whether one signature approves exactly that payout, now. It is good for that payout alone, however often it is shown. */
export function approvalRefusal(
  institutionId: string,
  payout: ApprovedPayout,
  signed: SignedStatement,
  { signatories, ...facts }: ApprovalFacts,
): Refusal | undefined {
  const statement = { purpose: 'approve payout', institutionId, payout } as const;
  return signedBy(statement, signed, signatories(institutionId), { ...facts, isUsed: () => false });
}

/**
 * A payout above the amount is signed for the first time when enough different signatories have approved exactly it. Once there is a signature, the
 * money is on its way: later versions pay the same (see checkPayouts), and may come when the approvals have expired. For keys of the signer's own: what
 * is handed out to others they sign themselves.
 */
export function checkApprovals(request: SigningRequest, facts: SigningFacts): Refused | undefined {
  const authorised = new Map(request.payouts.map((payout) => [payout.settlementId, payout]));
  for (const output of request.outputs) {
    const authorisation = isPaid(output) ? authorised.get(output.settlementId) : undefined;
    if (!isPaid(output) || authorisation === undefined || facts.paymentsOf(output.settlementId).length > 0) continue;
    const { payerInstitutionId, amountSats, approvals } = authorisation;
    const required = approvalsFor(facts.approvalRules(payerInstitutionId), amountSats, facts.now);
    if (required === 0) continue;
    const { good, wrong } = judgeApprovals(
      payerInstitutionId,
      payoutOf(output, authorisation, request.walletId),
      approvals,
      facts,
    );
    if (good.size >= required) continue;
    const others = wrong.length === 0 ? '' : `, and ${wrong.join(', ')}`;
    const message = `settlement ${output.settlementId} is for ${amountSats} sat: expected approvals of ${required} signatories, got ${good.size}${others}`;
    return refusedBy('APPROVALS_MISSING', message);
  }
  return undefined;
}

const payoutOf = (output: PaidOutput, authorisation: PayoutAuthorisation, walletId: string): ApprovedPayout => ({
  settlementId: output.settlementId,
  mode: authorisation.request?.mode ?? '',
  amountSats: authorisation.amountSats,
  payeeInstitutionId: output.institutionId,
  walletId,
  to: output.kind === 'destination' ? `destination ${output.destinationId}` : `wallet ${output.walletId}`,
});

/** The signatories whose approvals hold, each once, and why the others don't. */
export function judgeApprovals(
  institutionId: string,
  payout: ApprovedPayout,
  approvals: readonly SignedStatement[],
  facts: ApprovalFacts,
): { readonly good: ReadonlySet<string>; readonly wrong: readonly string[] } {
  const good = new Set<string>();
  const wrong: string[] = [];
  for (const approval of approvals) {
    const refused = approvalRefusal(institutionId, payout, approval, facts);
    if (refused === undefined) good.add(approval.signatory);
    else wrong.push(refused.reason);
  }
  return { good, wrong };
}
