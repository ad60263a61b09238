import { expect, it } from 'vitest';
import { figure, median, percentile, table } from './figures.ts';

it('takes the middle', () => {
  expect(median([5, 1, 3])).toBe(3);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(() => median([])).toThrow('nothing');
});

it('takes percentiles by nearest rank', () => {
  const values = Array.from({ length: 100 }, (_, i) => 100 - i);
  expect(percentile(values, 0.5)).toBe(50);
  expect(percentile(values, 0.99)).toBe(99);
  expect(percentile([7], 0.99)).toBe(7);
});

it('shows each figure beside its limit', () => {
  const shown = figure('settlement.e2e', 1234.5, '/s', 9876.5, 'raw inserts');
  expect(shown).toMatchObject({ value: 1230, limit: 9880, ratio: 0.125 });
  expect(table([shown]).split('\n')[1]).toMatch(/^settlement\.e2e {2}1230 \/s {2}9880 \/s {2}0\.125 {2}raw inserts$/);
});
