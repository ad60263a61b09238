import { type FeeRate, feeRate, type Network, NETWORKS, parseFeeRate } from '@finality/bitcoin';
import { MAX_MONEY_SATS, type Sats } from '@finality/kernel';
import { defineConfig, setting } from '@finality/service';
import type { SigningLimits } from '@finality/signing';
import { z } from 'zod';

export interface SignerConfig {
  readonly network: Network;
  /** Under what the seed is encrypted. Made on regtest when absent; must exist elsewhere. */
  readonly passphraseFile: string;
  /** log2 of scrypt's cost when a seed is encrypted. */
  readonly scryptLogN: number;
  readonly limits: SigningLimits;
}

const WINDOW_MS = 24 * 3_600_000;
const FEE_RATE_MAX_DEFAULT = feeRate(1_000_000n);
const SCRYPT_LOG_N = { min: 10, default: 15, max: 20 };

const feeRateSetting = z.string().transform((text, context): FeeRate => {
  const parsed = parseFeeRate(text);
  if (parsed.ok) return parsed.value;
  context.addIssue({ code: 'custom', message: 'sat/vB with at most 3 decimals' });
  return z.NEVER;
});

/** The signer's variables of the environment. */
export const signerSettings = defineConfig({
  BITCOIN_NETWORK: setting
    .oneOf(...(NETWORKS as readonly [Network, ...Network[]]))
    .default('regtest')
    .describe('which network'),
  SIGNER_PASSPHRASE_FILE: setting.text().describe('the file with the passphrase that the seed is encrypted under'),
  SIGNER_SCRYPT_LOG_N: setting
    .integer(SCRYPT_LOG_N.min, SCRYPT_LOG_N.max)
    .default(SCRYPT_LOG_N.default)
    .describe("log2 of scrypt's cost for a new seed"),
  SIGNER_FEE_MAX_SATS: setting
    .sats(1n, MAX_MONEY_SATS)
    .default(5_000_000n)
    .describe('the highest fee of one transaction, in satoshi'),
  SIGNER_FEE_RATE_MAX_SAT_PER_VB: feeRateSetting
    .default(FEE_RATE_MAX_DEFAULT)
    .describe('the highest feerate of one transaction, in sat/vB'),
  SIGNER_ROLLING_MAX_SATS: setting
    .sats(0n, MAX_MONEY_SATS)
    .default(1_000_000_000_000n)
    .describe('the most that may leave one wallet within 24 hours, in satoshi'),
});

export function signerConfig(values: z.output<typeof signerSettings>): SignerConfig {
  return {
    network: values.BITCOIN_NETWORK,
    passphraseFile: values.SIGNER_PASSPHRASE_FILE,
    scryptLogN: values.SIGNER_SCRYPT_LOG_N,
    limits: {
      feeMaxSats: values.SIGNER_FEE_MAX_SATS as Sats,
      feeRateMax: values.SIGNER_FEE_RATE_MAX_SAT_PER_VB,
      rollingMaxSats: values.SIGNER_ROLLING_MAX_SATS,
      windowMs: WINDOW_MS,
    },
  };
}
