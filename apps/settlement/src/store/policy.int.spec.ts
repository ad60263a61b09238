import { decodeJson, type Sats } from '@finality/kernel';
import { type LimitsState, living, usedIn } from '@finality/settlement';
import {
  anyLimits,
  approved,
  assigned,
  checkPaymentLimits,
  funded,
  given,
  INSTITUTIONS,
  journalOf,
  POLICY,
  setLimits,
  World,
} from '@finality/settlement/spec';
import { seededRandom, type TestDatabase, testDatabase } from '@finality/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StoreRig } from './store-rig.fixture.ts';

const BATCHES = 20;
const ADVANCES_MS = [0, 1, 900, 75_000, 1_800_000, 40_000_000];
const WITHDRAWN = ['cancel', 'expire', 'fall_due'] as const;

/** Keeps the server up from one history to the next. */
let server: TestDatabase;
beforeAll(async () => (server = await testDatabase([])));
afterAll(() => server.close());

describe('limits, lists and approvals, in batches of any size, while time goes on', () => {
  it.each([1, 2])('are stored as they would be in memory, and never exceeded (seed %i)', async (seed) => {
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
      const approved = world.book.log.filter(({ event }) => event.type === 'approval_given');
      expect(approved.length).toBeGreaterThan(0);
      await rig.compare(world.book);
      await rig.verify();
    } finally {
      await rig.close();
    }
  });

  it('count what a restored store learns was paid, in the copy scheduled or not known', async () => {
    const rig = await StoreRig.open(POLICY);
    try {
      const { world } = given(funded('a', 'wallet', 90_000n), funded('a', 'wallet', 90_000n)).when();
      setLimits(world, 'a', { transactions: [], windows: [{ seconds: 86_400, maxSats: 100_000n as Sats }] });
      const executeAt = world.book.now + 1_000;
      world.submit('bilateral', 'a', 'b', 20_000n, { executeAt: executeAt as typeof world.book.now });
      await rig.execute(world.told.map(({ command }) => command));
      world.book.now = executeAt as typeof world.book.now;
      world.withdraw('s-1', 'fall_due');
      const pay = (settlementId: string): void => {
        approved(world);
        assigned(world);
        world.sign(settlementId);
      };
      pay('s-1');
      pay(world.submit('bilateral', 'a', 'c', 5_000n));
      await rig.execute([{ type: 'begin_recovery', epoch: 2, reason: 'the copy is old' }]);
      for (const signed of journalOf(world)) {
        const adopted = signed.payouts.map(({ settlementId }) => {
          const { terms, createdAt } = living(world.book.settlements.get(settlementId));
          return { type: 'adopt_settlement', terms, receivedAt: createdAt } as const;
        });
        const outcomes = await rig.execute([...adopted, { type: 'import_transaction', signed }]);
        expect(outcomes.map(({ kind }) => kind)).toEqual(outcomes.map(() => 'accepted'));
      }
      const [row] = await rig.query<{ state: string }>(
        "SELECT state FROM stream_states WHERE stream = 'payment_limits/a'",
      );
      const state = decodeJson(row!.state) as Extract<LimitsState, { status: 'set' }>;
      expect(usedIn(state.windows[0]!, world.book.now)).toEqual({ sats: 25_000n, count: 2 });
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

function counterparty(world: World, institutionId: string, number: number): void {
  const by = 'k';
  const request = { institutionId, counterpartyId: 'c', by };
  const kind = number % 5;
  if (kind < 3) world.tell({ type: 'allow_counterparty', request });
  else if (kind < 4) world.tell({ type: 'remove_counterparty', request });
  else {
    const isRestricted = number % 2 === 0;
    world.tell({
      type: 'restrict_counterparties',
      request: { institutionId, isRestricted, isOwn: false, reason: '', by, confirmedBy: 'p' },
    });
  }
}

/** Screened, and then approved by some persons of the payer or another, and the compliance officer. */
function approve(world: World, settlementId: string, number: number): void {
  world.screen('settlement', settlementId, 'risk', 'approve');
  world.screen('settlement', settlementId, 'aml', number % 4 === 0 ? 'manual_review' : 'approve');
  for (const [i, reviewer] of ['k', 'ann', 'bob', 'ann', 'officer'].entries()) {
    const institutionId = i === 4 ? undefined : INSTITUTIONS[(number >> (2 + i)) % 2]!;
    const decision = number % 11 === i ? 'reject' : 'approve';
    const review = { settlementId, decision, reason: '', reviewer, ...(institutionId && { institutionId }) } as const;
    world.tell({ type: 'review', review });
  }
}

function setTiers(world: World, institutionId: string, number: number): void {
  const tiers = [
    { aboveSats: BigInt(number % 30_000) as Sats, approvals: 1, areSigned: false },
    { aboveSats: 40_000n as Sats, approvals: 2, areSigned: true },
  ];
  const isOwn = number % 2 === 0;
  world.tell({
    type: 'set_approval_policy',
    request: { institutionId, tiers, isOwn, reason: '', by: 'o', ...(!isOwn && { confirmedBy: 'p' }) },
  });
}

function step(world: World, number: () => number): void {
  const kind = number() % 14;
  const [a, b] = [number(), number()];
  const ids = world.book.settlements.ids();
  const from = INSTITUTIONS[a % 2]!;
  const id = ids[a % Math.max(1, ids.length)];
  if (kind < 8 || id === undefined) world.submit('centralized', from, 'c', BigInt(1 + (b % 50_000)));
  else if (kind < 9) world.screen('settlement', id, 'aml', 'reject');
  else if (kind < 10) world.withdraw(id, WITHDRAWN[b % 3]!);
  else if (kind < 11) approve(world, id, b);
  else if (kind < 12) setTiers(world, from, b);
  else if (kind < 13 && b % 3 === 0) setLimits(world, from, anyLimits(a, b));
  else counterparty(world, from, b);
}
