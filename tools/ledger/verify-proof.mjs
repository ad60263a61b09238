#!/usr/bin/env node
/**
 * Checks a proof that a transfer is part of Finality's ledger, offline: this file and Node (20 or later) are all it needs. It asks nobody and believes
 * nothing but the ledger's public key, which you were given when you joined.
 *
 *   npm run call -- GetInclusionProof '{"institutionId": "bank-a", "transferId": "…"}' > proof.json
 *   node verify-proof.mjs proof.json --public-key <hex>
 *
 * And that its segment is anchored in the Bitcoin chain, by a block from a node that you trust:
 *
 *   npm run call -- ListLedgerHeads '{"fromSegment": <the proof's>}' > heads.json          names the anchors, and their blocks
 *   bitcoin-cli getblock <the anchor's block> 0 > block.hex
 *   node verify-proof.mjs proof.json --public-key <hex> --heads heads.json --block block.hex
 *
 * The formats are those of RFC 9162 (the Merkle tree) and RFC 8032 (Ed25519); what is hashed stands in the API's reference: every field of ProvenEntry and
 * of LedgerHead in its order, each as its length in bytes (unsigned 32 bit, big endian) and its UTF-8 text, after the name of the format.
 */
import { createHash, createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

const USAGE = `node verify-proof.mjs <proof.json> --public-key <hex> [--heads <heads.json> --block <block.hex>]

Exit code 0: the transfer is part of the ledger that this key has signed, and the block says so. 1: it isn't, or something is damaged. 64: the command
was wrong.
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

const publicKeyOf = (hex) =>
  createPublicKey({ key: Buffer.from(ED25519_SPKI + hex, 'hex'), format: 'der', type: 'spki' });

const isSigned = ({ head, signature }, publicKey) =>
  verify(
    undefined,
    encoded(HEAD_FORMAT, head, HEAD_FIELDS),
    publicKeyOf(publicKey),
    Buffer.from(signature ?? '', 'hex'),
  );

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
  if (!isSigned(signed, publicKey)) return 'the head of the segment isn’t signed by this key';
  return undefined;
}

/** Heads from this one on that name each other, each signed. */
function headsFrom(signed, { heads = [] }, publicKey) {
  const chain = [];
  for (let next = signed; next !== undefined && isSigned(next, publicKey);) {
    const hash = sha256(encoded(HEAD_FORMAT, next.head, HEAD_FIELDS)).toString('hex');
    chain.push({ ...next.head, hash });
    next = heads.find(({ head }) => head?.previous === hash);
  }
  return chain;
}

/** What an anchor's output is: OP_RETURN, and a push of 45 bytes. */
function scriptOf({ epoch, segment, hash }) {
  const numbers = Buffer.alloc(8);
  numbers.writeUInt32BE(epoch, 0);
  numbers.writeUInt32BE(segment, 4);
  return `6a2d${Buffer.from('FNLH').toString('hex')}01${numbers.toString('hex')}${hash}`;
}

/** The anchor of one of these heads in the block, or a text that says what is wrong with it. */
function anchorIn(hex, heads) {
  const { header, transactions } = readBlock(Buffer.from(hex.trim(), 'hex'));
  const hash = sha256(sha256(header));
  if (BigInt(`0x${reversed(hash)}`) > targetOf(header.readUInt32LE(72))) return 'the block has no proof of work';
  if (merkleRootOf(transactions.map(({ id }) => id))?.compare(header, 36, 68) !== 0)
    return 'the block’s transactions aren’t those of its header';
  for (const head of heads) {
    const anchor = transactions.find(({ scripts }) => scripts.includes(scriptOf(head)));
    if (anchor !== undefined)
      return { head, txid: reversed(anchor.id), block: reversed(hash), time: header.readUInt32LE(68) };
  }
  return 'the block says nothing of this segment, or of one after it whose heads are given';
}

const reversed = (hash) => Buffer.from(hash).reverse().toString('hex');

/** The largest hash that is proof enough, by the header's own word: whether that is the right one the chain tells. */
const targetOf = (bits) => BigInt(bits & 0x7fffff) << (8n * (BigInt(bits >>> 24) - 3n));

/** Undefined for the doubled lists of CVE-2012-2459. */
function merkleRootOf(ids) {
  let level = ids;
  while (level.length > 1) {
    const pairs = Array.from({ length: Math.ceil(level.length / 2) }, (_, i) => [level[2 * i], level[2 * i + 1]]);
    if (pairs.some(([left, right]) => right !== undefined && left.equals(right))) return undefined;
    level = pairs.map(([left, right = left]) => sha256(sha256(left, right)));
  }
  return level[0];
}

/** A serialized block: its header, and of each transaction its id (BIP141: without witness) and the scripts of its outputs, in hex. */
function readBlock(bytes) {
  let at = 0;
  const take = (length) => {
    if (at + length > bytes.length) throw new Error('the block ends too early');
    at += length;
    return bytes.subarray(at - length, at);
  };
  const number = () => {
    const first = take(1)[0];
    if (first < 0xfd) return first;
    return first === 0xfd ? take(2).readUInt16LE() : first === 0xfe ? take(4).readUInt32LE() : NaN;
  };
  const times = (count, each) => {
    if (!(count <= bytes.length)) throw new Error('the block counts more than it holds');
    return Array.from({ length: count }, each);
  };
  const transaction = () => {
    const version = take(4);
    const hasWitness = bytes[at] === 0;
    if (hasWitness) take(2);
    const body = at;
    const inputs = number();
    times(inputs, () => (take(36), take(number()), take(4)));
    const scripts = times(number(), () => (take(8), take(number()).toString('hex')));
    const end = at;
    if (hasWitness) times(inputs, () => times(number(), () => take(number())));
    return { id: sha256(sha256(version, bytes.subarray(body, end), take(4))), scripts };
  };
  const header = take(80);
  return { header, transactions: times(number(), transaction) };
}

/** Accounts of another unit than BTC name it. */
function countedBy(account) {
  const unit = /^(?:(?:clearing|collateral|default_fund)\/[^/]+|ccp|nostro|standby)\/([^/]+)(?:\/[a-z_]+)?$/.exec(
    account,
  )?.[1];
  return unit === undefined || /^(?:available|in_flight|incoming|held)$/.test(unit)
    ? 'sat'
    : `in the smallest part of ${unit}`;
}

function parsed(args) {
  const options = { 'public-key': { type: 'string' }, heads: { type: 'string' }, block: { type: 'string' } };
  try {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options });
    const isWhole = positionals.length === 1 && HASH.test(values['public-key'] ?? '');
    if (!isWhole || (values.heads === undefined) !== (values.block === undefined)) return undefined;
    return { file: positionals[0], publicKey: values['public-key'], heads: values.heads, block: values.block };
  } catch {
    return undefined;
  }
}

function main(args) {
  const asked = parsed(args);
  if (asked === undefined) {
    process.stderr.write(USAGE);
    return 64;
  }
  const { file, publicKey, heads, block } = asked;
  let problem;
  let proof;
  let anchor;
  try {
    proof = JSON.parse(readFileSync(file, 'utf8'));
    problem = problemOf(proof, publicKey);
    if (problem === undefined && block !== undefined) {
      const chain = headsFrom(proof.head, JSON.parse(readFileSync(heads, 'utf8')), publicKey);
      anchor = anchorIn(readFileSync(block, 'utf8'), chain);
      if (typeof anchor === 'string') problem = anchor;
    }
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
  if (anchor !== undefined)
    process.stdout.write(
      `Anchored with segment ${anchor.head.segment} by transaction ${anchor.txid},\n` +
        `in block ${anchor.block} of ${new Date(anchor.time * 1_000).toISOString()}: compare it with the chain of a node that you trust.\n`,
    );
  return 0;
}

process.exitCode = main(process.argv.slice(2));
