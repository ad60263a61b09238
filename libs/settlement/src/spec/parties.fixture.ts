import { bytesFromHex, deriveScript, MasterKey, parseDescriptor, type ScriptHex } from '@finality/bitcoin';
import { unwrap } from '@finality/kernel';
import type { WalletRecord } from '../coin.ts';
import { sha } from './world-chain.fixture.ts';

/** The last two sign for themselves. */
/** Those who run the platform: their keys have been there from the start. */
export const OPERATORS = ['operator', 'operator-2', 'operator-3'];

export const INSTITUTIONS = ['a', 'b', 'c', 'd', 'd2'] as const;
/** Of a head of the ledger, in a world that seals nothing. */
export const headHashOf = (segment: number): string => segment.toString(16).padStart(64, '0');
export const CREDIT_LINES: Readonly<Record<string, bigint>> = { a: 0n, b: 30_000n, c: 0n, d: 0n, d2: 0n };
const COSIGNERS = ['11', '22', '33'].map(
  (seed) => new MasterKey(bytesFromHex(seed.repeat(32)), 'regtest').account('wpkh', 0).descriptor.keys[0]!.xpub,
);
const OWN_KEYS = unwrap(
  parseDescriptor(`wsh(sortedmulti(2,${COSIGNERS.map((xpub) => `${xpub}/<0;1>/*`).join(',')}))`, 'regtest'),
);
const OWN_KEY = new MasterKey(bytesFromHex('44'.repeat(32)), 'regtest').account('tr', 0).descriptor;
export const WALLETS: readonly WalletRecord[] = [
  { walletId: 'pool', institutionId: 'platform', scriptType: 'wpkh', custodial: true, scanning: false },
  { walletId: 'w-a', institutionId: 'a', scriptType: 'wpkh', custodial: true, scanning: false },
  { walletId: 'w-b', institutionId: 'b', scriptType: 'tr', custodial: true, scanning: false },
  { walletId: 'w-c', institutionId: 'c', scriptType: 'wpkh', custodial: true, scanning: false },
  {
    walletId: 'w-d',
    institutionId: 'd',
    scriptType: 'wsh-sortedmulti',
    custodial: false,
    scanning: false,
    descriptor: OWN_KEYS,
  },
  { walletId: 'w-d2', institutionId: 'd2', scriptType: 'tr', custodial: false, scanning: false, descriptor: OWN_KEY },
];
/** The signer knows one of them, and pays it. */
export const LISTED_WALLET = {
  destinationId: 'd-w-d2',
  institutionId: 'd2',
  place: { kind: 'wallet', walletId: 'w-d2' },
} as const;
/** Derived once for all histories: their indices are the same. */
const OWN_SCRIPTS = new Map<string, ScriptHex>();

export function scriptOf({ scriptType, descriptor, walletId }: WalletRecord, branch: 0 | 1, index: number): ScriptHex {
  const key = `${walletId} ${branch} ${index}`;
  const hash = sha(key);
  if (descriptor === undefined)
    return (scriptType === 'wpkh' ? `0014${hash.slice(0, 40)}` : `5120${hash}`) as ScriptHex;
  const script = OWN_SCRIPTS.get(key) ?? deriveScript(descriptor, branch, index).script;
  OWN_SCRIPTS.set(key, script);
  return script;
}

export const walletCalled = (walletId: string): WalletRecord => WALLETS.find((wallet) => wallet.walletId === walletId)!;
