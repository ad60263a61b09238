import { settlementV1, toTimestamp } from '@finality/contracts';
import type { Instant } from '@finality/kernel';
import { expect, it } from 'vitest';
import { type Bank, freshKey, lifeOf, NOTHING } from '../bank.fixture.ts';
import { type E2e, expectInOrder } from '../e2e.fixture.ts';
import { cancel } from './liquidity.fixture.ts';

/** Settlements for later, and until then: what holds whatever the services run on. */
export function schedules(e2e: () => E2e): void {
  const inMs = (ms: number) => toTimestamp((Date.now() + ms) as Instant);
  const request = (payer: Bank, payee: Bank, more: Partial<settlementV1.SubmitSettlementRequest>) =>
    settlementV1.SubmitSettlementRequest.fromPartial({
      idempotencyKey: freshKey(),
      fromInstitution: payer.id,
      toInstitution: payee.id,
      amountSats: 700n,
      settlementMode: settlementV1.SettlementMode.SETTLEMENT_MODE_CENTRALIZED,
      ...more,
    });

  async function banks(creditLineSats = 1_000_000n): Promise<[Bank, Bank]> {
    return [await e2e().bank({ wallet: 'none', creditLineSats }), await e2e().bank({ wallet: 'none' })];
  }

  it('begin when their time has come, and take nothing before', async () => {
    const [payer, payee] = await banks();
    const executeAt = inMs(1_500);
    const asked = request(payer, payee, { executeAt });
    const accepted = await payer.api.settlements.submitSettlement(asked);
    expect(lifeOf(accepted)).toEqual(['RECEIVED', 'SCHEDULED']);
    expect(accepted.executeAt).toEqual(executeAt);
    expect(await payer.balance('clearing')).toEqual(NOTHING);
    const settled = await payer.settlement(accepted.settlementId, 'SETTLED');
    expect(lifeOf(settled)).toEqual(['RECEIVED', 'SCHEDULED', 'SCREENING', 'APPROVED', 'RESERVED', 'SETTLED']);
    const began = settled.transitions[2]!.at!;
    expect(began.seconds * 1_000n + BigInt(began.nanos / 1e6)).toBeGreaterThanOrEqual(
      executeAt.seconds * 1_000n + BigInt(executeAt.nanos / 1e6),
    );
    // Asked for again when that time has passed, it is the same one.
    expect(await payer.api.settlements.submitSettlement(asked)).toEqual(settled);
    await expectInOrder(e2e());
  });

  it('are cancelled while they wait', async () => {
    const [payer, payee] = await banks();
    const { settlementId } = await payer.api.settlements.submitSettlement(
      request(payer, payee, { executeAt: inMs(3_600_000) }),
    );
    expect(lifeOf(await cancel(payer, settlementId))).toEqual(['RECEIVED', 'SCHEDULED', 'CANCELLED']);
  });

  it('expire when they say so', async () => {
    const [payer, payee] = await banks(0n);
    const { settlementId } = await payer.api.settlements.submitSettlement(
      request(payer, payee, { expiresAt: inMs(1_500) }),
    );
    const expired = await payer.settlement(settlementId, 'EXPIRED');
    expect(expired.reason).toBe('not executed by its expires_at');
    await payer.fund({ clearing: [5_000n] });
    expect(await payer.get(settlementId)).toEqual(expired);
    await expectInOrder(e2e());
  });
}
