import { expect, it } from 'vitest';
import { COMMITMENT_BYTES, headCommitment, isLater } from './head-commitment.ts';

const hash = 'ab'.repeat(32);

it('is frozen: what stands in the chain is read by it for ever', () => {
  const bytes = headCommitment({ epoch: 2, segment: 0x01020304, hash });
  expect(bytes.toString('hex')).toBe(`464e4c48010000000201020304${hash}`);
  expect([bytes.length, COMMITMENT_BYTES]).toEqual([45, 45]);
});

it('is of a head: anything else is a bug', () => {
  expect(() => headCommitment({ epoch: 1, segment: 1, hash: 'ab' })).toThrow('is no hash');
  expect(() => headCommitment({ epoch: 1, segment: 2 ** 32, hash })).toThrow();
});

it('knows which head is later', () => {
  const at = (epoch: number, segment: number) => ({ epoch, segment, hash });
  expect([isLater(at(1, 2), at(1, 1)), isLater(at(1, 1), at(1, 1)), isLater(at(1, 1), at(1, 2))]).toEqual([
    true,
    false,
    false,
  ]);
  expect([isLater(at(2, 1), at(1, 9)), isLater(at(1, 9), at(2, 1))]).toEqual([true, false]);
});
