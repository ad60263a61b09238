import { describe, expect, it } from 'vitest';
import { changeOf, offered, planOf } from '../lineage.ts';
import {
  balance,
  empty,
  funded,
  givenUnder,
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
import { POLICY } from '../spec/memory-book.fixture.ts';
import type { World } from '../spec/world.fixture.ts';

const IMPATIENT = { ...POLICY, bump: { ...POLICY.bump, afterBlocks: 3 } };
const CHILD = 's-1/1';

/** What is planned has its addresses, its signature, and is with the nodes, if they take it. */
const offeredNow =
  (lineageId: string) =>
  (world: World): void => {
    world.assign(planOf(lineageOf(world, lineageId))!, false);
    world.sign(lineageId);
    world.broadcast(lineageId);
  };
const versions = (world: World, lineageId = 's-1') => offered(lineageOf(world, lineageId)).versions;
/** The payee has spent what it gets so dearly that nodes take no other transaction in the place of this one. */
const pinned = (world: World): void => {
  world.chain.pin(versions(world)[0]!.txid);
};
const bumped = (world: World): string | undefined => world.bump('s-1', 4_000n);
const versionMined =
  (version: number) =>
  (world: World): void =>
    world.mine(() => false, [world.chain.known.get(versions(world)[version - 1]!.txid)!]);

/** A dearer version was signed, and no node has taken it. */
const REFUSED = [
  funded('a', 'wallet', 90_000n),
  submitted('bilateral', 20_000n),
  ...paying,
  pinned,
  bumped,
  offeredNow('s-1'),
] as const;

describe('a transaction whose payee has swept his output, so that none takes its place', () => {
  it('is paid for by one that spends its change, when it isn’t in a block in time', () => {
    const world = givenUnder(IMPATIENT, ...REFUSED).when(empty(3), offeredNow(CHILD)).world;
    const [first] = versions(world);
    const [child] = versions(world, CHILD);
    expect(child).toMatchObject({ payouts: [], inputs: [{ outpoint: changeOf(first!)!.outpoint, branch: 1 }] });
    expect(changeOf(child!)!.valueSats).toBe(changeOf(first!)!.valueSats - child!.feeSats);
    expect([...world.chain.mempool.keys()]).toEqual([first!.txid, child!.txid]);
    // A quarter more than the version that was refused (4 sat/vB), for both: 153 + 110 virtual bytes.
    expect(first!.feeSats + child!.feeSats).toBe(5n * (153n + 110n));
    const { heldSats } = (settlementOf(world) as { payout: { heldSats: bigint } }).payout;
    expect(balance(world, WALLET_A)).toEqual({
      available: 70_000n - heldSats - child!.feeSats,
      inFlight: 20_000n + heldSats + child!.feeSats,
    });
  });

  it('is settled with it, and the wallet’s owner has paid both fees', () => {
    const world = givenUnder(IMPATIENT, ...REFUSED).when(empty(3), offeredNow(CHILD), mined(6)).world;
    const fees = versions(world)[0]!.feeSats + versions(world, CHILD)[0]!.feeSats;
    expect(settlementOf(world)).toMatchObject({ status: 'settled', payout: { txid: versions(world)[0]!.txid } });
    expect(lineageOf(world, CHILD).status).toBe('final');
    expect(balance(world, WALLET_A)).toEqual({ available: 70_000n - fees });
    expect(balance(world, WALLET_B)).toEqual({ available: 20_000n });
    const coins = world.book.coins.ofWallet('w-a').filter(({ spentBy }) => spentBy === undefined);
    expect(coins.map(({ valueSats, claimedBy }) => [valueSats, claimedBy])).toEqual([[70_000n - fees, undefined]]);
    checkAtRest(world);
  });

  it('takes its child with it when another version is final: the child’s fee is free again', () => {
    const world = givenUnder(IMPATIENT, ...REFUSED).when(empty(3), offeredNow(CHILD), versionMined(2), empty(5)).world;
    expect(lineageOf(world, CHILD).status).toBe('dead');
    expect(settlementOf(world)).toMatchObject({ status: 'settled', payout: { txid: versions(world)[1]!.txid } });
    expect(balance(world, WALLET_A)).toEqual({ available: 70_000n - versions(world)[1]!.feeSats });
  });

  it('has one child, which is bumped in its place', () => {
    const later = [empty(3), offeredNow(CHILD), empty(3), offeredNow(CHILD)] as const;
    const world = givenUnder(IMPATIENT, ...REFUSED).when(...later).world;
    expect(versions(world)).toHaveLength(2);
    const [first, second] = versions(world, CHILD);
    expect(second!.feeSats).toBeGreaterThan(first!.feeSats);
    expect(second!.inputs).toEqual(first!.inputs);
    expect(world.bump('s-1', 16_000n)).toBeUndefined();
    expect(planOf(lineageOf(world, CHILD))).toMatchObject({ version: 3 });
    checkWorld(world);
  });

  it('needs no child any more when it is in a block before that was offered', () => {
    const world = givenUnder(IMPATIENT, ...REFUSED, empty(3)).when(versionMined(1), (w) =>
      w.assign(planOf(lineageOf(w, CHILD))!, false),
    ).world;
    expect(lineageOf(world, CHILD).status).toBe('abandoned');
    mined(5)(world);
    checkAtRest(world);
    expect(balance(world, WALLET_A)).toEqual({ available: 70_000n - versions(world)[0]!.feeSats });
  });

  it('costs no more than the cap with its child: then it waits', () => {
    const capped = { ...IMPATIENT, feeCapSats: 1_100n as typeof POLICY.feeCapSats };
    const world = givenUnder(capped, ...REFUSED).when(empty(4)).world;
    expect(lineageOf(world, CHILD).status).toBe('none');
    expect(settlementOf(world).status).toBe('executing');
  });
});

it('no child spends change that pays what a version leaves over', () => {
  const other = [submitted('bilateral', 30_000n, 'a', 'c')] as const;
  const approve = (world: World): void => {
    for (const by of ['risk', 'aml'] as const) world.screen('settlement', 's-2', by, 'approve');
  };
  const history = [funded('a', 'wallet', 90_000n), submitted('bilateral', 20_000n), ...paying, ...other, approve];
  const world = givenUnder(IMPATIENT, ...history, pinned, bumped, offeredNow('s-1')).when(empty(4)).world;
  expect(versions(world)[1]!.payouts).toHaveLength(2);
  expect(lineageOf(world, CHILD).status).toBe('none');
});
