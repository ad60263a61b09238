import { existsSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { LONG, longFirst } from './test-order.ts';

const root = path.resolve(import.meta.dirname, '..');

it('what takes long is there', () => {
  expect(LONG.filter((file) => !existsSync(path.join(root, file)))).toEqual([]);
});

it('kinds stay one after the other, and in each the long ones come first', () => {
  const [longest, long] = LONG as [string, string];
  const files = [
    { kind: 1, file: 'large.spec.ts' },
    { kind: 1, file: long },
    { kind: 0, file: 'small.spec.ts' },
    { kind: 1, file: longest },
    { kind: 1, file: 'other.spec.ts' },
  ];
  expect(longFirst(files, (each) => each).map(({ file }) => file)).toEqual([
    'small.spec.ts',
    longest,
    long,
    'large.spec.ts',
    'other.spec.ts',
  ]);
});
