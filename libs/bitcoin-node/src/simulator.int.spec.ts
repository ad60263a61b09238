import { startSimulator } from '@finality/chain-simulator';
import { nodeContract } from './node-contract.fixture.ts';

const CREDENTIALS = { user: 'u', password: 'p:with colon' };

nodeContract('the simulator', async () => {
  const simulator = await startSimulator({ ...CREDENTIALS, port: 0, now: Date.now });
  return { ...CREDENTIALS, url: simulator.url, stop: () => simulator.close() };
});
