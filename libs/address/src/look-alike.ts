import type { Network } from '@finality/bitcoin';

/** People compare the beginning and the end of an address, if anything: whoever sends them a false one makes these alike. */
const COMPARED = 4;

const HRPS: Readonly<Record<Network, string>> = { mainnet: 'bc', testnet4: 'tb', signet: 'tb', regtest: 'bcrt' };

/** What people compare: the first characters after the part that all such addresses have (`bc1q`, or one of base58), and the last. */
export function fingerprintOf(address: string, network: Network): string {
  const text = address.toLowerCase();
  const bech32 = `${HRPS[network]}1`;
  const isBech32 = text.startsWith(bech32);
  // Base58 tells cases apart, and so do people.
  const rest = isBech32 ? text.slice(bech32.length + 1) : address.slice(1);
  return `${rest.slice(0, COMPARED)}…${rest.slice(-COMPARED)}`;
}

/** Whether one could be taken for the other. */
export const looksLike = (one: string, other: string, network: Network): boolean =>
  one !== other && fingerprintOf(one, network) === fingerprintOf(other, network);
