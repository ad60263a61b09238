import { parseAddress } from '@finality/bitcoin';
import { institutionV1, settlementV1 } from '@finality/contracts';
import { unwrap } from '@finality/kernel';
import { expect, it } from 'vitest';
import { NOTHING } from './bank.fixture.ts';
import { expectInOrder, onPlatform } from './e2e.fixture.ts';
import { until } from './wait.fixture.ts';
import { AMOUNT_SATS, DEPOSIT_SATS, settlementInReorg, underWay } from './suites/settlement-reorgs.fixture.ts';

const { INSTITUTION_STATUS_FROZEN } = institutionV1.InstitutionStatus;

onPlatform('a settlement in a reorg', settlementInReorg);

onPlatform('a settlement that miners leave out after a reorg', (e2e) => {
  it('is reversed after 6 blocks, and its amount waits in suspense for what becomes of it', async () => {
    const { outside, payer, payee, settlementId, txid, feeSats } = await underWay(e2e(), 3);
    await outside.takeBlocksBack(3);
    await payer.settlement(settlementId, 'REOPENED');
    mineEmpty(5);
    await expectInOrder(e2e());
    await payer.settlement(settlementId, 'REOPENED');
    mineEmpty(1);
    const reversed = await payer.settlement(settlementId, 'REVERSED');
    expect(reversed.reason).toBe('unconfirmed for 6 blocks after a reorg');
    // It may confirm yet, so nobody has it.
    const change = DEPOSIT_SATS - AMOUNT_SATS - feeSats;
    expect(await payer.balance('wallet')).toEqual({ ...NOTHING, available: change, inFlight: feeSats });
    expect(await payee.balance('wallet')).toEqual(NOTHING);
    for (const bank of [payer, payee]) expect((await bank.institution()).status).toBe(INSTITUTION_STATUS_FROZEN);
    await expectInOrder(e2e());
    await outside.inMempool(txid);
    await outside.mine(3);
    await payer.settlement(settlementId, 'REVERSED', 3);
    expect(await payer.balance('wallet')).toEqual({ ...NOTHING, available: change });
    expect(await payee.balance('wallet')).toEqual(NOTHING);
    await expectInOrder(e2e());
  });

  function mineEmpty(count: number): void {
    const { chain } = e2e().platform.chain.simulator!;
    const script = unwrap(parseAddress(e2e().outside.address, 'regtest'));
    unwrap(chain.mine({ script, count, transactions: [] }));
  }
});

onPlatform('a reorg deeper than is to be expected', (e2e) => {
  const DEEP = 11;

  it('stops crediting and signing until an operator has looked at it', async () => {
    const { outside, operator } = e2e();
    const [payer, payee] = [await e2e().bank(), await e2e().bank()];
    await payer.fund({ wallet: [DEPOSIT_SATS] });
    await outside.mine(DEEP);
    await expectInOrder(e2e());
    await outside.takeBlocksBack(DEEP);
    const [incident] = await until(
      'the reorg is an incident',
      async () => (await operator.operations.listIncidents({})).incidents,
      ({ length }) => length > 0,
    );
    expect(incident).toMatchObject({ kind: settlementV1.IncidentKind.INCIDENT_KIND_DEEP_REORG });
    expect(incident!.reason).toContain(`takes ${DEEP} blocks`);
    const { outpoints } = await outside.payIn({ address: await payee.address('clearing'), valueSats: 500_000n });
    const { settlementId } = await payer.submit({ to: payee, amountSats: AMOUNT_SATS, mode: 'BILATERAL' });
    await outside.mine(4);
    const { txid = '' } = await until(
      'the payout waits for its signature',
      () => payer.get(settlementId),
      (settlement) => settlement.txid !== undefined,
    );
    await expectInOrder(e2e());
    expect(await outside.node.mempoolTxids()).not.toContain(txid);
    await payee.deposit(outpoints[0]!, 'CONFIRMED');
    expect(await payee.balance('clearing')).toEqual({ ...NOTHING, incoming: 500_000n });

    expect(await e2e().confirmIncidents()).toEqual([incident!.kind]);
    await outside.inMempool(txid);
    await outside.mine(3);
    await payee.deposit(outpoints[0]!, 'CREDITED');
    await payer.settlement(settlementId, 'SETTLED', 3);
    await expectInOrder(e2e());
  });
});
