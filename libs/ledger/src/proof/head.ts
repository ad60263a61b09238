import { createPublicKey, hash, verify } from 'node:crypto';
import type { Instant } from '@finality/kernel';
import { encodeFields, type Hash } from './entry.ts';

/**
 * What is said about the ledger when a segment of it is sealed: everything up to its last entry. Whoever has a signed head can tell later whether
 * an entry was part of the ledger then, and whether a later ledger still has the same past.
 */
export interface LedgerHead {
  /** Of the settlement service's store: it is raised when an older backup is restored, and only then may heads fork. */
  readonly epoch: number;
  /** 1 for the first. */
  readonly segment: number;
  /** Hex of the head before, 64 zeros for the first segment: heads are a chain of their own. */
  readonly previous: string;
  readonly firstEntry: bigint;
  readonly lastEntry: bigint;
  /** Hex: the Merkle root over the segment's entries. */
  readonly root: string;
  /** Hex: the chain over all entries up to the last one. */
  readonly chain: string;
  /** Position and hash (hex) of the settlement service's log of events at the last entry. */
  readonly position: bigint;
  readonly eventHash: string;
  readonly sealedAt: Instant;
}

/** Ed25519 (RFC 8032) over {@link headBytes}. */
export interface SignedHead extends LedgerHead {
  /** Hex, 64 bytes. */
  readonly signature: string;
  /** Hex, 32 bytes. */
  readonly publicKey: string;
}

const FORMAT = 'finality.ledger-head.v1';
const NO_PREFIX = Buffer.alloc(0);
/** DER of a SubjectPublicKeyInfo for Ed25519 (RFC 8410), up to the key's 32 bytes. */
const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex');

export const NO_HEAD = '00'.repeat(32);

/** What is signed and hashed: format and fields, each with its length before it, as of an entry. Frozen by test vectors. */
export function headBytes(head: LedgerHead): Buffer {
  return encodeFields(
    [
      FORMAT,
      `${head.epoch}`,
      `${head.segment}`,
      head.previous,
      `${head.firstEntry}`,
      `${head.lastEntry}`,
      head.root,
      head.chain,
      `${head.position}`,
      head.eventHash,
      `${head.sealedAt}`,
    ],
    NO_PREFIX,
  );
}

/** What the next head names, and what is written into the Bitcoin chain. */
export function headHash(head: LedgerHead): Hash {
  return hash('sha256', headBytes(head), 'buffer');
}

export function isSignedBy(head: SignedHead, publicKey: string): boolean {
  if (head.publicKey !== publicKey || !/^[0-9a-f]{64}$/.test(publicKey)) return false;
  const key = createPublicKey({
    key: Buffer.concat([ED25519_SPKI, Buffer.from(publicKey, 'hex')]),
    format: 'der',
    type: 'spki',
  });
  return verify(undefined, headBytes(head), key, Buffer.from(head.signature, 'hex'));
}
