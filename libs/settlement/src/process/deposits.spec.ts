import { describe, expect, it } from 'vitest';
import {
  arrive,
  balance,
  CLEARING_A,
  depositOf,
  depositTx,
  doubleSpent,
  empty,
  funded,
  given,
  mined,
  reorged,
  screened,
  submitted,
  approved,
  WALLET_A,
} from '../spec/given.fixture.ts';
import type { World } from '../spec/world.fixture.ts';

const arrived = (world: World) => arrive(world, 'a', 'wallet', 20_000n);
const judged = (world: World): void => screened(world, depositOf(world).terms.outpoint);
const evicted = (world: World): void => {
  world.chain.loseMempool();
  world.poll(true);
};
const back = (world: World): void => {
  world.chain.accept(depositTx(world));
  world.poll(false);
};
const replaced = doubleSpent(depositTx);

describe('money that arrives', () => {
  it('in the mempool is on its way in', () => {
    const world = given().when(arrived).then('deposit deposit_detected');
    expect(balance(world, WALLET_A)).toEqual({ incoming: 20_000n });
  });

  it('in a block nobody had seen is the same, and in the block', () => {
    const unseen = (world: World): void => {
      const place = world.place('w-a', 'a', 'wallet');
      world.announce(place, false);
      world.mine(() => false, [world.pay([world.chain.root()], [{ script: place.script, valueSats: 20_000n }])]);
    };
    const world = given()
      .when(unseen)
      .then('deposit deposit_detected', 'deposit deposit_confirmed', 'tip block_connected');
    expect(balance(world, WALLET_A)).toEqual({ incoming: 20_000n });
  });

  it('on an address of clearing is clearing money', () => {
    const world = given().when(funded('a', 'clearing', 20_000n)).world;
    expect(balance(world, CLEARING_A)).toEqual({ available: 20_000n });
    expect(balance(world, WALLET_A)).toEqual({});
  });

  it('seen twice is booked once', () => {
    given(arrived)
      .when((world: World) => world.poll(true))
      .then();
  });

  it('in two outputs of one transaction is two deposits', () => {
    const twice = (world: World): void => {
      const place = world.place('w-a', 'a', 'wallet');
      world.announce(place, false);
      const output = { script: place.script, valueSats: 20_000n };
      world.chain.accept(world.pay([world.chain.root()], [output, output]));
      world.poll(false);
    };
    const world = given().when(twice).then('deposit deposit_detected', 'deposit deposit_detected');
    expect(balance(world, WALLET_A)).toEqual({ incoming: 40_000n });
  });
});

describe('money of nobody', () => {
  const paid =
    (purpose: 'wallet' | 'change', valueSats: bigint, announced = true, coinbase = false) =>
    (world: World): void => {
      const place = world.place('w-a', 'a', purpose);
      if (announced) world.announce(place, false);
      const tx = world.pay(coinbase ? [] : [world.chain.root()], [{ script: place.script, valueSats }], coinbase);
      world.mine(() => false, [tx]);
    };

  it.each([
    ['unissued_address', paid('wallet', 20_000n, false)],
    ['change_address', paid('change', 20_000n)],
    ['dust', paid('wallet', 293n)],
    ['coinbase', paid('wallet', 20_000n, true, true)],
  ] as const)('%s: in suspense for good, and no coin to spend', (reason, step) => {
    const world = given(step, (it: World) => judged(it), mined(6), submitted('bilateral', 1_000n)).when(approved).world;
    expect(depositOf(world)).toMatchObject({ status: 'confirmed', beneficiary: { kind: 'suspense', reason } });
    expect(balance(world, WALLET_A)).toEqual({});
    expect(world.book.coins.ofWallet('w-a')).toMatchObject([{ released: false }]);
  });

  it('an output of nothing is nothing', () => {
    const world = given().when(paid('wallet', 0n)).then('tip block_connected');
    expect(world.book.coins.ofWallet('w-a')).toEqual([]);
  });
});

describe('detected', () => {
  it('evicted: gone, and back when it is seen again', () => {
    const world = given(arrived).when(evicted).then('deposit deposit_gone');
    expect(balance(world, WALLET_A)).toEqual({});
    const again = given(arrived, evicted).when(back).then('deposit deposit_seen_again');
    expect(balance(again, WALLET_A)).toEqual({ incoming: 20_000n });
  });

  it('replaced by a transaction that pays the same address: one of them counts', () => {
    const bumped = (world: World): void => {
      const before = depositTx(world);
      world.chain.accept(world.pay(before.spends, [{ script: before.outputs[0]!.script, valueSats: 19_000n }]));
      world.poll(true);
    };
    const world = given(arrived).when(bumped).then('deposit deposit_detected', 'deposit deposit_gone');
    expect(balance(world, WALLET_A)).toEqual({ incoming: 19_000n });
  });

  it('replaced in a block: gone at once, reversed when that is final', () => {
    const world = given(arrived).when(replaced).then('deposit deposit_gone', 'tip block_connected');
    expect(balance(world, WALLET_A)).toEqual({});
    given(arrived, replaced, empty(4)).when(empty(1)).then('tip block_connected', 'deposit deposit_reversed');
  });

  it('replaced in a block that a reorg takes back: not reversed', () => {
    const history = [arrived, replaced, empty(3), (world: World) => world.reorg(4, () => false)];
    expect(depositOf(given(...history).when(empty(9)).world).status).toBe('gone');
    const world = given(...history, back, (it: World) => judged(it)).when(mined(3)).world;
    expect(depositOf(world).status).toBe('credited');
  });

  it('reversed, and there all the same after a reorg past finality: as new', () => {
    const world = given(arrived, judged, replaced, empty(6), (it: World) => it.reorg(7, () => false)).when(
      back,
      mined(3),
    ).world;
    expect(depositOf(world)).toMatchObject({ status: 'credited', episode: 2, decisions: 1 });
    expect(balance(world, WALLET_A)).toEqual({ available: 20_000n });
  });
});

describe('credited', () => {
  const CREDITED = [arrived, judged, mined(3)];

  it.each([1, 3])('stays so when a reorg of %i takes blocks above it', (depth) => {
    const world = given(...CREDITED, mined(3)).when(reorged(depth)).world;
    expect(depositOf(world).status).toBe('credited');
    expect(balance(world, WALLET_A)).toEqual({ available: 20_000n });
  });

  it('is on its way in again when its block is gone, and credited again when it is final again', () => {
    const world = given(...CREDITED)
      .when(reorged(3))
      .then(
        'tip block_disconnected',
        'tip block_disconnected',
        'deposit deposit_unconfirmed',
        'tip block_disconnected',
      );
    expect(balance(world, WALLET_A)).toEqual({ incoming: 20_000n });
    const again = given(...CREDITED, reorged(3)).when(mined(3)).world;
    expect(balance(again, WALLET_A)).toEqual({ available: 20_000n });
    expect(depositOf(again)).toMatchObject({ life: 2, decisions: 2, episode: 1 });
  });

  it('double-spent in a reorg, is taken back', () => {
    const world = given(...CREDITED, reorged(3)).when(replaced, empty(5)).world;
    expect(depositOf(world).status).toBe('reversed');
    expect(balance(world, WALLET_A)).toEqual({});
    expect(world.book.institutions.get('a').status).toBe('active');
  });

  it('spent, and taken back by a reorg: overdrawn, and frozen', () => {
    const spent = [funded('a', 'clearing', 20_000n), submitted('centralized', 15_000n), approved];
    const world = given(...spent).when(reorged(3)).world;
    expect(balance(world, CLEARING_A)).toEqual({ available: -15_000n, incoming: 20_000n });
    expect(world.book.institutions.get('a')).toMatchObject({ status: 'frozen' });
    const again = given(...spent, reorged(3)).when(mined(3)).world;
    expect(balance(again, CLEARING_A)).toEqual({ available: 5_000n });
  });

  it('told again by a rescan, is what it is', () => {
    const known = (world: World): void => {
      const { outputs } = depositTx(world);
      const late = world.place('w-b', 'b', 'wallet', false);
      world.announce(late, false);
      expect(outputs).toHaveLength(1);
      world.rescan();
    };
    given(...CREDITED)
      .when(known)
      .then();
  });

  it('in a transaction of which a rescan finds another output: only that is new', () => {
    const split = (world: World): void => {
      const [first, second] = [world.place('w-a', 'a', 'wallet'), world.place('w-b', 'b', 'wallet', false)];
      for (const place of [first, second]) world.announce(place, false);
      const outputs = [first, second].map(({ script }) => ({ script, valueSats: 20_000n }));
      world.mine(() => false, [world.pay([world.chain.root()], outputs)]);
    };
    const world = given(split, judged, mined(3))
      .when((it: World) => it.rescan())
      .then('deposit deposit_detected', 'deposit deposit_confirmed');
    expect(balance(world, WALLET_A)).toEqual({ available: 20_000n });
    expect(world.book.coins.ofWallet('w-b')).toHaveLength(1);
  });
});

describe('held', () => {
  it('is on its way in again when its block is gone, and held again', () => {
    const refused = (world: World): void => screened(world, depositOf(world).terms.outpoint, 'reject');
    const history = [arrived, refused, mined(3)];
    expect(balance(given(...history).when(reorged(3)).world, WALLET_A)).toEqual({ incoming: 20_000n });
    expect(balance(given(...history, reorged(3)).when(mined(3)).world, WALLET_A)).toEqual({ held: 20_000n });
  });
});
