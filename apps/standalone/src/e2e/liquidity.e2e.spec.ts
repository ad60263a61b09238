import { describe, expect, it } from 'vitest';
import { lifeOf, NOTHING } from './bank.fixture.ts';
import { expectInOrder, onPlatform } from './e2e.fixture.ts';
import { credit } from './suites/credit.fixture.ts';
import { defaults } from './suites/defaults.fixture.ts';
import { cancel, liquidity } from './suites/liquidity.fixture.ts';
import { until } from './wait.fixture.ts';

onPlatform('liquidity', (e2e) => {
  liquidity(e2e);
  describe('credit', () => credit(e2e));
});

onPlatform('liquidity, while the node is away', (e2e) => {
  it('is reserved, and given back when the settlement is cancelled before anything was signed', async () => {
    const payer = await e2e().bank();
    await payer.fund({ wallet: [5_000_000n] });
    const { faults } = e2e().platform.chain.simulator!;
    const birthdayHeight = await e2e().outside.height();
    // Nobody can watch the payee's addresses, so none is issued.
    faults.outage = 'refuse';
    const payee = await e2e().bank({ birthdayHeight });
    const { settlementId } = await payer.submit({ to: payee, amountSats: 1_000_000n, mode: 'BILATERAL' });
    const { settlementId: other } = await payer.submit({ to: payee, amountSats: 2_000_000n, mode: 'BILATERAL' });
    await payer.settlement(settlementId, 'RESERVED');
    await payer.settlement(other, 'QUEUED');
    expect(await payer.balance('wallet')).toEqual({ ...NOTHING, available: 3_980_000n, reserved: 1_020_000n });
    const cancelled = await cancel(payer, settlementId);
    expect(lifeOf(cancelled)).toEqual(['RECEIVED', 'SCREENING', 'APPROVED', 'RESERVED', 'CANCELLED']);
    await payer.settlement(other, 'RESERVED');
    expect(await payer.balance('wallet')).toEqual({ ...NOTHING, available: 2_980_000n, reserved: 2_020_000n });
    faults.outage = 'none';
    await payer.executing(other);
    await e2e().outside.mine(3);
    const { feeSats } = await payer.settlement(other, 'SETTLED');
    expect(await payer.balance('wallet')).toEqual({ ...NOTHING, available: 3_000_000n - feeSats });
    expect(await payer.get(settlementId)).toEqual(cancelled);
    await expectInOrder(e2e());
  });
});

onPlatform(
  'by the clock',
  (e2e) => {
    it('liquidity that doesn’t come lets a settlement expire', async () => {
      const [payer, payee] = [await e2e().bank({ wallet: 'none' }), await e2e().bank({ wallet: 'none' })];
      const { settlementId } = await payer.submit({ to: payee, amountSats: 1_000n, mode: 'CENTRALIZED' });
      const expired = await payer.settlement(settlementId, 'EXPIRED');
      expect(expired.reason).toBe('not executed within 2000 ms');
      await payer.fund({ clearing: [5_000n] });
      expect(await payer.get(settlementId)).toEqual(expired);
      expect(await payer.balance('clearing')).toEqual({ ...NOTHING, available: 5_000n });
      await expectInOrder(e2e());
    });

    defaults(e2e);

    it('windows open by themselves, and close', async () => {
      const listed = () => e2e().operator.windows.listWindows({ pageSize: 1_000, pageToken: '' });
      const { windows } = await until('a window has closed', listed, ({ windows: all }) => all.length > 1);
      expect(windows.at(-1)).toMatchObject({ closedBy: 'schedule', settlements: 0n });
    });
  },
  { environment: { SETTLEMENT_EXPIRY_SECONDS: '2', WINDOW_SECONDS: '1' } },
);
