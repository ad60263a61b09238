import { createHash } from 'node:crypto';
import { encodeJson } from '@finality/kernel';

/** The thresholds of A2 as data: configuration, recorded by version with each verdict. */
export interface AmlRules {
  /** At least this many satoshi is a large amount. */
  readonly largeAmount: { readonly settlementFromSats: bigint; readonly depositFromSats: bigint };
}

const BITCOIN_SATS = 100_000_000n;

export const AML_RULES_DEFAULT: AmlRules = {
  largeAmount: { settlementFromSats: BITCOIN_SATS, depositFromSats: BITCOIN_SATS },
};

const RULES_REVISION = 1;

/** `1-<12 hex of SHA-256 over the thresholds>`: the same text means the same decisions from the same inputs. */
export function amlRulesVersion(rules: AmlRules): string {
  return `${RULES_REVISION}-${createHash('sha256').update(encodeJson(rules)).digest('hex').slice(0, 12)}`;
}
