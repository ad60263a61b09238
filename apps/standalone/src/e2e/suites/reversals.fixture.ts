import { settlementV1 } from '@finality/contracts';
import { expect, it } from 'vitest';
import type { Api } from '../api.fixture.ts';
import { refused } from '../api.fixture.ts';
import { type Bank, freshKey, lifeOf, NOTHING, type Settlement } from '../bank.fixture.ts';
import { type E2e, expectInOrder } from '../e2e.fixture.ts';

/** Reversals: what holds whatever the services run on. */
export function reversals(e2e: () => E2e): void {
  const reverse = (api: Api, settlementId: string, more: Partial<settlementV1.ReverseSettlementRequest> = {}) =>
    api.settlements.reverseSettlement(
      settlementV1.ReverseSettlementRequest.fromPartial({ idempotencyKey: freshKey(), settlementId, ...more }),
    );

  async function settled(amountSats: bigint): Promise<[Bank, Bank, Settlement]> {
    const payer = await e2e().bank({ wallet: 'none', creditLineSats: 1_000_000n });
    const payee = await e2e().bank({ wallet: 'none' });
    return [payer, payee, await payer.settle({ to: payee, amountSats, mode: 'CENTRALIZED', reference: 'invoice 7' })];
  }

  it('pay back what was paid, as settlements of their own that both sides find by either', async () => {
    const [payer, payee, { settlementId }] = await settled(900n);
    const key = freshKey();
    const part = await reverse(payee.api, settlementId, { amountSats: 400n, idempotencyKey: key });
    expect(part).toMatchObject({
      fromInstitution: payee.id,
      toInstitution: payer.id,
      referenceId: 'invoice 7',
      reverses: settlementId,
    });
    const done = await payee.settlement(part.settlementId, 'SETTLED');
    expect(lifeOf(done)).toEqual(['RECEIVED', 'SCREENING', 'APPROVED', 'RESERVED', 'SETTLED']);
    expect(await reverse(payee.api, settlementId, { amountSats: 400n, idempotencyKey: key })).toEqual(done);
    const rest = await reverse(e2e().operator, settlementId, { amountSats: 500n, referenceId: 'court order' });
    await payer.settlement(rest.settlementId, 'SETTLED');
    const original = await payer.get(settlementId);
    expect(original.reversedBy).toEqual([part.settlementId, rest.settlementId]);
    expect(lifeOf(original).at(-1)).toBe('SETTLED');
    expect(await payer.balance('clearing')).toEqual(NOTHING);
    expect(await payee.balance('clearing')).toEqual(NOTHING);
    expect(await refused(reverse(payee.api, settlementId, { amountSats: 1n }))).toMatchObject({
      reason: 'REVERSAL_EXCEEDS_ORIGINAL',
    });
    expect(await refused(reverse(payer.api, part.settlementId))).toMatchObject({ reason: 'REVERSAL_OF_REVERSAL' });
    await expectInOrder(e2e());
  });

  it('are never more than there is to pay back, however many are asked for at once', async () => {
    const [payer, payee, { settlementId }] = await settled(1_000n);
    const asked = Array.from({ length: 12 }, () => reverse(payee.api, settlementId, { amountSats: 300n }));
    const refusals = await Promise.all(asked.map(refused));
    expect((await Promise.allSettled(asked)).filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
    expect(refusals.flatMap((refusal) => refusal?.reason ?? [])).toEqual(
      Array.from({ length: 9 }, () => 'REVERSAL_EXCEEDS_ORIGINAL'),
    );
    const { reversedBy } = await payer.get(settlementId);
    for (const id of reversedBy) await payer.settlement(id, 'SETTLED');
    expect(await payee.balance('clearing')).toEqual({ ...NOTHING, available: 100n });
  });

  it('wait for what isn’t settled', async () => {
    const [payer, payee] = [await e2e().bank({ wallet: 'none' }), await e2e().bank({ wallet: 'none' })];
    const { settlementId } = await payer.submit({ to: payee, amountSats: 700n, mode: 'CENTRALIZED' });
    await payer.settlement(settlementId, 'QUEUED');
    expect(await refused(reverse(payee.api, settlementId))).toMatchObject({ reason: 'NOT_SETTLED' });
  });
}
