import type { BlockHash, Txid } from '@finality/bitcoin';
import type { Instant } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import { type Absences, detectLoss, diffMempool, evicted, type MempoolSight, trackAbsences } from './mempool.ts';
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

const policy = { pollsMin: 3, recoveryMs: 1_000, lossSizeMin: 4 };

describe('absences', () => {
  const after = (polls: readonly (readonly string[])[]): Absences =>
    polls.reduce<Absences>((absences, absent) => trackAbsences(absences, ids(...absent)), new Map());

  it('count from the first poll on, and end when the transaction is back', () => {
    expect(after([['a'], ['a', 'b']])).toEqual(
      new Map([
        ['a', 2],
        ['b', 1],
      ]),
    );
    expect(after([['a'], [], ['a']]).get('a' as Txid)).toBe(1);
  });

  it('are evictions once they have lasted', () => {
    expect(evicted(after([['a'], ['a']]), null, at(5_000), policy)).toEqual([]);
    expect(evicted(after([['a'], ['a'], ['a', 'b']]), null, at(300), policy)).toEqual(['a']);
  });

  it('mean little until a mempool that was lost has had time to fill again', () => {
    const absences = after([['a'], ['a'], ['a']]);
    expect(evicted(absences, at(500), at(1_499), policy)).toEqual([]);
    expect(evicted(absences, at(500), at(1_500), policy)).toEqual(['a']);
  });
});

describe('the loss of a mempool', () => {
  const sight = (txids: readonly string[], uptimeMs = 5_000, tip = 't'): MempoolSight => {
    return { tip: tip as BlockHash, txids: new Set(ids(...txids)), uptimeMs };
  };
  const full = ['a', 'b', 'c', 'd'];

  it('is seen when the node was started again and something is missing', () => {
    expect(detectLoss(sight(full, 9_000), sight(['d'], 8_999, 'u'), 1, policy)).toBe('restarted');
    expect(detectLoss(sight(full, 9_000), sight(full, 1), 0, policy)).toBeUndefined();
    expect(detectLoss(undefined, sight(full, 999), 1, policy)).toBe('restarted');
    expect(detectLoss(undefined, sight(full, 1_000), 1, policy)).toBeUndefined();
  });

  it('is seen when most of it goes at once and no block has come', () => {
    expect(detectLoss(sight(['a']), sight([]), 0, policy)).toBe('emptied');
    expect(detectLoss(sight(full), sight(['d', 'e']), 0, policy)).toBe('emptied');
    expect(detectLoss(undefined, sight([]), 1, policy)).toBe('emptied');
  });

  it('isn’t what blocks, replacements in a small mempool and single evictions look like', () => {
    expect(detectLoss(sight(full), sight([], 5_000, 'u'), 0, policy)).toBeUndefined();
    expect(detectLoss(sight(['a']), sight(['b']), 1, policy)).toBeUndefined();
    expect(detectLoss(sight(full), sight(['c', 'd']), 2, policy)).toBeUndefined();
    expect(detectLoss(sight([]), sight([]), 0, policy)).toBeUndefined();
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
