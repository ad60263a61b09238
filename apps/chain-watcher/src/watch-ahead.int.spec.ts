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
    expect((await rig.watchExtended()).map(({ scanning }) => scanning)).toEqual([true, false]);
    await rig.issue(wallet, 6);
    await rig.issue(wallet, 9, 1);
    await rig.settle();
    expect((await rig.watchExtended()).at(-1)).toEqual({
      walletId: 'wallet-a',
      externalBelow: 17,
      internalBelow: 20,
      scanning: false,
    });
    const from = (await rig.facts()).length;
    const deposit = rig.payment([{ script: wallet.script(0, 16), valueSats: 50_000n }]);
    rig.mine(1, rig.miner, [deposit]);
    await rig.settle();
    expect(await rig.story({ deposit: deposit.txid }, from)).toEqual(['confirmed deposit @106', 'connected @106']);
  });

  it('goes on behind indices that are skipped, and reads what they may have been paid already', async () => {
    const from = await watching();
    const forgotten = rig.payment([{ script: wallet.script(0, 25), valueSats: 50_000n }]);
    rig.mine(1, rig.miner, [forgotten]);
    await rig.settle();
    await rig.addWallet(wallet, 0, { used: 30 });
    await rig.settle();
    const acknowledged = { walletId: 'wallet-a', externalBelow: 40, internalBelow: 40, scanning: false };
    expect((await rig.watchExtended()).at(-1)).toEqual(acknowledged);
    const story = await rig.story({ forgotten: forgotten.txid }, from);
    expect(story.filter((line) => line.includes('forgotten'))).toEqual(['confirmed forgotten @106']);
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
    expect((await rig.watchExtended()).at(-1)).toEqual({
      walletId: 'wallet-b',
      externalBelow: 10,
      internalBelow: 10,
      scanning: false,
    });
  });

  it('hears of addresses before their wallet', async () => {
    rig = await WatcherRig.start();
    await rig.settle();
    await rig.issue(wallet, 30);
    await rig.settle();
    await rig.addWallet(wallet);
    await rig.settle();
    expect((await rig.watchExtended()).slice(1)).toEqual([
      { walletId: 'wallet-a', externalBelow: 41, internalBelow: 10, scanning: false },
    ]);
  });

  it('finds what was paid to addresses that the keys’ owner had given out, in one go, while the watcher was down', async () => {
    const from = await watching();
    const theirs = testWallet('wallet-c', 3);
    await rig.addWallet(theirs, undefined, { nonCustodial: true });
    await rig.settle();
    rig.simulator.faults.outage = 'refuse';
    const deposits = [9, 19, 29].map((index) => rig.payment([{ script: theirs.script(0, index), valueSats: 50_000n }]));
    for (const deposit of deposits) rig.mine(1, rig.miner, [deposit]);
    rig.mine(3);
    await rig.settle();
    rig.simulator.faults.outage = 'none';
    await rig.settle();
    const names = { d9: deposits[0]!.txid, d19: deposits[1]!.txid, d29: deposits[2]!.txid };
    const story = await rig.story(names, from);
    expect(story.filter((line) => line.startsWith('confirmed'))).toEqual([
      'confirmed d9 @106',
      'confirmed d19 @107',
      'confirmed d29 @108',
    ]);
    const told = (await rig.watchExtended()).filter(({ walletId }) => walletId === 'wallet-c');
    expect(told.at(-1)).toMatchObject({ externalBelow: 40, scanning: false });
    expect(told.some(({ scanning, externalBelow }) => scanning && externalBelow === 10)).toBe(true);
  });

  it('reads from the time of its registration on when a wallet has no birthday', async () => {
    const from = await watching();
    const late = testWallet('wallet-d', 4);
    const early = rig.payment([{ script: late.script(0, 0), valueSats: 50_000n }]);
    rig.mine(1, rig.miner, [early]);
    // Blocks' times are only roughly right: three hours of them are read, and not those before.
    rig.clock.seconds += 4 * 3_600;
    const after = rig.payment([{ script: late.script(0, 1), valueSats: 60_000n }]);
    rig.mine(1, rig.miner, [after]);
    await rig.settle();
    await rig.addWallet(late, 0, { createdAtSeconds: rig.simulator.chain.tip.time });
    await rig.settle();
    const story = await rig.story({ early: early.txid, after: after.txid }, from);
    expect(story.filter((line) => line.startsWith('confirmed'))).toEqual(['confirmed after @107']);
  });

  it('finds what was paid and swept while the watcher was down', async () => {
    const from = await watching();
    const theirs = testWallet('wallet-e', 5);
    await rig.addWallet(theirs);
    await rig.settle();
    rig.simulator.faults.outage = 'refuse';
    await rig.settle();
    const deposit = rig.payment([{ script: theirs.script(0, 0), valueSats: 50_000n }]);
    const sweep = theirs.sweep(deposit, 0, 0, rig.miner.script);
    rig.mine(1, rig.miner, [deposit]);
    rig.mine(1, rig.miner, [sweep]);
    rig.mine(30);
    rig.simulator.faults.outage = 'none';
    await rig.settle();
    const story = await rig.story({ deposit: deposit.txid, sweep: sweep.txid }, from);
    expect(story.filter((line) => line.startsWith('confirmed'))).toEqual([
      'confirmed deposit @106',
      'confirmed sweep @107',
    ]);
  });
});
