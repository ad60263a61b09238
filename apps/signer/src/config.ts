import { type FeeRate, feeRate, NETWORKS, parseFeeRate } from '@finality/bitcoin';
import { MAX_MONEY_SATS, type Sats } from '@finality/kernel';
import { defineConfig, setting } from '@finality/service';
import type { SigningLimits } from '@finality/signing';
import { z } from 'zod';
import type { AllowListTerms } from './allow-list.ts';

const WINDOW_MS = 24 * 3_600_000;
/** Every address is derived here before it is issued: what lies further has been lost count of, or was never issued. Searched in a second. */
const INDEX_GAP_MAX = 1_000;
const ANCHOR_SECONDS_DEFAULT = 86_400;
const ANCHOR_SECONDS_MAX = 30 * 86_400;
/** Nine tenths: each is asked for after the interval, and takes more or less time to get here. */
const ANCHORS_APART_MS_PER_SECOND = 900;
const FEE_RATE_MAX_DEFAULT = feeRate(1_000_000n);
const [firstNetwork, ...otherNetworks] = NETWORKS;

const feeRateSetting = z.string().transform((text, context): FeeRate => {
  const parsed = parseFeeRate(text);
  if (parsed.ok) return parsed.value;
  context.addIssue({ code: 'custom', message: 'sat/vB with at most 3 decimals' });
  return z.NEVER;
});

/** What the signer can be told; names are environment variables. */
export const signerConfig = defineConfig({
  BITCOIN_NETWORK: setting
    .oneOf(firstNetwork!, ...otherNetworks)
    .default('regtest')
    .describe('The network that keys are for: regtest, signet, testnet4 or mainnet.'),
  SIGNER_PASSPHRASE_FILE: setting
    .text()
    .describe('File (mode 0600) with the passphrase that the seed is encrypted under; made on regtest when absent.'),
  SIGNER_SCRYPT_LOG_N: setting.integer(10, 20).default(15).describe("log2 of scrypt's cost for a new seed."),
  SIGNER_FEE_MAX_SATS: setting
    .sats(1n, MAX_MONEY_SATS)
    .default(5_000_000n)
    .describe('The highest fee of one transaction, in satoshi.'),
  SIGNER_FEE_RATE_MAX_SAT_PER_VB: feeRateSetting
    .default(FEE_RATE_MAX_DEFAULT)
    .describe('The highest feerate of one transaction, in sat/vB (default: 1000).'),
  SIGNER_DESTINATION_COOLING_SECONDS: setting
    .integer(0, 30 * 86_400)
    .default(86_400)
    .describe('How long after its approval a destination gets its first payment at the earliest.'),
  WALLET_PROOF_DOMAIN: setting
    .text()
    .default('finality')
    .describe('The domain this platform is known by, in what signatories sign.'),
  LEDGER_ANCHOR_SECONDS: setting
    .integer(0, ANCHOR_SECONDS_MAX)
    .optional()
    .describe(
      'The interval in which one head of the ledger may be written into the chain; 0: none. Default: a day, on regtest 0.',
    ),
  SIGNER_ANCHOR_FEE_MAX_SATS: setting
    .sats(1n, MAX_MONEY_SATS)
    .default(100_000n)
    .describe('The highest fee of a transaction that writes a head of the ledger into the chain, in satoshi.'),
  SIGNER_ROLLING_MAX_SATS: setting
    .sats(0n, MAX_MONEY_SATS)
    .default(1_000_000_000_000n)
    .describe('The most that may leave all wallets of one institution within 24 hours, in satoshi.'),
});

export type SignerConfig = z.output<typeof signerConfig>;

/** What the signer's operator allows at most. */
export function limitsOf(config: SignerConfig): SigningLimits {
  return {
    feeMaxSats: config.SIGNER_FEE_MAX_SATS as Sats,
    feeRateMax: config.SIGNER_FEE_RATE_MAX_SAT_PER_VB,
    rollingMaxSats: config.SIGNER_ROLLING_MAX_SATS,
    windowMs: WINDOW_MS,
    indexGapMax: INDEX_GAP_MAX,
    ...headAnchorsOf(config),
  };
}

function headAnchorsOf(config: SignerConfig): Pick<SigningLimits, 'headAnchors'> {
  const seconds = config.LEDGER_ANCHOR_SECONDS ?? (config.BITCOIN_NETWORK === 'regtest' ? 0 : ANCHOR_SECONDS_DEFAULT);
  if (seconds === 0) return {};
  const feeMaxSats = config.SIGNER_ANCHOR_FEE_MAX_SATS as Sats;
  return { headAnchors: { apartMs: seconds * ANCHORS_APART_MS_PER_SECOND, feeMaxSats } };
}

/** How destinations come to be payable here. */
export const allowListTermsOf = (config: SignerConfig): AllowListTerms => ({
  network: config.BITCOIN_NETWORK,
  domain: config.WALLET_PROOF_DOMAIN,
  coolingMs: config.SIGNER_DESTINATION_COOLING_SECONDS * 1_000,
});
