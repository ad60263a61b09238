import { NETWORKS } from '@finality/bitcoin';
import { defineConfig, setting } from '@finality/service';
import type { z } from 'zod';

const HEIGHT_MAX = 10_000_000;
const [firstNetwork, ...otherNetworks] = NETWORKS;

/** What the chain watcher can be told; names are environment variables. */
export const chainWatcherConfig = defineConfig({
  BITCOIN_NETWORK: setting
    .oneOf(firstNetwork!, ...otherNetworks)
    .default('regtest')
    .describe('The chain to follow: regtest, signet, testnet4 or mainnet; the node is asked for its genesis block.'),
  BITCOIN_RPC_URL: setting
    .url('http')
    .default('http://127.0.0.1:18443')
    .describe('JSON-RPC of a Bitcoin node (Bitcoin Core or btcd).'),
  BITCOIN_RPC_USER: setting.text().optional().describe('User of the JSON-RPC, where the URL has none.'),
  BITCOIN_RPC_PASSWORD: setting.secret(
    setting.text().optional().describe('Password of the JSON-RPC, where the URL has none.'),
  ),
  BITCOIN_RPC_URL_2: setting
    .url('http')
    .optional()
    .describe(
      'JSON-RPC of a second node, run by somebody else if possible: its headers are compared with the first one’s.',
    ),
  BITCOIN_RPC_USER_2: setting.text().optional().describe('User of the second node, where the URL has none.'),
  BITCOIN_RPC_PASSWORD_2: setting.secret(
    setting.text().optional().describe('Password of the second node, where the URL has none.'),
  ),
  CHAIN_DISAGREEMENT_BLOCKS_MAX: setting
    .integer(0, 100)
    .default(2)
    .describe('By how many blocks the two nodes may disagree before the service isn’t ready.'),
  CHAIN_DISAGREEMENT_MINUTES_MAX: setting
    .integer(1, 10_080)
    .default(30)
    .describe('For how long the two nodes may disagree before the service isn’t ready.'),
  CHAIN_TIP_AGE_MINUTES_MAX: setting
    .integer(1, 10_080)
    .optional()
    .describe('How old the last block may be before the service isn’t ready; default 120, and on regtest any age.'),
  CHAIN_START_HEIGHT: setting
    .integer(0, HEIGHT_MAX)
    .default(0)
    .describe('First block of a new database. Wallets can have no transaction before it.'),
  CHAIN_POLL_MS: setting
    .integer(10, 60_000)
    .optional()
    .describe('How often the node is asked for its tip and its mempool; default 500 on regtest, else 2000.'),
  WATCH_AHEAD: setting
    .integer(1, 10_000)
    .default(200)
    .describe('Addresses of each branch of a wallet that are watched past the last one issued.'),
});

export type ChainWatcherConfig = z.output<typeof chainWatcherConfig>;

const TIP_AGE_MINUTES_DEFAULT = 120;
const MS_PER_MINUTE = 60_000;

export interface HealthLimits {
  readonly disagreementBlocksMax: number;
  readonly disagreementMsMax: number;
  /** null: any age. */
  readonly tipAgeMsMax: number | null;
}

export function healthLimitsOf(config: ChainWatcherConfig): HealthLimits {
  const isRegtest = config.BITCOIN_NETWORK === 'regtest';
  const tipAgeMinutes = config.CHAIN_TIP_AGE_MINUTES_MAX ?? (isRegtest ? null : TIP_AGE_MINUTES_DEFAULT);
  return {
    disagreementBlocksMax: config.CHAIN_DISAGREEMENT_BLOCKS_MAX,
    disagreementMsMax: config.CHAIN_DISAGREEMENT_MINUTES_MAX * MS_PER_MINUTE,
    tipAgeMsMax: tipAgeMinutes === null ? null : tipAgeMinutes * MS_PER_MINUTE,
  };
}

const POLL_MS_REGTEST = 500;
const POLL_MS_DEFAULT = 2_000;

export function pollMsOf(config: ChainWatcherConfig): number {
  return config.CHAIN_POLL_MS ?? (config.BITCOIN_NETWORK === 'regtest' ? POLL_MS_REGTEST : POLL_MS_DEFAULT);
}
