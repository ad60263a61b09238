import { NodeFaults } from '@finality/chain-simulator';
import { systemRuntime } from '@finality/service';
import { type TestDatabase, testDatabase } from '@finality/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testWallet, WatcherRig } from './watcher-rig.fixture.ts';

/** Open all the time: the last database closed would stop the server. */
let keepsServer: TestDatabase;
/** One watcher has all this trouble, one after the other. */
let rig: WatcherRig;

const TIMEOUT_MS = 200;
const wallet = testWallet('wallet-a', 1);

beforeAll(async () => {
  keepsServer = await testDatabase([]);
  rig = await WatcherRig.start({ timeoutMs: TIMEOUT_MS, config: { CHAIN_TIP_AGE_MINUTES_MAX: 60 } });
  await rig.settle();
  await rig.addWallet(wallet);
  await rig.settle();
});
afterAll(async () => {
  await rig.stop();
  await keepsServer.close();
});

interface Trouble {
  readonly what: string;
  readonly faults: Partial<NodeFaults>;
  /** It is there again, and not what it was. */
  readonly then?: Partial<NodeFaults>;
  readonly problem: string;
}

describe('trouble with the node', () => {
  it.each<Trouble>([
    { what: 'is unreachable', faults: { outage: 'refuse' }, problem: "can't be reached" },
    { what: 'cuts its answers off', faults: { outage: 'cut_answer' }, problem: "can't be reached" },
    { what: 'never answers', faults: { outage: 'hang' }, problem: "didn't answer" },
    {
      what: 'takes too long',
      faults: { delay: () => systemRuntime().sleep(2 * TIMEOUT_MS) },
      problem: `within ${TIMEOUT_MS} ms`,
    },
    { what: 'is a web server', faults: { wrongAnswer: 'not_json' }, problem: 'expected' },
    { what: 'answers nonsense', faults: { wrongAnswer: 'wrong_type' }, problem: 'expected' },
    { what: 'has pruned the block', faults: { prunedBelow: 1_000 }, problem: "doesn't give it" },
    {
      what: 'is one of another network when it is back',
      faults: { outage: 'refuse' },
      then: { outage: 'none', network: 'signet' },
      problem: 'is not on regtest',
    },
  ])(
    'is told: it $what; nothing is credited, and nothing missed once it is well',
    async ({ faults, then, problem }) => {
      const from = (await rig.facts()).length;
      const { tipHeight } = rig.status;
      await rig.payer.sync(rig.node);
      const deposit = rig.payment([{ script: wallet.script(0, 0), valueSats: 50_000n }]);
      Object.assign(rig.simulator.faults, faults);
      rig.mine(1, rig.miner, [deposit]);
      await rig.settle();
      if (then !== undefined) {
        Object.assign(rig.simulator.faults, then);
        await rig.settle();
      }
      expect(rig.status.problem).toContain(problem);
      expect((await rig.facts()).length).toBe(from);
      expect(rig.status.tipHeight).toBe(tipHeight);
      Object.assign(rig.simulator.faults, new NodeFaults());
      await rig.settle();
      const height = tipHeight + 1;
      expect(rig.status).toMatchObject({ problem: null, nodeReachable: true, tipHeight: height });
      expect(await rig.story({ deposit: deposit.txid }, from)).toEqual([
        `confirmed deposit @${height}`,
        `connected @${height}`,
      ]);
    },
  );

  it('is told: a wallet waits for a block that it doesn’t have', async () => {
    rig.simulator.faults.prunedBelow = 104;
    await rig.addWallet(testWallet('wallet-b', 2), 100);
    await rig.settle();
    expect(rig.status.scanProblem).toContain('wallet wallet-b waits for block');
    rig.simulator.faults.prunedBelow = 0;
    await rig.settle();
    expect(rig.status.scanProblem).toBeNull();
  });

  it('is told: no blocks come any more', async () => {
    rig.mine();
    await rig.settle();
    rig.runtime.advance(rig.clock.seconds * 1_000 - rig.runtime.now());
    expect(rig.status.stale).toBe(false);
    rig.runtime.advance(2 * 60 * 60_000);
    expect(rig.status).toMatchObject({ stale: true, problem: null });
  });
});
