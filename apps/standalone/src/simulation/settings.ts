import { BTC, parseUnit, type Unit } from '@finality/ledger';
import { readConfig } from '@finality/service';
import { standaloneSettings } from '../config.ts';

/** A second unit: cents. */
export const USD = parseUnit('USD')!;
/** Amounts from which the AML service asks a person, satoshi. */
export const LARGE_SETTLEMENT_SATS = 1_800_000n;
export const LARGE_DEPOSIT_SATS = 20_000_000n;
/** What the platform itself adds where participants are in default: less than they may owe. */
export const STANDBY_MAX: ReadonlyMap<Unit, bigint> = new Map([
  [BTC, 100_000n],
  [USD, 500n],
]);
/** Some runs anchor more than one head, and each has ended when everything comes to rest. */
export const ANCHOR_SECONDS = 900;

export interface SimulationSettingsOptions {
  readonly startHeight: number;
  readonly passphraseFile: string;
  /** How far apart heads of the ledger are anchored; 0: none is. */
  readonly anchorSeconds: number;
}

/** As a regtest platform is configured, but small: few addresses ahead, and nobody waits within a step. */
export function simulationSettings({ startHeight, passphraseFile, anchorSeconds }: SimulationSettingsOptions) {
  const settings = readConfig(
    {
      SIGNER_SCRYPT_LOG_N: '10',
      ADDRESS_WAIT_MS: '0',
      WATCH_AHEAD: '6',
      RECONCILIATION_DERIVE_AHEAD: '6',
      CHAIN_START_HEIGHT: `${startHeight}`,
      SETTLEMENT_EXPIRY_SECONDS: '7200',
      PAYOUT_BATCH_SECONDS: '60',
      PAYOUT_BATCH_COUNT: '4',
      BUMP_AFTER_BLOCKS: '2',
      LEDGER_ANCHOR_SECONDS: `${anchorSeconds}`,
      COUNTERPARTY_COOLING_SECONDS: '60',
      SIGNER_DESTINATION_COOLING_SECONDS: '60',
      STANDBY_MAX_SATS: `${STANDBY_MAX.get(BTC)!}`,
      STANDBY_MAX_UNITS: `${USD}:${STANDBY_MAX.get(USD)!}`,
      AML_LARGE_SETTLEMENT_SATS: `${LARGE_SETTLEMENT_SATS}`,
      AML_LARGE_DEPOSIT_SATS: `${LARGE_DEPOSIT_SATS}`,
    },
    standaloneSettings,
  );
  return { ...settings, SIGNER_PASSPHRASE_FILE: passphraseFile, BITCOIN_RPC_URL: 'http://127.0.0.1:1' };
}
