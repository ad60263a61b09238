import type { Instant } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import { headHash, type LedgerHead, NO_HEAD } from './head.ts';
import { seal, type Seals, sealsAggregate, type SealsEvent, sign } from './seals.ts';

const NOW = 1 as Instant;
const first: LedgerHead = {
  epoch: 1,
  segment: 1,
  previous: NO_HEAD,
  firstEntry: 1n,
  lastEntry: 8n,
  root: '11'.repeat(32),
  chain: '22'.repeat(32),
  position: 5n,
  eventHash: '33'.repeat(32),
  sealedAt: NOW,
};
const second = { ...first, segment: 2, previous: headHash(first).toString('hex'), firstEntry: 9n, lastEntry: 9n };
const signature = { signature: '44'.repeat(64), publicKey: '55'.repeat(32) };
const after = (state: Seals, events: readonly SealsEvent[]): Seals => events.reduce(sealsAggregate.evolve, state);
const sealed = after(sealsAggregate.initialState, seal(sealsAggregate.initialState, first, NOW));
const signed = after(sealed, sign(sealed, { ...first, ...signature }, NOW));

describe('sealing', () => {
  it('waits for a signature before the next segment', () => {
    expect(sealed).toMatchObject({ segment: 0, unsigned: first });
    expect(seal(sealed, second, NOW)).toEqual([]);
    expect(signed).toMatchObject({ segment: 1, lastEntry: 8n, head: second.previous });
    expect(seal(signed, second, NOW)).toHaveLength(1);
  });

  it('takes each segment once, after the one before, and each signature once, of what was sealed', () => {
    expect(seal(signed, first, NOW)).toEqual([]);
    expect(seal(signed, { ...second, previous: NO_HEAD }, NOW)).toEqual([]);
    expect(seal(signed, { ...second, firstEntry: 10n }, NOW)).toEqual([]);
    expect(seal(signed, { ...second, lastEntry: 8n }, NOW)).toEqual([]);
    expect(sign(signed, { ...first, ...signature }, NOW)).toEqual([]);
    expect(sign(sealed, { ...first, root: '66'.repeat(32), ...signature }, NOW)).toEqual([]);
  });

  it('begins again with what a restored backup had sealed, in its new epoch: the signer has signed another one since', () => {
    const again = { ...first, epoch: 2, lastEntry: 6n };
    const restored = after(sealed, seal(sealed, again, NOW));
    expect(restored.unsigned).toEqual(again);
    expect(sign(restored, { ...first, ...signature }, NOW)).toEqual([]);
    expect(after(restored, sign(restored, { ...again, ...signature }, NOW))).toMatchObject({
      segment: 1,
      lastEntry: 6n,
    });
  });
});
