#!/usr/bin/env node
/**
 * Checks a proof that a transfer is part of Finality's ledger, offline: this file and Node (20 or later) are all it needs. It asks nobody and believes
 * nothing but the ledger's public key, which you were given when you joined.
 *
 *   npm run call -- GetInclusionProof '{"institutionId": "bank-a", "transferId": "…"}' > proof.json
 *   node verify-proof.mjs proof.json --public-key <hex>
 *
 * The formats are those of RFC 9162 (the Merkle tree) and RFC 8032 (Ed25519); what is hashed stands in the API's reference: every field of ProvenEntry and
 * of LedgerHead in its order, each as its length in bytes (unsigned 32 bit, big endian) and its UTF-8 text, after the name of the format.
 */
import { createHash, createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';

const USAGE = `node verify-proof.mjs <proof.json> --public-key <hex>

Exit code 0: the transfer is part of the ledger that this key has signed. 1: it isn't, or the proof is damaged. 64: the command was wrong.
`;
const ENTRY_FORMAT = 'finality.ledger-entry.v1';
const HEAD_FORMAT = 'finality.ledger-head.v1';
const ENTRY_FIELDS = [
  'number',
  'position',
  'transferId',
  'kind',
  'debitAccount',
  'creditAccount',
  'amount',
  'pendingId',
  'corrects',
  'purpose',
  'object',
  'life',
  'settlementId',
  'recordedAtMs',
];
const HEAD_FIELDS = [
  'epoch',
  'segment',
  'previous',
  'firstEntry',
  'lastEntry',
  'root',
  'chain',
  'position',
  'eventHash',
  'sealedAtMs',
];
/** DER of a SubjectPublicKeyInfo for Ed25519 (RFC 8410), up to the key. */
const ED25519_SPKI = '302a300506032b6570032100';
const HASH = /^[0-9a-f]{64}$/;

const sha256 = (...parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** @param names protobuf's JSON leaves out what is empty or 0 */
function encoded(format, record, names) {
  const fields = [format, ...names.map((name) => String(record[name] ?? ''))];
  return Buffer.concat(
    fields.flatMap((field) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(Buffer.byteLength(field));
      return [length, Buffer.from(field)];
    }),
  );
}

/** RFC 9162, 2.1.3.2. @returns undefined when the path can't be one of a tree of that size */
function rootOf(leaf, index, size, path) {
  let node = leaf;
  let used = 0;
  for (let at = index, last = size - 1n; last > 0n; at >>= 1n, last >>= 1n) {
    if (at % 2n === 0n && at === last) continue;
    const sibling = path[used++];
    if (sibling === undefined) return undefined;
    node = at % 2n === 1n ? sha256(Buffer.of(1), sibling, node) : sha256(Buffer.of(1), node, sibling);
  }
  return used === path.length ? node : undefined;
}

/** @returns what is wrong, or undefined */
function problemOf({ entry, path = [], head: signed }, publicKey) {
  const head = signed?.head;
  if (!entry || !head) return 'it has no entry or no head';
  const [number, first, last] = [entry.number, head.firstEntry, head.lastEntry].map(BigInt);
  if (number < first || number > last) return `entry ${number} is outside of segment ${head.segment}`;
  if (!path.every((node) => HASH.test(node))) return 'the path has something in it that is no hash';
  const leaf = sha256(Buffer.of(0), encoded(ENTRY_FORMAT, entry, ENTRY_FIELDS));
  const nodes = path.map((node) => Buffer.from(node, 'hex'));
  const root = rootOf(leaf, number - first, last - first + 1n, nodes);
  if (root?.toString('hex') !== head.root) return 'the entry isn’t in the segment: its path leads to another root';
  const key = createPublicKey({ key: Buffer.from(ED25519_SPKI + publicKey, 'hex'), format: 'der', type: 'spki' });
  const signature = Buffer.from(signed.signature ?? '', 'hex');
  if (!verify(undefined, encoded(HEAD_FORMAT, head, HEAD_FIELDS), key, signature))
    return 'the head of the segment isn’t signed by this key';
  return undefined;
}

/** Accounts of another unit than BTC name it. */
function countedBy(account) {
  const unit = /^(?:clearing\/[^/]+|ccp|nostro)\/([^/]+)(?:\/[a-z_]+)?$/.exec(account)?.[1];
  return unit === undefined || /^(?:available|in_flight|incoming|held)$/.test(unit)
    ? 'sat'
    : `in the smallest part of ${unit}`;
}

function main([file, option, publicKey, ...others]) {
  if (file === undefined || option !== '--public-key' || !HASH.test(publicKey ?? '') || others.length > 0) {
    process.stderr.write(USAGE);
    return 64;
  }
  let problem;
  let proof;
  try {
    proof = JSON.parse(readFileSync(file, 'utf8'));
    problem = problemOf(proof, publicKey);
  } catch (error) {
    problem = `it can’t be read: ${error.message}`;
  }
  if (problem !== undefined) {
    process.stderr.write(`${file} proves nothing: ${problem}\n`);
    return 1;
  }
  const { entry, head } = proof;
  process.stdout.write(
    `Proven: ${entry.kind} of ${entry.amount} ${countedBy(entry.debitAccount)}, ${entry.debitAccount} → ${entry.creditAccount} (${entry.purpose} ${entry.object}),\n` +
      `entry ${entry.number} of the ledger, in segment ${head.head.segment}, sealed ${new Date(Number(head.head.sealedAtMs)).toISOString()}.\n`,
  );
  return 0;
}

process.exitCode = main(process.argv.slice(2));
