import {
  type AccountKey,
  bytesFromHex,
  deriveScript,
  type Descriptor,
  MasterKey,
  parseDescriptor,
  type ScriptHex,
} from '@finality/bitcoin';
import { unwrap } from '@finality/kernel';
import type { WalletRecord } from '../coin.ts';

/** The last two sign for themselves. */
/** Those who run the platform: their keys have been there from the start. */
export const OPERATORS = ['operator', 'operator-2', 'operator-3'];

export const INSTITUTIONS = ['a', 'b', 'c', 'd', 'd2'] as const;
/** Of a head of the ledger, in a world that seals nothing. */
export const headHashOf = (segment: number): string => segment.toString(16).padStart(64, '0');
export const CREDIT_LINES: Readonly<Record<string, bigint>> = { a: 0n, b: 30_000n, c: 0n, d: 0n, d2: 0n };
const masterKey = (seed: string): MasterKey => new MasterKey(bytesFromHex(seed.repeat(32)), 'regtest');
const COSIGNERS = ['11', '22', '33'].map((seed) => masterKey(seed).account('wpkh', 0));
const OWN_KEYS = unwrap(
  parseDescriptor(
    `wsh(sortedmulti(2,${COSIGNERS.map(({ descriptor }) => `${descriptor.keys[0]!.xpub}/<0;1>/*`).join(',')}))`,
    'regtest',
  ),
);
const OWN_KEY = masterKey('44').account('tr', 0);
/** The signer's. */
const PLATFORM_KEY = masterKey('55');
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
  {
    walletId: 'w-d2',
    institutionId: 'd2',
    scriptType: 'tr',
    custodial: false,
    scanning: false,
    descriptor: OWN_KEY.descriptor,
  },
];
/** The signer knows one of them, and pays it. */
export const LISTED_WALLET = {
  destinationId: 'd-w-d2',
  institutionId: 'd2',
  place: { kind: 'wallet', walletId: 'w-d2' },
} as const;
/** By wallet: the keys that its coins are locked by. */
const KEYS: ReadonlyMap<string, readonly AccountKey[]> = new Map([
  ...WALLETS.filter(({ custodial }) => custodial).map(({ walletId, scriptType }, account): [string, AccountKey[]] => [
    walletId,
    [PLATFORM_KEY.account(scriptType === 'tr' ? 'tr' : 'wpkh', account)],
  ]),
  ['w-d', COSIGNERS],
  ['w-d2', [OWN_KEY]],
]);

export const keysOf = (walletId: string): readonly AccountKey[] => KEYS.get(walletId)!;

/** What a wallet's scripts are derived from, whoever has the keys. */
export const descriptorOf = ({ walletId, descriptor }: Pick<WalletRecord, 'walletId' | 'descriptor'>): Descriptor =>
  descriptor ?? keysOf(walletId)[0]!.descriptor;

/** Where a script is in a wallet. */
export interface ScriptPlace {
  readonly walletId: string;
  readonly branch: 0 | 1;
  readonly index: number;
}

/** Derived once for all histories: their indices are the same. */
const SCRIPTS = new Map<string, ScriptHex>();
const PLACES = new Map<ScriptHex, ScriptPlace>();

export function scriptOf(wallet: WalletRecord, branch: 0 | 1, index: number): ScriptHex {
  const { walletId } = wallet;
  const key = `${walletId} ${branch} ${index}`;
  const known = SCRIPTS.get(key);
  if (known !== undefined) return known;
  const { script } = deriveScript(descriptorOf(wallet), branch, index);
  SCRIPTS.set(key, script);
  PLACES.set(script, { walletId, branch, index });
  return script;
}

/** Of a script that has been asked for before. */
export const placeOfScript = (script: string): ScriptPlace | undefined => PLACES.get(script as ScriptHex);

export const walletCalled = (walletId: string): WalletRecord => WALLETS.find((wallet) => wallet.walletId === walletId)!;
