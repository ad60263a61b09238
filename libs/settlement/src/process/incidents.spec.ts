import { describe, expect, it } from 'vitest';
import { stopsCrediting, stopsSigning } from '../chain-tip.ts';
import {
  approved,
  arrive,
  balance,
  depositOf,
  empty,
  funded,
  given,
  mined,
  paying,
  reorged,
  screened,
  settlementOf,
  signed,
  submitted,
  WALLET_A,
  WALLET_B,
} from '../spec/given.fixture.ts';
import type { World } from '../spec/world.fixture.ts';

const MONEY = funded('a', 'wallet', 90_000n);
const confirmed = (world: World): void => world.confirmIncidents();
const open = (world: World): readonly string[] => world.book.tip.get().incidents.map(({ kind }) => kind);
const deep = [empty(12), reorged(11)];

describe('a reorg of more blocks than are to be expected', () => {
  it('is told once, whatever comes of it; one of as many isn’t', () => {
    expect(open(given(empty(12)).when(reorged(10)).world)).toEqual([]);
    const world = given(empty(12)).when(reorged(11)).world;
    expect(open(world)).toEqual(['deep_reorg']);
    expect(world.book.tip.get().incidents[0]?.reason).toContain('a reorg takes 11 blocks, more than 10');
  });

  it('stops crediting and signing until an operator has confirmed it', () => {
    const world = given(...deep).when().world;
    const outpoint = arrive(world, 'a', 'wallet', 50_000n);
    screened(world, outpoint);
    mined(6)(world);
    expect(depositOf(world).status).toBe('confirmed');
    expect([stopsCrediting(world.book.tip.get()), stopsSigning(world.book.tip.get())]).toEqual([true, true]);
    confirmed(world);
    expect([stopsCrediting(world.book.tip.get()), stopsSigning(world.book.tip.get())]).toEqual([false, false]);
    empty(1)(world);
    expect(depositOf(world).status).toBe('credited');
    expect(balance(world, WALLET_A)).toEqual({ available: 50_000n });
  });

  it('holds up a screening that comes meanwhile, and nothing is lost', () => {
    const world = given(...deep).when().world;
    const outpoint = arrive(world, 'a', 'wallet', 50_000n);
    mined(6)(world);
    screened(world, outpoint);
    expect(depositOf(world).status).toBe('confirmed');
    confirmed(world);
    empty(1)(world);
    expect(depositOf(world).status).toBe('credited');
  });

  it('lets nothing become final: settlements settle with the next block after it is confirmed', () => {
    const history = [MONEY, submitted('bilateral', 20_000n), ...paying, mined(11), reorged(11), mined(8)];
    const world = given(...history).when().world;
    expect(settlementOf(world).status).toBe('reopened');
    confirmed(world);
    mined(1)(world);
    expect(settlementOf(world).status).toBe('settled');
    expect(balance(world, WALLET_B)).toEqual({ available: 20_000n });
  });

  it('confirmed again, or told again, is no news', () => {
    const again = (world: World): string | undefined => {
      const [incidentId] = world.book.tip.get().confirmed;
      return world.tell({
        type: 'confirm_incident',
        incidentId: incidentId!,
        reason: 'again',
        caller: { keyId: 'operator', roles: ['operator'] },
      });
    };
    given(...deep, confirmed)
      .when(again)
      .then();
  });

  it('that never was can’t be confirmed', () => {
    const caller = { keyId: 'operator', roles: ['operator'] } as const;
    given()
      .when({ type: 'confirm_incident', incidentId: 'deep_reorg:ab', reason: 'looked', caller })
      .refused('UNKNOWN_INCIDENT');
  });
});

describe('a transaction that isn’t ours and spends a coin of ours', () => {
  const stolen =
    (inBlock: boolean) =>
    (world: World): void => {
      const [coin] = world.book.coins.ofWallet('w-a');
      const tx = world.pay([coin!.outpoint], [{ script: world.elsewhere(), valueSats: 1_000n }]);
      if (inBlock) return world.mine(() => false, [tx]);
      world.chain.accept(tx);
      world.poll(false);
    };

  it.each([
    ['in the mempool', false],
    ['in a block', true],
  ])('%s: stops signing, and nothing else', (_where, inBlock) => {
    const world = given(MONEY).when(stolen(inBlock)).world;
    expect(open(world)).toEqual(['unknown_spend']);
    expect([stopsCrediting(world.book.tip.get()), stopsSigning(world.book.tip.get())]).toEqual([false, true]);
  });

  it('is told once, from the mempool into a block and out of it', () => {
    const world = given(MONEY, stolen(false)).when(confirmed, mined(1), reorged(1), mined(1)).world;
    expect(open(world)).toEqual([]);
  });

  it('none of it is what we have made ourselves', () => {
    const world = given(MONEY, submitted('bilateral', 20_000n), approved, signed).when(mined(3)).world;
    expect(open(world)).toEqual([]);
  });
});
