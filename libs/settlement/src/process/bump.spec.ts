import { parseTransaction } from '@finality/bitcoin';
import { unwrap } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import { offered, planOf } from '../lineage.ts';
import {
  approved,
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
import { checkWorld } from '../spec/invariants.fixture.ts';
import { POLICY } from '../spec/memory-book.fixture.ts';
import type { World } from '../spec/world.fixture.ts';

const MONEY = funded('a', 'wallet', 90_000n);
const PAID = [MONEY, submitted('bilateral', 20_000n), ...paying] as const;

const bumped =
  (satsPerKvb: bigint) =>
  (world: World): string | undefined =>
    world.bump('s-1', satsPerKvb);
/** The next version has its addresses, its signature, and is with the nodes. */
const replaced = (world: World): void => {
  world.assign(planOf(lineageOf(world, 's-1'))!, false);
  world.sign('s-1');
  world.broadcast('s-1');
};
const versions = (world: World) => offered(lineageOf(world, 's-1')).versions;
/** The first version is mined, as if its miner had never seen the others. */
const firstMined = (world: World): void => {
  world.mine(() => false, [world.chain.known.get(versions(world)[0]!.txid)!]);
};

describe('a version that pays more', () => {
  it('is planned, and takes the place of the last one', () => {
    const world = given(...PAID)
      .when(bumped(10_000n), replaced)
      .then(
        'lineage/s-1 version_planned',
        'lineage/s-1 version_offered',
        's-1 payout_replaced',
        'lineage/s-1 version_signed',
        'lineage/s-1 version_broadcast',
      );
    const [first, second] = versions(world);
    expect(second!.inputs).toEqual(first!.inputs);
    expect(second!.feeSats).toBeGreaterThan(first!.feeSats);
    expect(settlementOf(world)).toMatchObject({
      status: 'executing',
      payout: { txid: second!.txid, feeSats: second!.feeSats, heldSats: second!.feeSats },
    });
    expect([...world.chain.mempool.keys()]).toEqual([second!.txid]);
  });

  it('pays the same payee the same, at the same address, from the change', () => {
    const world = given(...PAID).when(bumped(10_000n), replaced).world;
    const [first, second] = versions(world).map(({ unsignedHex }) => unwrap(parseTransaction(unsignedHex)));
    expect(second!.outputs[0]).toEqual(first!.outputs[0]);
    expect(second!.outputs[1]!.script).toBe(first!.outputs[1]!.script);
    expect(first!.outputs[1]!.valueSats - second!.outputs[1]!.valueSats).toBe(
      versions(world)[1]!.feeSats - versions(world)[0]!.feeSats,
    );
  });

  it('is held for in flight, and only what it cost is gone in the end', () => {
    const world = given(...PAID).when(bumped(10_000n), replaced).world;
    const { feeSats } = versions(world)[1]!;
    expect(balance(world, WALLET_A)).toEqual({ available: 70_000n - feeSats, inFlight: 20_000n + feeSats });
    mined(3)(world);
    expect(settlementOf(world)).toMatchObject({ status: 'settled', payout: { feeSats } });
    expect(balance(world, WALLET_A)).toEqual({ available: 70_000n - feeSats });
  });

  it('a little higher than before, is raised to what nodes ask of a replacement', () => {
    const world = given(...PAID).when(bumped(2_100n), replaced).world;
    const [first, second] = versions(world);
    // One sat/vB for its own relay, on 153 virtual bytes (P2WPKH to P2TR, with change).
    expect(second!.feeSats - first!.feeSats).toBe(153n);
  });

  it('takes confirmed coins of the wallet when the change isn’t enough', () => {
    const little = [funded('a', 'wallet', 21_000n), submitted('bilateral', 20_000n)];
    const poor = given(...little, funded('a', 'wallet', 9_000n), ...paying).when(bumped(9_000n), replaced).world;
    const [first, second] = versions(poor);
    expect([first!.inputs.length, second!.inputs.length]).toEqual([1, 2]);
    expect(second!.inputs[0]).toEqual(first!.inputs[0]);
    expect(poor.book.coins.get(second!.inputs[1]!.outpoint).claimedBy).toBe('s-1');
  });
});

describe('the version that is in a block', () => {
  const TWO = [...PAID, bumped(10_000n), replaced];

  it('counts, be it an earlier one: what was held for the dearer one comes back', () => {
    const world = given(...TWO).when(firstMined).world;
    const [first, second] = versions(world);
    expect(settlementOf(world)).toMatchObject({ status: 'confirming', payout: { txid: first!.txid } });
    expect(balance(world, WALLET_A)).toEqual({
      available: 70_000n - second!.feeSats,
      inFlight: second!.feeSats - first!.feeSats,
    });
    mined(2)(world);
    expect(settlementOf(world)).toMatchObject({ status: 'settled', payout: { feeSats: first!.feeSats } });
    expect(balance(world, WALLET_A)).toEqual({ available: 70_000n - first!.feeSats });
    expect(balance(world, WALLET_B)).toEqual({ available: 20_000n });
  });

  it('may be another one after a reorg (A → B, and A revived after B had confirmations)', () => {
    const rewritten = (world: World): void => {
      world.reorg(2, () => false);
      firstMined(world);
    };
    const world = given(...TWO, mined(2)).when(rewritten, empty(2)).world;
    expect(settlementOf(world)).toMatchObject({
      status: 'settled',
      payout: { txid: versions(world)[0]!.txid, life: 2 },
    });
    expect(balance(world, WALLET_B)).toEqual({ available: 20_000n });
  });

  it('may be a dearer one after it was final: the payer bears that', () => {
    const world = given(...TWO, firstMined).when(empty(2)).world;
    expect(settlementOf(world).status).toBe('settled');
    world.reorg(3, () => false);
    expect(settlementOf(world).status).toBe('reopened');
    world.mine(() => false, [world.chain.known.get(versions(world)[1]!.txid)!]);
    empty(2)(world);
    checkWorld(world);
    expect(settlementOf(world)).toMatchObject({ status: 'settled', payout: { txid: versions(world)[1]!.txid } });
    expect(balance(world, WALLET_A)).toEqual({ available: 70_000n - versions(world)[1]!.feeSats });
  });

  it('ends a version that wasn’t offered yet, and frees the coins that only that one had', () => {
    const little = [funded('a', 'wallet', 21_000n), submitted('bilateral', 20_000n)];
    const history = [...little, funded('a', 'wallet', 9_000n), ...paying, bumped(9_000n)];
    const world = given(...history)
      .when(firstMined)
      .then(
        'lineage/s-1 version_dropped',
        'lineage/s-1 version_confirmed',
        's-1 payout_confirmed',
        'tip block_connected',
      );
    const free = world.book.coins.ofWallet('w-a').filter((coin) => coin.claimedBy === undefined);
    expect(free.map(({ valueSats }) => valueSats)).toContain(9_000n);
  });

  it('makes the others dead once it is final, and what needs their outputs with them', () => {
    const inherits = [submitted('bilateral', 30_000n, 'a', 'c'), approved];
    const world = given(...TWO, mined(3)).when(...inherits).world;
    const change = versions(world)[1]!.outputs[1]!.outpoint;
    expect(world.book.coins.get(change).claimedBy).toBe('s-2');
    world.reorg(3, () => false);
    firstMined(world);
    empty(5)(world);
    checkWorld(world);
    expect(lineageOf(world, 's-1').status).toBe('final');
    expect(settlementOf(world, 's-2').status).toBe('cancelled');
  });
});

describe('without anybody asking', () => {
  const impatient = { ...POLICY, bump: { ...POLICY.bump, afterBlocks: 3 } };
  const block = (world: World): void => {
    world.mine(() => false);
    if (planOf(lineageOf(world)) !== undefined) replaced(world);
  };
  const blocks = (count: number) => Array.from({ length: count }, () => block);

  it('a payout in no block for so many is replaced by a dearer one', () => {
    expect(versions(givenUnder(impatient, ...PAID).when(...blocks(2)).world)).toHaveLength(1);
    const [first, second] = versions(givenUnder(impatient, ...PAID).when(...blocks(3)).world);
    expect(second!.feeSats).toBeGreaterThan(first!.feeSats);
  });

  it('again and again, within the cap; any of them may be the one', () => {
    const world = givenUnder(impatient, ...PAID).when(...blocks(60), firstMined, empty(2)).world;
    const fees = versions(world).map(({ feeSats }) => feeSats);
    expect(fees.length).toBeGreaterThan(5);
    expect(fees.toSorted((a, b) => Number(a - b))).toEqual(fees);
    expect(fees.at(-1)).toBeLessThanOrEqual(POLICY.feeCapSats);
    expect(settlementOf(world)).toMatchObject({ status: 'settled', payout: { feeSats: fees[0] } });
    expect(balance(world, WALLET_A)).toEqual({ available: 70_000n - fees[0]! });
  });
});

describe('after a reorg', () => {
  const impatient = { ...POLICY, bump: { ...POLICY.bump, afterBlocks: 3 } };

  it('a payout that was in a block waits for its turn again', () => {
    const world = givenUnder(impatient, ...PAID, mined(1)).when(reorged(1), empty(3)).world;
    expect(planOf(lineageOf(world))).toMatchObject({ version: 2 });
  });

  it('as does one whose next version was dropped for the one in the block', () => {
    const history = [...PAID, bumped(10_000n), firstMined];
    const world = givenUnder(impatient, ...history).when(reorged(1), empty(3)).world;
    expect(planOf(lineageOf(world))).toMatchObject({ version: 2 });
  });
});

describe('is refused', () => {
  it.each([
    ['when nothing is there', 'UNKNOWN_SETTLEMENT', []],
    ['before anything is offered', 'NOT_WAITING', [MONEY, submitted('bilateral', 20_000n), approved]],
    ['while the last version is being signed', 'VERSION_UNDER_WAY', [...PAID, bumped(10_000n)]],
    ['when it is in a block', 'NOT_WAITING', [...PAID, mined(1)]],
    ['after a reorg past its finality', 'NOT_WAITING', [...PAID, mined(3), reorged(3)]],
    ['when nodes would ask for more than the cap', 'FEE_ABOVE_CAP', [...PAID, bumped(30_000n), replaced]],
  ] as const)('%s (%s)', (_when, reason, history) => {
    given(...history)
      .when(bumped(36_000n))
      .refused(reason);
  });

  it('when it pays as much already (PAYS_ENOUGH)', () => {
    given(...PAID, bumped(20_000n), replaced)
      .when(bumped(19_000n))
      .refused('PAYS_ENOUGH');
  });

  it('when what the wallet has is in change that isn’t confirmed (NO_COINS)', () => {
    const coins = [funded('a', 'wallet', 21_000n), funded('a', 'wallet', 60_000n)];
    const other = [submitted('blockchain', 30_000n), ...paying];
    given(...coins, submitted('blockchain', 20_000n), ...paying, ...other)
      .when(bumped(9_000n))
      .refused('NO_COINS');
  });
});
