import { describe, expect, it } from 'vitest';
import { offered, planOf } from '../lineage.ts';
import {
  approved,
  balance,
  funded,
  givenUnder,
  lineageOf,
  mined,
  settlementOf,
  submitted,
  WALLET_A,
  WALLET_B,
} from '../spec/given.fixture.ts';
import { PAYING } from '../spec/memory-book.fixture.ts';
import type { World } from '../spec/world.fixture.ts';

const given = givenUnder.bind(undefined, PAYING);
const MONEY = funded('a', 'wallet', 90_000n);
const one = [submitted('bilateral', 10_000n, 'a', 'b'), approved];
const another = [submitted('bilateral', 12_000n, 'a', 'c'), approved];

const planned = (world: World) => planOf(lineageOf(world, 's-1'))!;
const paid = (world: World): void => {
  world.assign(planned(world), false);
  world.sign('s-1');
  world.broadcast('s-1');
};
const withdrawn =
  (settlementId: string, how: 'cancel' | 'expire' = 'cancel') =>
  (world: World): void =>
    world.withdraw(settlementId, how);

describe('payouts of one wallet', () => {
  it('share a transaction: the second joins what is planned for the first', () => {
    const world = given(MONEY, ...one, submitted('bilateral', 12_000n, 'a', 'c'))
      .when(approved)
      .then(
        's-2 risk_assessed',
        's-2 aml_assessed',
        's-2 settlement_approved',
        'lineage/s-1 plan_changed',
        's-2 liquidity_reserved',
      );
    expect(planned(world).payouts.map(({ settlementId }) => settlementId)).toEqual(['s-1', 's-2']);
    expect(settlementOf(world)).toMatchObject({ status: 'reserved', lineageId: 's-1' });
    expect(balance(world, WALLET_A)).toEqual({ available: 58_000n, reserved: 32_000n });
  });

  it('are paid by one output each, and bear the fee together', () => {
    const world = given(MONEY, ...one, ...another).when(paid, mined(3)).world;
    const { payouts, feeSats } = offered(lineageOf(world, 's-1')).versions[0]!;
    const statuses = ['s-1', 's-2'].map((id) => settlementOf(world, id).status);
    expect(statuses).toEqual(['settled', 'settled']);
    expect(payouts.map((payout) => payout.feeSats).reduce((a, b) => (a + b) as typeof a)).toBe(feeSats);
    // The second goes to P2WPKH, the first to the larger P2TR.
    expect(payouts[0]!.feeSats).toBeGreaterThan(payouts[1]!.feeSats);
    expect(balance(world, WALLET_A)).toEqual({ available: 68_000n - feeSats });
    expect(balance(world, WALLET_B)).toEqual({ available: 10_000n });
  });

  it('take more coins, and keep the anchor', () => {
    const coins = [funded('a', 'wallet', 16_000n), funded('a', 'wallet', 40_000n)];
    const before = given(...coins, ...one).when().world;
    const world = given(...coins, ...one).when(...another).world;
    expect(planned(world).anchor).toBe(planned(before).anchor);
    expect(planned(world).inputs[0]!.outpoint).toBe(planned(world).anchor);
  });

  it('wait for others until there are enough of them, or enough is to be paid', () => {
    const { now } = given(MONEY).when().world.book;
    const offerAt = (...steps: readonly ((world: World) => unknown)[]) =>
      planned(given(MONEY, ...steps).when().world).offerAt;
    expect(offerAt(...one)).toBe(now + 1_000);
    expect(offerAt(...one, ...another)).toBe(now + 1_000);
    expect(offerAt(...one, ...another, submitted('bilateral', 1_000n), approved)).toBe(now);
    expect(offerAt(submitted('bilateral', 60_000n), approved)).toBe(now);
  });

  it('BLOCKCHAIN: never', () => {
    const world = given(MONEY, funded('a', 'wallet', 50_000n), ...one).when(
      submitted('blockchain', 10_000n),
      approved,
    ).world;
    expect(settlementOf(world)).toMatchObject({ lineageId: 's-2' });
    expect(planOf(lineageOf(world))!.offerAt).toBe(world.book.now);
  });

  it('that the coins don’t do for wait, and hold up nobody', () => {
    const world = given(funded('a', 'wallet', 30_000n), ...one).when(
      submitted('bilateral', 16_000n, 'a', 'c'),
      approved,
    ).world;
    expect(settlementOf(world).status).toBe('queued');
    expect(planned(world).payouts).toHaveLength(1);
  });
});

describe('one that is withdrawn', () => {
  it.each(['cancel', 'expire'] as const)('by %s leaves, and the others are paid', (how) => {
    const world = given(MONEY, ...one, ...another).when(withdrawn('s-1', how), paid, mined(3)).world;
    const statuses = ['s-1', 's-2'].map((id) => settlementOf(world, id).status);
    expect(statuses).toEqual([how === 'cancel' ? 'cancelled' : 'expired', 'settled']);
    expect(balance(world, WALLET_B)).toEqual({});
  });

  it('the last one takes the plan with it, and frees the coins', () => {
    const world = given(MONEY, ...one, ...another).when(withdrawn('s-2'), withdrawn('s-1')).world;
    expect(lineageOf(world, 's-1').status).toBe('abandoned');
    expect(balance(world, WALLET_A)).toEqual({ available: 90_000n });
    expect(world.book.coins.ofWallet('w-a').every(({ claimedBy }) => claimedBy === undefined)).toBe(true);
  });
});
