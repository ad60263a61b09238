import { sats } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import {
  approved,
  balance,
  CLEARING_A,
  CLEARING_B,
  funded,
  given,
  lastOf,
  lineageOf,
  mined,
  screened,
  paying,
  settlementOf,
  submitted,
  WALLET_A,
} from '../spec/given.fixture.ts';
import { POLICY } from '../spec/memory-book.fixture.ts';
import { World } from '../spec/world.fixture.ts';

const retried =
  (settlementId: string) =>
  (world: World): void =>
    world.withdraw(settlementId, 'retry_reservation');

describe('CENTRALIZED', () => {
  it('takes all there is, and not a satoshi more', () => {
    const world = given(funded('a', 'clearing', 10_000n), submitted('centralized', 10_000n)).when(approved).world;
    expect(settlementOf(world).status).toBe('settled');
    expect(balance(world, CLEARING_A)).toEqual({});
    expect(balance(world, CLEARING_B)).toEqual({ available: 10_000n });
    const short = given(funded('a', 'clearing', 10_000n), submitted('centralized', 10_001n)).when(approved).world;
    expect(settlementOf(short).status).toBe('queued');
    expect(settlementOf(short).transitions.at(-1)?.reason).toContain('expected 10001 sat, 10000 sat available');
  });

  it('draws on the credit line, to its end', () => {
    const world = given(submitted('centralized', 30_000n, 'b', 'a')).when(approved).world;
    expect(settlementOf(world).status).toBe('settled');
    expect(balance(world, CLEARING_B)).toEqual({ available: -30_000n });
    expect(settlementOf(given(submitted('centralized', 30_001n, 'b', 'a')).when(approved).world).status).toBe('queued');
  });

  it('can’t spend what only the wallet holds', () => {
    const world = given(funded('a', 'wallet', 90_000n), submitted('centralized', 1_000n)).when(approved).world;
    expect(settlementOf(world).status).toBe('queued');
  });

  it('queued, is paid when there is money', () => {
    const world = given(submitted('centralized', 10_000n), approved, funded('a', 'clearing', 10_000n))
      .when(retried('s-1'))
      .then('s-1 liquidity_reserved', 's-1 settlement_settled');
    expect(balance(world, CLEARING_B)).toEqual({ available: 10_000n });
  });

  it('queued, tried again without money, leaves no trace', () => {
    given(submitted('centralized', 10_000n), approved).when(retried('s-1')).then();
  });
});

describe('on-chain', () => {
  it('sets amount and fee cap aside, claims coins and plans the payout, all at once', () => {
    const world = given(funded('a', 'wallet', 90_000n), submitted('bilateral', 20_000n))
      .when(approved)
      .then(
        's-1 risk_assessed',
        's-1 aml_assessed',
        's-1 settlement_approved',
        'lineage/s-1 lineage_planned',
        's-1 liquidity_reserved',
      );
    expect(balance(world, WALLET_A)).toEqual({ available: 65_000n, reserved: 25_000n });
    const lineage = lineageOf(world);
    expect(lineage).toMatchObject({
      status: 'planned',
      plan: {
        walletId: 'w-a',
        payouts: [{ settlementId: 's-1', payee: { kind: 'wallet', walletId: 'w-b' }, amountSats: 20_000n }],
      },
    });
    if (lineage.status !== 'planned') return;
    const { anchor, inputs, feeSats, changeSats } = lineage.plan;
    expect(inputs[0]?.outpoint).toBe(anchor);
    expect(inputs.reduce((sum, input) => sum + input.valueSats, 0n)).toBe(20_000n + feeSats + changeSats);
    expect(feeSats).toBeLessThanOrEqual(POLICY.feeCapSats);
    expect(world.book.coins.get(anchor).claimedBy).toBe('s-1');
  });

  it('needs the fee cap on top of the amount', () => {
    const enough = given(funded('a', 'wallet', 25_000n), submitted('bilateral', 20_000n)).when(approved).world;
    expect(settlementOf(enough).status).toBe('reserved');
    const short = given(funded('a', 'wallet', 24_999n), submitted('bilateral', 20_000n)).when(approved).world;
    expect(settlementOf(short).status).toBe('queued');
  });

  it('waits for coins that are claimed, whatever the balance says', () => {
    const world = given(
      funded('a', 'wallet', 90_000n),
      submitted('bilateral', 1_000n),
      approved,
      submitted('bilateral', 1_000n),
    ).when(approved).world;
    expect(settlementOf(world)).toMatchObject({ status: 'queued' });
    expect(settlementOf(world).transitions.at(-1)?.reason).toContain('coins are in use or not final');
  });

  it('doesn’t spend what is not final', () => {
    const world = given(
      funded('a', 'wallet', 90_000n),
      submitted('bilateral', 1_000n),
      ...paying,
      mined(2),
      submitted('bilateral', 1_000n),
      approved,
    )
      .when(retried('s-2'))
      .then();
    expect(settlementOf(world).status).toBe('queued');
  });

  it('spends its change once that is as deep as a deposit must be', () => {
    const world = given(
      funded('a', 'wallet', 90_000n),
      submitted('bilateral', 1_000n),
      ...paying,
      mined(3),
      submitted('bilateral', 1_000n),
    ).when(approved).world;
    expect(settlementOf(world).status).toBe('reserved');
  });

  it('spends what it was paid once that is final', () => {
    const history = [funded('a', 'wallet', 90_000n), submitted('bilateral', 50_000n), ...paying];
    const early = given(...history, mined(2), submitted('bilateral', 1_000n, 'b', 'c')).when(approved).world;
    expect(settlementOf(early).status).toBe('queued');
    const world = given(...history, mined(3), submitted('bilateral', 1_000n, 'b', 'c')).when(approved).world;
    expect(settlementOf(world).status).toBe('reserved');
  });
});

describe('a wallet of many coins', () => {
  const coins =
    (count: number, valueSats: bigint) =>
    (world: World): void => {
      const place = world.place('w-a', 'a', 'wallet');
      world.announce(place, false);
      const output = { script: place.script, valueSats };
      world.mine(
        () => false,
        [
          world.pay(
            [world.chain.root()],
            Array.from({ length: count }, () => output),
          ),
        ],
      );
      for (const outpoint of world.book.deposits.ids()) screened(world, outpoint);
      mined(2)(world);
    };

  it('pays with a few of them, most valuable first', () => {
    const world = given(coins(220, 1_000n), funded('a', 'wallet', 50_000n), submitted('bilateral', 20_000n)).when(
      approved,
    ).world;
    const lineage = lineageOf(world);
    expect(lineage.status === 'planned' && lineage.plan.inputs.map(({ valueSats }) => valueSats)).toEqual([50_000n]);
  });

  it('pays with as many as it takes', () => {
    const dear = { ...POLICY, feeCapSats: sats(40_000n) };
    const world = new World(dear);
    coins(230, 1_000n)(world);
    submitted('bilateral', 176_000n)(world);
    approved(world);
    const lineage = lineageOf(world);
    expect(lineage.status === 'planned' && lineage.plan.inputs.length).toBeGreaterThan(200);
  });
});

describe('tried at the wrong time', () => {
  it.each([
    ['before it is approved', []],
    ['when it is reserved', [approved]],
    ['when it is on its way', [...paying]],
    ['when it is settled', [...paying, mined(3)]],
  ] as const)('%s: nothing', (_when, rest) => {
    given(funded('a', 'wallet', 90_000n), submitted('bilateral', 1_000n), ...rest)
      .when((world) => retried(lastOf(world))(world))
      .then();
  });

  it('of something that isn’t there: nothing', () => {
    given().when({ type: 'retry_reservation', settlementId: 's-9' }).then();
  });
});
