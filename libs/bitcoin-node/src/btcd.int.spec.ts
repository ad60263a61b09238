import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ensureBtcd } from '@finality/tools/servers/btcd-install.ts';
import { startBtcd } from '@finality/tools/servers/btcd.ts';
import { describe, it } from 'vitest';
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
} else {
  describe('btcd, by the contract of Bitcoin nodes', () => {
    it.skipIf(process.env['CI'] !== 'true')(`can be started (${missing})`, () => {
      throw new Error(missing);
    });
  });
}
