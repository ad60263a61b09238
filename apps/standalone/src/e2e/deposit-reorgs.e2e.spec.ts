import { settlementV1 } from '@finality/contracts';
import { expect, it } from 'vitest';
import { NOTHING } from './bank.fixture.ts';
import { expectInOrder, onPlatform } from './e2e.fixture.ts';
import { depositInReorg } from './suites/deposit-reorgs.fixture.ts';
import { until } from './wait.fixture.ts';

const { INCIDENT_KIND_DEEP_REORG } = settlementV1.IncidentKind;

onPlatform('a deposit in a reorg', (e2e) => {
  depositInReorg(e2e);

  it('of more blocks than are to be expected is credited, and payouts are signed, once an operator has confirmed it', async () => {
    const { outside } = e2e();
    const [payer, payee] = [await e2e().bank(), await e2e().bank()];
    await payer.fund({ wallet: [3_000_000n] });
    await outside.mine(12);
    // What the platform hasn't seen can't be taken back.
    await expectInOrder(e2e());
    await outside.takeBlocksBack(11);
    await outside.mine(12);
    const incidents = await until(
      'the reorg is an incident',
      async () => (await e2e().operator.operations.listIncidents({})).incidents,
      ({ length }) => length > 0,
    );
    expect(incidents).toMatchObject([{ kind: INCIDENT_KIND_DEEP_REORG, confirmedAt: undefined }]);
    const { outpoints } = await outside.payIn({ address: await payee.address('wallet'), valueSats: 1_000_000n });
    await outside.mine(5);
    await expectInOrder(e2e());
    await payee.deposit(outpoints[0]!, 'CONFIRMED');
    const { settlementId } = await payer.submit({ to: payee, amountSats: 500_000n, mode: 'BILATERAL' });
    const { txid } = await payer.settlement(settlementId, 'EXECUTING');
    await expectInOrder(e2e());
    expect(await e2e().platform.chain.node.mempoolTxids()).not.toContain(txid);
    expect(await e2e().confirmIncidents()).toEqual([INCIDENT_KIND_DEEP_REORG]);
    await payer.executing(settlementId);
    await outside.mine(3);
    await payee.deposit(outpoints[0]!, 'CREDITED');
    await payer.settlement(settlementId, 'SETTLED');
    expect(await payee.balance('wallet')).toEqual({ ...NOTHING, available: 1_500_000n });
    await expectInOrder(e2e());
  });
});
