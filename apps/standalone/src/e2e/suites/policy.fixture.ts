import { settlementV1 } from '@finality/contracts';
import { expect, it } from 'vitest';
import { refused } from '../api.fixture.ts';
import { type Bank, freshKey } from '../bank.fixture.ts';
import { type E2e, expectInOrder } from '../e2e.fixture.ts';

const { SETTLEMENT_MODE_CENTRALIZED, SETTLEMENT_MODE_UNSPECIFIED } = settlementV1.SettlementMode;
const HOUR = 3_600n;

/** What an institution may pay: what holds whatever the services run on. */
export function policy(e2e: () => E2e): void {
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
}
