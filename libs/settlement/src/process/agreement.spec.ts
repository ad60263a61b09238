import { sats } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import {
  arrive,
  balance,
  depositOf,
  empty,
  funded,
  givenUnder,
  mined,
  paying,
  reorged,
  screened,
  settlementOf,
  submitted,
  WALLET_A,
  WALLET_B,
} from '../spec/given.fixture.ts';
import { POLICY } from '../spec/memory-book.fixture.ts';
import type { World } from '../spec/world.fixture.ts';

/** From 50,000 sat on two nodes must have the block. */
const given = givenUnder.bind(undefined, { ...POLICY, agreeFromSats: sats(50_000n) });
const agreed = (world: World): void => world.agree();
const disputed = (world: World): void => world.dispute(world.chain.blocks.at(-1)!);
const arrived =
  (valueSats: bigint) =>
  (world: World): void =>
    screened(world, arrive(world, 'a', 'wallet', valueSats));

describe('a deposit from the limit on', () => {
  it('is credited once the second node has its block, not before, however deep', () => {
    const world = given(arrived(50_000n)).when(mined(9)).world;
    expect(depositOf(world).status).toBe('confirmed');
    expect(balance(world, WALLET_A)).toEqual({ incoming: 50_000n });
    agreed(world);
    expect(depositOf(world).status).toBe('credited');
    expect(balance(world, WALLET_A)).toEqual({ available: 50_000n });
  });

  it('below it isn’t asked about', () => {
    expect(depositOf(given(arrived(49_999n)).when(mined(3)).world).status).toBe('credited');
  });

  it('agreed on early still has to be deep enough', () => {
    const world = given(arrived(50_000n), mined(1)).when(agreed, empty(1)).world;
    expect(depositOf(world).status).toBe('confirmed');
    empty(1)(world);
    expect(depositOf(world).status).toBe('credited');
  });

  it('disputed again before it is deep enough, has to be agreed on again', () => {
    const world = given(arrived(50_000n), mined(1)).when(agreed, disputed, empty(4)).world;
    expect(depositOf(world).status).toBe('confirmed');
    agreed(world);
    expect(depositOf(world).status).toBe('credited');
  });

  it('in a block that is gone: what was agreed about it ends with it', () => {
    const world = given(arrived(50_000n), mined(1), agreed).when(reorged(1), mined(6)).world;
    expect(depositOf(world).status).toBe('confirmed');
    agreed(world);
    expect(depositOf(world).status).toBe('credited');
  });
});

it('a settlement from the limit on settles once the second node has its block', () => {
  const money = [funded('a', 'wallet', 49_000n), funded('a', 'wallet', 49_000n)];
  const world = given(...money, submitted('bilateral', 60_000n), ...paying).when(mined(5)).world;
  expect(settlementOf(world).status).toBe('confirming');
  agreed(world);
  expect(settlementOf(world).status).toBe('settled');
  expect(balance(world, WALLET_B)).toEqual({ available: 60_000n });
});
