import { sats } from '@finality/kernel';
import { availableAccount, creditBalance, networkFeesAccount } from '@finality/ledger';
import { describe, expect, it } from 'vitest';
import { offered, planOf } from '../lineage.ts';
import {
  approved,
  balance,
  CLEARING_A,
  funded,
  given,
  givenUnder,
  lineageOf,
  mined,
  paying,
  settlementOf,
  submitted,
  WALLET_A,
  WALLET_B,
} from '../spec/given.fixture.ts';
import { checkWorld } from '../spec/invariants.fixture.ts';
import { POLICY } from '../spec/memory-book.fixture.ts';
import type { World } from '../spec/world.fixture.ts';

const MONEY = funded('a', 'wallet', 90_000n);
const paidBy = (bearer: 'payer' | 'payee' | 'shared', amountSats = 20_000n) =>
  submitted('bilateral', amountSats, 'a', 'b', bearer);
/** P2WPKH to P2TR with change, 153 virtual bytes, at 2 sat/vB. */
const FEE = 306n;
const bumped = (world: World): void => {
  expect(world.bump('s-1', 10_000n)).toBeUndefined();
  world.assign(planOf(lineageOf(world, 's-1'))!, false);
  world.sign('s-1');
  world.broadcast('s-1');
};
const purposes = (world: World): readonly (readonly [string, bigint])[] =>
  world.book.ledger.changes().transfers.flatMap(({ purpose, object, amount }) => {
    return object === 's-1' ? [[purpose, amount] as const] : [];
  });

describe('who bears the fee', () => {
  it.each([
    ['payer', 0n],
    ['payee', FEE],
    ['shared', FEE / 2n],
  ] as const)('the %s: the payee gets the amount less %d sat', (bearer, part) => {
    const world = given(MONEY, paidBy(bearer), ...paying).when(mined(3)).world;
    expect(settlementOf(world)).toMatchObject({
      status: 'settled',
      payout: { feeSats: FEE, quoteSats: FEE, payeeFeeSats: part },
    });
    expect(balance(world, WALLET_B)).toEqual({ available: 20_000n - part });
    expect(balance(world, WALLET_A)).toEqual({ available: 70_000n - FEE + part });
    const { outputs } = offered(lineageOf(world)).versions[0]!;
    expect(outputs[0]!.valueSats).toBe(20_000n - part);
  });

  it('is told apart in the ledger', () => {
    const world = given(MONEY, paidBy('shared'), ...paying).when(mined(1)).world;
    expect(purposes(world)).toEqual(
      expect.arrayContaining([
        ['fee', FEE / 2n],
        ['payee_fee', FEE / 2n],
        ['payout', 20_000n - FEE / 2n],
      ]),
    );
  });

  it('the payee, of all that a wallet has: nothing is left, and nothing more is needed', () => {
    const world = given(
      funded('a', 'wallet', 30_000n),
      funded('a', 'wallet', 60_000n),
      paidBy('payee', 90_000n),
      ...paying,
    ).when(mined(3)).world;
    const { inputs, feeSats, payouts } = offered(lineageOf(world)).versions[0]!;
    expect(inputs.length).toBe(2);
    expect(payouts[0]).toMatchObject({ amountSats: 90_000n - feeSats, payeeFeeSats: feeSats });
    expect([balance(world, WALLET_A), balance(world, WALLET_B)]).toEqual([{}, { available: 90_000n - feeSats }]);
  });

  it('of an amount that its fee eats up, nobody: it waits', () => {
    given(MONEY, paidBy('payee', 600n))
      .when(approved)
      .then('s-1 risk_assessed', 's-1 aml_assessed', 's-1 settlement_approved', 's-1 liquidity_awaited');
  });
});

describe('what is too little for change', () => {
  it('is the payer’s, and told apart', () => {
    const world = given(funded('a', 'wallet', 20_100n), paidBy('payee'), ...paying).when(mined(3)).world;
    expect(purposes(world)).toContainEqual(['dropped_change', 100n]);
    expect(balance(world, WALLET_A)).toEqual({});
  });
});

describe('what a dearer version costs more', () => {
  const TWO = [MONEY, paidBy('payee'), ...paying, bumped];

  it('is the payer’s: the payee gets what it was quoted', () => {
    const world = given(...TWO).when(mined(3)).world;
    const [, second] = offered(lineageOf(world)).versions;
    expect(second!.feeSats).toBeGreaterThan(FEE);
    expect(balance(world, WALLET_B)).toEqual({ available: 20_000n - FEE });
    expect(balance(world, WALLET_A)).toEqual({ available: 70_000n + FEE - second!.feeSats });
    expect(purposes(world)).toEqual(
      expect.arrayContaining([
        ['fee', second!.feeSats - FEE],
        ['payee_fee', FEE],
      ]),
    );
  });

  it('or the platform’s, where that is agreed: paid on the payer’s clearing balance once settled', () => {
    const world = givenUnder({ ...POLICY, bumpBearer: 'platform' }, ...TWO).when(mined(3)).world;
    const bump = offered(lineageOf(world)).versions[1]!.feeSats - FEE;
    expect(balance(world, CLEARING_A)).toEqual({ available: bump });
    expect(creditBalance(world.book.ledger.account(networkFeesAccount()))).toBe(-bump);
    expect(balance(world, WALLET_A)).toEqual({ available: 70_000n - bump });
  });

  it('the platform takes back when a reorg reopens the settlement; whoever has spent it is frozen', () => {
    const world = givenUnder({ ...POLICY, bumpBearer: 'platform' }, ...TWO, mined(3)).when().world;
    world.submit('centralized', 'a', 'b', balance(world, CLEARING_A).available!);
    approved(world);
    world.reorg(4, () => true);
    checkWorld(world);
    expect(settlementOf(world, 's-1').status).toBe('reopened');
    expect(world.book.institutions.get('a').status).toBe('frozen');
    expect(world.book.institutions.get('b').status).toBe('active');
    expect(creditBalance(world.book.ledger.account(availableAccount(CLEARING_A)))).toBeLessThan(0n);
    mined(4)(world);
    checkWorld(world);
    expect(settlementOf(world, 's-1').status).toBe('settled');
    expect(balance(world, CLEARING_A)).toEqual({});
  });
});

describe('several payouts in one transaction', () => {
  it('are quoted anew with each that joins, until it is offered', () => {
    const policy = { ...POLICY, batch: { ...POLICY.batch, waitMs: 1_000 } };
    const plan = (world: World) => planOf(lineageOf(world, 's-1'))!.payouts;
    const world = givenUnder(policy, MONEY, paidBy('payee'), approved).when().world;
    const [alone] = plan(world);
    expect(alone).toMatchObject({ amountSats: 20_000n - FEE, payeeFeeSats: FEE });
    world.submit('bilateral', 'a', 'b', sats(30_000n), 'payer');
    approved(world);
    const [first, second] = plan(world);
    expect(first!.payeeFeeSats).toBeLessThan(FEE);
    expect(first!.amountSats + first!.payeeFeeSats).toBe(20_000n);
    expect(second).toMatchObject({ amountSats: 30_000n, payeeFeeSats: 0n });
    world.assign(planOf(lineageOf(world, 's-1'))!, false);
    checkWorld(world);
    expect(settlementOf(world, 's-1')).toMatchObject({ payout: { payeeFeeSats: first!.payeeFeeSats } });
  });
});
