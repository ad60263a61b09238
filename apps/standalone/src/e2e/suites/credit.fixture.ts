import { liquidityV1, settlementV1 } from '@finality/contracts';
import { expect, it } from 'vitest';
import { refused } from '../api.fixture.ts';
import { type Bank, freshKey, NOTHING } from '../bank.fixture.ts';
import { type E2e, expectInOrder } from '../e2e.fixture.ts';
import { until } from '../wait.fixture.ts';

const { LIQUIDITY_LEVEL_CRITICAL, LIQUIDITY_LEVEL_OK } = liquidityV1.LiquidityLevel;

/** What institutions may owe on clearing: what holds whatever the services run on. */
export function credit(e2e: () => E2e): void {
  const line = (bank: Bank, limitSats: bigint, inMs?: number) => e2e().lend(bank.id, limitSats, inMs);

  it('is lent until its time is up; what is drawn stays drawn', async () => {
    const [payer, payee] = [await e2e().bank({ wallet: 'none' }), await e2e().bank({ wallet: 'none' })];
    const institutionId = payer.id;
    const first = await payer.submit({ to: payee, amountSats: 6_000n, mode: 'CENTRALIZED' });
    await payer.settlement(first.settlementId, 'QUEUED');
    const queued = { count: 1n, sumSats: 6_000n };
    expect(await payer.api.liquidity.getLiquidity({ institutionId })).toMatchObject({ outgoing: queued });
    expect(await payee.api.liquidity.getLiquidity({ institutionId: payee.id })).toMatchObject({ incoming: queued });
    const { creditLine } = await line(payer, 10_000n, 3_000);
    const alerts = { warnBelow: 3_000n, criticalBelow: 1_000n };
    await payer.api.liquidity.setLiquidityAlerts({ idempotencyKey: freshKey(), institutionId, alerts, unit: '' });
    expect(creditLine).toMatchObject({ limitSats: 10_000n, expiresAt: creditLine!.expiresAt });
    await payer.settlement(first.settlementId, 'SETTLED');
    expect(await payer.institution()).toMatchObject({ creditLineSats: 10_000n, creditLineDrawnSats: 6_000n });
    const expired = await until(
      `the credit line of ${institutionId} is gone`,
      () => payer.api.liquidity.getLiquidity({ institutionId }),
      (liquidity) => liquidity.creditLine?.limitSats === 0n && liquidity.level !== LIQUIDITY_LEVEL_OK,
    );
    expect(expired).toMatchObject({
      availableSats: -6_000n,
      spendableSats: -6_000n,
      creditLine: { drawnSats: 6_000n, leftSats: 0n, expiresAt: undefined },
      outgoing: { count: 0n, sumSats: 0n },
      level: LIQUIDITY_LEVEL_CRITICAL,
    });
    const second = await payer.submit({ to: payee, amountSats: 1n, mode: 'CENTRALIZED' });
    await payer.settlement(second.settlementId, 'QUEUED');
    expect(await payer.balance('clearing')).toEqual({ ...NOTHING, available: -6_000n });
    expect(await refused(payee.api.liquidity.getLiquidity({ institutionId }))).toMatchObject({
      reason: 'FOREIGN_INSTITUTION',
    });
    await expectInOrder(e2e());
  });

  it('rests on what is put aside, where it is secured', async () => {
    const [payer, payee] = [await e2e().bank({ wallet: 'none' }), await e2e().bank({ wallet: 'none' })];
    const institutionId = payer.id;
    await payer.fund({ clearing: [10_000n] });
    const move = (amountSats: bigint, pledge = liquidityV1.Pledge.PLEDGE_COLLATERAL) => ({
      idempotencyKey: freshKey(),
      institutionId,
      pledge,
      amountSats,
    });
    const { collateral } = payer.api;
    const posting = move(8_000n);
    await collateral.postCollateral(posting);
    expect(await collateral.postCollateral(posting)).toMatchObject({ collateralSats: 8_000n, lineInForceSats: 0n });
    await collateral.postCollateral(move(1_000n, liquidityV1.Pledge.PLEDGE_DEFAULT_FUND));
    await line(payer, 50_000n);
    const terms = { idempotencyKey: freshKey(), institutionId, haircutBps: 5_000, unitTerms: [], reason: 'agreed' };
    expect(await e2e().operator.collateral.setCreditTerms(terms)).toMatchObject({ lineInForceSats: 4_000n });
    const { members } = await payer.api.fund.getFundSizing({ unit: '' });
    const own = { line: 4_000n, collateral: 8_000n, exposure: 0n };
    expect(members).toMatchObject([{ institutionId, ...own, required: 0n, contributed: 1_000n }]);
    await payer.settle({ to: payee, amountSats: 3_000n, mode: 'CENTRALIZED' });
    const held = { institutionId, collateralSats: 8_000n, releasableSats: 4_000n, defaultFundSats: 1_000n };
    expect(await collateral.getCollateral({ institutionId })).toMatchObject({ ...held, drawnSats: 2_000n });
    const refusal = await refused(collateral.releaseCollateral(move(4_001n)));
    expect(refusal).toMatchObject({ reason: 'PLEDGE_NEEDED' });
    expect(await collateral.releaseCollateral(move(4_000n))).toMatchObject({ collateralSats: 4_000n });
    expect(await payer.balance('clearing')).toMatchObject({
      available: 2_000n,
      collateral: 4_000n,
      defaultFund: 1_000n,
    });
    expect((await payer.entries('clearing')).map(({ purpose }) => purpose)).toContain('pledge_released');
    await expectInOrder(e2e());
  });

  it('is for the first in line: none overtakes, but by priority', async () => {
    const [payer, payee] = [await e2e().bank({ wallet: 'none' }), await e2e().bank({ wallet: 'none' })];
    const submit = async (amountSats: bigint, priority: Priority = 'NORMAL') => {
      const { settlementId } = await payer.api.settlements.submitSettlement({
        idempotencyKey: freshKey(),
        fromInstitution: payer.id,
        toInstitution: payee.id,
        amountSats,
        settlementMode: settlementV1.SettlementMode.SETTLEMENT_MODE_CENTRALIZED,
        referenceId: '',
        priority: settlementV1.SettlementPriority[`SETTLEMENT_PRIORITY_${priority}`],
      });
      await payer.settlement(settlementId, 'QUEUED');
      return settlementId;
    };
    const large = await submit(6_000n);
    const urgent = await submit(2_000n, 'URGENT');
    const small = await submit(1_000n);
    const later = await submit(500n);
    const places = async () =>
      Promise.all([urgent, large, small, later].map(async (id) => (await payer.get(id)).queuePlace));
    expect(await places()).toEqual([1, 2, 3, 4]);
    await payer.api.liquidity.reprioritizeSettlement({
      idempotencyKey: freshKey(),
      settlementId: small,
      priority: settlementV1.SettlementPriority.SETTLEMENT_PRIORITY_HIGH,
    });
    expect(await places()).toEqual([1, 3, 2, 4]);
    await line(payer, 8_999n);
    await payer.settlement(urgent, 'SETTLED');
    await payer.settlement(small, 'SETTLED');
    expect(await payer.api.liquidity.getLiquidity({ institutionId: payer.id })).toMatchObject({
      spendableSats: 5_999n,
      outgoing: { count: 2n, sumSats: 6_500n },
    });
    expect(await places()).toEqual([undefined, 1, undefined, 2]);
    await line(payer, 9_500n);
    await payer.settlement(later, 'SETTLED');
    expect(await payer.get(large)).toMatchObject({
      priority: settlementV1.SettlementPriority.SETTLEMENT_PRIORITY_NORMAL,
    });
    await payer.settlement(large, 'SETTLED');
    await expectInOrder(e2e());
  });

  it('isn’t needed where debts pay for each other', async () => {
    const banks = [
      await e2e().bank({ wallet: 'none' }),
      await e2e().bank({ wallet: 'none' }),
      await e2e().bank({ wallet: 'none' }),
    ];
    const [a, b, c] = banks as [Bank, Bank, Bank];
    await a.fund({ clearing: [5_000n] });
    const more = (await b.submit({ to: c, amountSats: 70_000n, mode: 'CENTRALIZED' })).settlementId;
    const small = (await c.submit({ to: a, amountSats: 60_000n, mode: 'CENTRALIZED' })).settlementId;
    for (const [bank, id] of [
      [b, more],
      [c, small],
    ] as const)
      await bank.settlement(id, 'QUEUED');
    const last = (await a.submit({ to: b, amountSats: 70_000n, mode: 'CENTRALIZED' })).settlementId;
    await a.settlement(last, 'QUEUED');
    const enough = (await c.submit({ to: a, amountSats: 5_000n, mode: 'CENTRALIZED' })).settlementId;
    const settled = await Promise.all([
      a.settlement(last, 'SETTLED'),
      b.settlement(more, 'SETTLED'),
      c.settlement(small, 'SETTLED'),
      c.settlement(enough, 'SETTLED'),
    ]);
    expect(settled[0].gridlockId).toMatch(/^[0-9a-f-]{36}$/);
    expect(new Set(settled.map(({ gridlockId }) => gridlockId)).size).toBe(1);
    expect(await Promise.all(banks.map((bank) => bank.balance('clearing')))).toEqual(
      [0n, 0n, 5_000n].map((available) => ({ ...NOTHING, available })),
    );
    await expectInOrder(e2e());
  });
}

type Priority = 'NORMAL' | 'HIGH' | 'URGENT';
