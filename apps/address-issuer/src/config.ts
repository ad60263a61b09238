import { NETWORKS } from '@finality/bitcoin';
import { defineConfig, setting } from '@finality/service';
import type { z } from 'zod';

const [firstNetwork, ...otherNetworks] = NETWORKS;

/** What the address issuer can be told; names are environment variables. */
export const addressIssuerConfig = defineConfig({
  BITCOIN_NETWORK: setting
    .oneOf(firstNetwork!, ...otherNetworks)
    .default('regtest')
    .describe('The network that addresses are for: regtest, signet, testnet4 or mainnet.'),
  ADDRESS_POOL_SCRIPT_TYPE: setting
    .oneOf('wpkh', 'tr')
    .default('wpkh')
    .describe("Script type of the platform's pool wallet, when it is made: wpkh or tr."),
  WALLET_PROOF_DOMAIN: setting
    .text()
    .default('finality')
    .describe('Who asks for proofs of control, in the message that is signed: the domain this platform is known by.'),
  WALLET_PROOF_MS: setting
    .integer(1_000, 30 * 86_400_000)
    .default(86_400_000)
    .describe('How long a challenge can be answered; cosigners of several places need hours.'),
  RECOVERY_SKIP_INDICES: setting
    .integer(1, 900)
    .default(100)
    .describe(
      'How many indices of each branch of each wallet are never issued after a restored copy: more than any wallet issues between two copies. The signer signs for an index at most 1,000 above the last one.',
    ),
  ADDRESS_WAIT_MS: setting
    .integer(0, 60_000)
    .default(5_000)
    .describe('How long a request waits for what comes soon (keys, watched addresses) before it is UNAVAILABLE.'),
});

export type AddressIssuerConfig = z.output<typeof addressIssuerConfig>;
