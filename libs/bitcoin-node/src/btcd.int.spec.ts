import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ensureBtcd } from '@finality/tools/servers/btcd-install.ts';
import { startBtcd } from '@finality/tools/servers/btcd.ts';
import { systemRuntime } from '@finality/service';
import { describe, expect, it, onTestFinished } from 'vitest';
import { connectNode } from './connect.ts';
import { NodeError } from './node-errors.ts';
import { openWebsocketFeed } from './push/websocket-feed.ts';
import { CONTRACT_MINER, connectingContract, nodeContract } from './node-contract.fixture.ts';

const missing = await ensureBtcd((line) => process.stdout.write(`${line}\n`)).then(
  () => undefined,
  (error: unknown) => (error instanceof Error ? error.message : String(error)),
);

async function start() {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'finality-btcd-'));
  const access = await startBtcd({ dataDir, miningAddress: CONTRACT_MINER.address });
  const stop = async (): Promise<void> => {
    await access.stop();
    rmSync(dataDir, { recursive: true, force: true });
  };
  return { access, stop };
}

if (missing === undefined) {
  connectingContract('btcd', start);
  nodeContract('btcd', start);
  describe('btcd', () => {
    it('tells of blocks on its websocket, and of nothing to strangers', async () => {
      const { access, stop } = await start();
      onTestFinished(stop);
      const node = await connectNode({ ...access, network: 'regtest', runtime: systemRuntime() });
      onTestFinished(() => node.close());
      const feed = (await node.openPush())!;
      onTestFinished(() => feed.close());
      expect(feed.channel).toBe('websocket');
      await node.mine(1, '');
      expect(await feed.next(5_000)).toEqual({ chain: true, arrived: [], missed: false });
      const stranger = { url: new URL(access.url), user: 'u', password: 'wrong', runtime: systemRuntime() };
      await expect(openWebsocketFeed(stranger)).rejects.toThrow(NodeError);
    });
  });
} else {
  describe('btcd, by the contract of Bitcoin nodes', () => {
    it.skipIf(process.env['CI'] !== 'true')(`can be started (${missing})`, () => {
      throw new Error(missing);
    });
  });
}
