import type { Txid } from '@finality/bitcoin';
import { expect, it } from 'vitest';
import { Hints } from './hints.ts';

const ids = (from: number, count: number): readonly Txid[] =>
  Array.from({ length: count }, (_, i) => `${from + i}` as Txid);

it('hands out what has arrived in its order, each once', () => {
  const hints = new Hints();
  hints.add(ids(0, 2), false);
  hints.add(ids(2, 2), false);
  expect(hints.takeArrived(3)).toEqual(['0', '1', '2']);
  expect(hints.takeArrived(3)).toEqual(['3']);
  expect(hints.takeMissed()).toBe(false);
});

it('says once that something was missed, as it is when more waits than it keeps', () => {
  const hints = new Hints();
  hints.add(ids(0, 1), true);
  expect([hints.takeMissed(), hints.takeMissed()]).toEqual([true, false]);
  hints.add(ids(0, 50_000), false);
  expect(hints.takeMissed()).toBe(true);
  expect(hints.takeArrived(1)).toEqual([]);
});
