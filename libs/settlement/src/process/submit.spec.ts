import { describe, expect, it } from 'vitest';
import {
  balance,
  CLEARING_A,
  funded,
  given,
  lastOf,
  lineageOf,
  settlementOf,
  submitted,
  WALLET_A,
} from '../spec/given.fixture.ts';
import { confirmationsRequired } from '../settlement.ts';
import type { World } from '../spec/world.fixture.ts';

const freeze = (institutionId: string) => (world: World) =>
  world.tell({ type: 'freeze_institution', institutionId, reason: 'why not' });

/** As `submitted`, with the reason of a refusal as its answer. */
const asked =
  (mode: 'centralized' | 'bilateral', amountSats: bigint, from = 'a', to = 'b') =>
  (world: World): string | undefined => {
    const told = world.told.length;
    world.submit(mode, from, to, amountSats);
    return world.told[told]!.refused;
  };

describe('a settlement', () => {
  it.each(['centralized', 'bilateral', 'blockchain'] as const)(
    '%s is received, and its screening asked for',
    (mode) => {
      const world = given().when(submitted(mode, 1_000n)).then('s-1 settlement_received', 's-1 screening_requested');
      expect(settlementOf(world)).toMatchObject({
        status: 'screening',
        terms: { from: 'a', to: 'b', mode },
      });
      expect(confirmationsRequired(settlementOf(world))).toBe({ centralized: 0, bilateral: 3, blockchain: 6 }[mode]);
      expect(world.book.timers.get(lastOf(world))).toBe(world.book.now + world.book.policy.expiryMs);
    },
  );

  it('is on clearing claims if it is CENTRALIZED, on those of the wallets otherwise', () => {
    const centralized = given().when(submitted('centralized', 1n)).world;
    expect(settlementOf(centralized).terms).toMatchObject({
      payer: { kind: 'clearing', institutionId: 'a' },
      payee: { kind: 'clearing', institutionId: 'b' },
    });
    const bilateral = given().when(submitted('bilateral', 330n)).world;
    expect(settlementOf(bilateral).terms).toMatchObject({
      payer: { kind: 'wallet', walletId: 'w-a' },
      payee: { kind: 'wallet', walletId: 'w-b' },
    });
  });

  it('names what the coins it would spend were paid from, and takes nothing', () => {
    const world = given(funded('a', 'wallet', 50_000n)).when(submitted('bilateral', 1_000n)).world;
    expect(settlementOf(world).sources).toHaveLength(1);
    expect(lineageOf(world).status).toBe('none');
    expect(balance(world, WALLET_A)).toEqual({ available: 50_000n });
  });

  it('of nobody’s money is received all the same: liquidity is no reason to refuse', () => {
    const world = given().when(submitted('centralized', 1_000n)).world;
    expect(settlementOf(world).status).toBe('screening');
    expect(balance(world, CLEARING_A)).toEqual({});
  });
});

describe('refused, with nothing stored', () => {
  it('from an institution that nobody knows', () => {
    given()
      .when(asked('centralized', 1n, 'nobody', 'b'))
      .refused('UNKNOWN_INSTITUTION');
    given()
      .when(asked('centralized', 1n, 'a', 'nobody'))
      .refused('UNKNOWN_INSTITUTION');
  });

  it('from or to a frozen one', () => {
    given(freeze('a')).when(asked('centralized', 1n)).refused('INSTITUTION_FROZEN');
    given(freeze('b')).when(asked('centralized', 1n)).refused('INSTITUTION_FROZEN');
  });

  it('on-chain below what every node relays', () => {
    given().when(asked('bilateral', 329n)).refused('INVALID_ARGUMENT');
    expect(given().when(asked('bilateral', 330n)).world.book.settlements.ids()).toHaveLength(1);
  });

  it('on-chain by an institution without a wallet', () => {
    const noWallet = (world: World): void =>
      void world.tell({
        type: 'create_institution',
        institution: { institutionId: 'e', name: 'e', creditLineSats: 0n },
      });
    given(noWallet)
      .when(asked('bilateral', 1_000n, 'a', 'e'))
      .refused('NO_WALLET');
    given(noWallet)
      .when(asked('bilateral', 1_000n, 'e', 'a'))
      .refused('NO_WALLET');
    expect(
      given(noWallet)
        .when(asked('centralized', 1n, 'a', 'e'))
        .world.book.settlements.ids(),
    ).toHaveLength(1);
  });
});
