import type { Instant } from '@finality/kernel';
import type { Book } from '../book.ts';
import type { SignedApproval } from '../settlement-life.ts';
import { living, type LivingSettlement } from '../settlement.ts';
import { approvalsFor } from './approvals.ts';
import { count } from './limits.ts';

/** Of approvals that a restored store learns of: by which version of which rules they were asked for is lost. */
const RULES_LOST = 0;

/** Before anybody has approved it, to the knowledge of the copy. */
const UNDECIDED: readonly LivingSettlement['status'][] = ['received', 'scheduled', 'screening', 'under_review'];

export interface Import {
  /** Who says so, and why. */
  readonly by: string;
  readonly reason: string;
  /** Approvals that the signer was shown, of this settlement. */
  readonly approvals: readonly SignedApproval[];
}

/**
 * A settlement was paid, and here it isn't even approved: it is approved as it was by then. What began after the copy was made counts against the payer's
 * limits from when it began; approvals that the signer was shown have been given, each by a signatory of its own.
 */
export function approveAsPaid(book: Book, before: LivingSettlement, shown: Import): void {
  if (!UNDECIDED.includes(before.status)) return;
  const { settlementId } = before.terms;
  const { by, reason } = shown;
  if (before.status === 'received' || before.status === 'scheduled') beginAsPaid(book, before, shown);
  takeApprovals(book, living(book.settlements.get(settlementId)), shown);
  book.settlements.record(settlementId, { type: 'settlement_approved', at: book.now, reason, by });
}

function beginAsPaid(book: Book, { terms, createdAt }: LivingSettlement, { approvals: signed }: Import): void {
  const begunAt = terms.executeAt ?? createdAt;
  // By our clock it can't have begun later than now.
  const at = (begunAt < book.now ? begunAt : book.now) as Instant;
  const limitsVersion = terms.netPayout === undefined ? count(book, terms, at) : undefined;
  const shown =
    signed.length === 0 ? undefined : { required: signed.length, areSigned: true, rulesVersion: RULES_LOST };
  const approvals = approvalsFor(book, terms) ?? shown;
  book.settlements.record(terms.settlementId, {
    type: 'screening_requested',
    at,
    sources: [],
    ...(limitsVersion !== undefined && { limitsVersion }),
    ...(approvals && { approvals }),
  });
}

function takeApprovals(book: Book, state: LivingSettlement, { reason, approvals: signed }: Import): void {
  const { terms, approvals } = state;
  if (approvals === undefined) return;
  const given = new Set(approvals.given.map((each) => each.signed?.signatory));
  const missing = signed.filter(({ signatory }) => !given.has(signatory));
  if (missing.length === 0) return;
  const at = book.now;
  if (state.status !== 'under_review')
    book.settlements.record(terms.settlementId, { type: 'review_required', at, reason, compliance: false });
  for (const each of missing) {
    // Whose API key it came with is lost: the signatory's address stands for it.
    const approval = { by: each.signatory, reason, signed: each };
    book.settlements.record(terms.settlementId, { type: 'approval_given', at, approval });
  }
}
