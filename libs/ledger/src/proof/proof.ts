import { entryHash, type LedgerEntry } from './entry.ts';
import { isSignedBy, type SignedHead } from './head.ts';
import { rootOfPath } from './merkle.ts';

/** That an entry is part of a sealed segment, for whoever has nothing but this and the ledger's public key. */
export interface InclusionProof {
  readonly entry: LedgerEntry;
  /** Hex, from the bottom up. */
  readonly path: readonly string[];
  readonly head: SignedHead;
}

export type ProofProblem = 'entry_outside_segment' | 'path_leads_elsewhere' | 'signature_invalid';

/** @returns what is wrong with it, or undefined. @param publicKey hex; known from elsewhere than the proof */
export function problemOf({ entry, path, head }: InclusionProof, publicKey: string): ProofProblem | undefined {
  if (entry.number < head.firstEntry || entry.number > head.lastEntry) return 'entry_outside_segment';
  const index = Number(entry.number - head.firstEntry);
  const size = Number(head.lastEntry - head.firstEntry) + 1;
  const nodes = path.map((node) => Buffer.from(node, 'hex'));
  const root = rootOfPath(entryHash(entry), index, size, nodes);
  if (root?.toString('hex') !== head.root) return 'path_leads_elsewhere';
  return isSignedBy(head, publicKey) ? undefined : 'signature_invalid';
}
