import type { Instant } from '@finality/kernel';
import { BTC, type Pledge, pledgeAccount } from '@finality/ledger';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HAIRCUT_MAX_BPS, lineInForce, requiredCollateral } from '../credit.ts';
import { expectCovered, pledge, pledgedOf, setTerms } from '../spec/credit.fixture.ts';
import { approved, balance, CLEARING_A, funded, given, settlementOf, submitted } from '../spec/given.fixture.ts';
import type { World } from '../spec/world.fixture.ts';

type Step = (world: World) => unknown;

const post =
  (amountSats: bigint, kind?: Pledge): Step =>
  (world) =>
    pledge(world, 'post_pledge', 'a', amountSats, kind);
const release =
  (amountSats: bigint, kind?: Pledge): Step =>
  (world) =>
    pledge(world, 'release_pledge', 'a', amountSats, kind);
const BOTH = { by: 'operator', confirmedBy: 'operator-2' };

const line =
  (creditLineSats: bigint, expiresInMs?: number): Step =>
  (world) => {
    const expiresAt = expiresInMs === undefined ? {} : { expiresAt: (world.book.now + expiresInMs) as Instant };
    const request = { institutionId: 'a', creditLineSats, ...expiresAt, reason: 'reviewed', ...BOTH };
    return world.tell({ type: 'set_credit_line', request });
  };
const secured =
  (haircutBps?: number): Step =>
  (world) =>
    setTerms(world, 'a', haircutBps);
const frozen: Step = (world) => world.tell({ type: 'freeze_institution', institutionId: 'a', reason: 'test' });

const spendable = (world: World): bigint => world.book.ledger.spendable(CLEARING_A);
const has100k = funded('a', 'clearing', 100_000n);

describe('collateral', () => {
  it('is put aside: the institution’s own, and nothing that it pays with', () => {
    const world = given(has100k).when(post(40_000n)).then('credit/a pledge_posted');
    expect(balance(world, CLEARING_A)).toEqual({ available: 60_000n });
    expect(pledgedOf(world.book, 'a')).toBe(40_000n);
    expect(spendable(world)).toBe(60_000n);
  });

  it('comes from what it has, to the satoshi, and never from what it is lent', () => {
    given(has100k, line(50_000n)).when(post(100_000n)).then('credit/a pledge_posted');
    given(has100k, line(50_000n)).when(post(100_001n)).refused('INSUFFICIENT_BALANCE');
    const drawn = [line(50_000n), submitted('centralized', 10_000n), approved];
    given(...drawn)
      .when(post(1n))
      .refused('INSUFFICIENT_BALANCE');
  });

  it('is given back where nothing is owed', () => {
    const world = given(has100k, post(40_000n)).when(release(40_000n)).then('credit/a pledge_released');
    expect(balance(world, CLEARING_A)).toEqual({ available: 100_000n });
    given(has100k, post(40_000n)).when(release(40_001n)).refused('PLEDGE_NEEDED');
  });

  it('stays as far as what is drawn depends on it', () => {
    const drawn = [has100k, post(100_000n), line(30_000n), submitted('centralized', 20_000n), approved];
    given(...drawn)
      .when(release(80_001n))
      .refused('PLEDGE_NEEDED');
    given(...drawn)
      .when(release(80_000n))
      .then('credit/a pledge_released');
    // After a fifth is taken off, it takes 25,000 to cover 20,000.
    given(...drawn, secured(2_000))
      .when(release(75_001n))
      .refused('PLEDGE_NEEDED');
    given(...drawn, secured(2_000))
      .when(release(75_000n))
      .then('credit/a pledge_released');
  });

  it('of somebody frozen stays, and may grow', () => {
    given(has100k, post(40_000n), frozen).when(release(1n)).refused('INSTITUTION_FROZEN');
    given(has100k, frozen).when(post(1n)).then('credit/a pledge_posted');
  });

  it('is nobody’s who isn’t there', () => {
    const request = {
      pledgeId: 'p',
      institutionId: 'nobody',
      pledge: 'collateral',
      unit: BTC,
      amount: 1n,
      by: 'k',
    } as const;
    for (const type of ['post_pledge', 'release_pledge'] as const)
      given().when({ type, request }).refused('UNKNOWN_INSTITUTION');
    const terms = { institutionId: 'nobody', terms: {}, reason: 'agreed', by: 'operator' };
    given().when({ type: 'set_credit_terms', request: terms }).refused('UNKNOWN_INSTITUTION');
  });
});

describe('a secured line', () => {
  it('is worth what the collateral is after the haircut, and no more than was granted', () => {
    const world = given(has100k, line(50_000n), secured(1_500)).when(post(30_001n)).world;
    // 85 % of 30,001 is 25,500.85.
    expect(spendable(world)).toBe(69_999n + 25_500n);
    expect(spendable(given(has100k, line(50_000n), secured(1_500)).when(post(90_000n)).world)).toBe(10_000n + 50_000n);
    expect(spendable(given(has100k, line(50_000n)).when(secured(0)).world)).toBe(100_000n);
  });

  it('follows what changes it: collateral, terms, the line and its end', () => {
    const history = [has100k, line(50_000n, 1_000), secured(0), post(20_000n)] as const;
    expect(spendable(given(...history).when(release(5_000n)).world)).toBe(85_000n + 15_000n);
    expect(spendable(given(...history).when(secured()).world)).toBe(80_000n + 50_000n);
    expect(spendable(given(...history).when(line(10_000n)).world)).toBe(80_000n + 10_000n);
    const later: Step = (world) => void (world.book.now = (world.book.now + 1_000) as Instant);
    const expired = given(...history).when(later, { type: 'expire_credit_line', institutionId: 'a' }).world;
    expect(spendable(expired)).toBe(80_000n);
  });

  it('that falls below what is drawn moves nothing, and lets nothing more be drawn', () => {
    const drawn = [line(30_000n), submitted('centralized', 20_000n), approved];
    const world = given(...drawn, secured(0), submitted('centralized', 1n)).when(approved).world;
    expect(settlementOf(world).status).toBe('queued');
    expect(balance(world, CLEARING_A)).toEqual({ available: -20_000n });
  });
});

describe('a contribution to the default fund', () => {
  it('stands beside collateral, and secures no line', () => {
    const world = given(has100k, line(50_000n), secured(0)).when(post(30_000n, 'default_fund')).world;
    expect(spendable(world)).toBe(70_000n);
    const { creditsPosted } = world.book.ledger.account(pledgeAccount('default_fund', 'a'));
    expect(creditsPosted).toBe(30_000n);
    given(has100k, post(30_000n, 'default_fund')).when(release(30_001n, 'default_fund')).refused('PLEDGE_NEEDED');
    given(has100k, post(30_000n, 'default_fund'))
      .when(release(30_000n, 'default_fund'))
      .then('credit/a pledge_released');
  });
});

describe('the rule', () => {
  const amount = fc.bigInt({ min: 0n, max: 21n * 10n ** 14n });
  const haircut = fc.option(fc.integer({ min: 0, max: HAIRCUT_MAX_BPS }), { nil: undefined });

  it('asks for the least collateral that covers what is drawn', () => {
    fc.assert(
      fc.property(amount, haircut, (drawn, haircutBps) => {
        const terms = haircutBps === undefined ? {} : { haircutBps };
        const required = requiredCollateral(drawn, terms);
        if (haircutBps === undefined) expect(required).toBe(drawn);
        else expect(lineInForce(drawn, terms, required)).toBe(drawn);
        if (haircutBps !== undefined && required > 0n)
          expect(lineInForce(drawn, terms, required - 1n)).toBeLessThan(drawn);
      }),
    );
  });

  it('holds after each release, whatever came before', () => {
    const action = fc.record({
      what: fc.constantFrom('post', 'release', 'owe', 'secure', 'line'),
      sats: fc.bigInt({ min: 1n, max: 60_000n }),
      bps: haircut,
    });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 15 }), (actions) => {
        given(has100k).when((world) => {
          for (const { what, sats, bps } of actions) {
            if (what === 'post') post(sats)(world);
            else if (what === 'secure') secured(bps)(world);
            else if (what === 'line') line(sats)(world);
            else if (what === 'owe') {
              submitted('centralized', sats)(world);
              approved(world);
            } else if (release(sats)(world) === undefined) expectCovered(world.book, 'a');
          }
        });
      }),
      { numRuns: 40 },
    );
  });
});
