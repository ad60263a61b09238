import type { OutpointKey } from '@finality/bitcoin';
import type { Instant } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import { decideReleaseCoins, lineageAggregate, type LineageState, type ReleaseCoins } from './index.ts';

const COIN = `${'aa'.repeat(32)}:0` as OutpointKey;
const OTHER = `${'bb'.repeat(32)}:1` as OutpointKey;
const COMMAND: ReleaseCoins = {
  lineageId: 'l-1',
  outpoints: [COIN, OTHER, COIN],
  proposedBy: 'one',
  confirmedBy: 'two',
  reason: 'stolen from',
};

function decide(command: ReleaseCoins, state: LineageState = lineageAggregate.initialState, owner = 'l-1') {
  const facts = { now: 1 as Instant, ownerOf: (outpoint: OutpointKey) => (outpoint === OTHER ? undefined : owner) };
  const decision = decideReleaseCoins(command, state, facts);
  return decision.kind === 'refused' ? decision.refused.reason : decision.events;
}

describe('coins that a lineage keeps for nothing', () => {
  it('are released, each once, by two persons', () => {
    const { lineageId, proposedBy, confirmedBy, reason } = COMMAND;
    const released = { lineageId, outpoints: [COIN, OTHER], proposedBy, confirmedBy, reason, at: 1 };
    expect(decide(COMMAND)).toEqual([{ type: 'coins_released', ...released }]);
  });

  it('released already are no news', () => {
    const state = { ...lineageAggregate.initialState, released: [COIN, OTHER] };
    expect(decide(COMMAND, state, 'l-2')).toEqual([]);
  });

  it.each([
    ['one person', { confirmedBy: 'one' }, 'l-1', 'SAME_PERSON'],
    ['a coin of another lineage', {}, 'l-2', 'COIN_OF_OTHER_LINEAGE'],
  ])('aren’t: %s', (_why, change, owner, reason) => {
    expect(decide({ ...COMMAND, ...change }, undefined, owner)).toBe(reason);
  });
});
