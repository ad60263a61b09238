import type { CauseContext, Instant } from '@finality/kernel';
import { describe, expect, test } from 'vitest';
import { type QueueEntry, StoreQueue } from './queue.ts';

const cause: CauseContext = {
  actor: { kind: 'service', id: 'x' },
  occurredAt: 0 as Instant,
  correlationId: 'c',
  causationId: 'c',
};
const items = (...bodies: number[]) => bodies.map((body) => ({ body, cause }));
const bodies = (entries: readonly QueueEntry<number, string>[]): unknown[] =>
  entries.map(({ item }) => ('body' in item ? item.body : undefined));

describe('the store’s queue', () => {
  test('is first in, first out; what is put back comes first', () => {
    const queue = new StoreQueue<number, string>(10);
    void queue.add(items(1, 2, 3));
    void queue.add(items(4));
    const [one, two] = queue.take(2);
    queue.putBack([two!]);
    expect(bodies([one!])).toEqual([1]);
    expect(bodies(queue.take(10))).toEqual([2, 3, 4]);
    expect(queue.length).toBe(0);
  });

  test('answers a call when the last of its commands is settled, in their order', async () => {
    const queue = new StoreQueue<number, string>(10);
    const outcomes = queue.add(items(1, 2))!;
    const [one, two] = queue.take(2);
    two!.settle({ kind: 'skipped' });
    one!.settle({ kind: 'accepted', reply: 'r', position: 1n });
    expect(await outcomes).toEqual([{ kind: 'accepted', reply: 'r', position: 1n }, { kind: 'skipped' }]);
  });

  test('is bounded; a call larger than it gets in when it is empty', () => {
    const queue = new StoreQueue<number, string>(2);
    expect(queue.add(items(1, 2, 3))).toBeDefined();
    expect(queue.add(items(4))).toBeUndefined();
    queue.take(3);
    expect(queue.add(items(4))).toBeDefined();
  });

  test('drops what remains of a call that was rejected: it mustn’t overtake', async () => {
    const queue = new StoreQueue<number, string>(10);
    const failing = queue.add(items(1, 2, 3))!;
    void queue.add(items(4));
    queue.take(1)[0]!.fail(new Error('away'));
    await expect(failing).rejects.toThrow('away');
    expect(bodies(queue.take(10))).toEqual([4]);
  });
});
