import { hash } from 'node:crypto';
import { assert } from '@finality/kernel';
import type { Hash } from './entry.ts';

const NODE = Buffer.of(0x01);

/** RFC 9162, 2.1.1: of two subtrees. */
function nodeHash(left: Hash, right: Hash): Hash {
  return hash('sha256', Buffer.concat([NODE, left, right]), 'buffer');
}

/** The Merkle tree hash over leaves that are hashed already (RFC 9162, 2.1.1). Never of nothing. */
export function merkleRoot(leaves: readonly Hash[]): Hash {
  assert(leaves.length > 0, 'a tree has leaves');
  let level = leaves;
  while (level.length > 1) level = parents(level);
  return level[0]!;
}

/** The nodes beside the way from a leaf to the root, from the bottom up (RFC 9162, 2.1.3.1): at most ⌈log2(leaves)⌉. */
export function inclusionPath(leaves: readonly Hash[], index: number): readonly Hash[] {
  assert(index >= 0 && index < leaves.length, `leaf ${index} of ${leaves.length}`);
  const path: Hash[] = [];
  let at = index;
  for (let level = leaves; level.length > 1; level = parents(level), at >>= 1) {
    const sibling = level[at ^ 1];
    // The last node of an odd level has none: it goes up as it is.
    if (sibling !== undefined) path.push(sibling);
  }
  return path;
}

/** The root that such a path leads to, or undefined when it can't be one of a tree of that size (RFC 9162, 2.1.3.2). */
export function rootOfPath(leaf: Hash, index: number, size: number, path: readonly Hash[]): Hash | undefined {
  if (index < 0 || index >= size) return undefined;
  let node = leaf;
  let used = 0;
  for (let at = index, last = size - 1; last > 0; at >>= 1, last >>= 1) {
    if (at % 2 === 0 && at === last) continue;
    const sibling = path[used++];
    if (sibling === undefined) return undefined;
    node = at % 2 === 1 ? nodeHash(sibling, node) : nodeHash(node, sibling);
  }
  return used === path.length ? node : undefined;
}

function parents(level: readonly Hash[]): readonly Hash[] {
  const up: Hash[] = [];
  for (let i = 0; i < level.length; i += 2) {
    const [left, right] = [level[i]!, level[i + 1]];
    up.push(right === undefined ? left : nodeHash(left, right));
  }
  return up;
}
