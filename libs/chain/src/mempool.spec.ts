import type { Txid } from '@finality/bitcoin';
import type { Instant } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import { type Absences, diffMempool, evicted, trackAbsences } from './mempool.ts';
import { parentsFirst } from './parents-first.ts';

const ids = (...names: readonly string[]): readonly Txid[] => names as readonly Txid[];
const at = (ms: number): Instant => ms as Instant;
const known = (pending: readonly string[], gone: readonly string[] = [], irrelevant: readonly string[] = []) => ({
  pending: new Set(ids(...pending)),
  gone: new Set(ids(...gone)),
  isIrrelevant: (txid: Txid) => irrelevant.includes(txid),
});

describe('a poll of the mempool', () => {
  it('tells new, returned and absent ones apart', () => {
    const diff = diffMempool(ids('a', 'b', 'c', 'd'), known(['a', 'x'], ['b'], ['c']), 10);
    expect(diff).toEqual({ unexamined: ['d'], returned: ['b'], absent: ['x'], complete: true });
  });

  it('isn’t complete while more is new than a step may fetch', () => {
    expect(diffMempool(ids('a', 'b', 'c'), known([]), 2)).toMatchObject({ unexamined: ['a', 'b'], complete: false });
    expect(diffMempool(ids('a', 'b'), known([]), 2).complete).toBe(true);
  });
});

describe('absences', () => {
  const policy = { pollsMin: 3, emptiedWaitMs: 1_000 };
  const after = (polls: readonly (readonly string[])[]): Absences =>
    polls.reduce<Absences>((absences, absent, i) => trackAbsences(absences, ids(...absent), at(100 * i)), new Map());

  it('count from the first poll on, and end when the transaction is back', () => {
    expect(after([['a'], ['a', 'b']])).toEqual(
      new Map([
        ['a', { polls: 2, since: 0 }],
        ['b', { polls: 1, since: 100 }],
      ]),
    );
    expect(after([['a'], [], ['a']]).get('a' as Txid)).toEqual({ polls: 1, since: 200 });
  });

  it('are evictions once they have lasted', () => {
    expect(evicted(after([['a'], ['a']]), false, at(5_000), policy)).toEqual([]);
    expect(evicted(after([['a'], ['a'], ['a', 'b']]), false, at(300), policy)).toEqual(['a']);
  });

  it('mean little while the whole mempool is empty', () => {
    const absences = after([['a'], ['a'], ['a']]);
    expect(evicted(absences, true, at(999), policy)).toEqual([]);
    expect(evicted(absences, true, at(1_000), policy)).toEqual(['a']);
  });
});

describe('parents first', () => {
  const item = (txid: string, ...parents: readonly string[]) => ({ txid: txid as Txid, parents: ids(...parents) });
  const order = (...items: readonly ReturnType<typeof item>[]): readonly string[] =>
    parentsFirst(items).map(({ txid }) => txid);

  it('keeps the order otherwise, and looks at nothing outside the list', () => {
    expect(order(item('c', 'b', 'elsewhere'), item('x'), item('b', 'a'), item('a'))).toEqual(['a', 'b', 'c', 'x']);
    expect(order(item('a'), item('b'))).toEqual(['a', 'b']);
  });

  it('takes a common parent once', () => {
    expect(order(item('d', 'b', 'c'), item('c', 'a'), item('b', 'a'), item('a'))).toEqual(['a', 'b', 'c', 'd']);
  });
});
