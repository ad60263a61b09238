import { describe, expect, it } from 'vitest';
import type { FoundLine, Priority } from './queue.ts';
import { LiquidityQueues, rankOf } from './queue.ts';
import { approved, given, lastOf, settlementOf, submitted } from './spec/given.fixture.ts';
import type { World } from './spec/world.fixture.ts';

/** Settlements of `a`, who has nothing: s-1, s-2, … are queued in this order. */
const world = (...priorities: readonly Priority[]): World =>
  given().when((w) => {
    for (const priority of priorities) {
      w.submit('centralized', 'a', 'b', 1_000n, { priority });
      approved(w);
    }
  }).world;

const found = (ids: readonly [string, Priority][], more: boolean): LiquidityQueues => {
  const first = ids.map(([settlementId, priority]) => ({ settlementId, rank: rankOf(priority) }));
  const line: FoundLine = { line: 'clearing/a', first, more };
  return new LiquidityQueues([line]);
};

describe('a line', () => {
  it('has urgent ones first, and within a priority whoever came first', () => {
    const { queues } = world('normal', 'urgent', 'high', 'normal', 'urgent', 'high').book;
    expect(queues.of('clearing/a')).toEqual(['s-2', 's-5', 's-3', 's-6', 's-1', 's-4']);
    expect(queues.of('clearing/b')).toEqual([]);
  });

  it('has somebody before whoever needn’t be let past', () => {
    const { queues } = world('high').book;
    const before = (['urgent', 'high', 'normal'] as const).map((priority) => queues.hasBefore('clearing/a', priority));
    expect(before).toEqual([false, true, true]);
    expect(queues.hasBefore('clearing/b', 'normal')).toBe(false);
  });

  it('loses who leaves it', () => {
    const after = world('normal', 'normal');
    after.withdraw('s-1', 'cancel');
    expect(after.book.queues.of('clearing/a')).toEqual(['s-2']);
    after.withdraw('s-2', 'expire');
    expect(after.book.queues.hasBefore('clearing/a', 'normal')).toBe(false);
  });

  it('is none of who is paid on-chain', () => {
    const w = given(submitted('bilateral', 1_000n)).when(approved).world;
    expect(settlementOf(w).status).toBe('queued');
    expect(w.book.queues.of('clearing/a')).toEqual([]);
  });

  it('of which only the first were found takes in nobody who might be behind others', () => {
    const settlements = world('normal', 'high', 'urgent').book.settlements.all();
    const queues = found([['first', 'high']], true);
    for (const settlement of settlements) queues.changed(settlement);
    expect(queues.of('clearing/a')).toEqual(['s-3', 'first']);
    const before = (['urgent', 'high', 'normal'] as const).map((priority) => queues.hasBefore('clearing/a', priority));
    expect(before).toEqual([true, true, true]);
    const whole = found([['first', 'high']], false);
    for (const settlement of settlements) whole.changed(settlement);
    expect(whole.of('clearing/a')).toEqual(['s-3', 'first', 's-2', 's-1']);
  });

  it('of which only the first were found isn’t empty when they have left', () => {
    const w = world('high');
    const queues = found([['s-1', 'high']], true);
    w.withdraw(lastOf(w), 'cancel');
    queues.changed(settlementOf(w));
    expect(queues.of('clearing/a')).toEqual([]);
    const before = (['urgent', 'high', 'normal'] as const).map((priority) => queues.hasBefore('clearing/a', priority));
    expect(before).toEqual([false, true, true]);
  });
});
