import { createHash, generateKeyPairSync, hash, sign } from 'node:crypto';
import type { Instant } from '@finality/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { availableAccount, ccpAccount, clearingClaim } from '../chart.ts';
import { transferId } from '../transfer.ts';
import { parseUnit } from '../unit.ts';
import { chainAfter, chainEntries, encodeFields, entryFields, entryHash, GENESIS, type LedgerEntry } from './entry.ts';
import { headBytes, headHash, isSignedBy, type LedgerHead, NO_HEAD } from './head.ts';
import { inclusionPath, merkleRoot, rootOfPath } from './merkle.ts';
import { type InclusionProof, problemOf } from './proof.ts';

const USD = parseUnit('USD')!;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const entry: LedgerEntry = {
  number: 2n ** 53n + 1n,
  position: 77n,
  id: transferId({ purpose: 'pay', object: 's1', life: 1 }),
  kind: 'single',
  debit: availableAccount({ kind: 'clearing', institutionId: 'bank-a' }),
  credit: ccpAccount(),
  amount: 2n ** 63n - 1n,
  purpose: 'pay',
  object: 's1',
  life: 1,
  settlementId: 's1',
  recordedAt: 1_770_000_000_001 as Instant,
};

const head: LedgerHead = {
  epoch: 1,
  segment: 1,
  previous: NO_HEAD,
  firstEntry: 1n,
  lastEntry: 8n,
  root: '11'.repeat(32),
  chain: '22'.repeat(32),
  position: 77n,
  eventHash: '33'.repeat(32),
  sealedAt: 1_770_000_000_002 as Instant,
};

describe('what is hashed', () => {
  // Frozen: a change here is another format, and breaks every proof there is.
  it('of an entry, of the chain, of a head', () => {
    expect(hex(entryHash(entry))).toBe('89e429ae5b70f48330dda0d92eb9b3be9e1cfb3a09115e2abd81a73308223e61');
    expect(hex(chainAfter(GENESIS, entryHash(entry)))).toBe(
      'd805c7072c12a401826b66014f93b7370356ee66fc84a74f4f0e0c482ef5ba0e',
    );
    expect(hex(headHash(head))).toBe('5485c26be8590cda22cd4e87a41690b44280c346d59de9f1f49337d7ddf10988');
  });

  it('covers what an entry is in, with its accounts', () => {
    const dollars = { ...entry, debit: availableAccount(clearingClaim('bank-a', USD)), credit: ccpAccount(USD) };
    expect(entryFields(dollars).slice(5, 7)).toEqual(['clearing/bank-a/USD/available', 'ccp/USD']);
    expect(hex(entryHash(dollars))).not.toBe(hex(entryHash(entry)));
  });

  it('is what the description says, byte by byte', () => {
    const fields = ['finality.ledger-entry.v1', `${entry.number}`, '77', entry.id, 'single', entry.debit, entry.credit];
    fields.push(`${entry.amount}`, '', '', 'pay', 's1', '1', 's1', '1770000000001');
    const expected = createHash('sha256').update(Buffer.of(0));
    for (const field of fields) {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(Buffer.byteLength(field));
      expected.update(length).update(field);
    }
    expect(hex(entryHash(entry))).toBe(expected.digest('hex'));
  });

  it('changes with every field of an entry and of a head', () => {
    const others: Partial<Record<keyof LedgerEntry, unknown>> = {
      ...{ number: 1n, position: 1n, id: 'x', kind: 'correction', debit: 'x', credit: 'x', amount: 1n, purpose: 'x' },
      ...{ object: 'x', life: 2, settlementId: undefined, recordedAt: 1, pendingId: 'x', corrects: 'x' },
    };
    const hashes = Object.entries(others).map(([name, value]) => hex(entryHash({ ...entry, [name]: value })));
    expect(new Set([...hashes, hex(entryHash(entry))]).size).toBe(hashes.length + 1);
    expect(entryFields(entry)).toHaveLength(hashes.length + 1);
    const names = Object.keys(head) as (keyof LedgerHead)[];
    const heads = names.map((name) => hex(headHash({ ...head, [name]: '9' })));
    expect(new Set([...heads, hex(headHash(head))]).size).toBe(names.length + 1);
  });

  it('is the same for a batch at once as for one after the other', () => {
    const transfers = Array.from({ length: 5 }, (_, i) => ({ ...entry, id: transferId({ ...entry, life: i + 1 }) }));
    const tail = { number: 41n, chain: hash('sha256', 'before', 'buffer') };
    const hashes = transfers.map((transfer, i) => entryHash({ ...transfer, number: 42n + BigInt(i) }));
    expect(chainEntries(tail, transfers, entry)).toEqual({
      hashes: Buffer.concat(hashes),
      tail: { number: 46n, chain: hashes.reduce(chainAfter, tail.chain) },
    });
    expect(chainEntries(tail, [], entry)).toEqual({ hashes: Buffer.alloc(0), tail });
  });

  it('never reads two lists of fields as one', () => {
    expect(encodeFields(['ab', 'c'], Buffer.alloc(0))).not.toEqual(encodeFields(['a', 'bc'], Buffer.alloc(0)));
  });
});

describe('the Merkle tree', () => {
  /** Inputs and roots of the reference implementation of Certificate Transparency, whose tree RFC 9162 describes. */
  const inputs = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
  const roots = [
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ];
  const leavesOf = (words: readonly string[]): Buffer[] =>
    words.map((word) => hash('sha256', Buffer.concat([Buffer.of(0), Buffer.from(word, 'hex')]), 'buffer'));

  it.each(roots.map((root, i) => [i + 1, root] as const))('of %i leaves', (size, root) => {
    expect(hex(merkleRoot(leavesOf(inputs.slice(0, size))))).toBe(root);
  });

  const tree = fc
    .integer({ min: 1, max: 70 })
    .chain((size) => fc.record({ size: fc.constant(size), index: fc.integer({ min: 0, max: size - 1 }) }));

  it('has a path from each leaf to the root, and to nothing else', () => {
    fc.assert(
      fc.property(tree, fc.nat(), ({ size, index }, at) => {
        const leaves = leavesOf(Array.from({ length: size }, (_, i) => i.toString(16).padStart(4, '0')));
        const [root, path] = [merkleRoot(leaves), inclusionPath(leaves, index)];
        expect(path.length).toBeLessThanOrEqual(Math.ceil(Math.log2(size)));
        expect(rootOfPath(leaves[index]!, index, size, path)).toEqual(root);
        const other = at % size;
        if (other !== index) {
          expect(rootOfPath(leaves[other]!, index, size, path)).not.toEqual(root);
          expect(rootOfPath(leaves[index]!, other, size, path)).not.toEqual(root);
        }
        expect(rootOfPath(leaves[index]!, index, size, [...path, root])).toBeUndefined();
        expect(rootOfPath(leaves[index]!, size, size, path)).toBeUndefined();
        if (path.length > 0) expect(rootOfPath(leaves[index]!, index, size, path.slice(1))).toBeUndefined();
      }),
      { numRuns: 300 },
    );
  });
});

describe('a proof', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const key = hex(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32));
  const entries = Array.from({ length: 5 }, (_, i): LedgerEntry => ({ ...entry, number: BigInt(i + 11) }));
  const leaves = entries.map(entryHash);
  const sealed = { ...head, firstEntry: 11n, lastEntry: 15n, root: hex(merkleRoot(leaves)) };
  const signed = { ...sealed, signature: hex(sign(undefined, headBytes(sealed), privateKey)), publicKey: key };
  const proof: InclusionProof = { entry: entries[3]!, path: inclusionPath(leaves, 3).map(hex), head: signed };

  it('holds for what it was made for', () => expect(problemOf(proof, key)).toBeUndefined());

  it.each([
    ['another amount', { ...proof, entry: { ...proof.entry, amount: 1n } }, 'path_leads_elsewhere'],
    ['another place', { ...proof, entry: entries[4]! }, 'path_leads_elsewhere'],
    ['an entry outside', { ...proof, entry: { ...proof.entry, number: 16n } }, 'entry_outside_segment'],
    ['a head nobody signed', { ...proof, head: { ...signed, position: 78n } }, 'signature_invalid'],
    ['a signature that is none', { ...proof, head: { ...signed, signature: '00' } }, 'signature_invalid'],
    [
      'a key that isn’t the ledger’s',
      { ...proof, head: { ...signed, publicKey: '44'.repeat(32) } },
      'signature_invalid',
    ],
  ])('doesn’t hold for %s', (_what, changed, problem) => expect(problemOf(changed, key)).toBe(problem));

  it('needs a key that is one', () => expect(isSignedBy({ ...signed, publicKey: 'no' }, 'no')).toBe(false));
});
