import { institutionV1 } from '@finality/contracts';
import { expect, it } from 'vitest';
import { refused } from '../api.fixture.ts';
import { type Bank, NOTHING } from '../bank.fixture.ts';
import { type E2e, expectInOrder } from '../e2e.fixture.ts';
import { until } from '../wait.fixture.ts';

const VALUE_SATS = 20_000_000n;
const { INSTITUTION_STATUS_ACTIVE, INSTITUTION_STATUS_FROZEN } = institutionV1.InstitutionStatus;

/** A deposit in a reorg: what holds whatever the services run on. */
export function depositInReorg(e2e: () => E2e): void {
  /** In the mempool, or as deep as wanted. */
  async function depositTo(claim: 'clearing' | 'wallet', confirmations: number) {
    const { outside } = e2e();
    const bank = await e2e().bank();
    const paid = await outside.payIn({ address: await bank.address(claim), valueSats: VALUE_SATS });
    const [outpoint = ''] = paid.outpoints;
    await bank.deposit(outpoint, 'DETECTED');
    if (confirmations > 0) {
      await outside.mine(confirmations);
      await bank.deposit(outpoint, confirmations < 3 ? 'CONFIRMED' : 'CREDITED');
    }
    return { outside, bank, paid, outpoint };
  }

  const statusOf = async (bank: Bank) => (await bank.institution()).status;

  it('of 1 block confirms again and is credited once', async () => {
    const { outside, bank, outpoint } = await depositTo('wallet', 1);
    await outside.takeBlocksBack(1);
    expect(await bank.deposit(outpoint, 'UNCONFIRMED')).toMatchObject({ height: 0, blockHash: '', life: 1 });
    expect(await bank.balance('wallet')).toEqual({ ...NOTHING, incoming: VALUE_SATS });
    await outside.mine(2);
    const confirmed = await bank.deposit(outpoint, 'CONFIRMED');
    expect(confirmed).toMatchObject({ height: (await outside.height()) - 1, life: 2 });
    expect(await bank.balance('wallet')).toEqual({ ...NOTHING, incoming: VALUE_SATS });
    await outside.mine(1);
    await bank.deposit(outpoint, 'CREDITED');
    expect(await bank.balance('wallet')).toEqual({ ...NOTHING, available: VALUE_SATS });
    await expectInOrder(e2e());
  });

  it('of 3 blocks is on its way in again, then credited again', async () => {
    const { outside, bank, outpoint } = await depositTo('wallet', 3);
    await outside.takeBlocksBack(3);
    await bank.deposit(outpoint, 'UNCONFIRMED');
    expect(await bank.balance('wallet')).toEqual({ ...NOTHING, incoming: VALUE_SATS });
    await outside.mine(4);
    expect(await bank.deposit(outpoint, 'CREDITED')).toMatchObject({ life: 2 });
    expect(await bank.balance('wallet')).toEqual({ ...NOTHING, available: VALUE_SATS });
    expect(await statusOf(bank)).toBe(INSTITUTION_STATUS_ACTIVE);
    await expectInOrder(e2e());
  });

  it('of 3 blocks, where the new branch is there at once, is credited once', async () => {
    const { outside, bank, outpoint } = await depositTo('clearing', 3);
    await outside.takeBlocksBack(3);
    await outside.mine(4);
    await until(
      `${outpoint} is credited in its second life`,
      async () => (await bank.deposits()).map(({ life, height }) => ({ life, height })),
      ([deposit]) => deposit?.life === 2,
    );
    await bank.deposit(outpoint, 'CREDITED');
    expect(await bank.balance('clearing')).toEqual({ ...NOTHING, available: VALUE_SATS });
    await expectInOrder(e2e());
  });

  it.each([1, 3])('of %i block(s), double-spent in the new branch, is gone and then reversed', async (depth) => {
    const { outside, bank, paid, outpoint } = await depositTo('wallet', depth);
    await outside.takeBlocksBack(depth);
    await bank.deposit(outpoint, 'UNCONFIRMED');
    const byTxid = await outside.takeBack(paid);
    await outside.mine(depth + 1);
    expect((await bank.deposit(outpoint, 'REPLACED')).reason).toBe(`replaced by ${byTxid}`);
    expect(await bank.balance('wallet')).toEqual(NOTHING);
    await expectInOrder(e2e());
    await outside.mine(6 - (depth + 1));
    expect((await bank.deposit(outpoint, 'REVERSED')).reason).toBe(`excluded by ${byTxid}`);
    expect(await bank.balance('wallet')).toEqual(NOTHING);
    // It had lost nothing that it had passed on.
    expect(await statusOf(bank)).toBe(INSTITUTION_STATUS_ACTIVE);
    await expectInOrder(e2e());
  });

  it('that was spent in the meantime leaves a debt, and the institution frozen', async () => {
    const { outside, bank, paid, outpoint } = await depositTo('clearing', 3);
    const payee = await e2e().bank();
    await bank.settle({ to: payee, amountSats: 15_000_000n, mode: 'CENTRALIZED' });
    await outside.takeBlocksBack(3);
    await bank.deposit(outpoint, 'UNCONFIRMED');
    await outside.takeBack(paid);
    await outside.mine(6);
    await bank.deposit(outpoint, 'REVERSED');
    expect(await bank.balance('clearing')).toEqual({ ...NOTHING, available: -15_000_000n });
    expect(await payee.balance('clearing')).toEqual({ ...NOTHING, available: 15_000_000n });
    const { status, reason } = await bank.institution();
    expect(status).toBe(INSTITUTION_STATUS_FROZEN);
    expect(reason).toContain(outpoint);
    expect(await refused(bank.submit({ to: payee, amountSats: 1n, mode: 'CENTRALIZED' }))).toMatchObject({
      reason: 'INSTITUTION_FROZEN',
    });
    await expectInOrder(e2e());
  });

  it('replaced in the mempool never counts', async () => {
    const { outside, bank, paid, outpoint } = await depositTo('clearing', 0);
    const byTxid = await outside.takeBack(paid);
    expect((await bank.deposit(outpoint, 'REPLACED')).reason).toBe(`replaced by ${byTxid}`);
    expect(await bank.balance('clearing')).toEqual(NOTHING);
    await outside.mine(6);
    await bank.deposit(outpoint, 'REVERSED');
    await expectInOrder(e2e());
  });
}
