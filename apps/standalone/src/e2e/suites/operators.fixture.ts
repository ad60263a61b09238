import { expect, it } from 'vitest';
import { refused } from '../api.fixture.ts';
import { freshKey, NOTHING } from '../bank.fixture.ts';
import { type E2e, expectInOrder } from '../e2e.fixture.ts';
import { steal } from '../thief.fixture.ts';
import { until } from '../wait.fixture.ts';

// What takes two of the platform's own people.

const COIN_SATS = 20_000_000n;
/** Takes both coins. */
const AMOUNT_SATS = 30_000_000n;
const SMALLER_SATS = 15_000_000n;
const PAGE = { pageSize: 0, pageToken: '' };

/** Coins of which no transaction has any use: what holds whatever the services run on. */
export function releasedCoins(e2e: () => E2e): void {
  it('are free once two operators say so, and pay again', async () => {
    const { outside, operator } = e2e();
    const [payer, payee] = [await e2e().bank(), await e2e().bank()];
    const outpoints = await payer.fund({ wallet: [COIN_SATS, COIN_SATS] });
    const { settlementId } = await payer.submit({ to: payee, amountSats: AMOUNT_SATS, mode: 'BILATERAL' });
    await payer.executing(settlementId);
    await steal(e2e(), payer, outpoints[0]!);
    await until(
      'the theft is known',
      () => e2e().confirmIncidents(),
      (kinds) => kinds.length > 0,
    );
    const lineageId = settlementId;
    const ask = (api = operator) =>
      api.operations.releaseCoins({ idempotencyKey: freshKey(), lineageId, reason: 'its other coin was stolen' });
    const confirm = (api = operator) =>
      api.operations.confirmCoinRelease({ idempotencyKey: freshKey(), lineageId, reason: 'seen in the chain' });
    await outside.mine(5);
    expect(await refused(ask())).toMatchObject({ reason: 'LINEAGE_NOT_OVER' });
    await outside.mine(1);
    await payer.settlement(settlementId, 'FAILED');

    // Its money is the payer's again, and nothing is there to pay with.
    const next = await payer.submit({ to: payee, amountSats: SMALLER_SATS, mode: 'BILATERAL' });
    await payer.settlement(next.settlementId, 'QUEUED');
    const { lockedCoins } = await operator.operations.listLockedCoins(PAGE);
    const coins = [{ outpoint: outpoints[1], valueSats: COIN_SATS }];
    expect(lockedCoins).toEqual([
      { lineageId, walletId: payer.wallet!.walletId, isDead: true, coins, release: undefined },
    ]);

    expect(await refused(confirm())).toMatchObject({ reason: 'NO_RELEASE_PROPOSED' });
    const { release } = await ask();
    expect(release).toMatchObject({ outpoints: [outpoints[1]], reason: 'its other coin was stolen', confirmedBy: '' });
    expect(await refused(confirm())).toMatchObject({ reason: 'SAME_PERSON' });
    const second = await e2e().staff('operator');
    const confirmed = await until(
      'the second operator’s key is known',
      () => confirm(second.api),
      () => true,
    );
    expect(confirmed.lineageId).toBe(lineageId);
    await until(
      'nothing is locked',
      () => operator.operations.listLockedCoins(PAGE),
      (page) => page.lockedCoins.length === 0,
    );
    // The signer knows too: it signs the coin for another lineage.
    const { confirmationsRequired, feeSats } = await payer.executing(next.settlementId);
    await outside.mine(confirmationsRequired);
    await payer.settlement(next.settlementId, 'SETTLED');
    expect(await payee.balance('wallet')).toEqual({ ...NOTHING, available: SMALLER_SATS });
    expect(await payer.balance('wallet')).toEqual({ ...NOTHING, available: 2n * COIN_SATS - SMALLER_SATS - feeSats });
    expect(await refused(ask())).toMatchObject({ reason: 'NOTHING_TO_RELEASE' });
    await expectInOrder(e2e());
  });
}
