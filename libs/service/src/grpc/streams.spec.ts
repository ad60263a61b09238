import fc from 'fast-check';
import { expect, test } from 'vitest';
import { inBatches, inOrder } from './streams.ts';

async function* from<T>(
  items: readonly T[],
  beforeEach: (index: number) => Promise<void> = () => Promise.resolve(),
): AsyncGenerator<T> {
  for (const [index, item] of items.entries()) {
    await beforeEach(index);
    yield item;
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('batches keep every item, in order, and their size', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer()),
      fc.integer({ min: 1, max: 7 }),
      fc.boolean(),
      async (items, sizeMax, slowTaker) => {
        const taken: number[] = [];
        for await (const batch of inBatches(from(items), sizeMax)) {
          expect(batch.length).toBeGreaterThan(0);
          expect(batch.length).toBeLessThanOrEqual(sizeMax);
          taken.push(...batch);
          if (slowTaker) await turn();
        }
        expect(taken).toEqual(items);
      },
    ),
  );
});

test('what comes in while a batch is handled is the next one; a single item doesn’t wait', async () => {
  const sizes: number[] = [];
  for await (const batch of inBatches(
    from(
      Array.from({ length: 25 }, (_, i) => i),
      async (i) => (i === 1 ? turn() : undefined),
    ),
    10,
  )) {
    sizes.push(batch.length);
    await turn();
    await turn();
  }
  expect(sizes).toEqual([1, 10, 10, 4]);
});

test('the reader never gets further ahead than one batch', async () => {
  let read = 0;
  const source = from(
    Array.from({ length: 100 }, (_, i) => i),
    (i) => Promise.resolve(void (read = i)),
  );
  for await (const batch of inBatches(source, 5)) {
    await turn();
    expect(read).toBeLessThanOrEqual((batch.at(-1) ?? 0) + 7);
  }
});

test('a source that fails fails the taker after what came before', async () => {
  const source = from([1, 2, 3], (i) => (i === 2 ? Promise.reject(new Error('cut')) : Promise.resolve()));
  const taken: number[] = [];
  const taking = (async () => {
    for await (const batch of inBatches(source, 10)) taken.push(...batch);
  })();
  await expect(taking).rejects.toThrow('cut');
  expect(taken).toEqual([1, 2]);
});

test('results come in the order of the items, whichever is done first', async () => {
  let running = 0;
  let most = 0;
  const work = async (item: number): Promise<number> => {
    most = Math.max(most, ++running);
    for (let i = 0; i < 10 - item; i++) await turn();
    running -= 1;
    return item * 2;
  };
  const results: number[] = [];
  for await (const result of inOrder(from([1, 2, 3, 4, 5, 6, 7, 8, 9]), 2, work)) results.push(result);
  expect(results).toEqual([2, 4, 6, 8, 10, 12, 14, 16, 18]);
  expect(most).toBeGreaterThan(1);
  expect(most).toBeLessThanOrEqual(5);
});

test('work that fails fails the taker in its turn, and nobody else', async () => {
  const done: number[] = [];
  const work = async (item: number): Promise<number> => {
    await turn();
    if (item >= 2) throw new Error(`no ${item}`);
    return item;
  };
  const taking = (async () => {
    for await (const result of inOrder(from([1, 2, 3]), 3, work)) done.push(result);
  })();
  await expect(taking).rejects.toThrow('no 2');
  expect(done).toEqual([1]);
});
