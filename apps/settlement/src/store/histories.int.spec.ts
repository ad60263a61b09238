import type { Txid } from '@finality/bitcoin';
import { sats } from '@finality/kernel';
import {
  act,
  ACTION_WEIGHTS,
  beginCollecting,
  beginExchanging,
  beginNetting,
  DEFAULT_WEIGHTS,
  EUR,
  type ActionKind,
  fund,
  hurry,
  NETTING_WEIGHTS,
  PAYING,
  PAYOUT_WEIGHTS,
  QUEUE_WEIGHTS,
  RELEASE_WEIGHTS,
  POLICY,
  settleDown,
  type Told,
  UNIT_WEIGHTS,
  USD,
  VERSION_WEIGHTS,
  walletCalled,
  World,
} from '@finality/settlement/spec';
import { living, type SettlementPolicy } from '@finality/settlement';
import { seededRandom, type TestDatabase, testDatabase } from '@finality/testing';
import { BTC } from '@finality/ledger';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StoreRig } from './store-rig.fixture.ts';

const SHORT = {
  ...PAYING,
  confirmations: {
    base: { deposit: 1, bilateral: 1, blockchain: 2 },
    amounts: [{ fromSats: sats(70_000n), more: 1 }],
    reviewed: 1,
    foreignInputs: 0,
    stale: { blocks: 12, more: 1 },
  },
  finalDepth: 3,
  deepReorgBlocks: 4,
  agreeFromSats: sats(60_000n),
  reopenedBlocksMax: 2,
  bumpBearer: 'platform' as const,
};

const ACTIONS = 90;

const WEIGHTS: readonly Readonly<Record<ActionKind, number>>[] = [
  NETTING_WEIGHTS,
  ACTION_WEIGHTS,
  VERSION_WEIGHTS,
  RELEASE_WEIGHTS,
  PAYOUT_WEIGHTS,
  ACTION_WEIGHTS,
  VERSION_WEIGHTS,
  RELEASE_WEIGHTS,
];

/** Of all sorts, or of netting, or of payouts that need each other's change, or of versions that pay this and that, or of coins that are released. */
function history(
  seed: number,
  weights = WEIGHTS[seed % WEIGHTS.length]!,
  policy: SettlementPolicy = seed % 2 === 0 ? PAYING : SHORT,
): World {
  const random = seededRandom(seed);
  const number = (): number => Math.floor(random() * 0x1_0000);
  const isLean = seed % 4 === 0 || seed % 4 === 2;
  const kinds = weighed(weights);
  const world = new World(policy, seed % 4 < 2 ? [] : ['pool', 'w-c']);
  if (seed % 5 !== 0) fund(world, isLean);
  if (seed % 8 === 0) beginNetting(world);
  if (weights === DEFAULT_WEIGHTS) beginCollecting(world);
  if (weights === UNIT_WEIGHTS) beginExchanging(world);
  for (let i = 0; i < ACTIONS; i++)
    act(world, { kind: kinds[number() % kinds.length]!, a: number(), b: number(), c: number() });
  if (seed % 7 < 3) settleDown(world);
  return world;
}

const weighed = (weights: Readonly<Record<ActionKind, number>>): readonly ActionKind[] =>
  Object.entries(weights).flatMap(([kind, weight]) =>
    Array.from({ length: Math.ceil(weight) }, () => kind as ActionKind),
  );

/** Splits a history into batches of any size, each with one time; nobody answers to what hasn't been committed. */
function* batches({ told }: World, random: () => number): Generator<World['told']> {
  for (let start = 0; start < told.length;) {
    const size = 1 + Math.floor(random() ** 3 * 120);
    let end = start + 1;
    while (end < told.length && end - start < size && isOfBatch(told[start]!, told[end]!, start)) end++;
    yield told.slice(start, end);
    start = end;
  }
}

const isOfBatch = (first: Told, next: Told, start: number): boolean =>
  first.at === next.at && (next.after ?? -1) < start;

const COUNT = Number(process.env['HISTORIES'] ?? 8);
const FIRST = Number(process.env['FIRST'] ?? 1);

/** Keeps the server up from one history to the next. */
let server: TestDatabase;
beforeAll(async () => (server = await testDatabase([])));
afterAll(() => server.close());

describe('any history, in batches of any size', () => {
  it.each(Array.from({ length: COUNT }, (_, i) => FIRST + i))(
    'is stored as it would be in memory (seed %i)',
    async (seed) => {
      const world = history(seed);
      const random = seededRandom(seed + 1_000_000);
      await replay(world, batches(world, random));
    },
  );

  it.each([FIRST, FIRST + 1])(
    'of debts that are collected is stored as it would be in memory (seed %i)',
    async (seed) => {
      const world = history(seed, DEFAULT_WEIGHTS, { ...PAYING, standbyMax: [{ unit: BTC, amount: 2_000n }] });
      expect(world.book.defaults.ids().length).toBeGreaterThan(0);
      await replay(world, batches(world, seededRandom(seed + 1_000_000)));
    },
  );

  it.each([FIRST, FIRST + 1])(
    'of lines that wait for liquidity is stored as it would be in memory (seed %i)',
    async (seed) => {
      const world = history(seed, QUEUE_WEIGHTS);
      await replay(world, batches(world, seededRandom(seed + 1_000_000)));
    },
  );

  it.each([FIRST, FIRST + 1, FIRST + 7])(
    'of money in several units is stored as it would be in memory (seed %i)',
    async (seed) => {
      const standbyMax = [USD, EUR].map((unit) => ({ unit, amount: 70n }));
      const world = history(seed, UNIT_WEIGHTS, { ...PAYING, standbyMax });
      expect(world.book.quotes.ids().length).toBeGreaterThan(0);
      expect(world.book.defaults.all().some((each) => each.status !== 'none' && each.unit !== BTC)).toBe(true);
      await replay(world, batches(world, seededRandom(seed + 1_000_000)));
    },
  );

  it('a wallet’s coins count from the batch on in which it is announced', async () => {
    const world = new World(POLICY, ['w-c']);
    fund(world);
    const before = world.told.length;
    world.tell({ type: 'wallet_changed', wallet: world.walletNotices.pop()! });
    const id = world.submit('bilateral', 'c', 'a', 4_000n);
    const settlement = world.book.settlements.get(id);
    expect(settlement.status === 'screening' && settlement.sources).toHaveLength(1);
    await replay(world, [...each(world.told.slice(0, before)), world.told.slice(before)]);
  });

  it.each(['in large batches', 'one by one'])(
    'a wallet that is scanned pays once it is caught up with, %s',
    async (how) => {
      const world = new World(POLICY);
      fund(world);
      const scanning = (is: boolean): unknown =>
        world.tell({ type: 'wallet_changed', wallet: { ...walletCalled('w-a'), scanning: is } });
      scanning(true);
      const id = world.submit('bilateral', 'a', 'b', 4_000n);
      hurry(world);
      expect(world.book.settlements.get(id)).toMatchObject({ status: 'queued', waitsFor: 'WALLET_SCANNING' });
      scanning(false);
      hurry(world);
      expect(world.book.settlements.get(id).status).toBe('executing');
      await replay(world, how === 'in large batches' ? batches(world, () => 0.999) : each(world.told));
    },
  );

  it.each(['in one batch', 'one by one'])('payouts die with what they were to be paid from, %s', async (how) => {
    const world = new World(POLICY);
    fund(world, true);
    const first = world.submit('bilateral', 'a', 'b', 4_000n);
    hurry(world);
    for (let i = 0; i < 3; i++) world.mine(() => true);
    const second = world.submit('bilateral', 'a', 'c', 5_000n);
    hurry(world);
    world.mine(() => true);
    const third = world.submit('bilateral', 'b', 'c', 120_000n);
    hurry(world);
    const deposit = world.book.coins.ofWallet('w-a').find((coin) => coin.claimedBy === first)!;
    const root = world.chain.known.get(deposit.outpoint.slice(0, 64) as Txid)!.spends[0]!;
    const before = world.told.length;
    world.reorg(7, () => false);
    world.mine(() => false, [world.pay([root], [{ script: world.elsewhere(), valueSats: 1_000n }])]);
    for (let i = 0; i < 5; i++) world.mine(() => false);
    const statuses = [first, second].map((id) => world.book.settlements.get(id).status);
    expect(statuses).toEqual(['reversed', 'failed']);
    expect(world.book.settlements.get(third).status).toBe('executing');
    const undone = world.told.slice(before);
    await replay(world, [...each(world.told.slice(0, before)), ...(how === 'in one batch' ? [undone] : each(undone))]);
  });

  it.each(['in one batch', 'one by one'])('nothing is reversed twice, %s', async (how) => {
    const world = new World(POLICY);
    fund(world);
    const ids = (['bilateral', 'centralized'] as const).map((mode) => world.submit(mode, 'a', 'b', 20_000n));
    for (let i = 0; i < 4; i++) {
      hurry(world);
      world.mine(() => true);
    }
    const before = world.told.length;
    for (const amountSats of [9_000n, 11_001n, 11_000n, 1_000n]) for (const id of ids) world.reverse(id, amountSats);
    hurry(world);
    for (const id of ids) world.reverse(id, 20_000n);
    for (const id of ids) expect(living(world.book.settlements.get(id)).reversals).toHaveLength(2);
    const asked = world.told.slice(before);
    await replay(world, [...each(world.told.slice(0, before)), ...(how === 'in one batch' ? [asked] : each(asked))]);
  });
});

const each = (told: World['told']): World['told'][] => told.map((one) => [one]);

async function replay(world: World, parts: Iterable<World['told']>): Promise<void> {
  const rig = await StoreRig.open(world.book.policy);
  try {
    for (const part of parts) {
      rig.runtime.advance(part[0]!.at - rig.runtime.now());
      const outcomes = await rig.execute(part.map(({ command }) => command));
      for (const [i, outcome] of outcomes.entries()) {
        const { command, refused } = part[i]!;
        if (outcome.kind === 'failed')
          throw new Error(`${command.type}: ${outcome.error.message}`, { cause: outcome.error });
        expect(outcome.kind === 'refused' ? outcome.refusal.reason : undefined).toBe(refused);
      }
    }
    await rig.compare(world.book);
    await rig.verify();
    await rig.rebuild();
  } finally {
    await rig.close();
  }
}
