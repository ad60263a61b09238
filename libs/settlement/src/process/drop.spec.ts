import { describe, expect, it } from 'vitest';
import { offered, planOf } from '../lineage.ts';
import {
  approved,
  assigned,
  balance,
  empty,
  funded,
  given,
  givenUnder,
  lineageOf,
  mined,
  paying,
  reorged,
  settlementOf,
  submitted,
  WALLET_A,
  WALLET_B,
} from '../spec/given.fixture.ts';
import { checkAtRest } from '../spec/at-rest.fixture.ts';
import { checkWorld } from '../spec/invariants.fixture.ts';
import { PAYING, POLICY } from '../spec/memory-book.fixture.ts';
import type { World } from '../spec/world.fixture.ts';

const MONEY = funded('a', 'wallet', 90_000n);
const PAID = [MONEY, submitted('bilateral', 20_000n), ...paying] as const;
/** Two payouts in one transaction. */
const TWO = [
  MONEY,
  submitted('bilateral', 20_000n),
  approved,
  submitted('bilateral', 40_000n, 'a', 'c'),
  approved,
  (world: World) => world.assign(planOf(lineageOf(world, 's-1'))!, false),
  (world: World) => world.sign('s-1'),
  (world: World) => world.broadcast('s-1'),
] as const;

const cancelled =
  (settlementId: string) =>
  (world: World): string | undefined => {
    const told = world.told.length;
    world.withdraw(settlementId, 'cancel');
    return world.told[told]!.refused;
  };
/** The next version has its addresses, its signature, and is with the nodes. */
const replaced = (world: World): void => {
  world.assign(planOf(lineageOf(world, 's-1'))!, false);
  world.sign('s-1');
  world.broadcast('s-1');
};
const versions = (world: World) => offered(lineageOf(world, 's-1')).versions;
/** That version is mined, whatever the nodes think. */
const versionMined =
  (version: number) =>
  (world: World): void =>
    world.mine(() => false, [world.chain.known.get(versions(world)[version - 1]!.txid)!]);

describe('the only payout of a transaction, cancelled', () => {
  const CANCELLED = [...PAID, cancelled('s-1'), replaced] as const;

  it('is replaced by a transaction that pays the wallet itself, from the same coins, at a higher fee', () => {
    const world = given(...PAID)
      .when(cancelled('s-1'), replaced)
      .then(
        'lineage/s-1 version_planned',
        's-1 cancellation_requested',
        'lineage/s-1 version_offered',
        'lineage/s-1 version_signed',
        'lineage/s-1 version_broadcast',
      );
    const [first, second] = versions(world);
    expect(second!.inputs).toEqual(first!.inputs);
    expect(second!.payouts).toEqual([]);
    expect(second!.outputs).toMatchObject([{ role: 'change', valueSats: 90_000n - second!.feeSats }]);
    expect(second!.feeSats).toBeGreaterThan(first!.feeSats);
    expect([...world.chain.mempool.keys()]).toEqual([second!.txid]);
    expect(settlementOf(world)).toMatchObject({ status: 'executing', cancelling: { reason: 'because' } });
    // Both may still be: the amount with the dearest fee that pays it, and the fee of the one that doesn't.
    const inFlight = 20_000n + first!.feeSats + second!.feeSats;
    expect(balance(world, WALLET_A)).toEqual({ available: 90_000n - inFlight, inFlight });
  });

  it('ends when the other transaction is final, and costs its fee', () => {
    const world = given(...CANCELLED).when(mined(5)).world;
    expect(settlementOf(world).status).toBe('executing');
    mined(1)(world);
    checkWorld(world);
    expect(settlementOf(world)).toMatchObject({ status: 'cancelled' });
    expect(balance(world, WALLET_A)).toEqual({ available: 90_000n - versions(world)[1]!.feeSats });
    expect(balance(world, WALLET_B)).toEqual({});
    expect(world.book.coins.ofWallet('w-a').filter((coin) => coin.spentBy === undefined)).toHaveLength(1);
  });

  it('is settled when the transaction that pays it is final', () => {
    const world = given(...CANCELLED).when(versionMined(1), empty(5)).world;
    expect(settlementOf(world)).toMatchObject({ status: 'settled' });
    expect(balance(world, WALLET_A)).toEqual({ available: 70_000n - versions(world)[0]!.feeSats });
    expect(balance(world, WALLET_B)).toEqual({ available: 20_000n });
  });

  it('may be paid after a reorg past its end: somebody has to look at it', () => {
    const world = given(...CANCELLED, mined(6)).when((w) => w.reorg(6, () => false), versionMined(1)).world;
    expect(settlementOf(world).status).toBe('cancelled');
    expect(world.book.institutions.get('a').status).toBe('frozen');
    empty(6)(world);
    checkWorld(world);
    world.reorg(7, () => true);
    checkWorld(world);
  });

  it('is settled, then cancelled by a reorg: reversed', () => {
    const world = given(...CANCELLED, versionMined(1), empty(2)).when(
      (w) => w.reorg(3, () => false),
      versionMined(2),
    ).world;
    expect(settlementOf(world).status).toBe('reopened');
    empty(5)(world);
    checkWorld(world);
    expect(settlementOf(world)).toMatchObject({ status: 'reversed', because: 'excluded' });
  });

  it('goes on being bumped, and paying nobody, when it waits', () => {
    const impatient = { ...POLICY, bump: { ...POLICY.bump, afterBlocks: 3 } };
    const world = givenUnder(impatient, ...CANCELLED).when(empty(3), replaced, mined(6)).world;
    expect(versions(world)[2]!.payouts).toEqual([]);
    expect(settlementOf(world).status).toBe('cancelled');
    expect(balance(world, WALLET_A)).toEqual({ available: 90_000n - versions(world)[2]!.feeSats });
  });

  it('is left out again after a reorg took it from its block before the other transaction was offered', () => {
    const history = [...PAID, cancelled('s-1'), versionMined(1), reorged(1)];
    const impatient = { ...POLICY, bump: { ...POLICY.bump, afterBlocks: 3 } };
    const world = givenUnder(impatient, ...history).when(empty(3), replaced).world;
    expect(versions(world)[1]!.payouts).toEqual([]);
  });

  it('needn’t be signed yet, nor ever be', () => {
    const refused = (world: World): void => world.refuseToSign('s-1', 'ROLLING_LIMIT');
    const history = [MONEY, submitted('bilateral', 20_000n), approved, assigned, refused];
    const world = given(...history, cancelled('s-1'), replaced).when(mined(6)).world;
    expect(settlementOf(world).status).toBe('cancelled');
  });
});

describe('one of two payouts, cancelled', () => {
  it('is left out, and the other is paid by either transaction', () => {
    const world = givenUnder(PAYING, ...TWO, cancelled('s-1'), replaced).when(mined(6)).world;
    const [, second] = versions(world);
    expect(second!.payouts).toMatchObject([{ settlementId: 's-2', feeSats: second!.feeSats }]);
    expect(settlementOf(world, 's-1').status).toBe('cancelled');
    expect(settlementOf(world, 's-2').status).toBe('settled');
    expect(balance(world, WALLET_A)).toEqual({ available: 50_000n - second!.feeSats });
    checkAtRest(world);
  });

  it('is settled with the other if their transaction is final', () => {
    const world = givenUnder(PAYING, ...TWO, cancelled('s-1'), replaced).when(versionMined(1), empty(5)).world;
    expect([settlementOf(world, 's-1').status, settlementOf(world, 's-2').status]).toEqual(['settled', 'settled']);
    expect(balance(world, WALLET_A)).toEqual({ available: 30_000n - versions(world)[0]!.feeSats });
  });

  it('may be followed by the other, while the transaction without the first is on its way', () => {
    const history = [...TWO, cancelled('s-1'), cancelled('s-2')];
    const world = givenUnder(PAYING, ...history).when(replaced, mined(6)).world;
    expect(versions(world)[1]!.payouts).toEqual([]);
    for (const id of ['s-1', 's-2']) expect(settlementOf(world, id).status).toBe('cancelled');
    expect(balance(world, WALLET_A)).toEqual({ available: 90_000n - versions(world)[1]!.feeSats });
  });
});

describe('cancelling what was offered', () => {
  it('once more changes nothing', () => {
    given(...PAID, cancelled('s-1'))
      .when(cancelled('s-1'))
      .then();
  });

  it('is refused when nodes would ask for more than the cap', () => {
    const bumped = (world: World) => world.bump('s-1', 32_000n);
    given(...PAID, bumped, replaced)
      .when(cancelled('s-1'))
      .refused('FEE_ABOVE_CAP');
  });
});
