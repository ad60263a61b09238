import { parseAddress } from '@finality/bitcoin';
import { institutionV1 } from '@finality/contracts';
import { unwrap } from '@finality/kernel';
import { expect, it } from 'vitest';
import { NOTHING } from './bank.fixture.ts';
import { expectInOrder, onPlatform } from './e2e.fixture.ts';
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
