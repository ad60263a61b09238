import { setTimeout as delay } from 'node:timers/promises';
import { settlementV1 } from '@finality/contracts';
import type { Sats } from '@finality/kernel';
import { expect, it } from 'vitest';
import { type Api, refused } from '../api.fixture.ts';
import { type Bank, freshKey } from '../bank.fixture.ts';
import { type E2e, expectInOrder } from '../e2e.fixture.ts';
import { Signatories } from '../signatories.fixture.ts';
import { patiently, until } from '../wait.fixture.ts';

const { SETTLEMENT_MODE_CENTRALIZED, SETTLEMENT_MODE_UNSPECIFIED } = settlementV1.SettlementMode;
const { REVIEW_DECISION_APPROVE, REVIEW_DECISION_REJECT } = settlementV1.ReviewDecision;
const HOUR = 3_600n;
/** Of a counterparty that was put on a list, and of what two signatories say. */
export const COOLING_SECONDS = 1;

/** What an institution may pay: what holds whatever the services run on. */
export function policy(e2e: () => E2e): void {
  /** Somebody else of an institution, with an API key of their own. */
  async function person(bank: Bank, label: string): Promise<{ readonly api: Api; readonly keyId: string }> {
    const { apiKey, keyId } = await e2e().issueKey(bank.id, label);
    return { api: e2e().api(apiKey), keyId };
  }

  const centralized = (to: Bank, amountSats: bigint) => ({ to, amountSats, mode: 'CENTRALIZED' }) as const;

  it('keeps an institution within limits that an operator sets and it makes tighter', async () => {
    const [payer, payee] = [await e2e().bank({ creditLineSats: 1_000_000n }), await e2e().bank()];
    const limits = (maxSats: bigint): settlementV1.SetLimitsRequest => ({
      idempotencyKey: freshKey(),
      institutionId: payer.id,
      transactions: [{ settlementMode: SETTLEMENT_MODE_CENTRALIZED, maxSats: 40_000n }],
      windows: [
        {
          settlementMode: SETTLEMENT_MODE_UNSPECIFIED,
          windowSeconds: HOUR,
          maxSats,
          maxCount: 9n,
          usedSats: 0n,
          usedCount: 0n,
        },
      ],
      reason: 'agreed',
    });
    expect(await payer.api.policy.getLimits({ institutionId: payer.id })).toMatchObject({ version: 0n, windows: [] });
    await e2e().operator.policy.setLimits(limits(60_000n));
    await payer.settle(centralized(payee, 35_000n));
    expect(await refused(payer.submit(centralized(payee, 40_001n)))).toMatchObject({
      reason: 'LIMIT_EXCEEDED',
      details: { limit: 'transaction, CENTRALIZED', left_sats: '40000' },
    });
    const over = await refused(payer.submit(centralized(payee, 25_001n)));
    expect(over).toMatchObject({ kind: 'failed_precondition', reason: 'LIMIT_EXCEEDED', retryable: true });
    expect(over).toMatchObject({ details: { limit: 'window of 3600 s', left_sats: '25000', left_count: '8' } });
    const { createdAt } = await payer.settle(centralized(payee, 25_000n));
    const roomSeconds = Number(over!.details!['room_at']) - Number(createdAt!.seconds);
    expect(roomSeconds).toBeGreaterThanOrEqual(Number(HOUR) - 60);
    expect(roomSeconds).toBeLessThanOrEqual(Number(HOUR) + Number(HOUR) / 48 + 1);

    expect(await refused(payer.api.policy.setLimits(limits(60_001n)))).toMatchObject({ reason: 'LIMITS_WIDENED' });
    await payer.api.policy.setLimits(limits(50_000n));
    const shown = await payer.api.policy.getLimits({ institutionId: payer.id });
    expect(shown).toMatchObject({ version: 2n, setBy: payer.keyId, reason: 'agreed' });
    expect(shown.windows).toMatchObject([{ maxSats: 50_000n, usedSats: 60_000n, usedCount: 2n }]);
    expect((await payer.institution()).limits).toEqual(shown);
    expect(await refused(payer.submit(centralized(payee, 1n)))).toMatchObject({ details: { left_sats: '0' } });
    expect(await refused(payee.api.policy.getLimits({ institutionId: payer.id }))).toMatchObject({
      reason: 'FOREIGN_INSTITUTION',
    });
    const { settlements } = await payer.api.settlements.listSettlements({ pageSize: 100, pageToken: '' });
    expect(settlements).toHaveLength(2);
    await expectInOrder(e2e());
  });

  it('lets an institution pay those on its list alone, once they have cooled', async () => {
    const [payer, payee, other] = [
      await e2e().bank({ creditLineSats: 1_000n }),
      await e2e().bank(),
      await e2e().bank(),
    ];
    const institutionId = payer.id;
    const { policy: api } = payer.api;
    await api.restrictCounterparties({ idempotencyKey: freshKey(), institutionId, restricted: true, reason: 'ours' });
    expect(await refused(payer.submit(centralized(payee, 1n)))).toMatchObject({ reason: 'COUNTERPARTY_NOT_ALLOWED' });
    const list = await api.allowCounterparty({ idempotencyKey: freshKey(), institutionId, counterpartyId: payee.id });
    expect(list).toMatchObject({
      restricted: true,
      counterparties: [{ institutionId: payee.id, addedBy: payer.keyId }],
    });
    const paid = await until(
      'the payee has cooled',
      () => refused(payer.submit(centralized(payee, 1n))),
      (refusal) => refusal === undefined,
    );
    expect(paid).toBeUndefined();
    expect(await refused(payer.submit(centralized(other, 1n)))).toMatchObject({ reason: 'COUNTERPARTY_NOT_ALLOWED' });
    await e2e().operator.policy.removeCounterparty({
      idempotencyKey: freshKey(),
      institutionId,
      counterpartyId: payee.id,
    });
    expect(await refused(payer.submit(centralized(payee, 1n)))).toMatchObject({ reason: 'COUNTERPARTY_NOT_ALLOWED' });
    expect((await api.listCounterparties({ institutionId })).counterparties).toEqual([]);
  });

  it('has two persons of the payer approve what is above an amount, and never the one who asked', async () => {
    const [payer, payee] = [await e2e().bank({ creditLineSats: 100_000n }), await e2e().bank()];
    const institutionId = payer.id;
    const [ann, bob] = [await person(payer, 'ann'), await person(payer, 'bob')];
    const tiers = [{ aboveSats: 10_000n, approvals: 2, signed: false }];
    await payer.api.policy.setApprovalPolicy({ idempotencyKey: freshKey(), institutionId, tiers, reason: 'ours' });
    await payer.settle(centralized(payee, 10_000n));

    const { settlementId } = await payer.submit(centralized(payee, 10_001n));
    const waiting = await payer.settlement(settlementId, 'UNDER_REVIEW');
    expect(waiting).toMatchObject({ approvalsRequired: 2, approvals: [], complianceAwaited: false });
    const decided = (decision: settlementV1.ReviewDecision, idempotencyKey = freshKey()) => ({
      idempotencyKey,
      settlementId,
      decision,
      reason: 'invoice seen',
    });
    const approval = decided(REVIEW_DECISION_APPROVE, 'the same for all');
    expect(await refused(payer.api.settlements.reviewSettlement(approval))).toMatchObject({ reason: 'OWN_REQUEST' });
    expect(await refused(payee.api.settlements.reviewSettlement(approval))).toMatchObject({ reason: 'NOT_THE_PAYER' });
    const once = await patiently(() => ann.api.settlements.reviewSettlement(approval));
    expect(once.approvals).toMatchObject([{ approvedBy: ann.keyId, reason: 'invoice seen' }]);
    expect(await ann.api.settlements.reviewSettlement(approval)).toEqual(once);
    const again = await refused(ann.api.settlements.reviewSettlement(decided(REVIEW_DECISION_APPROVE)));
    expect(again).toMatchObject({ kind: 'already_exists', reason: 'ALREADY_APPROVED' });
    await patiently(() => bob.api.settlements.reviewSettlement(approval));
    const settled = await payer.settlement(settlementId, 'SETTLED');
    expect(settled.approvals.map(({ approvedBy }) => approvedBy)).toEqual([ann.keyId, bob.keyId]);
    const late = await refused(bob.api.settlements.reviewSettlement(decided(REVIEW_DECISION_REJECT)));
    expect(late).toMatchObject({ kind: 'failed_precondition', reason: 'NOT_UNDER_REVIEW' });
    await expectInOrder(e2e());
  });

  it('pays above an amount what two signatories have approved, or nothing: by the signer’s own rules', async () => {
    const [payer, payee] = [await e2e().bank(), await e2e().bank()];
    await payer.fund({ wallet: [200_000n, 200_000n] });
    const institutionId = payer.id;
    const people = await Signatories.of(e2e(), payer);
    const required = { aboveSats: 20_000n as Sats, approvals: 2 };
    const rules = {
      institutionId,
      ...required,
      request: people.sign('ann', 'require approvals', { required }),
      approval: people.sign('bob', 'agree to approvals', { required }),
    };
    const { inForceFrom } = await payer.api.destinations.requireApprovals(rules);
    expect(inForceFrom).toBeDefined();
    const order = { to: payee, amountSats: 30_000n, mode: 'BLOCKCHAIN' } as const;
    await delay(2_000 * COOLING_SECONDS);
    const { settlementId: unapproved } = await payer.submit(order);
    expect((await payer.settlement(unapproved, 'FAILED')).reason).toContain('APPROVALS_MISSING');

    const tiers = [{ ...required, signed: true }];
    await payer.api.policy.setApprovalPolicy({ idempotencyKey: freshKey(), institutionId, tiers, reason: 'ours' });
    const { settlementId } = await payer.submit(order);
    const waiting = await payer.settlement(settlementId, 'UNDER_REVIEW');
    expect(waiting).toMatchObject({ approvalsRequired: 2, approvalsSigned: true });
    const payout = {
      settlementId,
      mode: 'blockchain',
      amountSats: 30_000n as Sats,
      payeeInstitutionId: payee.id,
      walletId: waiting.payerWalletId!,
      to: `wallet ${waiting.payeeWalletId}`,
    };
    const approve = (api: Api, signedApproval?: settlementV1.SignedApproval): Promise<settlementV1.Settlement> =>
      api.settlements.reviewSettlement({
        idempotencyKey: freshKey(),
        settlementId,
        decision: REVIEW_DECISION_APPROVE,
        reason: 'invoice seen',
        signedApproval,
      });
    const [one, other] = [await person(payer, 'one'), await person(payer, 'other')];
    await patiently(() => one.api.settlements.getSettlement({ settlementId }));
    await patiently(() => other.api.settlements.getSettlement({ settlementId }));
    expect(await refused(approve(one.api))).toMatchObject({ reason: 'SIGNED_APPROVAL_REQUIRED' });
    const less = people.sign('ann', 'approve payout', { payout: { ...payout, amountSats: 29_999n as Sats } });
    expect(await refused(approve(one.api, less))).toMatchObject({ reason: 'SIGNATURE_INVALID' });
    const byEve = people.sign('eve', 'approve payout', { payout });
    expect(await refused(approve(one.api, byEve))).toMatchObject({ reason: 'UNKNOWN_SIGNATORY' });
    const byAnn = people.sign('ann', 'approve payout', { payout });
    expect((await approve(one.api, byAnn)).approvals).toMatchObject([{ signatory: people.ann.address }]);
    expect(await refused(approve(other.api, byAnn))).toMatchObject({ reason: 'SIGNATORY_ALREADY_APPROVED' });
    await approve(other.api, people.sign('bob', 'approve payout', { payout }));
    const { confirmationsRequired } = await payer.executing(settlementId);
    await e2e().outside.mine(confirmationsRequired);
    await payer.settlement(settlementId, 'SETTLED');
    await expectInOrder(e2e());
  });
}
