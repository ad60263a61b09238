import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseAddress } from '@finality/bitcoin';
import { RegtestWallet } from '@finality/chain-simulator';
import { amlV1, riskV1, settlementV1 } from '@finality/contracts';
import { unwrap } from '@finality/kernel';
import { expect, it } from 'vitest';
import { refused } from '../api.fixture.ts';
import { type Bank, freshKey, lifeOf, NOTHING } from '../bank.fixture.ts';
import { type E2e, expectInOrder } from '../e2e.fixture.ts';

const { REVIEW_DECISION_APPROVE, REVIEW_DECISION_REJECT } = settlementV1.ReviewDecision;
const { FACTOR_STATE_APPLIED, FACTOR_STATE_NOT_APPLICABLE } = riskV1.FactorState;

const lists = mkdtempSync(path.join(tmpdir(), 'finality-e2e-labels-'));
const labels = path.join(lists, 'own.csv');
writeFileSync(
  labels,
  [
    'address,category,label,source,listed_on',
    `${new RegtestWallet('sanctioned').address},blacklist,Somebody,an authority,2026-01-31`,
    `${new RegtestWallet('mixer').address},mixer,A mixer,a researcher,`,
  ].join('\n'),
);
// Several files of one process have it from here: it stays as long as that does.
process.once('exit', () => rmSync(lists, { recursive: true }));

/** What a platform needs for {@link screening}. */
export const SCREENED = { RISK_LABEL_FILES: `own:labels:${labels}` };

/** Screening: what holds whatever the services run on. */
export function screening(e2e: () => E2e): void {
  /** From somebody whose address is on a list, and as deep as it takes. @returns the outpoint */
  async function depositFrom(word: string, bank: Bank, valueSats: bigint): Promise<string> {
    const { outside } = e2e();
    const { wallet, coin } = await outside.hand(word, valueSats + 2_000n);
    const script = unwrap(parseAddress(await bank.address('wallet'), 'regtest'));
    const transaction = wallet.pay([{ script, valueSats }], { feeSats: 2_000n, coins: [coin] });
    await outside.send(transaction);
    await outside.mine(3);
    return `${transaction.txid}:0`;
  }

  const reviewDeposit = (outpoint: string, decision: settlementV1.ReviewDecision, reason: string) =>
    e2e().compliance.settlements.reviewDeposit({ idempotencyKey: freshKey(), outpoint, decision, reason });

  const review = (settlementId: string, decision: settlementV1.ReviewDecision, reason: string) => ({
    idempotencyKey: freshKey(),
    settlementId,
    decision,
    reason,
  });

  it('holds what comes from a blacklisted address; approved by a person, it still pays for nothing', async () => {
    const [bank, payee] = [await e2e().bank(), await e2e().bank()];
    const outpoint = await depositFrom('sanctioned', bank, 30_000_000n);
    const held = await bank.deposit(outpoint, 'HELD');
    expect(held.reason).toContain('risk score 70 (high)');
    expect(await bank.balance('wallet')).toEqual({ ...NOTHING, held: 30_000_000n });
    const verdict = await e2e().compliance.risk.getVerdict({ subjectId: outpoint });
    expect(verdict).toMatchObject({
      subjectKind: riskV1.SubjectKind.SUBJECT_KIND_DEPOSIT,
      score: 70,
      level: riskV1.RiskLevel.RISK_LEVEL_HIGH,
      recommendation: riskV1.Recommendation.RECOMMENDATION_REJECT,
      reason: held.reason,
    });
    expect(verdict.labelsVersion).toMatch(/^own@[0-9a-f]{12}$/);
    expect(verdict.factors.map(({ name, points, state }) => [name, points, state])).toEqual([
      ['amount_anomaly', 0, FACTOR_STATE_NOT_APPLICABLE],
      ['blacklisted_source', 50, FACTOR_STATE_APPLIED],
      ['labelled_source', 0, FACTOR_STATE_APPLIED],
      ['young_address', 20, FACTOR_STATE_APPLIED],
      ['busy_address', 0, FACTOR_STATE_APPLIED],
      ['blacklisted_destination', 0, FACTOR_STATE_NOT_APPLICABLE],
      ['labelled_destination', 0, FACTOR_STATE_NOT_APPLICABLE],
    ]);
    expect(verdict.factors[1]!.detail).toContain(new RegtestWallet('sanctioned').address);
    const auditor = await e2e().staff('auditor');
    expect(await auditor.api.risk.getVerdict({ subjectId: outpoint })).toEqual(verdict);
    expect(await refused(bank.api.risk.getVerdict({ subjectId: outpoint }))).toMatchObject({
      kind: 'permission_denied',
    });

    const reviewed = await reviewDeposit(outpoint, REVIEW_DECISION_APPROVE, 'licence seen');
    expect(reviewed.status).toBe(settlementV1.DepositStatus.DEPOSIT_STATUS_CREDITED);
    expect(await bank.balance('wallet')).toEqual({ ...NOTHING, available: 30_000_000n });

    const { settlementId } = await bank.submit({ to: payee, amountSats: 10_000_000n, mode: 'BILATERAL' });
    const rejected = await bank.settlement(settlementId, 'REJECTED');
    expect(rejected.reason).toContain('risk score 70 (high); blacklisted_source +50');
    expect(lifeOf(rejected)).toEqual(['RECEIVED', 'SCREENING', 'REJECTED']);
    expect(await bank.balance('wallet')).toEqual({ ...NOTHING, available: 30_000_000n });
    expect(await e2e().compliance.risk.getVerdict({ subjectId: settlementId })).toMatchObject({
      subjectKind: riskV1.SubjectKind.SUBJECT_KIND_SETTLEMENT,
      score: 70,
      recommendation: riskV1.Recommendation.RECOMMENDATION_REJECT,
    });
    await expectInOrder(e2e());
  });

  it('has a person decide on what comes from a mixer', async () => {
    const [bank, payee] = [await e2e().bank({ wallet: 'tr' }), await e2e().bank()];
    const outpoint = await depositFrom('mixer', bank, 20_000_000n);
    expect((await bank.deposit(outpoint, 'HELD')).reason).toContain('risk score 60 (medium); labelled_source +40');
    const refused = await reviewDeposit(outpoint, REVIEW_DECISION_REJECT, 'no answer yet');
    expect(refused).toMatchObject({
      status: settlementV1.DepositStatus.DEPOSIT_STATUS_HELD,
      reason: 'rejected: no answer yet',
    });
    expect(await bank.balance('wallet')).toEqual({ ...NOTHING, held: 20_000_000n });
    await reviewDeposit(outpoint, REVIEW_DECISION_APPROVE, 'explained');
    await bank.deposit(outpoint, 'CREDITED');
    const { settlementId } = await bank.submit({ to: payee, amountSats: 5_000_000n, mode: 'BILATERAL' });
    expect((await bank.settlement(settlementId, 'UNDER_REVIEW')).reason).toContain('labelled_source +40');
    await e2e().compliance.settlements.reviewSettlement(
      review(settlementId, REVIEW_DECISION_APPROVE, 'explained before'),
    );
    await bank.executing(settlementId);
    await e2e().outside.mine(3);
    const settled = await bank.settlement(settlementId, 'SETTLED');
    expect(lifeOf(settled).slice(0, 5)).toEqual(['RECEIVED', 'SCREENING', 'UNDER_REVIEW', 'APPROVED', 'RESERVED']);
    expect(settled.transitions[3]!.reason).toBe('explained before');
    await expectInOrder(e2e());
  });

  it('holds a deposit from 1 bitcoin on until a compliance officer approves it', async () => {
    const bank = await e2e().bank();
    const addresses = [await bank.address('clearing'), await bank.address('clearing')];
    const { outpoints } = await e2e().outside.payIn(
      { address: addresses[0]!, valueSats: 100_000_000n },
      { address: addresses[1]!, valueSats: 99_999_999n },
    );
    await e2e().outside.mine(3);
    await bank.deposit(outpoints[1]!, 'CREDITED');
    const held = await bank.deposit(outpoints[0]!, 'HELD');
    expect(held.reason).toBe('large_amount: 100000000 sat is at least 100000000 sat');
    expect(await bank.balance('clearing')).toEqual({ ...NOTHING, available: 99_999_999n, held: 100_000_000n });
    expect(await e2e().operator.aml.getVerdict({ subjectId: outpoints[0]! })).toMatchObject({
      subjectKind: amlV1.SubjectKind.SUBJECT_KIND_DEPOSIT,
      recommendation: amlV1.Recommendation.RECOMMENDATION_MANUAL_REVIEW,
      alerts: [{ rule: 'large_amount', inputs: { amount_sats: '100000000', from_sats: '100000000' } }],
    });
    const request = {
      idempotencyKey: freshKey(),
      outpoint: outpoints[0]!,
      decision: REVIEW_DECISION_APPROVE,
      reason: 'expected',
    };
    for (const api of [bank.api, e2e().operator])
      expect(await refused(api.settlements.reviewDeposit(request))).toMatchObject({ kind: 'permission_denied' });
    await e2e().compliance.settlements.reviewDeposit(request);
    await bank.deposit(outpoints[0]!, 'CREDITED');
    expect(await bank.balance('clearing')).toEqual({ ...NOTHING, available: 199_999_999n });
    // The same request again changes nothing, another one comes too late.
    expect(await e2e().compliance.settlements.reviewDeposit(request)).toMatchObject({
      status: settlementV1.DepositStatus.DEPOSIT_STATUS_CREDITED,
    });
    const late = await refused(reviewDeposit(outpoints[0]!, REVIEW_DECISION_REJECT, 'too late'));
    expect(late).toMatchObject({ kind: 'failed_precondition', reason: 'NOT_HELD' });
    await expectInOrder(e2e());
  });

  it('has a compliance officer decide on a settlement from 1 bitcoin on, never who submitted it', async () => {
    const [bank, payee] = [await e2e().bank(), await e2e().bank()];
    await bank.fund({ clearing: [99_000_000n, 99_000_000n, 99_000_000n] });
    const order = { to: payee, amountSats: 100_000_000n, mode: 'CENTRALIZED' } as const;
    const { settlementId: approvedId } = await bank.submit(order);
    const { settlementId: rejectedId } = await bank.submit(order);
    const waiting = await bank.settlement(approvedId, 'UNDER_REVIEW');
    expect(waiting.reason).toBe('large_amount: 100000000 sat is at least 100000000 sat');
    await bank.settlement(rejectedId, 'UNDER_REVIEW');
    expect(await bank.balance('clearing')).toEqual({ ...NOTHING, available: 297_000_000n });

    const approval = review(approvedId, REVIEW_DECISION_APPROVE, 'contract seen');
    for (const api of [bank.api, payee.api, e2e().operator])
      expect(await refused(api.settlements.reviewSettlement(approval))).toMatchObject({ kind: 'permission_denied' });
    const officer = await e2e().staff('compliance');
    await officer.api.settlements.reviewSettlement(approval);
    const settled = await bank.settlement(approvedId, 'SETTLED');
    expect(lifeOf(settled)).toEqual(['RECEIVED', 'SCREENING', 'UNDER_REVIEW', 'APPROVED', 'RESERVED', 'SETTLED']);
    expect(await officer.api.settlements.reviewSettlement(approval)).toEqual(settled);

    await officer.api.settlements.reviewSettlement(review(rejectedId, REVIEW_DECISION_REJECT, 'no contract'));
    const rejected = await payee.settlement(rejectedId, 'REJECTED');
    expect(rejected.reason).toBe('no contract');
    expect(lifeOf(rejected)).toEqual(['RECEIVED', 'SCREENING', 'UNDER_REVIEW', 'REJECTED']);
    const again = review(rejectedId, REVIEW_DECISION_APPROVE, 'found it');
    const late = await refused(officer.api.settlements.reviewSettlement(again));
    expect(late).toMatchObject({ kind: 'failed_precondition', reason: 'NOT_UNDER_REVIEW' });
    expect(await bank.balance('clearing')).toEqual({ ...NOTHING, available: 197_000_000n });
    expect(await payee.balance('clearing')).toEqual({ ...NOTHING, available: 100_000_000n });
    expect(await officer.api.aml.getVerdict({ subjectId: approvedId })).toMatchObject({
      subjectKind: amlV1.SubjectKind.SUBJECT_KIND_SETTLEMENT,
      alerts: [{ rule: 'large_amount' }],
    });
    await expectInOrder(e2e());
  });
}
