import { assert } from '@finality/kernel';
import { crypto } from 'bitcoinjs-lib';
import { assertIndex } from './derivation-path.ts';
import { type Branch, childDigest, type PublicNode } from './derivation.ts';
import type { Descriptor } from './descriptor.ts';
import { accountNode, type WalletKey } from './descriptor-key.ts';
import type { ScriptHex } from './ids.ts';
import type { Network } from './network.ts';
import { addAll, compressedOf, hexOfX, multiplyGenerator, type Point, pointOf, withEvenY } from './second-curve.ts';
import { scriptsOf } from './wallet-script.ts';

/** What is derived at once shares one inversion per step: from here on more at once is no faster. */
const CHUNK = 500;

/**
 * The scripts of some indices of a branch, derived a second time by other arithmetic ({@link multiplyGenerator}): to be compared with what
 * `deriveScript` gives before anybody is told an address. Many at once; some 3,000 a second.
 */
export function deriveScriptsAgain(
  descriptor: Descriptor,
  branch: Branch,
  indices: readonly number[],
): readonly ScriptHex[] {
  const scripts: ScriptHex[] = [];
  for (let from = 0; from < indices.length; from += CHUNK)
    scripts.push(...deriveChunk(descriptor, branch, indices.slice(from, from + CHUNK)));
  return scripts;
}

function deriveChunk(descriptor: Descriptor, branch: Branch, indices: readonly number[]): readonly ScriptHex[] {
  const { network, keys, scriptType, required } = descriptor;
  const points = keys.map((key) => childPoints(branchNode(key, branch, network), indices));
  if (scriptType === 'tr') return taprootScripts(points[0]!);
  return indices.map((_, i) => {
    const publicKeys = points.map((ofKey) => compressedOf(ofKey[i]!));
    return scriptsOf(scriptType, required, publicKeys).script;
  });
}

function branchNode({ xpub }: WalletKey, branch: Branch, network: Network): PublicNode {
  const account = accountNode(xpub, network);
  assert(account, 'a parsed descriptor has valid account keys');
  const [point] = childPoints(account, [branch]);
  return { publicKey: compressedOf(point!), chainCode: childDigest(account, branch).subarray(32) };
}

/** BIP32's CKDpub: parent + digest·G. */
function childPoints(parent: PublicNode, indices: readonly number[]): readonly Point[] {
  for (const index of indices) assertIndex(index);
  const scalars = indices.map((index) => childDigest(parent, index).subarray(0, 32));
  const parentPoint = pointOf(parent.publicKey);
  return defined(
    addAll(
      multiplyGenerator(scalars),
      indices.map(() => parentPoint),
    ),
  );
}

/** BIP86: the internal key plus its own hash times G. */
function taprootScripts(internalKeys: readonly Point[]): readonly ScriptHex[] {
  const lifted = internalKeys.map(withEvenY);
  const tweaks = lifted.map((key) => crypto.taggedHash('TapTweak', Buffer.from(hexOfX(key), 'hex')));
  const outputKeys = defined(addAll(lifted, multiplyGenerator(tweaks)));
  return outputKeys.map((key) => `5120${hexOfX(key)}` as ScriptHex);
}

function defined(points: readonly (Point | undefined)[]): readonly Point[] {
  return points.map((point) => {
    assert(point, 'the sum of two points is one');
    return point;
  });
}
