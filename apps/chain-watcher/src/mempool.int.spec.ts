import type { ParsedTransaction } from '@finality/bitcoin';
import type { BitcoinNode } from '@finality/bitcoin-node';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
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

/** Pays ours or theirs from those coins. */
function spending(coins: ReturnType<typeof rig.payer.coins>, to: 'us' | 'them', feeSats: bigint): ParsedTransaction {
  const script = to === 'us' ? wallet.script(0, 0) : rig.miner.script;
  return rig.payer.pay([{ script, valueSats: 50_000n }], { feeSats, coins });
}

describe('feerates', () => {
  it('are told with what the mempool pays, and anew when the node estimates otherwise', async () => {
    await watching();
    rig.send(rig.payment([{ script: rig.miner.script, valueSats: 50_000n }], 5_000n));
    const estimate = async (satPerVb: bigint): Promise<void> => {
      rig.simulator.chain.feeEstimateSatPerKvb = satPerVb * 1_000n;
      await rig.step('estimate-fees');
    };
    const before = (await rig.fees()).length;
    await estimate(1n);
    await estimate(1n);
    await estimate(500n);
    const told = (await rig.fees()).slice(before);
    expect(told).toMatchObject([
      { fast: 1_000n, normal: 1_000n, slow: 1_000n, mempoolKnown: true },
      { fast: 500_000n, normal: 500_000n, slow: 500_000n, mempoolKnown: true },
    ]);
    const [{ vsize }] = rig.simulator.chain.mempool.entries().map(({ transaction }) => transaction) as [
      ParsedTransaction,
    ];
    const [bucket] = told[0]!.mempool;
    expect(bucket).toMatchObject({ vsizeBytes: BigInt(vsize) });
    const rate = 5_000_000n / BigInt(vsize);
    expect([bucket!.feeRateSatsPerKvb <= rate, bucket!.feeRateSatsPerKvb * 12n > rate * 10n]).toEqual([true, true]);
  });
});

describe('the mempool', () => {
  it('names what replaces a deposit, foreign transactions included', async () => {
    const from = await watching();
    const coins = rig.payer.coins().slice(0, 1);
    const pay = (script: typeof rig.miner.script, feeSats: bigint) =>
      rig.payer.pay([{ script, valueSats: 50_000n }], { feeSats, coins });
    const first = pay(wallet.script(0, 0), 1_000n);
    const bumped = pay(wallet.script(0, 0), 5_000n);
    const foreign = pay(rig.miner.script, 20_000n);
    for (const transaction of [first, bumped, foreign]) {
      rig.send(transaction);
      await rig.settle();
    }
    rig.mine();
    await rig.settle();
    const story = await rig.story({ first: first.txid, bumped: bumped.txid, foreign: foreign.txid }, from);
    expect(story.slice(0, 3)).toEqual(['seen first', 'seen bumped', 'replaced first by bumped @0']);
    expect(story.slice(3, 5).sort()).toEqual(['replaced bumped by foreign @0', 'replaced first by foreign @0']);
    expect(story.slice(5, 7).sort()).toEqual(['replaced bumped by foreign @106', 'replaced first by foreign @106']);
    expect(story.slice(7)).toEqual(['connected @106']);
  });

  it('takes a transaction for evicted after it has stayed away, and for seen when it is back', async () => {
    const from = await watching();
    const [deposit, other] = [0, 1].map((index) =>
      rig.payment([{ script: wallet.script(0, index), valueSats: 50_000n }]),
    );
    rig.send(deposit!);
    rig.send(other!);
    await rig.settle();
    rig.simulator.chain.evict(deposit!.txid);
    await rig.settle();
    await rig.settle();
    await rig.settle();
    rig.send(deposit!);
    await rig.settle();
    expect((await rig.story({ deposit: deposit!.txid }, from)).slice(2)).toEqual(['evicted deposit', 'seen deposit']);
  });

  it('doesn’t take a node’s forgotten mempool for evictions until much later', async () => {
    const from = await watching();
    const deposit = rig.payment([{ script: wallet.script(0, 0), valueSats: 50_000n }]);
    rig.send(deposit);
    await rig.settle();
    rig.simulator.chain.evict(deposit.txid);
    for (let i = 0; i < 5; i++) await rig.settle();
    expect(await rig.story({ deposit: deposit.txid }, from)).toEqual(['seen deposit']);
    rig.runtime.advance(601_000);
    await rig.settle();
    expect((await rig.story({ deposit: deposit.txid }, from)).slice(1)).toEqual(['evicted deposit']);
  });

  it('finds the scripts behind a deposit on a node without an index of transactions', async () => {
    const from = await watching({ txIndex: false });
    const seen = rig.payment([{ script: wallet.script(0, 0), valueSats: 50_000n }]);
    const unseen = rig.payment([{ script: wallet.script(0, 1), valueSats: 60_000n }]);
    rig.send(seen);
    await rig.settle();
    rig.mine(1, rig.miner, [seen, unseen]);
    await rig.settle();
    const confirmed = (await rig.facts()).slice(from).flatMap((fact) => fact.transactionConfirmed ?? []);
    expect(confirmed.map(({ transaction }) => transaction!.inputs[0]!.script)).toEqual([rig.payer.script, '']);
  });

  it('sees the first of a chain of replacements again when it is back: A(x), B(x,y), C(y,z)', async () => {
    const from = await watching();
    const [x, y, z] = rig.payer.coins();
    const a = spending([x!], 'us', 1_000n);
    const b = spending([x!, y!], 'us', 5_000n);
    const c = spending([y!, z!], 'them', 20_000n);
    for (const transaction of [a, b, c]) {
      rig.send(transaction);
      await rig.settle();
    }
    rig.send(a);
    await rig.settle();
    await rig.settle();
    rig.mine();
    await rig.settle();
    const story = await rig.story({ a: a.txid, b: b.txid, c: c.txid }, from);
    expect(story.slice(0, 5)).toEqual(['seen a', 'seen b', 'replaced a by b @0', 'replaced b by c @0', 'seen a']);
    expect(story.slice(5).toSorted()).toEqual([
      'confirmed a @106',
      'connected @106',
      'replaced b by a @0',
      'replaced b by a @106',
      'replaced b by c @106',
    ]);
    const [replaced] = (await rig.facts()).flatMap((fact) => fact.transactionReplaced ?? []);
    expect(replaced!.node).toBe(rig.node.version);
  });

  it('knows the double spend of a parent from an eviction', async () => {
    const from = await watching();
    const coins = rig.payer.coins().slice(0, 1);
    const parent = rig.payer.pay([{ script: rig.payer.script, valueSats: 500_000n }], { feeSats: 1_000n, coins });
    const deposit = spending([rig.payer.coinOf(parent, 0)], 'us', 1_000n);
    const rival = spending(coins, 'them', 50_000n);
    rig.send(parent);
    rig.send(deposit);
    await rig.settle();
    rig.send(rival);
    await rig.settle();
    await rig.settle();
    await rig.settle();
    rig.mine();
    await rig.settle();
    expect(await rig.story({ deposit: deposit.txid, rival: rival.txid }, from)).toEqual([
      'seen deposit',
      'double_spent deposit by rival',
      'connected @106',
    ]);
  });

  it('a node that comes back without its mempool has evicted nothing; what is ours is sent to it again at once', async () => {
    const from = await watching();
    const deposits = [0, 1, 2].map((index) => rig.payment([{ script: wallet.script(0, index), valueSats: 50_000n }]));
    const payout = rig.payment([{ script: rig.miner.script, valueSats: 50_000n }]);
    for (const deposit of deposits) rig.send(deposit);
    await rig.transaction('lineage-1', payout);
    await rig.settle();
    rig.simulator.chain.loseMempool();
    // Some of it comes back: the mempool isn't empty, and each of the others is absent.
    rig.send(deposits[0]!);
    for (let i = 0; i < 4; i++) await rig.settle();
    const seen = ['broadcast payout accepted', 'seen d0', 'seen d1', 'seen d2'];
    const names = { payout: payout.txid, d0: deposits[0]!.txid, d1: deposits[1]!.txid, d2: deposits[2]!.txid };
    expect([...(await rig.story(names, from))].sort()).toEqual(seen);
    expect(rig.simulator.chain.mempool.has(payout.txid)).toBe(true);
    expect(rig.status.mempoolLost).toBe(true);
    rig.send(deposits[1]!);
    rig.runtime.advance(600_000);
    await rig.settle();
    expect([...(await rig.story(names, from))].sort()).toEqual([seen[0], 'evicted d2', ...seen.slice(1)]);
    expect(rig.status.mempoolLost).toBe(false);
  });
});

describe('push', () => {
  const deposit = (index: number) => rig.payment([{ script: wallet.script(0, index), valueSats: 50_000n }]);

  it('brings what comes without listing the mempool; a gap in it is found', async () => {
    let listings = 0;
    const wrapNode = (node: BitcoinNode): BitcoinNode =>
      new Proxy(node, {
        get(target, property) {
          if (property === 'mempoolTxids') listings += 1;
          const value: unknown = Reflect.get(target, property);
          return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        },
      });
    const from = await watching({ zmq: true, wrapNode, config: { CHAIN_POLL_MS: 20 } });
    expect(rig.status.channel).toBe('zmq');
    const [told, missed, after] = [0, 1, 2].map(deposit);
    const names = { told: told!.txid, missed: missed!.txid, after: after!.txid };
    const seen = async (...expected: readonly string[]): Promise<void> =>
      vi.waitFor(
        async () => {
          await rig.step('listen', 'follow-mempool');
          expect([...(await rig.story(names, from))].sort()).toEqual(expected);
        },
        { timeout: 10_000 },
      );
    const before = listings;
    rig.send(told!);
    await seen('seen told');
    expect(listings).toBe(before);
    rig.simulator.faults.dropsMessages = true;
    rig.send(missed!);
    rig.simulator.faults.dropsMessages = false;
    rig.send(after!);
    await seen('seen after', 'seen missed', 'seen told');
    expect(listings).toBeGreaterThan(before);
  });
});
