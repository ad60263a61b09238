import { feeRate, type OutpointKey } from '@finality/bitcoin';
import { describe, expect, it } from 'vitest';
import { inputsOf, latest, offered, planOf } from '../lineage.ts';
import { tellAll } from '../spec/actions.fixture.ts';
import {
  approved,
  assigned,
  balance,
  broadcast,
  depositTx,
  doubleSpent,
  empty,
  funded,
  given,
  lineageOf,
  mined,
  paying,
  reorged,
  settlementOf,
  signed,
  submitted,
  WALLET_A,
  WALLET_B,
} from '../spec/given.fixture.ts';
import { expectExcluded } from '../spec/invariants.fixture.ts';
import { restored } from '../spec/restore.fixture.ts';
import type { World } from '../spec/world.fixture.ts';

/** Two coins, both needed. */
const MONEY = [funded('a', 'wallet', 50_000n), funded('a', 'wallet', 40_000n)] as const;
const PAID = [...MONEY, submitted('bilateral', 80_000n), ...paying] as const;

const inputs = (world: World): readonly OutpointKey[] =>
  inputsOf(lineageOf(world, 's-1')).map(({ outpoint }) => outpoint);
/** An outsider's transaction spends one of them in a block. */
const stolen =
  (place: number) =>
  (world: World): void => {
    const tx = world.pay([inputs(world)[place]!], [{ script: world.elsewhere(), valueSats: 1_000n }]);
    world.mine(() => false, [tx]);
  };
const DEAD = [...PAID, stolen(1), empty(5)] as const;

const proposed = (world: World): string | undefined => world.proposeRelease('s-1');
const confirmed = (world: World): string | undefined => world.confirmRelease('s-1');
const released = (world: World): void => {
  world.proposeRelease('s-1');
  world.confirmRelease('s-1');
  world.coinsReleased('s-1');
  expectExcluded(world, 's-1');
};
const claims = (world: World) => inputs(world).map((outpoint) => world.book.coins.get(outpoint).claimedBy);

describe('coins of a dead lineage', () => {
  it('are free once two have said so and the signer knows, and pay again', () => {
    const world = given(...DEAD)
      .when(proposed, confirmed, (it: World) => it.coinsReleased('s-1'))
      .then('lineage/s-1 release_proposed', 'lineage/s-1 release_confirmed', 'lineage/s-1 coins_released');
    expect(claims(world)).toEqual([undefined, 's-1']);
    expectExcluded(world, 's-1');
    const again = given(...DEAD, released, submitted('bilateral', 30_000n), ...paying).when(mined(3)).world;
    expect(settlementOf(again, 's-2').status).toBe('settled');
    expect(claims(again)).toEqual(['s-2', 's-1']);
    expect(balance(again, WALLET_B)).toEqual({ available: 30_000n });
  });

  it('book nothing: nothing has moved', () => {
    const world = given(...DEAD).when(released).world;
    expect(balance(world, WALLET_A)).toEqual({ available: 90_000n });
  });

  it('stay claimed until the second person has said so', () => {
    const early = (world: World): void => world.tell({ type: 'coins_released', lineageId: 's-1' }) as undefined;
    const world = given(...DEAD, proposed)
      .when(early)
      .then();
    expect(claims(world)).toEqual(['s-1', 's-1']);
  });

  it('confirmed again: nothing; proposed by another, it is the other’s', () => {
    given(...DEAD, proposed, confirmed)
      .when(confirmed)
      .then();
    const world = given(...DEAD, proposed).when((it: World) => it.proposeRelease('s-1', 'operator-2')).world;
    expect(world.confirmRelease('s-1', 'operator-2')).toBe('SAME_PERSON');
    expect(world.confirmRelease('s-1', 'operator')).toBeUndefined();
  });

  it('whose deposit is excluded for good are released beside it', () => {
    const history = [...PAID, (it: World) => it.reorg(3, () => false), doubleSpent((it) => depositTx(it, 1)), empty(5)];
    const world = given(...history).when(released).world;
    expect(claims(world).toSorted()).toEqual(['s-1', undefined]);
  });
});

describe('are refused', () => {
  it.each([
    ['nobody has proposed it', DEAD, confirmed, 'NO_RELEASE_PROPOSED'],
    ['one person alone', [...DEAD, proposed], (it: World) => it.confirmRelease('s-1', 'operator'), 'SAME_PERSON'],
    [
      'a lineage that isn’t known',
      DEAD,
      (it: World) => it.tell({ type: 'release_coins', request: { lineageId: 's-9', by: 'operator', reason: 'x' } }),
      'UNKNOWN_LINEAGE',
    ],
    ['confirmed already', [...DEAD, proposed, confirmed], proposed, 'RELEASE_UNDER_WAY'],
    ['released already', [...DEAD, released], proposed, 'NOTHING_TO_RELEASE'],
    ['planned', [...MONEY, submitted('bilateral', 80_000n), approved], proposed, 'LINEAGE_NOT_OVER'],
    [
      'offered, and not signed',
      [...MONEY, submitted('bilateral', 80_000n), approved, assigned],
      proposed,
      'LINEAGE_NOT_OVER',
    ],
    ['excluded, not yet for good', [...PAID, stolen(1), empty(4)], proposed, 'LINEAGE_NOT_OVER'],
    ['evicted everywhere', [...PAID, (it: World) => it.chain.loseMempool(), empty(20)], proposed, 'LINEAGE_NOT_OVER'],
    ['settled: its coins are spent', [...PAID, mined(6)], proposed, 'NOTHING_TO_RELEASE'],
    ['a reorg has come near what excludes it', [...DEAD, reorged(1)], proposed, 'VERSION_CAN_CONFIRM'],
    [
      'a reorg has taken what excludes it',
      [...DEAD, (it: World) => it.reorg(6, () => false)],
      proposed,
      'VERSION_CAN_CONFIRM',
    ],
    [
      'a reorg has come between both persons',
      [...DEAD, proposed, (it: World) => it.reorg(6, () => false)],
      confirmed,
      'VERSION_CAN_CONFIRM',
    ],
    ['after a reorg deeper than any', [...DEAD, empty(12), reorged(11)], proposed, 'INCIDENT_OPEN'],
  ] as const)('%s', (_why, history, step, reason) => {
    given(...history)
      .when(step)
      .refused(reason);
  });
});

describe('coins that only a losing version has', () => {
  /** Its change doesn't do for the fee that is asked for. */
  const LOST = [
    funded('a', 'wallet', 50_000n),
    funded('a', 'wallet', 40_000n),
    submitted('bilateral', 49_000n),
    ...paying,
    (it: World) => it.bump('s-1', 12_000n),
    (it: World) => it.assign(planOf(lineageOf(it, 's-1'))!, false),
    (it: World) => it.sign('s-1'),
    (it: World) => it.mine(() => false, [it.chain.known.get(offered(lineageOf(it, 's-1')).versions[0]!.txid)!]),
  ];

  it('are free once the winner is final, and not before', () => {
    const world = given(...LOST, empty(4)).when().world;
    expect(claims(world)).toEqual(['s-1', 's-1']);
    given(...LOST, empty(4))
      .when(proposed)
      .refused('LINEAGE_NOT_OVER');
    const after = given(...LOST, empty(5)).when(released).world;
    expect(claims(after)).toEqual(['s-1', undefined]);
    expect(latest(offered(lineageOf(after, 's-1'))).inputs).toHaveLength(2);
  });

  it('that revives after a reorg past finality: a person is told, and who spends the coin by then has lost it', () => {
    const spentAgain = [...LOST, empty(5), released, submitted('bilateral', 30_000n), approved, signed, broadcast];
    const revived = (world: World): void => {
      world.reorg(6, () => false);
      world.mine(() => false, [world.chain.known.get(offered(lineageOf(world, 's-1')).versions[1]!.txid)!]);
    };
    const world = given(...spentAgain, revived).when(tellAll, mined(6)).world;
    expect(world.book.tip.get().incidents.map(({ kind }) => kind)).toContain('released_coin_spent');
    expect(lineageOf(world, 's-2').status).toBe('dead');
    expect(settlementOf(world, 's-2').status).toBe('failed');
  });

  it('are released in a store, too, that is restored from a copy of before', () => {
    const world = given(...LOST, empty(5)).when().world;
    const told = world.told.length;
    released(world);
    world.submit('bilateral', 'a', 'b', 30_000n);
    for (const step of [...paying, mined(1)]) step(world);
    const book = restored(world, told);
    const coin = world.book.coins.get(inputs(world)[1]!);
    expect(book.coins.get(coin.outpoint)).toEqual(coin);
    expect(coin).toMatchObject({ claimedBy: 's-2', formerClaims: ['s-1'] });
    expect(offered(book.lineages.get('s-1')).released).toEqual([coin.outpoint]);
  });

  it('gets no further version: its coins may be another’s', () => {
    const world = given(...LOST, empty(5), released, (it: World) => it.reorg(6, () => false)).when().world;
    expect(world.bump('s-1', BigInt(feeRate(30_000n)))).toBe('NOT_WAITING');
  });
});
