import { err, ok, refusal, type Refusal, type Result } from '@finality/kernel';
import type { Book } from '../book.ts';
import { known, type KnownDeposit } from '../deposit.ts';
import { depositAttributed } from '../postings/deposit.ts';
import { mustPost } from '../postings/post.ts';
import { type Assessment, living, type LivingSettlement } from '../settlement.ts';
import { beneficiaryOf, decideDeposit } from './deposits.ts';
import { payoutConfirmations } from './finality.ts';
import { reserve } from './reserve.ts';
import { unvalued } from './units.ts';

export type Screener = 'risk' | 'aml';

/** A verdict on a settlement. Late, repeated or unknown: nothing happens. The second of the two decides. */
export function settlementAssessed(book: Book, settlementId: string, by: Screener, assessment: Assessment): void {
  const before = book.settlements.get(settlementId);
  if (before.status !== 'screening' || before[by] !== undefined) return;
  const state = living(
    book.settlements.record(settlementId, {
      type: by === 'risk' ? 'risk_assessed' : 'aml_assessed',
      at: book.now,
      assessment,
    }),
  );
  if (state.risk === undefined || state.aml === undefined) return;
  conclude(book, settlementId, state.risk, state.aml);
}

function conclude(book: Book, settlementId: string, risk: Assessment, aml: Assessment): void {
  const at = book.now;
  const assessments = [risk, aml, ...unvalued(living(book.settlements.get(settlementId)).terms)];
  const worst =
    assessments.find((a) => a.recommendation === 'reject') ??
    assessments.find((a) => a.recommendation === 'manual_review');
  if (worst?.recommendation === 'reject') {
    book.settlements.record(settlementId, { type: 'settlement_rejected', at, reason: worst.reason, by: 'screening' });
    book.cancelTimer(settlementId);
  } else if (worst !== undefined) {
    book.settlements.record(settlementId, { type: 'review_required', at, reason: worst.reason });
  } else {
    book.settlements.record(settlementId, { type: 'settlement_approved', at, reason: '', by: 'screening' });
    reserve(book, settlementId);
  }
}

export interface Review {
  readonly settlementId: string;
  readonly decision: 'approve' | 'reject';
  readonly reason: string;
  /** API key of the reviewer. */
  readonly reviewer: string;
}

/** A second person's decision on what screening wouldn't decide. */
export function review(
  book: Book,
  { settlementId, decision, reason, reviewer }: Review,
): Result<LivingSettlement, Refusal> {
  const state = book.settlements.get(settlementId);
  if (state.status === 'none') return err(refusal('not_found', 'UNKNOWN_SETTLEMENT', `no settlement ${settlementId}`));
  if (state.terms.submittedBy === reviewer) {
    return err(refusal('permission_denied', 'OWN_REQUEST', 'whoever submitted a settlement may not review it'));
  }
  if (state.status !== 'under_review') {
    return err(
      refusal(
        'failed_precondition',
        'NOT_UNDER_REVIEW',
        `expected a settlement under review, got one that is ${state.status}`,
      ),
    );
  }
  const at = book.now;
  if (decision === 'reject') {
    book.cancelTimer(settlementId);
    return ok(living(book.settlements.record(settlementId, { type: 'settlement_rejected', at, reason, by: reviewer })));
  }
  const confirmations = payoutConfirmations(book, state.terms, true);
  book.settlements.record(settlementId, { type: 'settlement_approved', at, reason, by: reviewer, ...confirmations });
  reserve(book, settlementId);
  return ok(living(book.settlements.get(settlementId)));
}

/** A verdict on a deposit: credited or held, as soon as it is final as well. One that isn't known yet will have it when it is. */
export function depositAssessed(book: Book, outpoint: string, by: Screener, assessment: Assessment): void {
  const deposit = book.deposits.get(outpoint);
  if (deposit[by] !== undefined) return;
  book.deposits.record(outpoint, {
    type: by === 'risk' ? 'deposit_risk_assessed' : 'deposit_aml_assessed',
    at: book.now,
    assessment,
  });
  if (deposit.status !== 'none') decideDeposit(book, outpoint);
}

export interface DepositReview {
  readonly outpoint: string;
  readonly decision: 'approve' | 'reject';
  readonly reason: string;
  readonly reviewer: string;
}

/** A person's decision on a deposit that screening holds: credited, or held for good. */
export function reviewDeposit(book: Book, request: DepositReview): Result<KnownDeposit, Refusal> {
  const { outpoint, decision, reason, reviewer } = request;
  const deposit = book.deposits.get(outpoint);
  if (deposit.status === 'none') return err(refusal('not_found', 'UNKNOWN_DEPOSIT', `no deposit ${outpoint}`));
  if (deposit.status !== 'held') {
    return err(
      refusal('failed_precondition', 'NOT_HELD', `expected a deposit that is held, got one that is ${deposit.status}`),
    );
  }
  book.deposits.record(outpoint, { type: 'deposit_reviewed', at: book.now, decision, reason, by: reviewer });
  decideDeposit(book, outpoint);
  return ok(known(book.deposits.get(outpoint)));
}

/** An address, or the wallet of its owner, was announced after money had arrived. */
export function attributeDeposits(book: Book, outpoints: readonly string[]): void {
  for (const outpoint of outpoints) {
    const deposit = book.deposits.get(outpoint);
    if (
      deposit.status === 'none' ||
      deposit.beneficiary.kind !== 'suspense' ||
      deposit.beneficiary.reason !== 'unissued_address'
    )
      continue;
    const beneficiary = beneficiaryOf(book, deposit.terms, 0);
    if (beneficiary.kind === 'suspense') continue;
    if (deposit.status !== 'gone' && deposit.status !== 'reversed')
      mustPost(book.ledger, depositAttributed(deposit, beneficiary));
    book.deposits.record(outpoint, { type: 'deposit_attributed', at: book.now, beneficiary });
    decideDeposit(book, outpoint);
  }
}
