import type { OutpointKey, ScriptHex } from '@finality/bitcoin';
import { sats } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import { type Coin, CoinBook, isSpendable, mergeSources, SOURCES_MAX } from './coin.ts';

const coin: Coin = {
  outpoint: 'aa:0' as OutpointKey,
  walletId: 'w',
  custodial: true,
  valueSats: sats(1_000n),
  script: '0014' as ScriptHex,
  branch: 0,
  index: 0,
  height: 100,
  life: 1,
  spends: 0,
  released: true,
  formerClaims: [],
  sources: [],
};

describe('a coin can be spent', () => {
  it('from the depth on that a deposit needs', () => {
    expect([100, 101, 102, 103].map((tip) => isSpendable(coin, tip, 3))).toEqual([false, false, true, true]);
  });

  it.each([
    ['in no block', { height: undefined }],
    ['not released', { released: false }],
    ['spent', { spentBy: 'bb' }],
    ['claimed', { claimedBy: 's-1' }],
  ])('not if it is %s', (_what, change) => {
    expect(isSpendable({ ...coin, ...change } as Coin, 200, 3)).toBe(false);
  });
});

describe('coins of a batch', () => {
  it('are found by what made and what spent them, and only changed ones are saved', () => {
    const spent: Coin = { ...coin, outpoint: 'aa:1' as OutpointKey, spentBy: 'bb' };
    const book = new CoinBook([coin, spent]);
    expect(book.createdBy('aa')).toHaveLength(2);
    expect(book.createdBy('a')).toEqual([]);
    expect(book.spentBy('bb')).toEqual([spent]);
    expect(book.changed()).toEqual([]);
    book.put({ ...coin, released: false });
    expect(book.changed()).toEqual([{ ...coin, released: false }]);
    expect(() => book.get('cc:0' as OutpointKey)).toThrow();
  });
});

describe('sources of coins', () => {
  const source = (script: string, depositOutpoint = 'aa:0') => ({ script, address: '', depositOutpoint });

  it('are listed once each, in one order whatever order they came in', () => {
    const merged = mergeSources([[source('b'), source('a')], [source('a')]]);
    expect(merged.map(({ script }) => script)).toEqual(['a', 'b']);
    expect(mergeSources([[source('a')], [source('b'), source('a')]])).toEqual(merged);
    expect(mergeSources([[source('a'), source('a', 'bb:0')]])).toHaveLength(2);
  });

  it('are bounded', () => {
    const many = Array.from({ length: SOURCES_MAX + 5 }, (_, i) => source(String(i)));
    expect(mergeSources([many])).toHaveLength(SOURCES_MAX);
  });
});
