import { describe, expect, it } from 'vitest';
import { inputsOf, latest, offered } from '../lineage.ts';
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
import { tellAll } from '../spec/actions.fixture.ts';
import type { World } from '../spec/world.fixture.ts';

const MONEY = funded('a', 'wallet', 90_000n);
const PAID = [MONEY, submitted('bilateral', 20_000n), ...paying] as const;
const ofDeposit = (world: World) => depositTx(world, 0);

/** A block in which an outsider spends the coin of the payout submitted first. */
const stolen = (world: World): void => {
  const [anchor] = inputsOf(lineageOf(world, 's-1'));
  const tx = world.pay([anchor!.outpoint], [{ script: world.elsewhere(), valueSats: 1_000n }]);
  world.mine(() => false, [tx]);
};
/** Blocks are gone, and nobody has what was in them. */
const forgotten =
  (depth: number) =>
  (world: World): void =>
    world.reorg(depth, () => false);
/** Whoever came first comes first again. */
const rebroadcast = tellAll;
const feeOf = (world: World): bigint => latest(offered(lineageOf(world, 's-1'))).feeSats;
const statusOf = (world: World, id = 's-1'): string => settlementOf(world, id).status;

describe('executing', () => {
  it('in a block: the payee’s, not yet final', () => {
    const world = given(...PAID)
      .when(mined(1))
      .then('lineage/s-1 version_confirmed', 's-1 payout_confirmed', 'tip block_connected');
    expect(statusOf(world)).toBe('confirming');
    expect(balance(world, WALLET_A)).toEqual({ available: 70_000n - feeOf(world) });
    expect(balance(world, WALLET_B)).toEqual({ incoming: 20_000n });
    expect(world.book.deposits.ids()).toHaveLength(1);
  });

  it('seen in the mempool, or told to be broadcast twice: noted once', () => {
    const world = given(MONEY, submitted('bilateral', 20_000n), approved, signed)
      .when(broadcast, (it: World) => it.poll(true))
      .then('lineage/s-1 version_broadcast');
    expect(statusOf(world)).toBe('executing');
  });

  it('evicted, rejected, or waited for in vain: nothing', () => {
    const evicted = (world: World): void => {
      world.chain.loseMempool();
      world.poll(true);
    };
    expect(statusOf(given(...PAID).when(evicted, empty(20)).world)).toBe('executing');
  });

  it('excluded by a block: wins if a reorg takes that back', () => {
    const world = given(...PAID, stolen, forgotten(1), rebroadcast).when(mined(3)).world;
    expect(statusOf(world)).toBe('settled');
    expect(balance(world, WALLET_B)).toEqual({ available: 20_000n });
  });

  it('excluded by a final block: failed, and not before', () => {
    expect(statusOf(given(...PAID, stolen).when(empty(4)).world)).toBe('executing');
    const world = given(...PAID, stolen, empty(4))
      .when(empty(1))
      .then('tip block_connected', 'lineage/s-1 input_lost', 'lineage/s-1 lineage_dead', 's-1 settlement_failed');
    // What was stolen is missing in the wallet's suspense, not in the claim.
    expect(balance(world, WALLET_A)).toEqual({ available: 90_000n });
    expect(world.book.coins.get(offered(lineageOf(world)).anchor).claimedBy).toBe('s-1');
  });

  it('paid from a deposit that is excluded: failed when that is final', () => {
    const history = [...PAID, forgotten(3), doubleSpent(ofDeposit)];
    expect(statusOf(given(...history).when(empty(4)).world)).toBe('executing');
    const world = given(...history, empty(4))
      .when(empty(1))
      .then(
        'tip block_connected',
        'deposit deposit_reversed',
        'lineage/s-1 input_lost',
        'lineage/s-1 lineage_dead',
        's-1 settlement_failed',
      );
    expect(balance(world, WALLET_A)).toEqual({});
  });
});

describe('reserved', () => {
  it('from a coin that somebody else has spent for good: withdrawn', () => {
    const world = given(MONEY, submitted('bilateral', 20_000n), approved, stolen, empty(4))
      .when(empty(1))
      .then('tip block_connected', 'lineage/s-1 lineage_abandoned', 's-1 settlement_cancelled');
    expect(balance(world, WALLET_A)).toEqual({ available: 90_000n });
    expect(world.book.timers.size).toBe(0);
  });

  it('from a coin spent in a block, then built: dies with that block’s finality', () => {
    const world = given(MONEY, submitted('bilateral', 20_000n), approved, stolen, assigned).when(empty(5)).world;
    expect(statusOf(world)).toBe('failed');
  });

  it('from a deposit that is excluded for good: withdrawn', () => {
    const history = [MONEY, submitted('bilateral', 20_000n), approved, forgotten(3), doubleSpent(ofDeposit)];
    expect(statusOf(given(...history).when(empty(5)).world)).toBe('cancelled');
  });
});

describe('confirming', () => {
  it.each([
    ['bilateral', 3],
    ['blockchain', 6],
  ] as const)('%s: settled with %i confirmations', (mode, confirmations) => {
    const history = [MONEY, submitted(mode, 20_000n), ...paying, mined(confirmations - 1)];
    expect(statusOf(given(...history).when(empty(0)).world)).toBe('confirming');
    const world = given(...history).when(mined(1)).world;
    expect(statusOf(world)).toBe('settled');
    expect(balance(world, WALLET_B)).toEqual({ available: 20_000n });
    expect(world.book.coins.ofWallet('w-b')).toMatchObject([{ released: true }]);
  });

  it('out of its block: on its way again, and confirmed in another', () => {
    const world = given(...PAID, mined(1)).when(reorged(1)).world;
    expect(statusOf(world)).toBe('executing');
    expect(balance(world, WALLET_A)).toEqual({
      available: 70_000n - feeOf(world),
      inFlight: 20_000n + feeOf(world),
    });
    expect(balance(world, WALLET_B)).toEqual({});
    const again = given(...PAID, mined(1), reorged(1)).when(mined(3)).world;
    expect(settlementOf(again)).toMatchObject({ status: 'settled', payout: { life: 2 } });
    expect(balance(again, WALLET_B)).toEqual({ available: 20_000n });
  });

  it('a reorg above it changes nothing', () => {
    const world = given(...PAID, mined(2), reorged(1)).when(mined(2)).world;
    expect(settlementOf(world)).toMatchObject({ status: 'settled', payout: { life: 1 } });
  });

  it('told again by a rescan: nothing', () => {
    const rescanned = (world: World): void => {
      world.place('w-c', 'c', 'wallet', false);
      world.rescan();
    };
    given(...PAID, mined(1))
      .when(rescanned)
      .then();
  });
});

describe('settled', () => {
  const SETTLED = [...PAID, mined(3)];

  it('six deep is final: the end of its lineage', () => {
    given(...SETTLED, mined(2))
      .when(mined(1))
      .then('tip block_connected', 'lineage/s-1 lineage_final');
  });

  it('out of its block: reopened, the amount in suspense, and settled again as if nothing had been', () => {
    const world = given(...SETTLED).when(reorged(3)).world;
    expect(statusOf(world)).toBe('reopened');
    expect(balance(world, WALLET_B)).toEqual({});
    expect(balance(world, WALLET_A)).toEqual({ available: 70_000n - feeOf(world), inFlight: feeOf(world) });
    const again = given(...SETTLED, reorged(3)).when(mined(3)).world;
    expect(settlementOf(again)).toMatchObject({ status: 'settled', settledTimes: 2 });
    expect(balance(again, WALLET_B)).toEqual({ available: 20_000n });
    expect(world.book.institutions.get('b').status).toBe('active');
  });

  it('reopened again and again, each life its own', () => {
    const world = given(...SETTLED, reorged(3), mined(3), reorged(3), mined(1), reorged(1)).when(mined(3)).world;
    expect(settlementOf(world)).toMatchObject({ status: 'settled', settledTimes: 3 });
    expect(balance(world, WALLET_B)).toEqual({ available: 20_000n });
  });

  it('spent by the payee, and reopened: overdrawn, and frozen', () => {
    const onward = [submitted('bilateral', 10_000n, 'b', 'c'), ...paying];
    const world = given(...SETTLED, ...onward, mined(1)).when(forgotten(4)).world;
    expect(statusOf(world, 's-1')).toBe('reopened');
    expect(balance(world, WALLET_B).available).toBeLessThan(0n);
    expect(world.book.institutions.get('b').status).toBe('frozen');
    const again = given(...SETTLED, ...onward, mined(1), forgotten(4), rebroadcast).when(mined(3)).world;
    expect([statusOf(again, 's-1'), statusOf(again, 's-2')]).toEqual(['settled', 'settled']);
  });

  it('and final, out of its block all the same: goes on', () => {
    const world = given(...SETTLED, mined(4)).when(reorged(7), mined(6)).world;
    expect([statusOf(world), lineageOf(world).status]).toEqual(['settled', 'final']);
  });
});

describe('reopened', () => {
  const REOPENED = [...PAID, mined(3), forgotten(3)];

  it('for six blocks unconfirmed: reversed as overdue, both frozen, the amount in suspense', () => {
    expect(statusOf(given(...REOPENED).when(empty(5)).world)).toBe('reopened');
    const world = given(...REOPENED).when(empty(6)).world;
    expect(settlementOf(world)).toMatchObject({ status: 'reversed', because: 'overdue' });
    expect([world.book.institutions.get('a').status, world.book.institutions.get('b').status]).toEqual([
      'frozen',
      'frozen',
    ]);
    expect(balance(world, WALLET_A)).toEqual({ available: 70_000n - feeOf(world), inFlight: feeOf(world) });
  });

  it('overdue, and in a block after all: the amount stays in suspense', () => {
    const world = given(...REOPENED, empty(6), rebroadcast).when(mined(8)).world;
    expect(settlementOf(world)).toMatchObject({ status: 'reversed', because: 'overdue', block: {} });
    expect(balance(world, WALLET_B)).toEqual({});
    expect(balance(world, WALLET_A)).toEqual({ available: 70_000n - feeOf(world) });
    expect(world.book.coins.ofWallet('w-b')).toMatchObject([{ released: false }]);
    const out = given(...REOPENED, empty(6), rebroadcast, mined(2)).when(reorged(2)).world;
    expect(balance(out, WALLET_A)).toEqual({ available: 70_000n - feeOf(out), inFlight: feeOf(out) });
  });

  it('overdue, and excluded later: the payer’s again', () => {
    const world = given(...REOPENED, empty(6), stolen).when(empty(5)).world;
    expect(settlementOf(world)).toMatchObject({ status: 'reversed', because: 'excluded' });
    expect(balance(world, WALLET_A)).toEqual({ available: 90_000n });
    expect(balance(world, WALLET_B)).toEqual({});
  });

  it('excluded by a final block: reversed, both frozen, the payer’s again', () => {
    const world = given(...REOPENED, stolen).when(empty(5)).world;
    expect(settlementOf(world)).toMatchObject({ status: 'reversed', because: 'excluded' });
    expect(world.book.institutions.get('a').status).toBe('frozen');
    expect(balance(world, WALLET_A)).toEqual({ available: 90_000n });
  });
});

describe('what needs a payout that is dead', () => {
  it('dies with it: its change, its payee’s coin', () => {
    const history = [
      ...[MONEY, submitted('bilateral', 20_000n), ...paying, mined(3)],
      ...[submitted('bilateral', 5_000n, 'a', 'c'), ...paying],
      ...[submitted('bilateral', 6_000n, 'b', 'c'), ...paying],
      ...[forgotten(6), doubleSpent(ofDeposit), empty(4)],
    ];
    const world = given(...history).when(empty(1)).world;
    expect(['s-1', 's-2', 's-3'].map((id) => statusOf(world, id))).toEqual(['reversed', 'failed', 'failed']);
    expect(['s-1', 's-2', 's-3'].map((id) => lineageOf(world, id).status)).toEqual(['dead', 'dead', 'dead']);
  });
});

describe('dead', () => {
  const DEAD = [...PAID, stolen, empty(6)];

  it('and in a block all the same: both frozen, nothing released, what it cost in suspense', () => {
    const world = given(...DEAD, forgotten(7), rebroadcast).when(mined(6)).world;
    expect([statusOf(world), lineageOf(world).status]).toEqual(['failed', 'dead']);
    expect(world.book.institutions.get('b').status).toBe('frozen');
    const coins = [...world.book.coins.ofWallet('w-a'), ...world.book.coins.ofWallet('w-b')];
    expect(coins.filter((coin) => coin.released && coin.spentBy === undefined)).toEqual([]);
  });

  it('in a block, out of it and in another: stays dead', () => {
    const world = given(...DEAD, forgotten(7), rebroadcast, mined(2), reorged(2)).when(mined(1)).world;
    expect(lineageOf(world)).toMatchObject({ status: 'dead', life: 2 });
    expect(balance(world, WALLET_A)).toEqual({ available: 90_000n });
  });

  it('its coins stay claimed: the signer never signs one for two payouts', () => {
    const world = given(...DEAD, forgotten(7), submitted('bilateral', 1_000n), approved).when(empty(3)).world;
    expect(statusOf(world, 's-2')).toBe('queued');
  });
});

it('a coin is spent by its own payout: no conflict', () => {
  const world = given(...PAID).when(mined(6)).world;
  const { anchor, conflicts, versions } = offered(lineageOf(world));
  expect(conflicts).toEqual([]);
  expect(world.book.coins.get(anchor).spentBy).toBe(versions[0]?.txid);
});
