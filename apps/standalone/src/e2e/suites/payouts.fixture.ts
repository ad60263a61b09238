import { refusalOf } from '@finality/service';
import { expect, it } from 'vitest';
import { type Bank, freshKey, lifeOf, NOTHING } from '../bank.fixture.ts';
import { type E2e, expectInOrder } from '../e2e.fixture.ts';

type Executing = Awaited<ReturnType<Bank['executing']>>;

const DEPOSIT_SATS = 3_000_000n;
const AMOUNT_SATS = 1_000_000n;
/** So much doesn't wait for others, wherever this runs. */
export const AT_ONCE_SATS = 2_000_000n;
const JOINING_SATS = 400_000n;

/** Payouts that wait in the mempool: what holds whatever the services run on. */
export function bumpedPayouts(e2e: () => E2e): void {
  it('is replaced by a dearer transaction on request, and paid once', async () => {
    const { payer, payee, first } = await waiting(e2e());
    await bump(payer, first.settlementId, 10_000n);
    const second = await replacedIn(e2e(), payer, first);
    expect(second.feeSats).toBeGreaterThan(first.feeSats * 4n);
    expect(await payer.balance('wallet')).toEqual({
      ...NOTHING,
      available: DEPOSIT_SATS - AMOUNT_SATS - second.feeSats,
      inFlight: AMOUNT_SATS + second.feeSats,
    });
    await e2e().outside.mine(6);
    const settled = await payer.settlement(first.settlementId, 'SETTLED');
    expect(settled).toMatchObject({ txid: second.txid, feeSats: second.feeSats });
    expect(lifeOf(settled)).toEqual([
      'RECEIVED',
      'SCREENING',
      'APPROVED',
      'RESERVED',
      'EXECUTING',
      'CONFIRMING',
      'SETTLED',
    ]);
    expect(await payer.balance('wallet')).toEqual({
      ...NOTHING,
      available: DEPOSIT_SATS - AMOUNT_SATS - second.feeSats,
    });
    expect(await payee.balance('wallet')).toEqual({ ...NOTHING, available: AMOUNT_SATS });
    expect(await payee.deposits()).toEqual([]);
    await expectInOrder(e2e());
  });

  it('is the payer’s to ask for, once for each key, within the cap, while it waits', async () => {
    const { payer, payee, first } = await waiting(e2e());
    const { settlementId } = first;
    const stranger = await e2e().bank({ wallet: 'none' });
    const refusals = [
      await refused(bump(payee, settlementId, 10_000n)),
      await refused(bump(stranger, settlementId, 10_000n)),
      await refused(bump(payer, settlementId, 999n)),
    ];
    expect(refusals.map((refusal) => refusal?.reason)).toEqual([
      'NOT_THE_PAYER',
      'UNKNOWN_SETTLEMENT',
      'INVALID_ARGUMENT',
    ]);
    expect(refusals[2]?.fields?.map(({ field }) => field)).toEqual(['fee_rate_sats_per_kvb']);
    const key = freshKey();
    await bump(payer, settlementId, 10_000n, key);
    const second = await replacedIn(e2e(), payer, first);
    expect((await bump(payer, settlementId, 10_000n, key)).txid).toBe(second.txid);
    await e2e().outside.mine(1);
    await payer.settlement(settlementId, 'CONFIRMING');
    expect((await refused(bump(payer, settlementId, 10_000n)))?.reason).toBe('NOT_WAITING');
    await e2e().outside.mine(5);
    await payer.settlement(settlementId, 'SETTLED');
    await expectInOrder(e2e());
  });

  it('is joined in its next version by one that has no coins of its own, which nodes take in the place of the first', async () => {
    const [payer, payee, last] = [await e2e().bank(), await e2e().bank({ wallet: 'tr' }), await e2e().bank()];
    await payer.fund({ wallet: [DEPOSIT_SATS] });
    const paid = await payer.submit({ to: payee, amountSats: AT_ONCE_SATS, mode: 'BILATERAL' });
    const first = await payer.executing(paid.settlementId);
    await e2e().outside.inMempool(first.txid);
    const { settlementId } = await payer.submit({ to: last, amountSats: JOINING_SATS, mode: 'BILATERAL' });
    expect(await payer.settlement(settlementId, 'QUEUED')).toMatchObject({ waitsFor: 'INSUFFICIENT_FUNDS' });
    await bump(payer, first.settlementId, 10_000n);
    const second = await replacedIn(e2e(), payer, first);
    const joined = await payer.executing(settlementId);
    expect(joined.txid).toBe(second.txid);
    await e2e().outside.mine(3);
    const settled = [];
    for (const each of [first, joined]) settled.push(await payer.settlement(each.settlementId, 'SETTLED'));
    expect(settled.map(({ txid }) => txid)).toEqual([second.txid, second.txid]);
    const feesSats = settled.reduce((sum, { feeSats }) => sum + feeSats, 0n);
    expect(await payee.balance('wallet')).toEqual({ ...NOTHING, available: AT_ONCE_SATS });
    expect(await last.balance('wallet')).toEqual({ ...NOTHING, available: JOINING_SATS });
    const left = DEPOSIT_SATS - AT_ONCE_SATS - JOINING_SATS - feesSats;
    expect(await payer.balance('wallet')).toEqual({ ...NOTHING, available: left });
    await expectInOrder(e2e());
  });
}

/** In the mempool, and in no block yet. */
async function waiting(e2e: E2e): Promise<{ payer: Bank; payee: Bank; first: Executing }> {
  const [payer, payee] = [await e2e.bank(), await e2e.bank({ wallet: 'tr' })];
  await payer.fund({ wallet: [DEPOSIT_SATS] });
  const { settlementId } = await payer.submit({ to: payee, amountSats: AMOUNT_SATS, mode: 'BLOCKCHAIN' });
  return { payer, payee, first: await payer.executing(settlementId) };
}

function bump(bank: Bank, settlementId: string, feeRateSatsPerKvb: bigint, idempotencyKey = freshKey()) {
  return bank.api.settlements.bumpFee({ idempotencyKey, settlementId, feeRateSatsPerKvb });
}

/** Another transaction pays the settlement, and has taken the first one's place in the node's mempool. */
async function replacedIn(e2e: E2e, payer: Bank, first: Executing): Promise<Executing> {
  const second = await payer.replaced(first.settlementId, first.txid);
  await e2e.outside.inMempool(second.txid);
  expect(await e2e.platform.chain.node.mempoolTxids()).not.toContain(first.txid);
  return second;
}

const refused = (call: Promise<unknown>): Promise<ReturnType<typeof refusalOf>> =>
  call.then(
    () => undefined,
    (error: unknown) => refusalOf(error),
  );
