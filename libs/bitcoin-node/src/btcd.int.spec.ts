import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ensureBtcd } from '@finality/tools/servers/btcd-install.ts';
import { startBtcd } from '@finality/tools/servers/btcd.ts';
import { describe, it } from 'vitest';
import { CONTRACT_MINER, nodeContract } from './node-contract.fixture.ts';

const missing = await ensureBtcd((line) => process.stdout.write(`${line}\n`)).then(
  () => undefined,
  (error: unknown) => (error instanceof Error ? error.message : String(error)),
);

if (missing === undefined) {
  nodeContract('btcd', async () => {
    const dataDir = mkdtempSync(path.join(tmpdir(), 'finality-btcd-'));
    const btcd = await startBtcd({ dataDir, miningAddress: CONTRACT_MINER.address });
    const stop = async (): Promise<void> => {
      await btcd.stop();
      rmSync(dataDir, { recursive: true, force: true });
    };
    return { ...btcd, stop };
  });
} else {
  describe('btcd, by the contract of Bitcoin nodes', () => {
    it.skipIf(process.env['CI'] !== 'true')(`can be started (${missing})`, () => {
      throw new Error(missing);
    });
  });
}
