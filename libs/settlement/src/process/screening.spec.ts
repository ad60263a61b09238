import { describe, expect, it } from 'vitest';
import type { Recommendation } from '../settlement.ts';
import {
  approved,
  arrive,
  assessed,
  balance,
  CLEARING_A,
  CLEARING_B,
  depositOf,
  empty,
  funded,
  given,
  lastOf,
  mined,
  paying,
  screened,
  settlementOf,
  submitted,
  WALLET_A,
} from '../spec/given.fixture.ts';
import type { World } from '../spec/world.fixture.ts';

const MONEY = funded('a', 'clearing', 10_000n);
const REQUEST = submitted('centralized', 1_000n);
const says =
  (by: 'risk' | 'aml', recommendation: Recommendation) =>
  (world: World): void =>
    world.screen('settlement', lastOf(world), by, recommendation);
const reviewed =
  (decision: 'approve' | 'reject', reviewer = 'compliance') =>
  (world: World): string | undefined =>
    world.tell({
      type: 'review',
      review: { settlementId: lastOf(world), decision, reason: 'looked at', reviewer },
    });

describe('screening', () => {
  it('waits for both verdicts', () => {
    given(MONEY, REQUEST).when(says('aml', 'approve')).then('s-1 aml_assessed');
    given(MONEY, REQUEST).when(says('risk', 'reject')).then('s-1 risk_assessed');
  });

  it('approved by both, it is paid at once', () => {
    const world = given(MONEY, REQUEST, says('aml', 'approve'))
      .when(says('risk', 'approve'))
      .then('s-1 risk_assessed', 's-1 settlement_approved', 's-1 liquidity_reserved', 's-1 settlement_settled');
    expect(balance(world, CLEARING_A)).toEqual({ available: 9_000n });
    expect(balance(world, CLEARING_B)).toEqual({ available: 1_000n });
    expect(world.book.timers.size).toBe(0);
  });

  it.each([
    ['reject', 'approve'],
    ['approve', 'reject'],
    ['manual_review', 'reject'],
    ['reject', 'manual_review'],
  ] as const)('risk %s, AML %s: rejected', (risk, aml) => {
    const world = given(MONEY, REQUEST)
      .when(assessed(risk, aml))
      .then('s-1 risk_assessed', 's-1 aml_assessed', 's-1 settlement_rejected');
    expect(balance(world, CLEARING_A)).toEqual({ available: 10_000n });
    expect(world.book.timers.size).toBe(0);
  });

  it.each([
    ['manual_review', 'approve'],
    ['approve', 'manual_review'],
    ['manual_review', 'manual_review'],
  ] as const)('risk %s, AML %s: a person decides', (risk, aml) => {
    given(MONEY, REQUEST)
      .when(assessed(risk, aml))
      .then('s-1 risk_assessed', 's-1 aml_assessed', 's-1 review_required');
  });

  it('a verdict that comes again, contradicts itself or comes too late changes nothing', () => {
    given(MONEY, REQUEST, says('risk', 'approve')).when(says('risk', 'reject')).then();
    given(MONEY, REQUEST, assessed('reject', 'approve')).when(says('risk', 'approve')).then();
    given(MONEY, REQUEST, approved).when(says('aml', 'reject')).then();
    given(MONEY, REQUEST, assessed('manual_review', 'approve')).when(says('risk', 'approve')).then();
  });

  it('a verdict on what nobody asked for changes nothing', () => {
    const assessment = { recommendation: 'approve', rulesVersion: '1', reason: '' } as const;
    given().when({ type: 'verdict', subject: 'settlement', id: 'x', by: 'risk', assessment }).then();
  });
});

describe('under review', () => {
  const UNDER_REVIEW = [MONEY, REQUEST, assessed('manual_review', 'approve')];

  it('approved: paid', () => {
    const world = given(...UNDER_REVIEW)
      .when(reviewed('approve'))
      .then('s-1 settlement_approved', 's-1 liquidity_reserved', 's-1 settlement_settled');
    expect(settlementOf(world).transitions.find(({ status }) => status === 'approved')?.reason).toBe('looked at');
  });

  it('rejected: over', () => {
    const world = given(...UNDER_REVIEW)
      .when(reviewed('reject'))
      .then('s-1 settlement_rejected');
    expect(world.book.timers.size).toBe(0);
  });

  it('is not for whoever submitted it', () => {
    given(...UNDER_REVIEW)
      .when(reviewed('approve', 'k'))
      .refused('OWN_REQUEST');
  });

  it('is over once it is decided', () => {
    given(...UNDER_REVIEW, reviewed('reject'))
      .when(reviewed('approve'))
      .refused('NOT_UNDER_REVIEW');
    given(MONEY, REQUEST).when(reviewed('approve')).refused('NOT_UNDER_REVIEW');
    const review = { settlementId: 's-9', decision: 'approve', reason: '', reviewer: 'c' } as const;
    given().when({ type: 'review', review }).refused('UNKNOWN_SETTLEMENT');
  });
});

describe('a deposit', () => {
  const arrived = (world: World) => arrive(world, 'a', 'wallet', 20_000n);
  const judged =
    (...recommendations: readonly [Recommendation, Recommendation]) =>
    (world: World): void => {
      const { outpoint } = depositOf(world).terms;
      world.screen('deposit', outpoint, 'risk', recommendations[0]);
      world.screen('deposit', outpoint, 'aml', recommendations[1]);
    };
  const reviewedDeposit =
    (decision: 'approve' | 'reject') =>
    (world: World): string | undefined => {
      const review = { outpoint: depositOf(world).terms.outpoint, decision, reason: 'looked at', reviewer: 'c' };
      return world.tell({ type: 'review_deposit', review });
    };

  it('may have been judged before it was heard of: a restored store hears everything again, in any order', () => {
    const outpoint = (world: World): string => `${[...world.chain.known.values()].at(-1)!.txid}:0`;
    const unheard = (world: World): void => {
      const place = world.place('w-a', 'a', 'wallet');
      world.announce(place, false);
      world.chain.accept(world.pay([world.chain.root()], [{ script: place.script, valueSats: 20_000n }]));
    };
    const early = (world: World): void => {
      const assessment = { recommendation: 'approve', rulesVersion: '1', reason: '' } as const;
      for (const by of ['risk', 'aml', 'risk'] as const)
        world.tell({ type: 'verdict', subject: 'deposit', id: outpoint(world), by, assessment });
    };
    const world = given(unheard).when(early, mined(3));
    expect(balance(world.world, WALLET_A)).toEqual({ available: 20_000n });
  });

  it('approved before it is final, is credited when it is', () => {
    const world = given(arrived, judged('approve', 'approve'), mined(2))
      .when(mined(1))
      .then('tip block_connected', 'deposit deposit_credited');
    expect(balance(world, WALLET_A)).toEqual({ available: 20_000n });
  });

  it('final before it is approved, is credited when it is', () => {
    const world = given(arrived, mined(5))
      .when(judged('approve', 'approve'))
      .then('deposit deposit_risk_assessed', 'deposit deposit_aml_assessed', 'deposit deposit_credited');
    expect(balance(world, WALLET_A)).toEqual({ available: 20_000n });
  });

  it.each(['reject', 'manual_review'] as const)('%s by one is enough: held', (recommendation) => {
    const world = given(arrived, mined(3))
      .when(judged(recommendation, 'approve'))
      .then('deposit deposit_risk_assessed', 'deposit deposit_held', 'deposit deposit_aml_assessed');
    expect(balance(world, WALLET_A)).toEqual({ held: 20_000n });
  });

  it('that waits for the last of its blocks when a reorg takes one away is credited with the next', () => {
    // Deep enough when nobody had judged it; when everybody has, the tip is just lower.
    const world = given(arrived, mined(3), (it: World) => it.reorg(1, () => true), judged('approve', 'approve'))
      .when(empty(1))
      .then('tip block_connected', 'deposit deposit_credited');
    expect(balance(world, WALLET_A)).toEqual({ available: 20_000n });
  });

  it('held, is credited or stays held as a person decides, once', () => {
    const held = [arrived, mined(3), judged('manual_review', 'approve')];
    const world = given(...held)
      .when(reviewedDeposit('approve'))
      .then('deposit deposit_reviewed', 'deposit deposit_credited');
    expect(balance(world, WALLET_A)).toEqual({ available: 20_000n });
    given(...held)
      .when(reviewedDeposit('reject'))
      .then('deposit deposit_reviewed');
    given(...held, reviewedDeposit('approve'))
      .when(reviewedDeposit('reject'))
      .refused('NOT_HELD');
    given(arrived).when(reviewedDeposit('approve')).refused('NOT_HELD');
    const review = { outpoint: 'x:0', decision: 'approve', reason: '', reviewer: 'c' } as const;
    given().when({ type: 'review_deposit', review }).refused('UNKNOWN_DEPOSIT');
  });

  it('decided by a person, is what he said after a reorg as well', () => {
    const world = given(arrived, mined(3), judged('reject', 'approve'), reviewedDeposit('approve')).when(
      (it: World) => it.reorg(3, () => true),
      mined(3),
    ).world;
    expect(depositOf(world).status).toBe('credited');
    expect(balance(world, WALLET_A)).toEqual({ available: 20_000n });
  });

  it('judged twice, keeps the first verdict', () => {
    given(arrived, judged('approve', 'approve')).when(judged('reject', 'reject')).then();
  });
});

describe('an address whose notice is late', () => {
  const early = (world: World): void => {
    const place = world.place('w-a', 'a', 'wallet');
    world.announce(place, true);
    world.chain.accept(world.pay([world.chain.root()], [{ script: place.script, valueSats: 20_000n }]));
    world.poll(false);
  };
  const notice = (world: World): void =>
    void world.tell({ type: 'address_issued', address: world.notices.splice(0)[0]! });
  const toldTwice = (world: World): void => {
    const address = world.notices.splice(0)[0]!;
    world.tell({ type: 'address_issued', address });
    world.tell({ type: 'address_issued', address });
  };

  it('finds its deposit in suspense, and gives it to its owner', () => {
    const world = given(early).when(notice).then('deposit deposit_attributed');
    expect(balance(world, WALLET_A)).toEqual({ incoming: 20_000n });
  });

  it('finds one that is final and screened: credited', () => {
    const world = given(early, mined(3), (it: World) => screened(it, depositOf(it).terms.outpoint))
      .when(toldTwice)
      .then('deposit deposit_attributed', 'deposit deposit_credited');
    expect(balance(world, WALLET_A)).toEqual({ available: 20_000n });
  });

  it('finds one that a reorg has taken out of its block', () => {
    const world = given(early, mined(1), (it: World) => it.reorg(1, () => true))
      .when(notice)
      .then('deposit deposit_attributed');
    expect(balance(world, WALLET_A)).toEqual({ incoming: 20_000n });
  });

  it('finds one that is gone: it is its owner’s when it is back', () => {
    const away = (world: World): void => {
      world.chain.loseMempool();
      world.poll(true);
    };
    const back = (world: World): void => {
      for (const tx of world.chain.known.values()) world.chain.accept(tx);
      world.poll(false);
    };
    const world = given(early, away)
      .when(notice, back)
      .then('deposit deposit_attributed', 'deposit deposit_seen_again');
    expect(balance(world, WALLET_A)).toEqual({ incoming: 20_000n });
  });

  it('of a script of change changes nothing', () => {
    const change = (world: World): void => {
      const place = world.place('w-a', 'a', 'change');
      world.announce(place, true);
      world.chain.accept(world.pay([world.chain.root()], [{ script: place.script, valueSats: 20_000n }]));
      world.poll(false);
    };
    expect(depositOf(given(change).when(notice).then()).beneficiary).toEqual({
      kind: 'suspense',
      reason: 'change_address',
    });
  });
});

it('nothing is paid twice for a verdict that comes when it is under way', () => {
  given(funded('a', 'wallet', 90_000n), submitted('bilateral', 1_000n), ...paying)
    .when(says('risk', 'approve'))
    .then();
});
