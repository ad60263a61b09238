import path from 'node:path';
import { MINER_WORD, RegtestWallet } from '@finality/chain-simulator';
import { startBtcd } from '@finality/tools/servers/btcd.ts';
import { ensureBtcd } from '@finality/tools/servers/btcd-install.ts';

/** A node that somebody else runs, as the environment says how to reach it; nothing: the platform simulates one. */
export interface StartedNode {
  readonly environment: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

export interface NodeKind {
  readonly name: string;
  start(directory: string): Promise<StartedNode>;
}

export const SIMULATOR: NodeKind = {
  name: 'the simulator',
  start: () => Promise.resolve({ environment: {}, stop: () => Promise.resolve() }),
};

export const BTCD: NodeKind = {
  name: 'btcd',
  async start(directory) {
    const miningAddress = new RegtestWallet(MINER_WORD).address;
    const btcd = await startBtcd({ dataDir: path.join(directory, 'btcd'), miningAddress });
    const environment = {
      BITCOIN_RPC_URL: btcd.url,
      BITCOIN_RPC_USER: btcd.user,
      BITCOIN_RPC_PASSWORD: btcd.password,
    };
    return { environment, stop: () => btcd.stop() };
  },
};

/** Why there is no btcd here, if there isn't. It is built when there is Go. */
export const btcdMissing: string | undefined = await ensureBtcd((line) => process.stdout.write(`${line}\n`)).then(
  () => undefined,
  (error: unknown) => (error instanceof Error ? error.message : String(error)),
);
