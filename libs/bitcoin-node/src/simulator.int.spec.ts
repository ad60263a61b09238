import { SimulatedChain, SimulatedNode, type SimulatorOptions, startSimulator } from '@finality/chain-simulator';
import { systemRuntime } from '@finality/service';
import { describe, expect, it, onTestFinished } from 'vitest';
import { connectNode, NodeAnswerMalformed } from './index.ts';
import { CONTRACT_MINER, connectingContract, nodeContract } from './node-contract.fixture.ts';

const CREDENTIALS = { user: 'u', password: 'p:with @ and colon' };

async function start(options: Pick<SimulatorOptions, 'btcd'> = {}) {
  const simulator = await startSimulator({ ...CREDENTIALS, port: 0, now: Date.now, ...options });
  return { access: { ...CREDENTIALS, url: simulator.url }, stop: () => simulator.close() };
}

describe('the simulator’s script', () => {
  async function simulated() {
    const simulator = await startSimulator({ ...CREDENTIALS, port: 0, now: Date.now });
    onTestFinished(() => simulator.close());
    const node = await connectNode({
      ...CREDENTIALS,
      url: simulator.url,
      network: 'regtest',
      runtime: systemRuntime(),
    });
    onTestFinished(() => node.close());
    return { simulator, node };
  }

  it('has fees go from 1 to 500 sat/vB between two questions, over HTTP as in the process', async () => {
    const { simulator, node } = await simulated();
    const inProcess = new SimulatedNode(simulator.chain);
    for (const [satPerVb, estimate] of [
      [undefined, undefined],
      [1n, 1_000n],
      [500n, 500_000n],
    ] as const) {
      simulator.chain.feeEstimateSatPerKvb = satPerVb && satPerVb * 1_000n;
      expect((await node.feeRates(6)).estimate).toBe(estimate);
      expect((await inProcess.feeRates()).estimate).toBe(estimate);
    }
  });

  it.for(['not_json', 'wrong_type'] as const)(
    'answers wrongly (%s): that is an error, and over when it is',
    async (wrong) => {
      const { simulator, node } = await simulated();
      simulator.faults.wrongAnswer = wrong;
      await expect(node.chainInfo()).rejects.toThrow(NodeAnswerMalformed);
      await expect(node.mempoolTxids()).rejects.toThrow(NodeAnswerMalformed);
      await expect(new SimulatedNode(simulator.chain, simulator.faults).chainInfo()).rejects.toThrow(
        NodeAnswerMalformed,
      );
      simulator.faults.wrongAnswer = undefined;
      expect((await node.chainInfo()).height).toBe(0);
    },
  );
});

const startAsBtcd = () => start({ btcd: { miningScript: CONTRACT_MINER.script } });

connectingContract('the simulator', start);
nodeContract('the simulator', start);
// The very expectations that btcd itself meets.
nodeContract('the simulator in btcd’s dialect', startAsBtcd);
nodeContract('the simulator in the same process', () => {
  const access = new SimulatedNode(new SimulatedChain({ now: Date.now }));
  return Promise.resolve({ access, stop: () => Promise.resolve() });
});
