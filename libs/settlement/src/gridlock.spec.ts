import { describe, expect, it } from 'vitest';
import { type QueuedPayment, resolveGridlock } from './gridlock.ts';

const pays = (from: string, to: string, amount: bigint): QueuedPayment => ({
  settlementId: `${from} ${to} ${amount}`,
  from,
  to,
  amount,
});

const settled = (lines: readonly (readonly QueuedPayment[])[], own: Readonly<Record<string, bigint>>): string[] =>
  resolveGridlock(lines, new Map(Object.entries(own))).map(({ settlementId }) => settlementId);

describe('a circle', () => {
  const CIRCLE = [[pays('a', 'b', 10n)], [pays('b', 'c', 10n)], [pays('c', 'a', 10n)]];

  it('of equal debts needs no money', () => {
    expect(settled(CIRCLE, { a: 0n, b: 0n, c: 0n })).toEqual(['a b 10', 'b c 10', 'c a 10']);
  });

  it('needs what each of them owes more than it is owed, and not a satoshi less', () => {
    const uneven = [[pays('a', 'b', 12n)], [pays('b', 'c', 10n)], [pays('c', 'a', 10n)]];
    expect(settled(uneven, { a: 2n, b: 0n, c: 0n })).toHaveLength(3);
    expect(settled(uneven, { a: 1n, b: 0n, c: 0n })).toEqual([]);
  });

  it('is no circle when somebody in it is past its limit', () => {
    expect(settled(CIRCLE, { a: 0n, b: -1n, c: 0n })).toEqual([]);
  });
});

it('leaves out what comes later in a line, whatever it needs less', () => {
  const lines = [[pays('a', 'b', 5n), pays('a', 'c', 90n), pays('a', 'b', 1n)], [pays('b', 'a', 5n)]];
  expect(settled(lines, { a: 1n, b: 0n })).toEqual(['a b 5', 'b a 5']);
});

it('pays whoever pays nothing', () => {
  expect(settled([[pays('a', 'z', 3n), pays('a', 'z', 3n)]], { a: 5n })).toEqual(['a z 3']);
});

it('of nothing is nothing', () => {
  expect(resolveGridlock([], new Map())).toEqual([]);
});

it('refuses a payer with two lines, or a line of two payers', () => {
  const own = { a: 0n, b: 0n };
  expect(() => settled([[pays('a', 'b', 1n)], [pays('a', 'b', 2n)]], own)).toThrow('one line');
  expect(() => settled([[pays('a', 'b', 1n), pays('b', 'a', 2n)]], own)).toThrow('one payer’s');
});
