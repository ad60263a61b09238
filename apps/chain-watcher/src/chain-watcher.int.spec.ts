import type { BlockHash, ParsedTransaction } from '@finality/bitcoin';
import { type BitcoinNode, type BroadcastAnswer, NodeTimeout } from '@finality/bitcoin-node';
import { settlementV1 } from '@finality/contracts';
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

/** The node, but for some of its answers. */
function instead(node: BitcoinNode, overrides: Partial<BitcoinNode>): BitcoinNode {
  return new Proxy(node, {
    get(target, property) {
      const value: unknown = Reflect.get(property in overrides ? overrides : target, property);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** A watcher at the tip that watches one wallet. */
async function watching(options?: Parameters<typeof WatcherRig.start>[0]): Promise<number> {
  rig = await WatcherRig.start(options);
  await rig.settle();
  await rig.addWallet(wallet);
  await rig.settle();
  return (await rig.facts()).length;
}

describe('following', () => {
  it('publishes every block from the start, in order, and acknowledges the watch', async () => {
    const facts = await watching();
    expect(facts).toBe(106);
    const everything = await rig.everyFact();
    expect(everything.map((fact) => fact.sourcePosition)).toEqual(everything.map((_, i) => BigInt(i + 1)));
    const all = await rig.facts();
    expect(all.map((fact) => fact.blockConnected?.height)).toEqual(all.map((_, i) => i));
    expect(await rig.watchExtended()).toEqual([
      { walletId: 'wallet-a', externalBelow: 0, internalBelow: 0, scanning: true },
      { walletId: 'wallet-a', externalBelow: 10, internalBelow: 10, scanning: false },
    ]);
    expect(rig.status).toMatchObject({
      tipHeight: 105,
      nodeHeight: 105,
      lagBlocks: 0,
      nodeReachable: true,
      problem: null,
    });
  });

  it('tells of deposits to both branches, from the mempool to the block', async () => {
    const from = await watching();
    const deposit = rig.payment([
      { script: wallet.script(0, 3), valueSats: 50_000n },
      { script: wallet.script(1, 2), valueSats: 70_000n },
    ]);
    rig.send(deposit);
    await rig.settle();
    rig.mine();
    await rig.settle();
    expect(await rig.story({ deposit: deposit.txid }, from)).toEqual([
      'seen deposit',
      'confirmed deposit @106',
      'connected @106',
    ]);
    const [seen, confirmed] = (await rig.facts()).slice(from);
    const expected = {
      txid: deposit.txid,
      coinbase: false,
      inputs: [{ script: rig.payer.script, walletId: '', valueSats: 5_000_000_000n }],
      outputs: [
        {
          vout: 0,
          valueSats: 50_000n,
          script: wallet.script(0, 3),
          walletId: 'wallet-a',
          branch: 0,
          index: 3,
          custodial: true,
        },
        {
          vout: 1,
          valueSats: 70_000n,
          script: wallet.script(1, 2),
          walletId: 'wallet-a',
          branch: 1,
          index: 2,
          custodial: true,
        },
      ],
    };
    expect(seen!.transactionSeen!.transaction).toMatchObject(expected);
    expect(confirmed!.transactionConfirmed!.transaction).toMatchObject(expected);
    expect(confirmed!.transactionConfirmed!.blockHash).toBe(rig.simulator.chain.tip.hash);
  });
});

describe('reorgs', () => {
  it('one block, the same transaction in the new branch', async () => {
    const from = await watching();
    const deposit = rig.payment([{ script: wallet.script(0, 0), valueSats: 50_000n }]);
    rig.mine(1, rig.miner, [deposit]);
    await rig.settle();
    rig.reorg(1, [deposit]);
    await rig.settle();
    expect(await rig.story({ deposit: deposit.txid }, from)).toEqual([
      'confirmed deposit @106',
      'connected @106',
      'unconfirmed deposit @106',
      'disconnected @106 fork 105 depth 1',
      'confirmed deposit @106',
      'connected @106',
      'connected @107',
    ]);
  });

  it('three blocks, the transaction goes back to the mempool and confirms again', async () => {
    const from = await watching();
    const deposit = rig.payment([{ script: wallet.script(0, 0), valueSats: 50_000n }]);
    rig.mine(1, rig.miner, [deposit]);
    rig.mine(2);
    await rig.settle();
    rig.reorg(3);
    await rig.settle();
    rig.mine();
    await rig.settle();
    expect(await rig.story({ deposit: deposit.txid }, from)).toEqual([
      'confirmed deposit @106',
      'connected @106',
      'connected @107',
      'connected @108',
      'disconnected @108 fork 105 depth 3',
      'disconnected @107 fork 105 depth 3',
      'unconfirmed deposit @106',
      'disconnected @106 fork 105 depth 3',
      'connected @106',
      'connected @107',
      'connected @108',
      'connected @109',
      'confirmed deposit @110',
      'connected @110',
    ]);
  });

  it('three blocks, a double spend takes its place, and is taken back itself', async () => {
    const from = await watching();
    const coins = rig.payer.coins().slice(0, 1);
    const deposit = rig.payer.pay([{ script: wallet.script(0, 0), valueSats: 50_000n }], { feeSats: 1_000n, coins });
    const theft = rig.payer.pay([{ script: rig.miner.script, valueSats: 50_000n }], { feeSats: 2_000n, coins });
    const names = { deposit: deposit.txid, theft: theft.txid };
    rig.mine(1, rig.miner, [deposit]);
    rig.mine(2);
    await rig.settle();
    rig.reorg(3, [theft]);
    await rig.settle();
    const reorged = await rig.story(names, from);
    expect(reorged.slice(4)).toEqual([
      'disconnected @108 fork 105 depth 3',
      'disconnected @107 fork 105 depth 3',
      'unconfirmed deposit @106',
      'disconnected @106 fork 105 depth 3',
      'replaced deposit by theft @106',
      'connected @106',
      'connected @107',
      'connected @108',
      'connected @109',
    ]);
    const replaced = (await rig.facts()).find((fact) => fact.transactionReplaced)!.transactionReplaced!;
    expect(replaced).toMatchObject({ outpoint: `${coins[0]!.txid}:${coins[0]!.vout}` });
    expect(replaced.byBlockHash).toBe(rig.simulator.chain.nodeAt(106)!.hash);
    rig.reorg(4, [deposit]);
    await rig.settle();
    expect((await rig.story(names, from)).slice(reorged.length)).toEqual([
      'disconnected @109 fork 105 depth 4',
      'disconnected @108 fork 105 depth 4',
      'disconnected @107 fork 105 depth 4',
      'disconnected @106 fork 105 depth 4',
      'confirmed deposit @106',
      'connected @106',
      'connected @107',
      'connected @108',
      'connected @109',
      'connected @110',
    ]);
  });

  it('a hundred and ten blocks, and a deposit that vanishes with them and is paid again', async () => {
    const from = await watching();
    const deposit = rig.payment([{ script: wallet.script(0, 0), valueSats: 50_000n }]);
    rig.mine(1, rig.miner, [deposit]);
    rig.mine(109);
    await rig.settle();
    const before = await rig.story({ deposit: deposit.txid }, from);
    expect([before[0], before.length]).toEqual(['confirmed deposit @106', 111]);
    rig.reorg(110);
    rig.simulator.chain.evict(deposit.txid);
    await rig.settle();
    rig.mine(1, rig.miner, [deposit]);
    await rig.settle();
    const after = (await rig.story({ deposit: deposit.txid }, from)).slice(before.length);
    expect(after.slice(0, 2)).toEqual(['disconnected @215 fork 105 depth 110', 'disconnected @214 fork 105 depth 110']);
    expect(after.slice(109, 112)).toEqual([
      'unconfirmed deposit @106',
      'disconnected @106 fork 105 depth 110',
      'connected @106',
    ]);
    expect(after.slice(-2)).toEqual(['confirmed deposit @217', 'connected @217']);
    expect(rig.status).toMatchObject({ tipHeight: 217, lagBlocks: 0, problem: null });
  });

  it('stays with its branch while the node has no more work, and follows what the node takes for invalid', async () => {
    const from = await watching();
    rig.mine(2);
    await rig.settle();
    const { chain } = rig.simulator;
    chain.invalidate(chain.nodeAt(107)!);
    await rig.settle();
    expect(await rig.story({}, from)).toEqual([
      'connected @106',
      'connected @107',
      'disconnected @107 fork 106 depth 1',
    ]);
    chain.reconsider(chain.node((await rig.facts()).at(-1)!.blockDisconnected!.blockHash as BlockHash)!);
    await rig.settle();
    expect((await rig.story({}, from)).slice(3)).toEqual(['connected @107']);
  });

  // A node takes blocks back one by one: whoever looks in between stands on a block that is no branch's last, and has to follow all the same.
  it('follows a node that takes back more than it had when it was looked at first', async () => {
    const from = await watching();
    rig.mine(4);
    await rig.settle();
    const { chain } = rig.simulator;
    chain.invalidate(chain.nodeAt(109)!);
    await rig.settle();
    chain.invalidate(chain.nodeAt(107)!);
    // It may just be behind: not at the first look.
    await rig.step('follow-chain');
    expect(rig.status).toMatchObject({ tipHeight: 108 });
    await rig.settle();
    expect((await rig.story({}, from)).slice(4)).toEqual([
      'disconnected @109 fork 108 depth 1',
      'disconnected @108 fork 106 depth 2',
      'disconnected @107 fork 106 depth 2',
    ]);
    rig.mine(1);
    await rig.settle();
    expect(rig.status).toMatchObject({ tipHeight: 107, lagBlocks: 0, problem: null });
  });

  it('stays with its branch while a node catches up to it, whatever is invalid above', async () => {
    const from = await watching();
    rig.mine(4);
    await rig.settle();
    const { chain } = rig.simulator;
    rig.mine(1);
    for (const height of [110, 107, 108, 109]) {
      const block = chain.nodeAt(height)!;
      chain.invalidate(block);
      await rig.step('follow-chain');
      chain.reconsider(block);
    }
    await rig.settle();
    expect(await rig.story({}, from)).toEqual([106, 107, 108, 109, 110].map((height) => `connected @${height}`));
  });
});

describe('trouble', () => {
  it('waits for a node that is away, and misses nothing', async () => {
    const from = await watching();
    rig.simulator.faults.outage = 'refuse';
    const deposit = rig.payment([{ script: wallet.script(0, 0), valueSats: 50_000n }]);
    rig.mine(1, rig.miner, [deposit]);
    rig.mine(60);
    await rig.settle();
    expect((await rig.facts()).length).toBe(from);
    expect(rig.status).toMatchObject({ nodeReachable: false, tipHeight: 105 });
    expect(rig.status.problem).toContain("can't be reached");
    rig.simulator.faults.outage = 'none';
    await rig.settle();
    expect((await rig.story({ deposit: deposit.txid }, from)).slice(0, 3)).toEqual([
      'confirmed deposit @106',
      'connected @106',
      'connected @107',
    ]);
    expect(rig.status).toMatchObject({ nodeReachable: true, tipHeight: 166, problem: null });
  });

  it('refuses a node of another network', async () => {
    rig = await WatcherRig.start({ config: { BITCOIN_NETWORK: 'signet' } });
    await rig.settle();
    expect(await rig.facts()).toEqual([]);
    expect(rig.status.problem).toContain('is not on signet');
  });

  it('believes nothing of a bad block, and goes on when the node has a good one', async () => {
    let spoil = false;
    const wrapNode = (node: BitcoinNode): BitcoinNode =>
      instead(node, {
        rawBlock: async (hash: BlockHash) => {
          const raw = await node.rawBlock(hash);
          // One bit of the last transaction's locktime: the merkle root doesn't fit any more.
          if (spoil && raw) raw[raw.length - 1]! ^= 1;
          return raw;
        },
      });
    const from = await watching({ wrapNode });
    spoil = true;
    rig.mine();
    await rig.settle();
    expect((await rig.facts()).length).toBe(from);
    expect(rig.status.problem).toContain('merkle root');
    spoil = false;
    await rig.settle();
    expect(await rig.story({}, from)).toEqual(['connected @106']);
    expect(rig.status.problem).toBeNull();
  });

  it('tells the same story whenever it is killed', async () => {
    const from = await watching();
    const play = async (): Promise<readonly string[]> => {
      await rig.payer.sync(rig.node);
      const start = (await rig.facts()).length;
      const height = rig.simulator.chain.tip.height;
      const deposit = rig.payment([{ script: wallet.script(0, 0), valueSats: 50_000n }]);
      const payout = rig.payment([{ script: rig.miner.script, valueSats: 50_000n }]);
      const names = { deposit: deposit.txid, payout: payout.txid };
      rig.send(deposit);
      await rig.transaction(`lineage ${payout.txid}`, payout);
      await rig.settle();
      rig.mine();
      await rig.settle();
      rig.reorg(1, [deposit]);
      rig.mine();
      await rig.settle();
      return (await rig.story(names, start)).map((line) =>
        line.replace(/(?<=@|fork )\d+/g, (digits) => `${Number(digits) - height}`),
      );
    };
    const undisturbed = await play();
    expect(undisturbed.length).toBeGreaterThan(7);
    expect(from).toBe(106);
    let crashes = 0;
    for (let points = 1; points < 16; points++) {
      rig.crashIn(points);
      // What was seen and sent first is up to the moment of the crash; what each block does isn't.
      const withCrash = await play();
      expect([...withCrash].sort(), `killed at point ${points}`).toEqual([...undisturbed].sort());
      expect(withCrash.filter((line) => /connected/.test(line))).toEqual(
        undisturbed.filter((line) => /connected/.test(line)),
      );
      crashes = rig.crashes;
    }
    expect(crashes).toBeGreaterThan(8);
    rig.crashIn(Number.POSITIVE_INFINITY);
  });
});

describe('broadcasting', () => {
  const { TRANSACTION_STATUS_FINAL } = settlementV1.TransactionStatus;
  const inMempool = (transaction: ParsedTransaction): boolean => rig.simulator.chain.mempool.has(transaction.txid);

  it('sends parents first, says so once, and sends again what the node has lost until it is final', async () => {
    const from = await watching();
    const parent = rig.payment([{ script: rig.payer.script, valueSats: 500_000n }]);
    const coins = [rig.payer.coinOf(parent, 0)];
    const child = rig.payer.pay([{ script: rig.miner.script, valueSats: 400_000n }], { feeSats: 2_000n, coins });
    const names = { parent: parent.txid, child: child.txid };
    await rig.transaction('lineage-2', child);
    await rig.transaction('lineage-1', parent);
    await rig.settle();
    expect((await rig.story(names, from)).filter((line) => line.startsWith('broadcast'))).toEqual([
      'broadcast parent accepted',
      'broadcast child accepted',
    ]);
    rig.simulator.chain.evict(parent.txid);
    expect(inMempool(child)).toBe(false);
    await rig.restart();
    rig.runtime.advance(31_000);
    await rig.settle();
    expect([inMempool(parent), inMempool(child)]).toEqual([true, true]);
    await rig.transaction('lineage-1', parent, TRANSACTION_STATUS_FINAL);
    await rig.transaction('lineage-2', child, TRANSACTION_STATUS_FINAL);
    await rig.settle();
    rig.simulator.chain.evict(parent.txid);
    rig.runtime.advance(31_000);
    await rig.settle();
    expect([inMempool(parent), inMempool(child)]).toEqual([false, false]);
    expect((await rig.facts()).length).toBe(from + 2);
  });

  it('asks again after no answer, and tells of it once', async () => {
    let cut = true;
    const wrapNode = (node: BitcoinNode): BitcoinNode =>
      instead(node, {
        sendRawTransaction: async (raw: Uint8Array): Promise<BroadcastAnswer> => {
          const answer = await node.sendRawTransaction(raw);
          return cut ? { kind: 'unknown', cause: new NodeTimeout('sendrawtransaction', 15_000) } : answer;
        },
      });
    const from = await watching({ wrapNode });
    const payout = rig.payment([{ script: rig.miner.script, valueSats: 50_000n }]);
    await rig.transaction('lineage-1', payout);
    await rig.settle();
    expect(inMempool(payout)).toBe(true);
    expect((await rig.facts()).length).toBe(from);
    cut = false;
    rig.runtime.advance(6_000);
    await rig.settle();
    expect(await rig.story({ payout: payout.txid }, from)).toEqual(['broadcast payout accepted']);
  });

  it('sends again after a reorg', async () => {
    await watching();
    const payout = rig.payment([{ script: rig.miner.script, valueSats: 50_000n }]);
    await rig.transaction('lineage-1', payout);
    await rig.settle();
    rig.mine();
    await rig.settle();
    rig.reorg(1);
    rig.simulator.chain.evict(payout.txid);
    await rig.settle();
    expect(inMempool(payout)).toBe(true);
  });

  it('waits without an alarm while a reorg has left the chain too short for it', async () => {
    const from = await watching();
    const locktime = rig.simulator.chain.tip.height + 2;
    const payments = [{ script: rig.miner.script, valueSats: 50_000n }];
    const payout = rig.payer.pay(payments, { feeSats: 1_000n, locktime });
    await rig.transaction('lineage-1', payout);
    await rig.settle();
    expect(rig.status).toMatchObject({ broadcastsWanted: 1, broadcastsConflicting: 0 });
    expect(inMempool(payout)).toBe(false);
    rig.mine(2);
    rig.runtime.advance(6_000);
    await rig.settle();
    expect(inMempool(payout)).toBe(true);
    expect(await rig.story({ payout: payout.txid }, from)).toContain('broadcast payout accepted');
  });

  it('raises an alarm about a conflict, and fails nothing', async () => {
    const from = await watching();
    const coins = rig.payer.coins().slice(0, 1);
    const pay = (feeSats: bigint) =>
      rig.payer.pay([{ script: rig.miner.script, valueSats: 50_000n }], { feeSats, coins });
    const [theft, payout] = [pay(9_000n), pay(1_000n)];
    rig.send(theft);
    await rig.transaction('lineage-1', payout);
    await rig.settle();
    expect(rig.status).toMatchObject({ broadcastsWanted: 1, broadcastsConflicting: 1 });
    expect(await rig.story({}, from)).toEqual([]);
    rig.simulator.chain.evict(theft.txid);
    rig.runtime.advance(31_000);
    await rig.settle();
    expect(rig.status).toMatchObject({ broadcastsWanted: 1, broadcastsConflicting: 0 });
    expect(await rig.story({ payout: payout.txid }, from)).toEqual(['broadcast payout accepted']);
  });
});
