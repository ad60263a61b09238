import { describe, expect, it } from 'vitest';
import { changeOf, offered, planOf } from '../lineage.ts';
import {
  approved,
  balance,
  empty,
  funded,
  given,
  lineageOf,
  mined,
  paying,
  settlementOf,
  submitted,
  WALLET_A,
  WALLET_B,
} from '../spec/given.fixture.ts';
import { checkAtRest } from '../spec/at-rest.fixture.ts';
import { checkWorld } from '../spec/invariants.fixture.ts';
import type { World } from '../spec/world.fixture.ts';

const MONEY = funded('a', 'wallet', 90_000n);
/** One payout waits for its first confirmation, another for its change. */
const WAITING = [
  MONEY,
  submitted('bilateral', 20_000n),
  ...paying,
  submitted('bilateral', 30_000n, 'a', 'c'),
  approved,
] as const;

const bumped = (world: World): string | undefined => world.bump('s-1', 8_000n);
/** What is planned has its addresses, its signature, and is with the nodes. */
const offeredNow =
  (lineageId: string) =>
  (world: World): void => {
    world.assign(planOf(lineageOf(world, lineageId))!, false);
    world.sign(lineageId);
    world.broadcast(lineageId);
  };
const versions = (world: World, lineageId = 's-1') => offered(lineageOf(world, lineageId)).versions;
/** That version is mined, whatever the nodes think. */
const versionMined =
  (version: number) =>
  (world: World): void =>
    world.mine(() => false, [world.chain.known.get(versions(world)[version - 1]!.txid)!]);
const cancelled =
  (settlementId: string) =>
  (world: World): string | undefined => {
    const told = world.told.length;
    world.withdraw(settlementId, 'cancel');
    return world.told[told]!.refused;
  };

const JOINED = [...WAITING, bumped, offeredNow('s-1')] as const;

describe('a payout that waits for coins', () => {
  it('joins the next version of a transaction that has them', () => {
    const world = given(...WAITING)
      .when(bumped, offeredNow('s-1'))
      .then(
        'lineage/s-1 version_planned',
        'lineage/s-1 version_offered',
        's-1 payout_replaced',
        's-2 liquidity_reserved',
        's-2 payout_offered',
        'lineage/s-1 version_signed',
        'lineage/s-1 version_broadcast',
      );
    const [first, second] = versions(world);
    expect(second!.payouts.map(({ settlementId }) => settlementId)).toEqual(['s-1', 's-2']);
    expect(second!.inputs).toEqual(first!.inputs);
    mined(6)(world);
    checkWorld(world);
    checkAtRest(world);
    expect(['s-1', 's-2'].map((id) => settlementOf(world, id).status)).toEqual(['settled', 'settled']);
    expect(balance(world, WALLET_A)).toEqual({ available: 40_000n - second!.feeSats });
    const [coin] = world.book.coins.ofWallet('w-a').filter(({ spentBy }) => spentBy === undefined);
    expect([coin!.outpoint, coin!.claimedBy]).toEqual([changeOf(second!)!.outpoint, undefined]);
  });

  it('waits on when it was cancelled meanwhile, and the others are bumped without it', () => {
    const world = given(...WAITING, bumped, cancelled('s-2')).when(offeredNow('s-1')).world;
    expect(planOf(lineageOf(world, 's-1'))?.payouts.map(({ settlementId }) => settlementId)).toEqual(['s-1']);
    offeredNow('s-1')(world);
    checkWorld(world);
    expect(versions(world)[1]!.payouts.map(({ settlementId }) => settlementId)).toEqual(['s-1']);
  });

  it.each([
    ['of another mode', submitted('blockchain', 30_000n, 'a', 'c')],
    ['of more than there is', submitted('bilateral', 69_000n, 'a', 'c')],
  ])('%s doesn’t join', (_what, other) => {
    const world = given(MONEY, submitted('bilateral', 20_000n), ...paying, other, approved).when(bumped).world;
    expect(planOf(lineageOf(world, 's-1'))?.payouts).toHaveLength(1);
  });

  it('doesn’t join where a version without it would have no change worth spending', () => {
    const poor = [funded('a', 'wallet', 30_000n), submitted('bilateral', 20_500n), ...paying];
    const other = [submitted('bilateral', 1_000n, 'a', 'c'), approved];
    const world = given(...poor, ...other).when(bumped).world;
    expect(settlementOf(world, 's-2').status).toBe('queued');
    expect(planOf(lineageOf(world, 's-1'))?.payouts).toHaveLength(1);
  });
});

describe('a payout that the final version leaves over', () => {
  const LEFT_OVER = [...JOINED, versionMined(1), empty(5)] as const;

  it('is paid from the change of that version, which nobody else has had', () => {
    const world = given(...JOINED).when(versionMined(1), empty(4)).world;
    const change = changeOf(versions(world)[0]!)!.outpoint;
    expect(world.book.coins.get(change).claimedBy).toBe('s-1');
    expect(settlementOf(world, 's-2').status).toBe('executing');
    empty(1)(world);
    expect(lineageOf(world, 's-1').status).toBe('final');
    expect(planOf(lineageOf(world, 's-2'))).toMatchObject({ anchor: change, payouts: [{ settlementId: 's-2' }] });
    expect(world.book.coins.get(change).claimedBy).toBe('s-2');
    offeredNow('s-2')(world);
    mined(6)(world);
    checkWorld(world);
    checkAtRest(world);
    expect(settlementOf(world, 's-2')).toMatchObject({
      status: 'settled',
      payout: { lineageId: 's-2', formerLineages: ['s-1'] },
    });
    const fees = versions(world)[0]!.feeSats + versions(world, 's-2')[0]!.feeSats;
    expect(balance(world, WALLET_A)).toEqual({ available: 40_000n - fees });
    expect(balance(world, WALLET_B)).toEqual({ available: 20_000n });
  });

  it('goes to the address that it had', () => {
    const world = given(...LEFT_OVER).when(offeredNow('s-2')).world;
    const outputTo = (version: ReturnType<typeof versions>[number]) =>
      version.outputs.find((output) => output.role === 'payee' && output.settlementId === 's-2')?.destination;
    expect(outputTo(versions(world, 's-2')[0]!)).toEqual(outputTo(versions(world)[1]!));
  });

  it('can be cancelled at once while it has no transaction, and its coins are free', () => {
    const world = given(...LEFT_OVER)
      .when(cancelled('s-2'))
      .then('lineage/s-2 lineage_abandoned', 's-2 settlement_cancelled');
    expect(balance(world, WALLET_A)).toEqual({ available: 70_000n - versions(world)[0]!.feeSats });
    expect(world.book.coins.get(changeOf(versions(world)[0]!)!.outpoint).claimedBy).toBeUndefined();
  });

  it('is paid by the version that had it after all, when a reorg takes back what was final', () => {
    const world = given(...LEFT_OVER, offeredNow('s-2'), mined(1)).when(
      (w) => w.reorg(7, () => false),
      versionMined(2),
    ).world;
    expect(settlementOf(world, 's-2')).toMatchObject({ status: 'confirming', payout: { lineageId: 's-1' } });
    empty(5)(world);
    checkWorld(world);
    checkAtRest(world);
    expect(settlementOf(world, 's-2')).toMatchObject({ status: 'settled', payout: { lineageId: 's-1' } });
    expect(lineageOf(world, 's-2').status).toBe('dead');
  });

  it('that was cancelled while it was in no version ends with the version that wins', () => {
    const world = given(...JOINED, cancelled('s-2'), offeredNow('s-1')).when(versionMined(1), empty(5)).world;
    expect(settlementOf(world, 's-2').status).toBe('cancelled');
    expect(balance(world, WALLET_A)).toEqual({ available: 70_000n - versions(world)[0]!.feeSats });
  });
});
