import type { Instant } from '@finality/kernel';
import { expect, it } from 'vitest';
import { chainTipAggregate, type ChainTipEvent, isOnChain, RECENT_BLOCKS_MAX, tipHash } from './chain-tip.ts';

const at = 1 as Instant;
const connected = (height: number, branch = ''): ChainTipEvent => ({
  type: 'block_connected',
  at,
  block: { height, hash: `${height}${branch}` },
});
const disconnected = (height: number): ChainTipEvent => ({
  type: 'block_disconnected',
  at,
  block: { height, hash: `${height}` },
});
const fold = (...events: readonly ChainTipEvent[]) =>
  events.reduce((tip, event) => chainTipAggregate.evolve(tip, event), chainTipAggregate.initialState);

it('is empty before the first block', () => {
  expect(tipHash(fold())).toBe('');
});

it('knows the blocks of its chain, and those of another branch aren’t on it', () => {
  const tip = fold(connected(7), connected(8), connected(9), disconnected(9), disconnected(8), connected(8, 'b'));
  expect([tip.height, tipHash(tip)]).toEqual([8, '8b']);
  expect(isOnChain(tip, { height: 7, hash: '7' })).toBe(true);
  expect(isOnChain(tip, { height: 8, hash: '8b' })).toBe(true);
  expect(isOnChain(tip, { height: 8, hash: '8' })).toBe(false);
});

it('keeps a bounded number of them', () => {
  const tip = fold(...Array.from({ length: RECENT_BLOCKS_MAX + 10 }, (_, i) => connected(i + 1)));
  expect(tip.recent).toHaveLength(RECENT_BLOCKS_MAX);
  expect(tip.recent.at(-1)?.height).toBe(RECENT_BLOCKS_MAX + 10);
});

it('deeper than it keeps, its hash isn’t known, and nothing is taken to be on the chain', () => {
  const tip = fold(connected(7), disconnected(7));
  expect([tip.height, tipHash(tip)]).toEqual([6, '']);
  expect(isOnChain(tip, { height: 6, hash: '6' })).toBe(false);
});
