import path from 'node:path';
import { addressIssuerConfig } from '@finality/address-issuer-app';
import { amlSettings } from '@finality/aml-app';
import { chainWatcherConfig } from '@finality/chain-watcher-app';
import { reconciliationConfig } from '@finality/reconciliation-app';
import { riskSettings } from '@finality/risk-app';
import { configHelp, defineConfig, keptKeysSettings, readConfig, setting, StartupError } from '@finality/service';
import { settlementSettings } from '@finality/settlement-app';
import { signerConfig } from '@finality/signer-app';
import type { z } from 'zod';
import { type DistributedSettings, distributedSettings, type Environment } from './distributed/settings.ts';

export const PORTS_DEFAULT = { GRPC_PORT: 50_051, HTTP_PORT: 8_080, BITCOIN_RPC_PORT: 18_443 } as const;
export type PortVariable = keyof typeof PORTS_DEFAULT;

const port = (variable: PortVariable, what: string) =>
  setting
    .port()
    .optional()
    .describe(`Port of ${what} on 127.0.0.1; default ${PORTS_DEFAULT[variable]}, or the next free one`);

const ownSettings = {
  FINALITY_DATA_DIR: setting
    .text()
    .default('.finality')
    .describe('Where everything is kept: database, chain, keys, log; relative to the repository.'),
  DATABASE_URL: setting.secret(
    setting
      .url('postgres', 'postgresql')
      .optional()
      .describe(
        'A Postgres server of your own, with a role that may create roles and databases; else an embedded one.',
      ),
  ),
  GRPC_PORT: port('GRPC_PORT', 'the gRPC API'),
  HTTP_PORT: port('HTTP_PORT', '/healthz, /readyz and /metrics'),
  BITCOIN_RPC_PORT: port('BITCOIN_RPC_PORT', "the simulated node's JSON-RPC"),
  BITCOIN_RPC_URL: setting
    .url('http')
    .optional()
    .describe('JSON-RPC of a Bitcoin node (Bitcoin Core or btcd) to use instead of the simulated one.'),
  MINE_INTERVAL_SECONDS: setting
    .integer(0, 86_400)
    .default(5)
    .describe('How often a block is mined while nobody else does, on regtest; 0: never.'),
  CHAIN_POLL_MS: setting.integer(10, 60_000).default(200).describe('How often the node is asked for its tip.'),
  SIGNER_PASSPHRASE_FILE: setting
    .text()
    .optional()
    .describe(`${signerConfig.shape.SIGNER_PASSPHRASE_FILE.description} Default: in the data directory.`),
  LOG_LEVEL: setting
    .oneOf('debug', 'info', 'warn', 'error')
    .optional()
    .describe('Shows the log on stderr from this level on; it is always in finality.log in the data directory.'),
  OTEL_EXPORTER_OTLP_ENDPOINT: setting
    .url('http', 'https')
    .optional()
    .describe('Where traces are sent to (OTLP); without it there are none.'),
};

/** Everything that `npm start` can be told: its own settings over those of the services, of which some have other defaults here. */
export const standaloneSettings = defineConfig({
  ...settlementSettings.shape,
  ...addressIssuerConfig.shape,
  ...chainWatcherConfig.shape,
  ...riskSettings.shape,
  ...amlSettings.shape,
  ...signerConfig.shape,
  ...reconciliationConfig.shape,
  ...keptKeysSettings.shape,
  ...ownSettings,
});

type Settings = z.output<typeof standaloneSettings>;

export type StandaloneConfig = Settings & {
  /** Absolute. */
  readonly FINALITY_DATA_DIR: string;
};

/**
 * The process's environment, checked.
 * @throws StartupError naming every wrong variable
 */
export function readEnvironment(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): StandaloneConfig {
  const settings = readConfig(environment, standaloneSettings);
  if (settings.BITCOIN_NETWORK !== 'regtest' && settings.BITCOIN_RPC_URL === undefined) {
    throw new StartupError(
      'CONFIG_INVALID',
      `BITCOIN_NETWORK: expected regtest, which is all that the simulated node is, found "${settings.BITCOIN_NETWORK}"`,
      'Set BITCOIN_RPC_URL to a node on that network',
    );
  }
  return { ...settings, FINALITY_DATA_DIR: path.resolve(settings.FINALITY_DATA_DIR) };
}

/** The same environment, for `npm run start:distributed`. @throws StartupError */
export function readDistributedEnvironment(environment: Environment = process.env): {
  readonly settings: DistributedSettings;
  readonly environment: Environment;
} {
  return { settings: readConfig(environment, distributedSettings), environment };
}

export const distributedHelp = (): string => configHelp(distributedSettings);

export const settingsHelp = (): string => configHelp(standaloneSettings);

/** Whether people see colours: on a terminal, unless they said no (https://no-color.org). */
export const wantsColour = (isTerminal: boolean): boolean => isTerminal && !process.env['NO_COLOR'];
