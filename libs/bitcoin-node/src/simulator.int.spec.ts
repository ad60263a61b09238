import { SimulatedChain, SimulatedNode, startSimulator } from '@finality/chain-simulator';
import { connectingContract, nodeContract } from './node-contract.fixture.ts';

const CREDENTIALS = { user: 'u', password: 'p:with @ and colon' };

async function start() {
  const simulator = await startSimulator({ ...CREDENTIALS, port: 0, now: Date.now });
  return { access: { ...CREDENTIALS, url: simulator.url }, stop: () => simulator.close() };
}

connectingContract('the simulator', start);
nodeContract('the simulator', start);
nodeContract('the simulator in the same process', () => {
  const access = new SimulatedNode(new SimulatedChain({ now: Date.now }));
  return Promise.resolve({ access, stop: () => Promise.resolve() });
});
