import { describe, expect, it } from 'vitest';
import {
  balance,
  CLEARING_A,
  depositOf,
  doubleSpent,
  depositTx,
  empty,
  given,
  mined,
  screened,
  WALLET_A,
} from '../spec/given.fixture.ts';
import type { World } from '../spec/world.fixture.ts';

/** Paid to an address that was never issued, or to change; in a block. */
const stray =
  (walletId: string, purpose: 'wallet' | 'change' = 'wallet', valueSats = 50_000n) =>
  (world: World): void => {
    const place = world.place(walletId, walletId === 'pool' ? 'platform' : 'a', purpose);
    world.chain.accept(world.pay([world.chain.root()], [{ script: place.script, valueSats }]));
    world.mine(() => true);
  };
const minted = (world: World): void => {
  const place = world.place('w-a', 'a', 'wallet');
  world.announce(place, false);
  world.mine(() => false, [world.pay([], [{ script: place.script, valueSats: 50_000n }], true)]);
};
const approved = (world: World): void => screened(world, depositOf(world).terms.outpoint);
const outpoint = (world: World): string => depositOf(world).terms.outpoint;
const proposed =
  (institutionId = 'a', by?: string) =>
  (world: World): string | undefined =>
    world.proposeResolution(outpoint(world), institutionId, by);
const confirmed =
  (by?: string) =>
  (world: World): string | undefined =>
    world.confirmResolution(outpoint(world), by);

describe('a deposit in suspense', () => {
  it.each([
    ['of an institution’s wallet is its wallet’s', stray('w-a'), WALLET_A],
    ['on change too', stray('w-a', 'change'), WALLET_A],
    ['of the pool is anybody’s who is said to own it', stray('pool'), CLEARING_A],
    ['of next to nothing too', stray('w-a', 'wallet', 100n), WALLET_A],
  ])('%s, once two say so, and it is final and screened', (_what, history, claim) => {
    const world = given(history, proposed()).when(confirmed()).then('deposit resolution_confirmed');
    const { valueSats } = depositOf(world).terms;
    expect(balance(world, claim)).toEqual({ incoming: valueSats });
    const credited = given(history, approved, mined(2), proposed()).when(confirmed());
    credited.then('deposit resolution_confirmed', 'deposit deposit_credited');
    expect(balance(credited.world, claim)).toEqual({ available: valueSats });
    expect(depositOf(credited.world).resolution).toEqual({
      institutionId: 'a',
      proposedBy: 'operator',
      reason: 'it is theirs',
      evidence: 'case 1',
      confirmedBy: 'operator-2',
      confirmationReason: 'it is',
    });
  });

  it('is held where screening doesn’t approve', () => {
    const history = [stray('w-a'), (it: World) => screened(it, outpoint(it), 'reject'), mined(2), proposed()];
    const world = given(...history).when(confirmed()).world;
    expect(balance(world, WALLET_A)).toEqual({ held: 50_000n });
  });

  it('says which transfer it corrects', () => {
    const world = given(stray('w-a'), proposed()).when(confirmed()).world;
    const { transfers } = world.book.ledger.changes();
    const booked = transfers.find(({ purpose }) => purpose === 'deposit');
    const moved = transfers.find(({ purpose }) => purpose === 'deposit_attributed');
    expect(booked?.id).toBeDefined();
    expect(moved).toMatchObject({ kind: 'correction', corrects: booked!.id, object: outpoint(world) });
  });

  it('stays its owner’s through reorgs, until its transaction is excluded', () => {
    const history = [stray('w-a'), approved, mined(2), proposed(), confirmed()];
    expect(balance(given(...history).when((it: World) => it.reorg(3, () => true)).world, WALLET_A)).toEqual({
      incoming: 50_000n,
    });
    const gone = given(...history, (it: World) => it.reorg(3, () => false), doubleSpent(depositTx)).when(
      mined(6),
    ).world;
    expect([balance(gone, WALLET_A), depositOf(gone).status]).toEqual([{}, 'reversed']);
  });

  it('confirmed again: nothing; proposed anew before, it is the last one’s', () => {
    given(stray('w-a'), proposed(), confirmed()).when(confirmed()).then();
    const world = given(stray('pool'), proposed('b'), proposed('a', 'operator-2')).when(confirmed('operator')).world;
    expect(balance(world, CLEARING_A)).toEqual({ incoming: 50_000n });
  });

  it('newly mined waits for its maturity', () => {
    given(minted, empty(98)).when(proposed()).refused('IMMATURE');
    const world = given(minted, approved, empty(99), proposed()).when(confirmed()).world;
    expect(balance(world, WALLET_A)).toEqual({ available: 50_000n });
  });
});

describe('is refused', () => {
  const waiting = (world: World): void => world.reorg(1, () => true);
  const stolen = (world: World): void => {
    const tx = world.pay([depositOf(world).terms.outpoint], [{ script: world.elsewhere(), valueSats: 1_000n }]);
    world.mine(() => false, [tx]);
  };
  it.each([
    ['nobody has said whose it is', [stray('w-a')], confirmed(), 'NO_RESOLUTION_PROPOSED'],
    ['one person alone', [stray('w-a'), proposed()], confirmed('operator'), 'SAME_PERSON'],
    ['no deposit', [], (it: World) => it.proposeResolution('ab:0', 'a'), 'UNKNOWN_DEPOSIT'],
    ['resolved already', [stray('w-a'), proposed(), confirmed()], proposed(), 'NOT_IN_SUSPENSE'],
    ['in no block', [stray('w-a'), waiting], proposed(), 'NOT_CONFIRMED'],
    ['in no block by then', [stray('w-a'), proposed(), waiting], confirmed(), 'NOT_CONFIRMED'],
    ['spent by somebody else', [stray('w-a'), stolen], proposed(), 'COIN_SPENT'],
    ['spent by then', [stray('w-a'), proposed(), stolen], confirmed(), 'COIN_SPENT'],
    ['an institution that isn’t known', [stray('pool')], proposed('nobody'), 'UNKNOWN_INSTITUTION'],
    ['another’s wallet', [stray('w-a')], proposed('b'), 'NOT_THEIR_WALLET'],
  ] as const)('%s', (_why, history, step, reason) => {
    given(...history)
      .when(step)
      .refused(reason);
  });
});
