import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type TestDatabase, testDatabase } from '@finality/testing';
import { testWallet, WatcherRig } from './watcher-rig.fixture.ts';

/** Open all the time: the last database closed would stop the server. */
let keepsServer: TestDatabase;
let rig: WatcherRig;

beforeAll(async () => {
  keepsServer = await testDatabase([]);
});
afterAll(() => keepsServer.close());
afterEach(() => rig.stop());

const wallet = testWallet('wallet-a', 1);

/** A watcher at the tip that watches one wallet. */
async function watching(options?: Parameters<typeof WatcherRig.start>[0]): Promise<number> {
  rig = await WatcherRig.start(options);
  await rig.settle();
  await rig.addWallet(wallet);
  await rig.settle();
  return (await rig.facts()).length;
}

describe('watching ahead', () => {
  it('keeps ahead of the addresses issued', async () => {
    await watching();
    await rig.issue(wallet, 3);
    await rig.settle();
    expect(await rig.watchExtended()).toHaveLength(1);
    await rig.issue(wallet, 6);
    await rig.issue(wallet, 9, 1);
    await rig.settle();
    expect((await rig.watchExtended()).at(-1)).toEqual({ walletId: 'wallet-a', externalBelow: 17, internalBelow: 20 });
    const from = (await rig.facts()).length;
    const deposit = rig.payment([{ script: wallet.script(0, 16), valueSats: 50_000n }]);
    rig.mine(1, rig.miner, [deposit]);
    await rig.settle();
    expect(await rig.story({ deposit: deposit.txid }, from)).toEqual(['confirmed deposit @106', 'connected @106']);
  });

  it('reads the blocks since a wallet’s birthday before it acknowledges', async () => {
    const from = await watching();
    const late = testWallet('wallet-b', 2, 'tr');
    const early = rig.payment([{ script: late.script(0, 0), valueSats: 50_000n }]);
    rig.mine(1, rig.miner, [early]);
    rig.mine(40);
    await rig.settle();
    await rig.addWallet(late, 104);
    await rig.settle();
    const story = await rig.story({ early: early.txid }, from);
    expect(story.filter((line) => line.includes('early'))).toEqual(['confirmed early @106']);
    expect((await rig.watchExtended()).at(-1)).toEqual({ walletId: 'wallet-b', externalBelow: 10, internalBelow: 10 });
  });

  it('hears of addresses before their wallet', async () => {
    rig = await WatcherRig.start();
    await rig.settle();
    await rig.issue(wallet, 30);
    await rig.settle();
    await rig.addWallet(wallet);
    await rig.settle();
    expect(await rig.watchExtended()).toEqual([{ walletId: 'wallet-a', externalBelow: 41, internalBelow: 10 }]);
  });
});
