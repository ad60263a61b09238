import { checkExchange, ExchangeHistory, POLICY } from '@finality/settlement/spec';
import { seededRandom, type TestDatabase, testDatabase } from '@finality/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StoreRig } from './store-rig.fixture.ts';

const STEPS = 100;
const BATCH_MAX = 12;

/** Keeps the server up from one history to the next. */
let server: TestDatabase;
beforeAll(async () => (server = await testDatabase([])));
afterAll(() => server.close());

describe('any history of money in several units, in batches of any size', () => {
  it.each([1, 2, 3])('is stored as it would be in memory (seed %i)', async (seed) => {
    const random = seededRandom(seed);
    const { book, told } = new ExchangeHistory(random, STEPS);
    checkExchange({ book });
    const rig = await StoreRig.open(POLICY);
    try {
      for (let start = 0, end; start < told.length; start = end) {
        const size = 1 + Math.floor(random() * BATCH_MAX);
        rig.runtime.advance(told[start]!.at - rig.runtime.now());
        end = start + 1;
        while (end < told.length && end - start < size && isOfBatch(told[start]!, told[end]!, start)) end++;
        const batch = told.slice(start, end);
        const outcomes = await rig.execute(batch.map(({ command }) => command));
        for (const [i, outcome] of outcomes.entries()) {
          if (outcome.kind === 'failed') throw outcome.error;
          expect(outcome.kind === 'refused' ? outcome.refusal.reason : undefined).toBe(batch[i]!.refused);
        }
      }
      await rig.compare(book);
      await rig.verify();
      await rig.rebuild();
    } finally {
      await rig.close();
    }
  });
});

type Asked = ExchangeHistory['told'][number];

/** One batch has one time; and nobody answers to what hasn't been committed. */
const isOfBatch = (first: Asked, next: Asked, start: number): boolean => first.at === next.at && next.after < start;
