import { assert } from '@finality/kernel';
import { addressOf } from './address.ts';
import { assertIndex } from './derivation-path.ts';
import type { Descriptor } from './descriptor.ts';
import { accountNode, type KeyOrigin, type WalletKey } from './descriptor-key.ts';
import { ecc } from './ecc.ts';
import { hmacSha512 } from './hashing.ts';
import { bytesFromHex, hexFromBytes } from './hex.ts';
import type { ScriptHex } from './ids.ts';
import type { Network } from './network.ts';
import { scriptsOf, type WalletScripts } from './wallet-script.ts';

/** 0: external, for addresses that are handed out; 1: internal, for change (BIP44). */
export type Branch = 0 | 1;

export interface DerivedScript extends WalletScripts {
  readonly address: string;
  /** Of each of the descriptor's keys, in their order: compressed, as hex; for `tr` the internal key with its parity. */
  readonly publicKeys: readonly string[];
}

/** A public key of BIP32 with what its children come of. */
export interface PublicNode {
  readonly publicKey: Uint8Array;
  readonly chainCode: Uint8Array;
}

/** With the key uncompressed as well: a root less for each child. */
interface Parent extends PublicNode {
  readonly point: Uint8Array;
}

/** Script, address and keys of one index of a branch (BIP32 public derivation). The keys of the branches are kept between calls. */
export function deriveScript(descriptor: Descriptor, branch: Branch, index: number): DerivedScript {
  assertIndex(index);
  const { network, keys, scriptType, required } = descriptor;
  const publicKeys = keys.map((key) => childOf(branchKeys(key, network)[branch], index).publicKey);
  const scripts = scriptsOf(scriptType, required, publicKeys);
  return { ...scripts, address: addressOfScript(scripts.script, network), publicKeys: publicKeys.map(hexFromBytes) };
}

/** Fingerprint of the key that a path starts from, and the path to one index: what PSBTs tell signers (BIP174, BIP371). */
export interface KeyPlace extends KeyOrigin {
  readonly publicKey: Uint8Array;
}

/** For each of the descriptor's keys. */
export function keyPlaces(descriptor: Descriptor, branch: Branch, index: number): readonly KeyPlace[] {
  const { publicKeys } = deriveScript(descriptor, branch, index);
  return descriptor.keys.map((key, i) => {
    const { fingerprint, path } = key.origin ?? { fingerprint: fingerprintOf(key, descriptor.network), path: '' };
    return {
      fingerprint,
      path: `${path === '' ? '' : `${path}/`}${branch}/${index}`,
      publicKey: bytesFromHex(publicKeys[i]!),
    };
  });
}

/** Wallets' keys whose branches are kept; derived again when forgotten. */
const BRANCH_KEYS_MAX = 10_000;
const branchKeysByXpub = new Map<string, readonly [Parent, Parent]>();

/** External and internal branch of an account key. */
function branchKeys({ xpub }: WalletKey, network: Network): readonly [Parent, Parent] {
  const known = branchKeysByXpub.get(xpub);
  if (known) return known;
  const account = accountNode(xpub, network);
  assert(account, 'a parsed descriptor has valid account keys');
  const parent = parentOf(account);
  const keys = [parentOf(childOf(parent, 0)), parentOf(childOf(parent, 1))] as const;
  if (branchKeysByXpub.size >= BRANCH_KEYS_MAX) branchKeysByXpub.clear();
  branchKeysByXpub.set(xpub, keys);
  return keys;
}

/** The 64 bytes that BIP32's CKDpub makes of parent and index: a scalar, and the child's chain code. */
export function childDigest({ publicKey, chainCode }: PublicNode, index: number): Uint8Array {
  const data = new Uint8Array(37);
  data.set(publicKey);
  new DataView(data.buffer).setUint32(33, index);
  return hmacSha512(chainCode, data);
}

/** The address of a script that wallets have. */
export function addressOfScript(script: ScriptHex, network: Network): string {
  const address = addressOf(script, network);
  assert(address !== undefined, 'scripts of wallets have addresses');
  return address;
}

/** BIP32's CKDpub. bip32 does the same, ten times slower, because it hashes in JavaScript and prepares for more. */
function childOf(parent: Parent, index: number): PublicNode {
  const digest = childDigest(parent, index);
  // In two steps: multiplying the generator goes by a table, which `pointAddScalar` doesn't use.
  const offset = ecc.pointFromScalar(digest.subarray(0, 32), false);
  const publicKey = offset && ecc.pointAdd(parent.point, offset, true);
  assert(publicKey, 'a child key is a point (odds against it: 2^127)');
  return { publicKey, chainCode: digest.subarray(32) };
}

function parentOf({ publicKey, chainCode }: PublicNode): Parent {
  return { publicKey, chainCode, point: ecc.pointCompress(publicKey, false) };
}

function fingerprintOf({ xpub }: WalletKey, network: Network): string {
  const account = accountNode(xpub, network);
  assert(account, 'a parsed descriptor has valid account keys');
  return hexFromBytes(account.fingerprint);
}
