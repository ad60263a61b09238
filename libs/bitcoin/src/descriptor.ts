import { assert, err, ok, type Result, unwrap } from '@finality/kernel';
import type { BIP32Interface } from 'bip32';
import { crypto } from 'bitcoinjs-lib';
import { addressOf, type WalletScriptType } from './address.ts';
import { assertIndex, formatPath, parsePath } from './derivation-path.ts';
import { CHECKSUM_LENGTH, descriptorChecksum } from './descriptor-checksum.ts';
import { bip32, ecc } from './ecc.ts';
import { type Fault, fault } from './fault.ts';
import { hmacSha512 } from './hashing.ts';
import { hexFromBytes } from './hex.ts';
import type { ScriptHex } from './ids.ts';
import { bitcoinjsNetwork, type Network, networkParams } from './network.ts';
import { taprootOutputKey } from './taproot.ts';

/** 0: external, for addresses that are handed out; 1: internal, for change (BIP44). */
export type Branch = 0 | 1;

/** Where the account key comes from, so that a signer finds its private half. */
export interface KeyOrigin {
  /** First four bytes of the master key's hash160, 8 lower-case hex digits. */
  readonly fingerprint: string;
  /** From the master key to the account key: `84h/0h/0h`; empty where the account key is the master key. */
  readonly path: string;
}

/** A wallet's scripts: one account key, one script type, both branches. Plain data: it can be stored as JSON. */
export interface Descriptor {
  readonly network: Network;
  readonly scriptType: WalletScriptType;
  readonly origin?: KeyOrigin;
  /** Account key as `xpub…` or `tpub…`. */
  readonly accountXpub: string;
  /** Canonical form with checksum of both branches in one (BIP389, `/<0;1>/*`), and of each by itself. */
  readonly text: string;
  readonly external: string;
  readonly internal: string;
}

export interface DerivedScript {
  readonly script: ScriptHex;
  readonly address: string;
  /** The key behind it, compressed, as hex; for `tr` the internal key with its parity. */
  readonly publicKey: string;
}

export type DescriptorFault = Fault<
  | 'MALFORMED_DESCRIPTOR'
  | 'BAD_CHECKSUM'
  | 'UNSUPPORTED_SCRIPT'
  | 'INVALID_KEY_ORIGIN'
  | 'INVALID_KEY'
  | 'PRIVATE_KEY'
  | 'WRONG_NETWORK'
  | 'HARDENED_DERIVATION'
  | 'MISSING_RANGE'
  | 'UNSUPPORTED_PATH'
  | 'BRANCHES_DIFFER'
>;

const TEXT_LENGTH_MAX = 500;

/**
 * Parses `wpkh(KEY)` or `tr(KEY)` (BIP380, 382, 386) of an account: one text with `/<0;1>/*` (BIP389), or the external and the internal
 * one as a pair with `/0/*` and `/1/*`. Key origin and checksum may be missing, but must be right where they are there. Refused with a
 * reason of its own: private keys (never echoed), keys of the other kind of network, hardened steps after the key, no range at the end,
 * other scripts. `tpub` serves testnet4, signet and regtest alike: which one is said by `network`.
 */
export function parseDescriptor(
  text: string | readonly [external: string, internal: string],
  network: Network,
): Result<Descriptor, DescriptorFault> {
  if (typeof text === 'string') {
    const parsed = parseExpression(text, network);
    if (!parsed.ok) return parsed;
    if (parsed.value.branch === '<0;1>') return ok(describe(parsed.value));
    return err(
      fault('UNSUPPORTED_PATH', 'expected both branches: /<0;1>/* or a pair of descriptors with /0/* and /1/*'),
    );
  }
  const external = parseExpression(text[0], network);
  if (!external.ok) return external;
  const internal = parseExpression(text[1], network);
  if (!internal.ok) return internal;
  if (external.value.branch !== '0' || internal.value.branch !== '1') {
    return err(
      fault(
        'UNSUPPORTED_PATH',
        `expected /0/* and /1/*, got /${external.value.branch}/* and /${internal.value.branch}/*`,
      ),
    );
  }
  const descriptor = describe(external.value);
  if (descriptor.text === describe(internal.value).text) return ok(descriptor);
  return err(
    fault('BRANCHES_DIFFER', 'expected the same script, origin and key in the external and the internal descriptor'),
  );
}

export interface DescriptorParts {
  readonly network: Network;
  readonly scriptType: WalletScriptType;
  /** Of the master key, 8 hex digits. */
  readonly fingerprint: string;
  /** `m/84'/0'/0'`. */
  readonly accountPath: string;
  readonly accountXpub: string;
}

/** The descriptor of an account whose parts are our own; parts that don't fit together are a bug. */
export function descriptorFor({
  network,
  scriptType,
  fingerprint,
  accountPath,
  accountXpub,
}: DescriptorParts): Descriptor {
  const path = parsePath(accountPath);
  assert(path !== undefined, `${accountPath} is a derivation path`);
  const origin = [fingerprint, formatPath(path)].filter((part) => part !== '').join('/');
  return unwrap(parseDescriptor(`${scriptType}([${origin}]${accountXpub}/<0;1>/*)`, network));
}

/** Script, address and key of one index of a branch (BIP32 public derivation). The keys of the branches are kept between calls. */
export function deriveScript(descriptor: Descriptor, branch: Branch, index: number): DerivedScript {
  assertIndex(index);
  const publicKey = childOf(branchKeys(descriptor)[branch], index).publicKey;
  const script = scriptOf(descriptor.scriptType, publicKey);
  const address = addressOf(script, descriptor.network);
  assert(address !== undefined, 'scripts of wallets have addresses');
  return { script, address, publicKey: hexFromBytes(publicKey) };
}

/** The scriptPubKey of a compressed public key in a wallet of this type. */
export function scriptOf(scriptType: WalletScriptType, publicKey: Uint8Array): ScriptHex {
  return scriptType === 'wpkh'
    ? (`0014${hexFromBytes(crypto.hash160(publicKey))}` as ScriptHex)
    : (`5120${hexFromBytes(taprootOutputKey(publicKey.subarray(1)))}` as ScriptHex);
}

/** Fingerprint of the key that paths start from, and the path to one index: what PSBTs tell signers (BIP174, BIP371). */
export function derivationOf(descriptor: Descriptor, branch: Branch, index: number): KeyOrigin {
  assertIndex(index);
  const { fingerprint, path } = descriptor.origin ?? { fingerprint: accountFingerprint(descriptor), path: '' };
  return { fingerprint, path: `${path === '' ? '' : `${path}/`}${branch}/${index}` };
}

/** Adds the checksum (BIP380) to an expression without one. */
export function withChecksum(expression: string): string {
  const checksum = descriptorChecksum(expression);
  assert(checksum !== undefined, 'an expression of our own has no character that descriptors lack');
  return `${expression}#${checksum}`;
}

// --- parsing

interface Expression {
  readonly network: Network;
  readonly scriptType: WalletScriptType;
  readonly origin: KeyOrigin | undefined;
  readonly accountXpub: string;
  readonly branch: '0' | '1' | '<0;1>';
}

function describe({ network, scriptType, origin, accountXpub }: Expression): Descriptor {
  const originText = origin ? `[${[origin.fingerprint, origin.path].filter((part) => part !== '').join('/')}]` : '';
  const branchText = (branch: string): string => withChecksum(`${scriptType}(${originText}${accountXpub}/${branch}/*)`);
  return {
    network,
    scriptType,
    ...(origin ? { origin } : {}),
    accountXpub,
    text: branchText('<0;1>'),
    external: branchText('0'),
    internal: branchText('1'),
  };
}

function parseExpression(text: string, network: Network): Result<Expression, DescriptorFault> {
  if (text.length > TEXT_LENGTH_MAX) {
    return err(fault('MALFORMED_DESCRIPTOR', `expected at most ${TEXT_LENGTH_MAX} characters, got ${text.length}`));
  }
  const expression = checkChecksum(text);
  if (!expression.ok) return expression;
  const match = /^([a-z_]+)\((.*)\)$/.exec(expression.value);
  if (!match) return err(fault('MALFORMED_DESCRIPTOR', 'expected wpkh(KEY) or tr(KEY)'));
  const [, name, argument] = match as unknown as [string, string, string];
  if (name !== 'wpkh' && name !== 'tr')
    return err(fault('UNSUPPORTED_SCRIPT', `expected wpkh(KEY) or tr(KEY), got ${name}()`));
  if (/[(){},]/.test(argument))
    return err(fault('UNSUPPORTED_SCRIPT', `expected one key and nothing else in ${name}()`));
  return parseKey(argument, name, network);
}

function checkChecksum(text: string): Result<string, DescriptorFault> {
  const hash = text.indexOf('#');
  const expression = hash < 0 ? text : text.slice(0, hash);
  const checksum = descriptorChecksum(expression);
  if (checksum === undefined)
    return err(fault('MALFORMED_DESCRIPTOR', 'expected only characters of the descriptor character set'));
  if (hash < 0) return ok(expression);
  const given = text.slice(hash + 1);
  if (given === checksum) return ok(expression);
  // The right checksum isn't told: whoever mistyped the rest would be confirmed in it.
  return err(
    fault(
      'BAD_CHECKSUM',
      `expected the ${CHECKSUM_LENGTH} characters of this descriptor's checksum after #, got "${given}"`,
    ),
  );
}

function parseKey(text: string, scriptType: WalletScriptType, network: Network): Result<Expression, DescriptorFault> {
  const origin = parseOrigin(text);
  if (!origin.ok) return origin;
  const rest = text.slice(text.indexOf(']') + 1);
  const slash = rest.indexOf('/');
  const key = slash < 0 ? rest : rest.slice(0, slash);
  const keyFault = checkAccountKey(key, network);
  if (keyFault) return err(keyFault);
  const branch = parseBranch(slash < 0 ? '' : rest.slice(slash));
  if (!branch.ok) return branch;
  return ok({ network, scriptType, origin: origin.value, accountXpub: key, branch: branch.value });
}

function parseOrigin(text: string): Result<KeyOrigin | undefined, DescriptorFault> {
  if (!text.includes('[') && !text.includes(']')) return ok(undefined);
  const match = /^\[([0-9a-fA-F]{8})((?:\/[^/[\]]+)*)\][^[\]]*$/.exec(text);
  const path = match && parsePath(match[2]!);
  if (path) return ok({ fingerprint: match[1]!.toLowerCase(), path: formatPath(path) });
  return err(fault('INVALID_KEY_ORIGIN', 'expected [8 hex digits of fingerprint/path], such as [d34db33f/84h/0h/0h]'));
}

function checkAccountKey(key: string, network: Network): DescriptorFault | undefined {
  if (/^([xtyzuv]prv|[5KL9c][1-9A-HJ-NP-Za-km-z]{50,51}$)/i.test(key)) {
    return fault(
      'PRIVATE_KEY',
      'expected a public key; a private key never leaves its owner: treat this one as exposed',
    );
  }
  if (/^(0[23])?[0-9a-f]{64}$/i.test(key))
    return fault('MISSING_RANGE', 'expected an extended key with a range, got a single key');
  const mainnet = networkParams(network).coinType === 0;
  if (key.startsWith(mainnet ? 'tpub' : 'xpub')) {
    return fault(
      'WRONG_NETWORK',
      `expected a key of ${network} (${mainnet ? 'xpub' : 'tpub'}…), got ${key.slice(0, 4)}…`,
    );
  }
  if (accountNode(key, network)) return undefined;
  return fault('INVALID_KEY', `expected a valid ${mainnet ? 'xpub' : 'tpub'} key (BIP32)`);
}

function parseBranch(steps: string): Result<Expression['branch'], DescriptorFault> {
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

// --- derivation

interface PublicNode {
  readonly publicKey: Uint8Array;
  readonly chainCode: Uint8Array;
}

/** Wallets whose branch keys are kept; derived again when forgotten. */
const BRANCH_KEYS_MAX = 10_000;
const branchKeysByXpub = new Map<string, readonly [PublicNode, PublicNode]>();

function branchKeys({ accountXpub, network }: Descriptor): readonly [PublicNode, PublicNode] {
  const known = branchKeysByXpub.get(accountXpub);
  if (known) return known;
  const account = accountNode(accountXpub, network);
  assert(account, 'a parsed descriptor has a valid account key');
  const keys = [childOf(account, 0), childOf(account, 1)] as const;
  if (branchKeysByXpub.size >= BRANCH_KEYS_MAX) branchKeysByXpub.clear();
  branchKeysByXpub.set(accountXpub, keys);
  return keys;
}

/** BIP32's CKDpub. bip32 does the same, ten times slower, because it hashes in JavaScript and prepares for more. */
function childOf(parent: PublicNode, index: number): PublicNode {
  const data = new Uint8Array(37);
  data.set(parent.publicKey);
  new DataView(data.buffer).setUint32(33, index);
  const digest = hmacSha512(parent.chainCode, data);
  const publicKey = ecc.pointAddScalar(parent.publicKey, digest.subarray(0, 32), true);
  assert(publicKey !== null, 'a child key is a point (odds against it: 2^127)');
  return { publicKey, chainCode: digest.subarray(32) };
}

function accountNode(xpub: string, network: Network): BIP32Interface | undefined {
  try {
    const node = bip32.fromBase58(xpub, bitcoinjsNetwork(network));
    return node.isNeutered() && ecc.isPoint(node.publicKey) ? node : undefined;
  } catch {
    return undefined;
  }
}

function accountFingerprint({ accountXpub, network }: Descriptor): string {
  const account = accountNode(accountXpub, network);
  assert(account, 'a parsed descriptor has a valid account key');
  return hexFromBytes(account.fingerprint);
}
