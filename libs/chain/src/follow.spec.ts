import type { BlockHash } from '@finality/bitcoin';
import { describe, expect, it } from 'vitest';
import { planFollow } from './follow.ts';
import { HeaderChain } from './header-chain.ts';

const hash = (name: string): BlockHash => name as BlockHash;

/** `ours: 'a1 a2'` hangs a1 under the root and a2 under a1, each worth two hashes unless its name ends in `!` (ten). */
function tree(...branches: readonly string[]): HeaderChain {
  const headers = new HeaderChain({ hash: hash('root'), previousHash: hash('none'), height: 100, chainWork: 7n });
  for (const branch of branches) {
    branch.split(' ').reduce((previousHash, name) => {
      headers.connect({ hash: hash(name), previousHash: hash(previousHash), work: name.endsWith('!') ? 10n : 2n });
      return name;
    }, 'root');
  }
  return headers;
}

const plan = (headers: HeaderChain, tip: string, nodeBest: string, more: { tipInvalid?: boolean } = {}) => {
  const { disconnect, connect, waiting } = planFollow(headers, {
    tip: hash(tip),
    nodeBest: hash(nodeBest),
    connectMax: 3,
    ...more,
  });
  return { disconnect: disconnect.map((b) => b.hash), connect: connect.map((b) => b.hash), waiting };
};

describe('a tree of headers', () => {
  it('counts height and work from its root', () => {
    expect(tree('a1 a2').get(hash('a2'))).toEqual({ hash: 'a2', previousHash: 'a1', height: 102, chainWork: 11n });
  });

  it('refuses a header whose predecessor it doesn’t have', () => {
    expect(tree('a1').connect({ hash: hash('x'), previousHash: hash('y'), work: 1n })).toBeUndefined();
  });

  it('finds the fork of branches of different length', () => {
    const headers = tree('a1 a2 a3', 'a1 b2 b3 b4 b5');
    expect(headers.fork(hash('a3'), hash('b5')).hash).toBe('a1');
    expect(headers.fork(hash('a1'), hash('b5')).hash).toBe('a1');
    expect(headers.branch(hash('b5'), hash('a1')).map((block) => block.hash)).toEqual(['b5', 'b4', 'b3', 'b2']);
  });

  it('compares by work, not by length, and keeps what it has among equals', () => {
    expect(tree('a1 a2 a3', 'b1!').best().hash).toBe('b1!');
    expect(tree('a1', 'b1').best(hash('b1')).hash).toBe('b1');
    expect(tree('a1', 'b1').best(hash('a1')).hash).toBe('a1');
  });
});

describe('a step', () => {
  it('does nothing at the node’s tip', () => {
    expect(plan(tree('a1'), 'a1', 'a1')).toEqual({ disconnect: [], connect: [], waiting: undefined });
  });

  it('connects what follows, oldest first, in portions', () => {
    expect(plan(tree('a1 a2 a3 a4 a5'), 'a1', 'a5')).toEqual({
      disconnect: [],
      connect: ['a2', 'a3', 'a4'],
      waiting: undefined,
    });
  });

  it('leaves its branch for one with more work, tip first', () => {
    expect(plan(tree('a1 a2', 'b1 b2 b3'), 'a2', 'b3')).toEqual({
      disconnect: ['a2', 'a1'],
      connect: ['b1', 'b2', 'b3'],
      waiting: undefined,
    });
    expect(plan(tree('a1 a2', 'b1!'), 'a2', 'b1!').disconnect).toEqual(['a2', 'a1']);
  });

  it('stays for as much work, and with a node that has fallen behind', () => {
    expect(plan(tree('a1 a2', 'b1 b2'), 'a2', 'b2')).toEqual({ disconnect: [], connect: [], waiting: 'equal_work' });
    expect(plan(tree('a1 a2', 'b1'), 'a2', 'b1').waiting).toBe('less_work');
    expect(plan(tree('a1!', 'b1 b2 b3'), 'a1!', 'b3').waiting).toBe('less_work');
    expect(plan(tree('a1 a2'), 'a2', 'a1')).toEqual({ disconnect: [], connect: [], waiting: 'node_is_behind' });
  });

  it('leaves a branch that the node takes for invalid, whatever its work', () => {
    expect(plan(tree('a1 a2'), 'a2', 'a1', { tipInvalid: true }).disconnect).toEqual(['a2']);
    expect(plan(tree('a1 a2', 'b1'), 'a2', 'b1', { tipInvalid: true })).toEqual({
      disconnect: ['a2', 'a1'],
      connect: ['b1'],
      waiting: undefined,
    });
  });
});
