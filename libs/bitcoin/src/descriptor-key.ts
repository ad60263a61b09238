import { err, ok, type Result } from '@finality/kernel';
import type { BIP32Interface } from 'bip32';
import type { WalletScriptType } from './address.ts';
import { formatPath, parsePath } from './derivation-path.ts';
import { bip32, ecc } from './ecc.ts';
import { type Fault, fault } from './fault.ts';
import { hexFromBytes } from './hex.ts';
import { bitcoinjsNetwork, type Network, networkParams } from './network.ts';

/** Where an account key comes from, so that a signer finds its private half. */
export interface KeyOrigin {
  /** First four bytes of the master key's hash160, 8 lower-case hex digits. */
  readonly fingerprint: string;
  /** From the master key to the account key: `84h/0h/0h`; empty where the account key is the master key. */
  readonly path: string;
}

/** The public key of one account of a wallet. */
export interface WalletKey {
  readonly origin?: KeyOrigin;
  /** `xpub…` on mainnet, else `tpub…`. */
  readonly xpub: string;
}

export type KeyFault = Fault<
  | 'INVALID_KEY_ORIGIN'
  | 'INVALID_KEY'
  | 'PRIVATE_KEY'
  | 'WRONG_NETWORK'
  | 'HARDENED_DERIVATION'
  | 'MISSING_RANGE'
  | 'UNSUPPORTED_PATH'
  | 'SCRIPT_TYPE_DIFFERS'
>;

interface Slip132 {
  readonly version: number;
  readonly isMainnet: boolean;
  readonly scriptType: WalletScriptType;
}

/** SLIP-132: public keys whose version says the script type; `xpub` and `tpub` don't. */
const SLIP_132: Readonly<Record<string, Slip132>> = {
  ypub: { version: 0x049d_7cb2, isMainnet: true, scriptType: 'sh-wpkh' },
  zpub: { version: 0x04b2_4746, isMainnet: true, scriptType: 'wpkh' },
  Ypub: { version: 0x0295_b43f, isMainnet: true, scriptType: 'sh-wsh-sortedmulti' },
  Zpub: { version: 0x02aa_7ed3, isMainnet: true, scriptType: 'wsh-sortedmulti' },
  upub: { version: 0x044a_5262, isMainnet: false, scriptType: 'sh-wpkh' },
  vpub: { version: 0x045f_1cf6, isMainnet: false, scriptType: 'wpkh' },
  Upub: { version: 0x0242_89ef, isMainnet: false, scriptType: 'sh-wsh-sortedmulti' },
  Vpub: { version: 0x0257_5483, isMainnet: false, scriptType: 'wsh-sortedmulti' },
};

const PREFIX_LENGTH = 4;

/** Which branches a key expression is for. */
export type BranchSteps = '0' | '1' | '<0;1>';

export interface RangedKey {
  readonly key: WalletKey;
  readonly branch: BranchSteps;
}

/** A key of a descriptor with its range: `[origin]xpub…/<0;1>/*`, or one branch of it. Private keys are refused and never echoed. */
export function parseRangedKey(
  text: string,
  scriptType: WalletScriptType,
  network: Network,
): Result<RangedKey, KeyFault> {
  const origin = parseOrigin(text);
  if (!origin.ok) return origin;
  const rest = text.slice(text.indexOf(']') + 1);
  const slash = rest.indexOf('/');
  const xpub = parseAccountKey(slash < 0 ? rest : rest.slice(0, slash), scriptType, network);
  if (!xpub.ok) return xpub;
  const branch = parseBranch(slash < 0 ? '' : rest.slice(slash));
  if (!branch.ok) return branch;
  return ok({ key: { ...(origin.value && { origin: origin.value }), xpub: xpub.value }, branch: branch.value });
}

/** What SLIP-132 says about the script type of a key, with or without origin; undefined where it says nothing. */
export function scriptTypeOfKey(text: string): WalletScriptType | undefined {
  return slip132Of(text.slice(text.indexOf(']') + 1))?.scriptType;
}

/** `[fingerprint/path]xpub…`: a key as descriptors have it. */
export function formatKey({ origin, xpub }: WalletKey): string {
  if (!origin) return xpub;
  return `[${[origin.fingerprint, origin.path].filter((part) => part !== '').join('/')}]${xpub}`;
}

/** The key behind an `xpub…` or `tpub…`; undefined where it isn't a public one of this kind of network. */
export function accountNode(xpub: string, network: Network): BIP32Interface | undefined {
  return nodeOf(xpub, bitcoinjsNetwork(network));
}

/** Whether a key, with or without origin, is a private one: whatever else is wrong with it, that comes first. */
export function privateKeyFault(text: string): KeyFault | undefined {
  const key = text.slice(text.indexOf(']') + 1);
  return /^([xtyzuv]prv|[5KL9c][1-9A-HJ-NP-Za-km-z]{50,51}$)/i.test(key)
    ? fault('PRIVATE_KEY', 'expected a public key; a private key never leaves its owner: treat this one as exposed')
    : undefined;
}

function parseOrigin(text: string): Result<KeyOrigin | undefined, KeyFault> {
  if (!text.includes('[') && !text.includes(']')) return ok(undefined);
  const match = /^\[([0-9a-fA-F]{8})((?:\/[^/[\]]+)*)\][^[\]]*$/.exec(text);
  const path = match && parsePath(match[2]!);
  if (path) return ok({ fingerprint: match[1]!.toLowerCase(), path: formatPath(path) });
  return err(fault('INVALID_KEY_ORIGIN', 'expected [8 hex digits of fingerprint/path], such as [d34db33f/84h/0h/0h]'));
}

/** @returns the key as xpub or tpub, whichever form it came in */
function parseAccountKey(key: string, scriptType: WalletScriptType, network: Network): Result<string, KeyFault> {
  const secret = privateKeyFault(key);
  if (secret) return err(secret);
  if (/^(0[23])?[0-9a-f]{64}$/i.test(key))
    return err(fault('MISSING_RANGE', 'expected an extended key with a range, got a single key'));
  const prefix = key.slice(0, PREFIX_LENGTH);
  const slip132 = slip132Of(key);
  const isMainnet = networkParams(network).coinType === 0;
  const own = isMainnet ? 'xpub' : 'tpub';
  if (prefix === (isMainnet ? 'tpub' : 'xpub') || (slip132 && slip132.isMainnet !== isMainnet))
    return err(fault('WRONG_NETWORK', `expected a key of ${network} (${own}…), got ${prefix}…`));
  const ownNetwork = bitcoinjsNetwork(network);
  const versions = slip132 ? { ...ownNetwork, bip32: { ...ownNetwork.bip32, public: slip132.version } } : ownNetwork;
  const node = nodeOf(key, versions);
  if (!node) return err(fault('INVALID_KEY', `expected a valid ${own} key (BIP32)`));
  if (slip132 && slip132.scriptType !== scriptType)
    return err(
      fault(
        'SCRIPT_TYPE_DIFFERS',
        `expected a key for ${scriptType}; ${prefix} is for ${slip132.scriptType} (SLIP-132)`,
      ),
    );
  node.network = ownNetwork;
  return ok(node.toBase58());
}

function parseBranch(steps: string): Result<BranchSteps, KeyFault> {
  if (/['hH]/.test(steps)) {
    return err(
      fault('HARDENED_DERIVATION', 'expected unhardened steps after the account key: its public half has no others'),
    );
  }
  if (!steps.endsWith('/*'))
    return err(fault('MISSING_RANGE', 'expected /<0;1>/*, /0/* or /1/* after the account key'));
  const branch = steps.slice(1, -2);
  if (branch === '0' || branch === '1' || branch === '<0;1>') return ok(branch);
  return err(fault('UNSUPPORTED_PATH', `expected /<0;1>/*, /0/* or /1/* after the account key, got ${steps}`));
}

function slip132Of(key: string): Slip132 | undefined {
  const prefix = key.slice(0, PREFIX_LENGTH);
  return Object.hasOwn(SLIP_132, prefix) ? SLIP_132[prefix] : undefined;
}

function nodeOf(key: string, network: ReturnType<typeof bitcoinjsNetwork>): BIP32Interface | undefined {
  try {
    const node = bip32.fromBase58(key, network);
    return node.isNeutered() && ecc.isPoint(node.publicKey) ? node : undefined;
  } catch {
    return undefined;
  }
}

/** What makes two account keys derive the same: public key and chain code, whatever depth and parent they claim. */
export function derivationIdentity(xpub: string, network: Network): string | undefined {
  const node = accountNode(xpub, network);
  return node && `${hexFromBytes(node.publicKey)}${hexFromBytes(node.chainCode)}`;
}
