import { feeRate } from '@finality/bitcoin';
import { sats } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import { offered, planOf } from '../lineage.ts';
import { approveAll } from '../spec/actions.fixture.ts';
import {
  approved,
  balance,
  empty,
  funded,
  givenUnder,
  mined,
  reorged,
  settlementOf,
  signed,
  submitted,
  WALLET_A,
} from '../spec/given.fixture.ts';
import { POLICY } from '../spec/memory-book.fixture.ts';
import type { World } from '../spec/world.fixture.ts';

const RULES = {
  feeRateMax: feeRate(2_000n),
  coinsMin: 3,
  coinsMax: 10,
  coinsKept: 1,
  valueKeptPermille: 500,
  feeCapSats: sats(5_000n),
};
const TIDY = { ...POLICY, consolidation: RULES };
const small = Array.from({ length: 4 }, (_, i) => funded('a', 'wallet', 10_000n + BigInt(i)));
const COINS = [...small, funded('a', 'wallet', 90_000n)];
/** Four P2WPKH inputs and an output, 314 virtual bytes, at 2 sat/vB. */
const FEE = 628n;
const TOTAL = 130_006n;

let lineageId = '';
const consolidated = (world: World): void => {
  lineageId = world.consolidate('w-a', 'a');
};
const sent = (world: World): void => {
  world.assign(planOf(world.book.lineages.get(lineageId))!, false);
  world.sign(lineageId);
  world.broadcast(lineageId);
};

describe('consolidation', () => {
  it('makes one coin of the small ones, in a lineage of its own', () => {
    const world = givenUnder(TIDY, ...COINS)
      .when(consolidated, sent)
      .then(
        `lineage/${lineageId} lineage_planned`,
        `lineage/${lineageId} version_offered`,
        `lineage/${lineageId} version_signed`,
        `lineage/${lineageId} version_broadcast`,
      );
    const { inputs, outputs, payouts, feeSats } = offered(world.book.lineages.get(lineageId)).versions[0]!;
    expect([inputs.length, payouts, feeSats]).toEqual([4, [], FEE]);
    expect(outputs).toMatchObject([{ role: 'change', valueSats: 40_006n - FEE, destination: { walletId: 'w-a' } }]);
    expect(balance(world, WALLET_A)).toEqual({ available: TOTAL - FEE, inFlight: FEE });
    mined(6)(world);
    expect(world.book.lineages.get(lineageId).status).toBe('final');
    expect(balance(world, WALLET_A)).toEqual({ available: TOTAL - FEE });
  });

  it('leaves the most valuable coins to payouts meanwhile', () => {
    const world = givenUnder(TIDY, ...COINS, consolidated, sent, submitted('bilateral', 50_000n)).when(
      approved,
      signed,
      mined(3),
    ).world;
    expect(settlementOf(world).status).toBe('executing');
  });

  it.each([
    ['the line for fees', { feeRateMax: feeRate(1_999n) }],
    ['the number of coins', { coinsMin: 5 }],
    ['coins that are kept', { coinsKept: 3 }],
    ['the value that is kept', { valueKeptPermille: 900 }],
    ['the cap', { feeCapSats: sats(300n) }],
  ])('is left: %s', (_what, rules) => {
    givenUnder({ ...POLICY, consolidation: { ...RULES, ...rules } }, ...COINS)
      .when(consolidated)
      .then();
  });

  it('is left where nobody has switched it on', () => {
    givenUnder(POLICY, ...COINS)
      .when(consolidated)
      .then();
  });

  it('is left while a payout of the wallet waits for coins, and to institutions that aren’t frozen', () => {
    const queued = [submitted('bilateral', 200_000n), approved];
    const world = givenUnder(TIDY, ...COINS, ...queued)
      .when(consolidated)
      .then();
    expect(settlementOf(world)).toMatchObject({ status: 'queued', waitsFor: 'INSUFFICIENT_LIQUIDITY' });
    const freeze = { type: 'freeze_institution', institutionId: 'a', reason: 'because' } as const;
    givenUnder(TIDY, ...COINS, (w) => w.tell(freeze))
      .when(consolidated)
      .then();
  });

  it('stops when fees rise', () => {
    const fees = { floor: feeRate(1_000n), cap: feeRate(50_000n) };
    const estimated = (satsPerKvb: bigint) => (world: World) =>
      world.tell({
        type: 'chain_fact',
        fact: {
          kind: 'fees_estimated',
          fees: { estimates: { slow: feeRate(satsPerKvb) }, floor: feeRate(1_000n) },
        },
      });
    const policy = { ...TIDY, fees };
    givenUnder(policy, ...COINS, estimated(2_001n))
      .when(consolidated)
      .then();
    const world = givenUnder(policy, ...COINS, estimated(1_500n), consolidated, sent).when(
      estimated(40_000n),
      empty(20),
    ).world;
    // It waits, and is never made dearer.
    expect(offered(world.book.lineages.get(lineageId)).versions.length).toBe(1);
  });

  it('follows its transaction out of blocks and back', () => {
    const world = givenUnder(TIDY, ...COINS, consolidated, sent, mined(1)).when(reorged(1)).world;
    expect(balance(world, WALLET_A)).toEqual({ available: TOTAL - FEE, inFlight: FEE });
    mined(2)(world);
    expect(balance(world, WALLET_A)).toEqual({ available: TOTAL - FEE });
  });

  it('gives the fee back when a coin of its can’t be spent any more', () => {
    const world = givenUnder(TIDY, ...COINS, consolidated, sent).when((w) => {
      const { outpoint } = offered(w.book.lineages.get(lineageId)).versions[0]!.inputs[0]!;
      w.mine(() => false, [w.pay([outpoint], [{ script: w.elsewhere(), valueSats: 1_000n }])]);
    }, empty(8)).world;
    expect(world.book.lineages.get(lineageId).status).toBe('dead');
    expect(balance(world, WALLET_A)).toEqual({ available: TOTAL });
  });
});

/** Money in very many coins, final. */
const inCoins =
  (count: number, valueSats: bigint) =>
  (world: World): void => {
    const { script } = announced(world);
    const outputs = Array.from({ length: count }, () => ({ script, valueSats }));
    world.chain.accept(world.pay([world.chain.root()], outputs));
    world.mine(() => true);
    approveAll(world);
    mined(3)(world);
  };

function announced(world: World): ReturnType<World['place']> {
  const place = world.place('w-a', 'a', 'wallet');
  world.announce(place, false);
  return place;
}

describe('a wallet of coins too small', () => {
  const RICH = {
    ...POLICY,
    feeCapSats: sats(250_000n),
    batch: { waitMs: 1_000, payoutsMax: 9, valueMaxSats: sats(10n ** 9n) },
  };
  const VALUE = 10_000n;
  /** About 400,000 WU have room for so many P2WPKH inputs. */
  const INPUTS_MAX = 1_469;

  it('pays what fits into a transaction, and what doesn’t with another', () => {
    const half = (BigInt(INPUTS_MAX) * VALUE * 55n) / 100n;
    const pay = (world: World, amountSats: bigint): string => {
      const id = world.submit('bilateral', 'a', 'b', amountSats);
      approved(world);
      return id;
    };
    const world = givenUnder(RICH, inCoins(1_700, VALUE)).when().world;
    const [first, second, third] = [half, half, 5_000n].map((amount) => pay(world, amount));
    const lineages = [first, second, third].map((id) => {
      const settlement = settlementOf(world, id);
      return 'lineageId' in settlement ? settlement.lineageId : settlement.status;
    });
    expect(lineages).toEqual([first, second, first]);
    for (const id of [first, second])
      expect(planOf(world.book.lineages.get(id!))!.inputs.length).toBeLessThan(INPUTS_MAX);
  });

  it('can’t pay what no transaction has room for, until it has been consolidated', () => {
    const consolidation = { ...RULES, coinsMax: 300, valueKeptPermille: 100, feeCapSats: sats(100_000n) };
    const amountSats = BigInt(INPUTS_MAX) * VALUE;
    const world = givenUnder({ ...RICH, consolidation }, inCoins(1_700, VALUE)).when(
      submitted('blockchain', amountSats),
      approved,
    ).world;
    expect(settlementOf(world)).toMatchObject({ status: 'queued', waitsFor: 'TRANSACTION_TOO_HEAVY' });
    consolidated(world);
    sent(world);
    mined(3)(world);
    world.withdraw('s-1', 'retry_reservation');
    expect(settlementOf(world).status).toBe('reserved');
  });
});

describe('what a queued payout waits for', () => {
  it('is told, and told anew when it is something else', () => {
    const more = [submitted('bilateral', 80_000n), approved];
    const one = [funded('a', 'wallet', 90_000n), submitted('bilateral', 10_000n), approved];
    const world = givenUnder(POLICY, ...one, ...more).when().world;
    expect(settlementOf(world)).toMatchObject({ status: 'queued', waitsFor: 'INSUFFICIENT_LIQUIDITY' });
    // There is enough by now, but most of it is in a coin that is being spent.
    funded('a', 'wallet', 20_000n)(world);
    for (let i = 0; i < 2; i++) world.withdraw('s-2', 'retry_reservation');
    expect(settlementOf(world)).toMatchObject({ status: 'queued', waitsFor: 'INSUFFICIENT_FUNDS' });
    const told = world.book.log.filter(({ stream }) => stream === 'settlement/s-2').map(({ event }) => event.type);
    expect(told.slice(-2)).toEqual(['liquidity_awaited', 'wait_changed']);
  });
});
