import { settlementV1 } from '@finality/contracts';
import { expect, it } from 'vitest';
import { refused } from '../api.fixture.ts';
import { type Bank, freshKey, NOTHING } from '../bank.fixture.ts';
import { type E2e, expectInOrder } from '../e2e.fixture.ts';

const { WindowPayoutRule, WindowStatus } = settlementV1;

/** Netting windows: what holds whatever the services run on. */
export function windows(e2e: () => E2e): void {
  const pay = async (payer: Bank, payee: Bank, amountSats: bigint): Promise<string | undefined> =>
    (await payer.settle({ to: payee, amountSats, mode: 'CENTRALIZED' })).windowId;
  const bank = (): Promise<Bank> => e2e().bank({ wallet: 'none', creditLineSats: 1_000_000n });
  const close = (windowId: string): Promise<settlementV1.Window> =>
    e2e().operator.windows.closeWindow({ idempotencyKey: freshKey(), windowId, reason: 'cut-off' });

  /** Also where no other test has opened one. */
  async function open(): Promise<void> {
    const { windows: listed } = await e2e().operator.windows.listWindows({ pageSize: 1, pageToken: '' });
    if (listed.length === 0) await e2e().operator.windows.openWindow({ idempotencyKey: freshKey() });
  }

  it('say what all that was settled in them comes to, and close without anybody waiting', async () => {
    const [a, b, c] = [await bank(), await bank(), await bank()];
    expect(await pay(a, b, 5n)).toBeUndefined();
    const key = freshKey();
    const opened = await e2e().operator.windows.openWindow({ idempotencyKey: key });
    expect(opened.status).toBe(WindowStatus.WINDOW_STATUS_OPEN);
    expect(await e2e().operator.windows.openWindow({ idempotencyKey: key })).toEqual(opened);
    const { windowId } = opened;
    expect([await pay(a, b, 900n), await pay(b, c, 300n), await pay(c, a, 250n)]).toEqual([
      windowId,
      windowId,
      windowId,
    ]);
    // While it closes, others go on paying.
    const [closed, ...later] = await Promise.all([
      close(windowId),
      ...Array.from({ length: 10 }, (_, i) => pay(a, c, BigInt(i + 1))),
    ]);
    expect(closed).toMatchObject({
      status: WindowStatus.WINDOW_STATUS_SETTLED,
      participants: 3,
      settlements: 3n + BigInt(later.filter((id) => id === windowId).length),
      reason: 'cut-off',
    });
    expect(await refused(close(windowId))).toMatchObject({ reason: 'WINDOW_NOT_OPEN' });
    const { windows: all } = await e2e().operator.windows.listWindows({ pageSize: 10, pageToken: '' });
    expect(all.map((window) => window.windowId)).toEqual([all[0]!.windowId, windowId]);
    for (const id of later) expect(all.map((window) => window.windowId)).toContain(id);
    const { positions } = await e2e().operator.windows.getWindow({ windowId });
    expect(positions.map(({ institutionId }) => institutionId)).toEqual([a.id, b.id, c.id].sort());
    expect(positions.reduce((sum, { netSats }) => sum + netSats, 0n)).toBe(0n);
    expect(positions.reduce((sum, { paidSats }) => sum + paidSats, 0n)).toBe(closed.grossSats);
    expect(positions.find(({ institutionId }) => institutionId === b.id)).toMatchObject({ netSats: 600n });
    // Nobody learns of others’ dealings.
    const own = await b.api.windows.getWindow({ windowId });
    expect(own.positions.map(({ institutionId }) => institutionId)).toEqual([b.id]);
    expect(own.window).toMatchObject({ grossSats: 0n, settlements: 0n });
    await expectInOrder(e2e());
  });

  it('pay what participants are owed on-chain, to wallets of their own, in one transaction', async () => {
    await open();
    const payer = await bank();
    const [payee, other] = [await e2e().bank(), await e2e().bank()];
    await payer.fund({ clearing: [5_000_000n] });
    for (const one of [payee, other])
      await one.api.windows.setWindowPayout({
        idempotencyKey: freshKey(),
        rule: WindowPayoutRule.WINDOW_PAYOUT_RULE_NET_CREDIT,
        floorSats: 0n,
        walletId: one.wallet!.walletId,
        destinationId: '',
      });
    const windowId = (await pay(payer, payee, 900_000n))!;
    await pay(payer, other, 400_000n);
    await pay(payee, payer, 100_000n);
    await close(windowId);
    const payoutOf = async (one: Bank): Promise<string> =>
      (await one.api.windows.getWindow({ windowId })).positions[0]!.netPayoutId;
    const [first, second] = [await payoutOf(payee), await payoutOf(other)];
    const { txid } = await payee.executing(first);
    expect(await other.executing(second)).toMatchObject({ txid, netPayoutOf: windowId });
    const status = async () => (await payee.api.windows.getWindow({ windowId })).window?.status;
    expect(await status()).toBe(WindowStatus.WINDOW_STATUS_SETTLING);
    await e2e().outside.mine(3);
    const { feeSats } = await payee.settlement(first, 'SETTLED');
    await other.settlement(second, 'SETTLED');
    expect(await status()).toBe(WindowStatus.WINDOW_STATUS_SETTLED);
    expect(await payee.balance('clearing')).toEqual(NOTHING);
    expect(await payee.balance('wallet')).toEqual({ ...NOTHING, available: 800_000n - feeSats });
    await expectInOrder(e2e());
  });

  it('let nobody owe more than its cap: what would waits for the next one, or for what pays for it', async () => {
    await open();
    const [a, b] = [await bank(), await bank()];
    const cap = (institutionId: string, most?: bigint, unit = '') =>
      e2e().operator.windows.setDebitCap({
        idempotencyKey: freshKey(),
        institutionId,
        unit,
        cap: most,
        reason: 'agreed',
      });
    expect(await cap(a.id, 1_000n)).toEqual({ institutionId: a.id, unit: 'BTC', cap: 1_000n, isDefault: false });
    expect(await cap(b.id, 5n, 'USD')).toEqual({ institutionId: b.id, unit: 'USD', cap: 5n, isDefault: false });
    const own = { idempotencyKey: freshKey(), institutionId: a.id, unit: '', reason: 'ours' };
    expect(await refused(a.api.windows.setDebitCap({ ...own, cap: 1_001n }))).toMatchObject({
      reason: 'DEBIT_CAP_RAISED',
    });
    const windowId = (await pay(a, b, 700n))!;
    const waiting = await a.submit({ to: b, amountSats: 301n, mode: 'CENTRALIZED' });
    expect(await a.settlement(waiting.settlementId, 'QUEUED')).toMatchObject({ waitsFor: 'WINDOW_DEBIT_CAP' });
    const { windowDebits } = await a.api.liquidity.getLiquidity({ institutionId: a.id });
    expect(windowDebits).toEqual([{ windowId, unit: 'BTC', cap: 1_000n, net: -700n, left: 300n }]);
    const { positions } = await a.api.windows.getWindow({ windowId });
    expect(positions).toMatchObject([{ institutionId: a.id, debitCapSats: 1_000n }]);
    const [next] =
      (await close(windowId), (await e2e().operator.windows.listWindows({ pageSize: 1, pageToken: '' })).windows);
    expect(await a.settlement(waiting.settlementId, 'SETTLED')).toMatchObject({ windowId: next!.windowId });
    // Neither may owe anything, and neither does.
    await cap(a.id, 301n);
    await cap(b.id, 0n);
    const [there, back] = [
      await a.submit({ to: b, amountSats: 500n, mode: 'CENTRALIZED' }),
      await b.submit({ to: a, amountSats: 600n, mode: 'CENTRALIZED' }),
    ];
    await a.settlement(there.settlementId, 'SETTLED');
    await b.settlement(back.settlementId, 'SETTLED');
    expect(await refused(cap(a.id))).toMatchObject({ reason: 'SECOND_PERSON_REQUIRED' });
    await e2e().agree({
      setDebitCap: { idempotencyKey: '', institutionId: a.id, unit: '', cap: undefined, reason: '' },
    });
    await expectInOrder(e2e());
  });

  it('are a pair’s own once both want it', async () => {
    await open();
    const [a, b, stranger] = [await bank(), await bank(), await bank()];
    const agree = (one: Bank, other: Bank) =>
      one.api.windows.agreeBilateralNetting({ idempotencyKey: freshKey(), counterpartyId: other.id });
    expect(await agree(a, b)).toEqual({ institutionIds: [a.id, b.id].sort(), proposedBy: a.id, windowId: '' });
    const { windowId } = await agree(b, a);
    expect(windowId).not.toBe('');
    expect((await b.api.windows.listNettingPairs({})).pairs).toHaveLength(1);
    expect((await stranger.api.windows.listNettingPairs({})).pairs).toEqual([]);
    expect(await pay(a, b, 700n)).toBe(windowId);
    expect(await pay(a, stranger, 1n)).not.toBe(windowId);
    expect(await refused(stranger.api.windows.getWindow({ windowId }))).toMatchObject({ reason: 'UNKNOWN_WINDOW' });
    await b.api.windows.endBilateralNetting({ idempotencyKey: freshKey(), counterpartyId: a.id });
    const { window, positions } = await a.api.windows.getWindow({ windowId });
    expect(window).toMatchObject({ status: WindowStatus.WINDOW_STATUS_SETTLED, closedBy: b.id, grossSats: 700n });
    expect(positions).toHaveLength(2);
    expect(await pay(a, b, 1n)).not.toBe(windowId);
  });
}
