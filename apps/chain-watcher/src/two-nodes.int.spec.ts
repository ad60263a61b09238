import type { BlockHash } from '@finality/bitcoin';
import { SimulatedChain, SimulatedNode } from '@finality/chain-simulator';
import { unwrap } from '@finality/kernel';
import { type TestDatabase, testDatabase } from '@finality/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WatcherRig } from './watcher-rig.fixture.ts';

/** Open all the time: the last database closed would stop the server. */
let keepsServer: TestDatabase;
let rig: WatcherRig;

beforeAll(async () => {
  keepsServer = await testDatabase([]);
});
afterAll(() => keepsServer.close());
afterEach(() => rig.stop());

/** A second node of the same network, of which only the blocks come over that a test brings. */
class Second extends SimulatedNode {
  constructor() {
    super(new SimulatedChain({ now: Date.now }));
  }

  /** Everything that the first node has on its chain, up to a height. */
  catchUp(through = rig.simulator.chain.tip.height): void {
    for (let height = 1; height <= through; height++) {
      const { hash, raw } = rig.simulator.chain.nodeAt(height)!;
      if (!this.chain.node(hash)) unwrap(this.chain.submitBlock(raw));
    }
  }

  /** Blocks of its own. */
  mineOwn(count: number, parent?: BlockHash): void {
    const options = { script: rig.miner.script, count, transactions: [] };
    unwrap(this.chain.mine(parent === undefined ? options : { ...options, parent }));
  }
}

async function starting(second: Second): Promise<void> {
  rig = await WatcherRig.start({ second });
  second.catchUp();
  await rig.settle();
}

const agreements = async (from: number): Promise<readonly string[]> =>
  (await rig.story({}, from)).filter((line) => /agreed|disputed/.test(line));

describe('two nodes', () => {
  it('agree on blocks that the second one has as well, and on no others', async () => {
    const second = new Second();
    await starting(second);
    expect(await agreements(0)).toEqual(Array.from({ length: 106 }, (_, height) => `agreed @${height}`));
    const from = (await rig.facts()).length;
    rig.mine(3);
    await rig.settle();
    expect(await agreements(from)).toEqual([]);
    expect(rig.status.secondNode).toMatchObject({
      height: 105,
      agreedHeight: 105,
      disagreeingBlocks: 0,
      disagrees: false,
    });
    second.catchUp(107);
    await rig.settle();
    second.catchUp();
    await rig.settle();
    expect(await rig.story({}, from)).toEqual([
      ...['connected @106', 'connected @107', 'connected @108'],
      ...['agreed @106', 'agreed @107', 'agreed @108'],
    ]);
  });

  it('disagree, show it, and agree again', async () => {
    const second = new Second();
    await starting(second);
    const fork = second.chain.tip;
    rig.mine(3);
    second.catchUp();
    await rig.settle();
    const from = (await rig.facts()).length;
    second.mineOwn(4, fork.hash);
    await rig.settle();
    expect(await agreements(from)).toEqual(['disputed @108', 'disputed @107', 'disputed @106']);
    expect(rig.status.secondNode).toMatchObject({
      disagreeingBlocks: 3,
      isHeavier: true,
      disagrees: true,
      problem: null,
    });
    rig.mine(2);
    second.catchUp();
    await rig.settle();
    expect((await agreements(from)).slice(3)).toEqual([106, 107, 108, 109, 110].map((height) => `agreed @${height}`));
    expect(rig.status.secondNode).toMatchObject({ disagreeingBlocks: 0, isHeavier: false, disagrees: false });
  });

  it('disagree about one block for too long', async () => {
    const second = new Second();
    await starting(second);
    rig.mine();
    second.mineOwn(1);
    await rig.settle();
    expect(rig.status.secondNode).toMatchObject({ disagreeingBlocks: 1, isHeavier: false, disagrees: false });
    rig.runtime.advance(31 * 60_000);
    await rig.settle();
    expect(rig.status.secondNode).toMatchObject({ disagreeingBlocks: 1, disagrees: true });
  });

  it('go through the same reorg, and the second may be away', async () => {
    const second = new Second();
    await starting(second);
    rig.mine(2);
    second.catchUp();
    await rig.settle();
    const from = (await rig.facts()).length;
    rig.reorg(2);
    await rig.settle();
    expect(await agreements(from)).toEqual([]);
    second.faults.outage = 'refuse';
    await rig.settle();
    expect(rig.status.secondNode?.problem).toContain("can't be reached");
    expect(rig.status.problem).toBeNull();
    second.faults.outage = 'none';
    second.catchUp();
    await rig.settle();
    expect(await agreements(from)).toEqual(['agreed @106', 'agreed @107', 'agreed @108']);
    expect(rig.status.secondNode?.problem).toBeNull();
  });
});
