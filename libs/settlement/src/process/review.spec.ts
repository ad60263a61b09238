import type { Sats } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import { type ApprovalTier, tierOf } from '../payment-rules.ts';
import { confirmationsRequired, type Mode } from '../settlement.ts';
import {
  assessed,
  balance,
  CLEARING_A,
  funded,
  given,
  givenUnder,
  lastOf,
  settlementOf,
  submitted,
} from '../spec/given.fixture.ts';
import { POLICY } from '../spec/memory-book.fixture.ts';
import type { World } from '../spec/world.fixture.ts';

const tiers = (...pairs: readonly (readonly [bigint, number, true?])[]): readonly ApprovalTier[] =>
  pairs.map(([aboveSats, approvals, areSigned = false]) => ({ aboveSats: aboveSats as Sats, approvals, areSigned }));
const asking =
  (of: readonly ApprovalTier[], isOwn = false, institutionId = 'a') =>
  (world: World): string | undefined =>
    world.tell({
      type: 'set_approval_policy',
      request: { institutionId, tiers: of, isOwn, reason: 'because', by: 'o', ...(!isOwn && { confirmedBy: 'p' }) },
    });
const reviews =
  (reviewer: string, decision: 'approve' | 'reject' = 'approve', institutionId: string | undefined = 'a') =>
  (world: World): string | undefined =>
    world.tell({
      type: 'review',
      review: {
        settlementId: lastOf(world),
        decision,
        reason: `${reviewer} says`,
        reviewer,
        ...(institutionId && { institutionId }),
      },
    });
const complies = (decision: 'approve' | 'reject' = 'approve') => reviews('officer', decision, '');
const MONEY = funded('a', 'clearing', 100_000n);
const TWO = asking(tiers([10_000n, 2]));
const waiting = (amountSats = 20_000n, mode: Mode = 'centralized') => [
  MONEY,
  TWO,
  submitted(mode, amountSats),
  assessed('approve', 'approve'),
];
const suspicious = [MONEY, TWO, submitted('centralized', 20_000n), assessed('approve', 'manual_review')];

describe('a settlement above an amount', () => {
  it('waits for so many of the payer’s persons', () => {
    const { world } = given(...waiting()).when(reviews('ann'));
    expect(settlementOf(world)).toMatchObject({
      status: 'under_review',
      approvals: { required: 2, given: [{ by: 'ann', reason: 'ann says', at: world.book.now }] },
    });
    expect(balance(world, CLEARING_A)).toEqual({ available: 100_000n });
    given(...waiting(), reviews('ann'))
      .when(reviews('bob'))
      .then('s-1 approval_given', 's-1 settlement_approved', 's-1 liquidity_reserved', 's-1 settlement_settled');
  });

  it('up to it, needs nobody', () => {
    const { world } = given(...waiting(10_000n)).when();
    expect(settlementOf(world)).toMatchObject({ status: 'settled' });
    expect(settlementOf(world).approvals).toBeUndefined();
  });

  it('isn’t approved by who asked for it, nor by anybody of another institution', () => {
    given(...waiting())
      .when(reviews('k'))
      .refused('OWN_REQUEST');
    given(...waiting())
      .when(reviews('k', 'reject'))
      .refused('OWN_REQUEST');
    given(...waiting())
      .when(reviews('eve', 'approve', 'b'))
      .refused('NOT_THE_PAYER');
    given(...waiting())
      .when(reviews('eve', 'reject', 'b'))
      .refused('NOT_THE_PAYER');
    given(...waiting())
      .when(reviews('eve', 'approve', 'c'))
      .refused('UNKNOWN_SETTLEMENT');
  });

  it('is approved by each person once, however often it is said', () => {
    given(...waiting(), reviews('ann'))
      .when(reviews('ann'))
      .refused('ALREADY_APPROVED');
  });

  it.each([['ann'], ['bob'], ['officer']])('is rejected by one of them: %s', (who) => {
    const { world } = given(...waiting(), reviews('ann')).when(reviews(who, 'reject', who === 'officer' ? '' : 'a'));
    expect(settlementOf(world)).toMatchObject({ status: 'rejected' });
    expect(reviews('bob')(world)).toBe('NOT_UNDER_REVIEW');
    expect(world.book.timers.size).toBe(0);
  });

  it('isn’t for a compliance officer to approve', () => {
    given(...waiting())
      .when(complies())
      .refused('COMPLIANCE_NOT_AWAITED');
  });

  it('expires as any other', () => {
    const { world } = given(...waiting(), reviews('ann')).when((it) => it.withdraw(lastOf(it), 'expire'));
    expect(settlementOf(world)).toMatchObject({ status: 'expired', approvals: { given: [{ by: 'ann' }] } });
  });

  it('needs what it needed when it began', () => {
    const { world } = given(...waiting(), asking(tiers([10_000n, 5])), reviews('ann')).when(reviews('bob'));
    expect(settlementOf(world).status).toBe('settled');
    const before = given(MONEY, submitted('centralized', 20_000n), TWO).when(assessed('approve', 'approve')).world;
    expect(settlementOf(before).status).toBe('settled');
  });
});

describe('what screening leaves to a person, too', () => {
  it.each([
    ['last', [reviews('ann'), reviews('bob'), complies()]],
    ['first', [complies(), reviews('ann'), reviews('bob')]],
    ['in between', [reviews('ann'), complies(), reviews('bob')]],
  ])('needs both, with compliance %s', (_when, [first, second, third]) => {
    const { world } = given(...suspicious, first!).when(second!);
    expect(settlementOf(world).status).toBe('under_review');
    third!(world);
    expect(settlementOf(world).status).toBe('settled');
  });

  it.each([
    ['the officer', complies('reject')],
    ['one of the payer’s', reviews('bob', 'reject')],
  ])('is rejected by %s alone', (_who, rejected) => {
    const { world } = given(...suspicious, reviews('ann')).when(rejected);
    expect(settlementOf(world).status).toBe('rejected');
  });

  it('isn’t passed twice, nor approved by more than it takes', () => {
    given(...suspicious, complies())
      .when(complies())
      .refused('COMPLIANCE_NOT_AWAITED');
    given(...suspicious, reviews('ann'), reviews('bob'))
      .when(reviews('cyn'))
      .refused('APPROVALS_COMPLETE');
  });

  it('without rules of the payer’s own is for a compliance officer alone', () => {
    const alone = [MONEY, submitted('centralized', 20_000n), assessed('approve', 'manual_review')];
    given(...alone)
      .when(reviews('ann'))
      .refused('COMPLIANCE_REQUIRED');
    given(...alone)
      .when(reviews('ann', 'reject'))
      .refused('COMPLIANCE_REQUIRED');
  });

  it.each([
    ['first', [complies(), reviews('ann'), reviews('bob')]],
    ['last', [reviews('ann'), reviews('bob'), complies()]],
  ])('needs the confirmations of what was reviewed, with compliance %s', (_when, steps) => {
    const policy = { ...POLICY, confirmations: { ...POLICY.confirmations, reviewed: 2 } };
    const start = [
      funded('a', 'wallet', 100_000n),
      TWO,
      submitted('bilateral', 20_000n),
      assessed('manual_review', 'approve'),
    ];
    const { world } = givenUnder(policy, ...start).when(...steps);
    expect(settlementOf(world).status).toBe('reserved');
    expect(confirmationsRequired(settlementOf(world))).toBe(5);
  });
});

describe('approvals that are to be signed', () => {
  const signedBy =
    (reviewer: string, signatory?: string) =>
    (world: World): string | undefined => {
      const signed = signatory && { signatory, nonce: 'n', validUntil: world.book.now, signature: 'smp' };
      const review = {
        settlementId: lastOf(world),
        decision: 'approve',
        reason: '',
        reviewer,
        institutionId: 'a',
      } as const;
      return world.tell({ type: 'review', review: { ...review, ...(signed && { signed }) } });
    };
  const asked = (mode: Mode, from = 'a') => [
    funded('a', 'wallet', 100_000n),
    asking(tiers([10_000n, 2, true])),
    asking(tiers([10_000n, 2, true]), false, 'd'),
    submitted(mode, 20_000n, from),
    assessed('approve', 'approve'),
  ];

  it('count with a signature each, of different signatories', () => {
    given(...asked('bilateral'))
      .when(signedBy('ann'))
      .refused('SIGNED_APPROVAL_REQUIRED');
    given(...asked('bilateral'), signedBy('ann', '1'))
      .when(signedBy('bob', '1'))
      .refused('SIGNATORY_ALREADY_APPROVED');
    const { world } = given(...asked('bilateral'), signedBy('ann', '1')).when(signedBy('bob', '2'));
    expect(settlementOf(world)).toMatchObject({
      status: 'reserved',
      approvals: { areSigned: true, given: [{ signed: { signatory: '1' } }, { signed: { signatory: '2' } }] },
    });
  });

  it.each([
    ['centralized', 'a'],
    ['bilateral', 'd'],
  ] as const)('aren’t where the signer signs nothing: %s of %s', (mode, from) => {
    const { world } = given(...asked(mode, from)).when();
    expect(settlementOf(world).approvals).toMatchObject({ required: 2, areSigned: false });
  });
});

describe('rules on approvals', () => {
  it('ask for more above more', () => {
    const of = tiers([0n, 1], [10_000n, 2], [50_000n, 5]);
    expect([0n, 1n, 10_000n, 10_001n, 50_000n, 50_001n].map((amount) => tierOf(of, amount)?.approvals ?? 0)).toEqual([
      0, 1, 1, 2, 2, 5,
    ]);
  });

  it('that are to be signed stay so, unless an operator says otherwise', () => {
    const signed = tiers([10_000n, 2, true]);
    given(asking(signed))
      .when(asking(tiers([10_000n, 2]), true))
      .refused('APPROVALS_LOWERED');
    given(asking(tiers([10_000n, 2])))
      .when(asking(signed, true))
      .then('payment_rules/a approval_tiers_set');
  });

  const present = tiers([10_000n, 2], [50_000n, 3]);
  it.each([
    ['fewer', tiers([10_000n, 1], [50_000n, 3])],
    ['above more', tiers([10_001n, 2], [50_000n, 3])],
    ['none at the top', tiers([10_000n, 2])],
    ['none', []],
  ])('are lowered by an operator alone: %s', (_how, lower) => {
    given(asking(present)).when(asking(lower, true)).refused('APPROVALS_LOWERED');
    given(asking(present)).when(asking(lower)).then('payment_rules/a approval_tiers_set');
  });

  it.each([
    ['more', tiers([10_000n, 3])],
    ['above less', tiers([5_000n, 2], [50_000n, 3])],
    ['the same', present],
  ])('are raised by the institution itself: %s', (_how, higher) => {
    given(asking(present)).when(asking(higher, true)).then('payment_rules/a approval_tiers_set');
  });

  it('of nobody are refused', () => {
    given()
      .when(asking(present, false, 'nobody'))
      .refused('UNKNOWN_INSTITUTION');
  });
});
