import { expect, it } from 'vitest';
import { refused } from '../api.fixture.ts';
import { type Bank, freshKey, lifeOf, NOTHING, statusOf } from '../bank.fixture.ts';
import { type E2e, expectInOrder } from '../e2e.fixture.ts';
import { until } from '../wait.fixture.ts';

export const cancel = (bank: Bank, settlementId: string, idempotencyKey = freshKey()) =>
  bank.api.settlements.cancelSettlement({ idempotencyKey, settlementId, reason: 'changed our mind' });

/** Liquidity: what holds whatever the services run on. */
export function liquidity(e2e: () => E2e): void {
  it('that clearing lacks is waited for, and a deposit brings it', async () => {
    const [payer, payee] = [await e2e().bank({ wallet: 'none' }), await e2e().bank({ wallet: 'none' })];
    await payer.fund({ clearing: [1_000_000n] });
    const { settlementId } = await payer.submit({ to: payee, amountSats: 3_000_000n, mode: 'CENTRALIZED' });
    const queued = await payer.settlement(settlementId, 'QUEUED');
    expect(queued.reason).toBe('insufficient liquidity: expected 3000000 sat, 1000000 sat available');
    expect(await payer.balance('clearing')).toEqual({ ...NOTHING, available: 1_000_000n });
    await payer.fund({ clearing: [2_500_000n] });
    const settled = await payer.settlement(settlementId, 'SETTLED');
    expect(lifeOf(settled)).toEqual(['RECEIVED', 'SCREENING', 'APPROVED', 'QUEUED', 'RESERVED', 'SETTLED']);
    expect(await payer.balance('clearing')).toEqual({ ...NOTHING, available: 500_000n });
    expect(await payee.balance('clearing')).toEqual({ ...NOTHING, available: 3_000_000n });
    await expectInOrder(e2e());
  });

  it('that a wallet lacks is waited for, and a deposit to it brings it; one to clearing doesn’t', async () => {
    const [payer, payee] = [await e2e().bank(), await e2e().bank()];
    const { settlementId } = await payer.submit({ to: payee, amountSats: 3_000_000n, mode: 'BILATERAL' });
    await payer.settlement(settlementId, 'QUEUED');
    await payer.fund({ clearing: [9_000_000n] });
    await expectInOrder(e2e());
    await payer.settlement(settlementId, 'QUEUED');
    await payer.fund({ wallet: [4_000_000n] });
    const { feeSats } = await payer.executing(settlementId);
    await e2e().outside.mine(3);
    await payer.settlement(settlementId, 'SETTLED');
    expect(await payer.balance('wallet')).toEqual({ ...NOTHING, available: 1_000_000n - feeSats });
    await expectInOrder(e2e());
  });

  it('comes from others’ settlements as well, one after the other', async () => {
    const banks = [await e2e().bank({ wallet: 'none' }), await e2e().bank({ wallet: 'none' })];
    const [middle, last] = [await e2e().bank({ wallet: 'none' }), await e2e().bank({ wallet: 'none' })];
    const second = await middle.submit({ to: last, amountSats: 700n, mode: 'CENTRALIZED' });
    const first = await banks[1]!.submit({ to: middle, amountSats: 700n, mode: 'CENTRALIZED' });
    await middle.settlement(second.settlementId, 'QUEUED');
    await banks[1]!.settlement(first.settlementId, 'QUEUED');
    await banks[0]!.fund({ clearing: [50_000n] });
    await banks[0]!.settle({ to: banks[1]!, amountSats: 700n, mode: 'CENTRALIZED' });
    await middle.settlement(second.settlementId, 'SETTLED');
    expect(await last.balance('clearing')).toEqual({ ...NOTHING, available: 700n });
    expect(await middle.balance('clearing')).toEqual(NOTHING);
  });

  it('goes as far as the credit line and not a satoshi further', async () => {
    const payer = await e2e().bank({ wallet: 'none', creditLineSats: 10_000n });
    const payee = await e2e().bank({ wallet: 'none' });
    await payer.settle({ to: payee, amountSats: 9_999n, mode: 'CENTRALIZED' });
    const { settlementId } = await payer.submit({ to: payee, amountSats: 2n, mode: 'CENTRALIZED' });
    await payer.settlement(settlementId, 'QUEUED');
    await payee.settle({ to: payer, amountSats: 1n, mode: 'CENTRALIZED' });
    await payer.settlement(settlementId, 'SETTLED');
    expect(await payer.balance('clearing')).toEqual({ ...NOTHING, available: -10_000n });
    await expectInOrder(e2e());
  });

  it('that is tied up in a coin on its way is waited for', async () => {
    const [payer, payee] = [await e2e().bank(), await e2e().bank()];
    await payer.fund({ wallet: [10_000_000n] });
    const first = await payer.submit({ to: payee, amountSats: 1_000_000n, mode: 'BILATERAL' });
    await payer.executing(first.settlementId);
    const second = await payer.submit({ to: payee, amountSats: 2_000_000n, mode: 'BILATERAL' });
    const queued = await payer.settlement(second.settlementId, 'QUEUED');
    expect(queued.reason).toMatch(/^coins are in use or not final: /);
    await e2e().outside.mine(3);
    await payer.settlement(first.settlementId, 'SETTLED');
    await payer.executing(second.settlementId);
    await e2e().outside.mine(3);
    const settled = await payer.settlement(second.settlementId, 'SETTLED');
    expect(settled.txid).not.toBe(first.txid);
    expect(await payee.balance('wallet')).toEqual({ ...NOTHING, available: 3_000_000n });
    await expectInOrder(e2e());
  });

  it('that is tied up in a coin on its way is used by the transaction that takes the place of the first', async () => {
    const [payer, payee] = [await e2e().bank(), await e2e().bank()];
    await payer.fund({ wallet: [5_000_000n] });
    const first = await payer.submit({ to: payee, amountSats: 1_000_000n, mode: 'BILATERAL' });
    const { txid } = await payer.executing(first.settlementId);
    const second = await payer.submit({ to: payee, amountSats: 2_000_000n, mode: 'BILATERAL' });
    await payer.settlement(second.settlementId, 'QUEUED');
    await payer.api.settlements.bumpFee({
      idempotencyKey: freshKey(),
      settlementId: first.settlementId,
      feeRateSatsPerKvb: 10_000n,
    });
    const both = await payer.executing(second.settlementId);
    expect(both.txid).not.toBe(txid);
    await e2e().outside.mine(3);
    const settled = await payer.settlement(first.settlementId, 'SETTLED');
    const { feeSats } = await payer.settlement(second.settlementId, 'SETTLED');
    expect(settled.txid).toBe(both.txid);
    expect(await payer.balance('wallet')).toEqual({
      ...NOTHING,
      available: 2_000_000n - feeSats - settled.feeSats,
    });
    expect(await payee.balance('wallet')).toEqual({ ...NOTHING, available: 3_000_000n });
    await expectInOrder(e2e());
  });

  it('isn’t taken by a settlement that was cancelled while it waited', async () => {
    const [payer, payee] = [await e2e().bank(), await e2e().bank({ wallet: 'none' })];
    const { settlementId } = await payer.submit({ to: payee, amountSats: 1_000n, mode: 'CENTRALIZED' });
    await payer.settlement(settlementId, 'QUEUED');
    expect(await refused(cancel(payee, settlementId))).toMatchObject({ reason: 'NOT_THE_PAYER' });
    const key = freshKey();
    const cancelled = await cancel(payer, settlementId, key);
    expect(lifeOf(cancelled)).toEqual(['RECEIVED', 'SCREENING', 'APPROVED', 'QUEUED', 'CANCELLED']);
    expect(cancelled.reason).toBe('changed our mind');
    expect(await cancel(payer, settlementId, key)).toEqual(cancelled);
    const late = await refused(cancel(payer, settlementId));
    expect(late).toMatchObject({ kind: 'failed_precondition', reason: 'NOT_CANCELLABLE' });
    await payer.fund({ clearing: [5_000n] });
    await expectInOrder(e2e());
    expect(await payer.get(settlementId)).toEqual(cancelled);
    expect(await payer.balance('clearing')).toEqual({ ...NOTHING, available: 5_000n });
  });

  it('is given back by a transaction that takes the place of the one that pays it, once that is final', async () => {
    const [payer, payee] = [await e2e().bank(), await e2e().bank()];
    await payer.fund({ wallet: [2_000_000n] });
    const { settlementId } = await payer.submit({ to: payee, amountSats: 1_000_000n, mode: 'BILATERAL' });
    const { txid } = await payer.executing(settlementId);
    const pending = await cancel(payer, settlementId);
    expect([statusOf(pending), pending.reason]).toEqual(['EXECUTING', 'cancellation requested: changed our mind']);
    const { node } = e2e().platform.chain;
    await until(
      'another transaction is in the mempool',
      () => node.mempoolTxids(),
      (txids) => txids.length > 0 && txids.every((each) => each !== txid),
    );
    await e2e().outside.mine(6);
    const cancelled = await payer.settlement(settlementId, 'CANCELLED');
    expect(cancelled.reason).toBe('changed our mind');
    const { available } = await payer.balance('wallet');
    expect(await payer.balance('wallet')).toEqual({ ...NOTHING, available });
    // 110 virtual bytes at a quarter more than 2 sat/vB, or what nodes ask for the replaced one and its own relay.
    expect(2_000_000n - available).toBeGreaterThan(300n);
    expect(2_000_000n - available).toBeLessThan(600n);
    expect(await payee.balance('wallet')).toEqual(NOTHING);
    expect(await payer.deposits()).toHaveLength(1);
    await expectInOrder(e2e());
  });

  it('isn’t given back once a transaction that pays it is in a block', async () => {
    const [payer, payee] = [await e2e().bank(), await e2e().bank()];
    await payer.fund({ wallet: [2_000_000n] });
    const { settlementId } = await payer.submit({ to: payee, amountSats: 1_000_000n, mode: 'BILATERAL' });
    await payer.executing(settlementId);
    await e2e().outside.mine(3);
    await payer.settlement(settlementId, 'SETTLED');
    expect(await refused(cancel(payer, settlementId))).toMatchObject({
      kind: 'failed_precondition',
      reason: 'NOT_CANCELLABLE',
    });
    await expectInOrder(e2e());
  });
}
