import { NETWORKS } from '@finality/bitcoin';
import { defineConfig, setting } from '@finality/service';
import type { z } from 'zod';

const HEIGHT_MAX = 10_000_000;
const [firstNetwork, ...otherNetworks] = NETWORKS;

/** What reconciliation can be told; names are environment variables. Its node may be another one than the chain watcher's. */
export const reconciliationConfig = defineConfig({
  BITCOIN_NETWORK: setting
    .oneOf(firstNetwork!, ...otherNetworks)
    .default('regtest')
    .describe('The chain to compare with: regtest, signet, testnet4 or mainnet.'),
  BITCOIN_RPC_URL: setting
    .url('http')
    .default('http://127.0.0.1:18443')
    .describe('JSON-RPC of a Bitcoin node (Bitcoin Core or btcd).'),
  BITCOIN_RPC_USER: setting.text().optional().describe('User of the JSON-RPC, where the URL has none.'),
  BITCOIN_RPC_PASSWORD: setting.secret(
    setting.text().optional().describe('Password of the JSON-RPC, where the URL has none.'),
  ),
  CHAIN_START_HEIGHT: setting
    .integer(0, HEIGHT_MAX)
    .default(0)
    .describe('First block of a new database. Wallets can have no transaction before it.'),
  RECONCILIATION_POLL_MS: setting
    .integer(10, 60_000)
    .optional()
    .describe('How often the node is asked for its tip; default 1000 on regtest, else 5000.'),
  RECONCILIATION_DERIVE_AHEAD: setting
    .integer(1, 10_000)
    .default(100)
    .describe('Addresses of each branch of a wallet that are indexed past the last one issued.'),
});

export type ReconciliationConfig = z.output<typeof reconciliationConfig>;

const POLL_MS_REGTEST = 1_000;
const POLL_MS_DEFAULT = 5_000;

export function pollMsOf(config: ReconciliationConfig): number {
  return config.RECONCILIATION_POLL_MS ?? (config.BITCOIN_NETWORK === 'regtest' ? POLL_MS_REGTEST : POLL_MS_DEFAULT);
}
