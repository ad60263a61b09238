import type { Sats } from '@finality/kernel';
import { anyLimits, checkPaymentLimits, INSTITUTIONS, POLICY, setLimits, World } from '@finality/settlement/spec';
import { seededRandom, type TestDatabase, testDatabase } from '@finality/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StoreRig } from './store-rig.fixture.ts';

const BATCHES = 30;
const ADVANCES_MS = [0, 1, 900, 75_000, 1_800_000, 40_000_000];
const WITHDRAWN = ['cancel', 'expire', 'fall_due'] as const;

/** Keeps the server up from one history to the next. */
let server: TestDatabase;
beforeAll(async () => (server = await testDatabase([])));
afterAll(() => server.close());

describe('limits, in batches of any size, while time goes on', () => {
  it.each([1, 2, 3])('are stored as they would be in memory, and never exceeded (seed %i)', async (seed) => {
    const random = seededRandom(seed);
    const number = (): number => Math.floor(random() * 0x1_0000);
    const rig = await StoreRig.open(POLICY);
    try {
      const world = new World(POLICY);
      let stored = 0;
      const store = async (): Promise<void> => {
        const told = world.told.slice(stored);
        stored = world.told.length;
        const outcomes = await rig.execute(told.map(({ command }) => command));
        const reasons = outcomes.map((outcome) => (outcome.kind === 'refused' ? outcome.refusal.reason : undefined));
        expect(reasons).toEqual(told.map(({ refused }) => refused));
      };
      await store();
      setLimits(world, 'a', anyLimits(number() | 3, number()));
      await store();
      for (let batch = 0; batch < BATCHES; batch++) {
        rig.runtime.advance(ADVANCES_MS[number() % ADVANCES_MS.length]!);
        world.book.now = rig.runtime.now();
        for (let i = number() % 25; i >= 0; i--) step(world, number);
        await store();
      }
      expect(world.told.filter(({ refused }) => refused === 'LIMIT_EXCEEDED').length).toBeGreaterThan(10);
      checkPaymentLimits(world.book);
      await rig.compare(world.book);
      await rig.verify();
    } finally {
      await rig.close();
    }
  });

  it('cost no round trip', async () => {
    const rig = await StoreRig.open(POLICY);
    try {
      const world = new World(POLICY);
      await rig.execute(world.told.map(({ command }) => command));
      const begun = world.told.length;
      for (let i = 0; i < 40; i++) world.submit('centralized', INSTITUTIONS[i % 2]!, 'c', 1n);
      const submissions = world.told.slice(begun).map(({ command }) => command);
      const [without, within] = [submissions.slice(0, 20), submissions.slice(20)];
      const expected = await rig.queriesOf(() => rig.execute(without));
      const limits = { transactions: [], windows: [{ seconds: 60, maxSats: 1_000n as Sats }] };
      const requests = ['a', 'b'].map((institutionId) => ({
        institutionId,
        limits,
        reason: '',
        by: 'o',
        isOwn: false,
      }));
      await rig.execute(requests.map((request) => ({ type: 'set_limits', request })));
      expect(await rig.queriesOf(() => rig.execute(within))).toBe(expected);
    } finally {
      await rig.close();
    }
  });
});

function step(world: World, number: () => number): void {
  const kind = number() % 12;
  const [a, b] = [number(), number()];
  const ids = world.book.settlements.ids();
  const from = INSTITUTIONS[a % 2]!;
  if (kind < 8) world.submit('centralized', from, 'c', BigInt(1 + (b % 50_000)));
  else if (kind < 9 && ids.length > 0) world.screen('settlement', ids[a % ids.length]!, 'aml', 'reject');
  else if (kind < 11 && ids.length > 0) world.withdraw(ids[a % ids.length]!, WITHDRAWN[b % 3]!);
  else if (kind === 11) setLimits(world, from, anyLimits(a, b));
}
