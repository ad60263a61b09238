import { err, ok, refusal, type Refusal, type Result } from '@finality/kernel';
import type { Book } from '../book.ts';
import { known, type KnownDeposit } from '../deposit.ts';
import { depositAttributed } from '../postings/deposit.ts';
import { mustPost } from '../postings/post.ts';
import { type Assessment, living, type LivingSettlement } from '../settlement.ts';
import { beneficiaryOf, decideDeposit } from './deposits.ts';
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
  conclude(book, state, state.risk, state.aml);
}

function conclude(book: Book, { terms, approvals }: LivingSettlement, risk: Assessment, aml: Assessment): void {
  const { settlementId, from } = terms;
  const at = book.now;
  const assessments = [risk, aml, ...unvalued(living(book.settlements.get(settlementId)).terms)];
  const worst =
    assessments.find((a) => a.recommendation === 'reject') ??
    assessments.find((a) => a.recommendation === 'manual_review');
  if (worst?.recommendation === 'reject') {
    book.settlements.record(settlementId, { type: 'settlement_rejected', at, reason: worst.reason, by: 'screening' });
    book.cancelTimer(settlementId);
  } else if (worst !== undefined || approvals !== undefined) {
    const reason = worst?.reason ?? `expected ${approvals?.required} approvals of ${from}`;
    const compliance = worst !== undefined;
    book.settlements.record(settlementId, { type: 'review_required', at, reason, compliance });
  } else {
    book.settlements.record(settlementId, { type: 'settlement_approved', at, reason: '', by: 'screening' });
    reserve(book, settlementId);
  }
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
