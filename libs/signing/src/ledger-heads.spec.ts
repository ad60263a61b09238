import { type Instant } from '@finality/kernel';
import { headHash, type LedgerHead, NO_HEAD } from '@finality/ledger';
import { describe, expect, it } from 'vitest';
import { decideLedgerHead, ledgerHeadsAggregate, type LedgerHeadsState } from './ledger-heads.ts';

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
  sealedAt: 1 as Instant,
};
const next: LedgerHead = {
  ...first,
  segment: 2,
  previous: headHash(first).toString('hex'),
  firstEntry: 9n,
  lastEntry: 9n,
  position: 6n,
};
const after = (...heads: readonly LedgerHead[]): LedgerHeadsState =>
  heads.reduce(
    (state, head) => ledgerHeadsAggregate.evolve(state, { type: 'head_accepted', head, acceptedAt: 1 as Instant }),
    ledgerHeadsAggregate.initialState,
  );

describe('the head of a segment', () => {
  it('is signed when it is the first, when it comes next, and again', () => {
    expect(decideLedgerHead(first, after())).toEqual({ ok: true, value: { repeated: false } });
    expect(decideLedgerHead(next, after(first))).toEqual({ ok: true, value: { repeated: false } });
    expect(decideLedgerHead(next, after(first, next))).toEqual({ ok: true, value: { repeated: true } });
  });

  const refused: readonly (readonly [string, LedgerHead, LedgerHeadsState, string])[] = [
    ['a second past of a segment', { ...first, root: '44'.repeat(32) }, after(first), 'HEAD_FORKS'],
    ['an earlier segment again', first, after(first, next), 'HEAD_FORKS'],
    ['a segment left out', { ...next, segment: 3 }, after(first), 'HEAD_FORKS'],
    ['another segment before it', { ...next, previous: NO_HEAD }, after(first), 'HEAD_FORKS'],
    ['entries left out', { ...next, firstEntry: 10n, lastEntry: 11n }, after(first), 'HEAD_FORKS'],
    ['entries sealed before', { ...next, firstEntry: 8n }, after(first), 'HEAD_FORKS'],
    ['a log that has become shorter', { ...next, position: 4n }, after(first), 'HEAD_FORKS'],
    ['no entries', { ...next, lastEntry: 8n }, after(first), 'HEAD_FORKS'],
    ['a beginning in the middle', next, after(), 'HEAD_FORKS'],
    ['a beginning with something before it', { ...first, previous: '55'.repeat(32) }, after(), 'HEAD_FORKS'],
    ['an epoch that has passed', { ...next, epoch: 1 }, after({ ...first, epoch: 2 }), 'EPOCH_TOO_LOW'],
  ];
  it.each(refused)('is not signed: %s', (_what, head, state, rule) => {
    expect(decideLedgerHead(head, state)).toMatchObject({ ok: false, error: { rule } });
  });

  it('may fork in a higher epoch, after a backup was restored', () => {
    const restored = { ...next, epoch: 2, root: '66'.repeat(32) };
    expect(decideLedgerHead(restored, after(first, next))).toEqual({ ok: true, value: { repeated: false } });
    expect(decideLedgerHead(next, after(first, next, restored))).toMatchObject({ error: { rule: 'EPOCH_TOO_LOW' } });
  });
});
