import { liquidityV1, TOPICS } from '@finality/contracts';
import type { Instant, Sats } from '@finality/kernel';
import { BTC, parseUnit, type Unit } from '@finality/ledger';
import { checkBounds, enlarge, INSTITUTIONS, POLICY, World } from '@finality/settlement/spec';
import { seededRandom, type TestDatabase, testDatabase } from '@finality/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { LINE_RELEASED_MAX } from './open.sql.ts';
import { readCrossed } from '../workers/watch-liquidity.ts';
import { StoreRig } from './store-rig.fixture.ts';

/** Keeps the server up from one store to the next. */
let server: TestDatabase;
beforeAll(async () => (server = await testDatabase([])));
afterAll(() => server.close());

let rig: StoreRig;
let world: World;
let stored = 0;

beforeEach(async () => {
  rig = await StoreRig.open(POLICY);
  world = new World(POLICY);
  stored = 0;
});
afterEach(() => rig.close());

/** What the world was told since the last time, in one batch: decided as it was there. */
async function store(): Promise<void> {
  const told = world.told.slice(stored);
  stored = world.told.length;
  const outcomes = await rig.execute(told.map(({ command }) => command));
  const reasons = outcomes.map((outcome) => (outcome.kind === 'refused' ? outcome.refusal.reason : undefined));
  expect(reasons).toEqual(told.map(({ refused }) => refused));
}

/** Whatever was decided so far was decided before. */
async function advance(ms: number): Promise<void> {
  await store();
  rig.runtime.advance(ms);
  world.book.now = rig.runtime.now();
}

function line(institutionId: string, creditLineSats: bigint, inMs?: number): void {
  const expiresAt = inMs === undefined ? {} : { expiresAt: (world.book.now + inMs) as Instant };
  const request = {
    institutionId,
    creditLineSats,
    ...expiresAt,
    reason: 'reviewed',
    by: 'operator',
    confirmedBy: 'operator-2',
  };
  world.tell({ type: 'set_credit_line', request });
}

function owe(count: number, from: string, to: string): readonly string[] {
  const ids = Array.from({ length: count }, () => world.submit('centralized', from, to, 10n));
  for (const by of ['risk', 'aml'] as const) for (const id of ids) world.screen('settlement', id, by, 'approve');
  return ids;
}

const statusesOf = async (): Promise<Record<string, number>> => {
  const rows = await rig.query<{ status: string; count: bigint }>(
    'SELECT status, count(*) AS count FROM settlements GROUP BY status',
  );
  return Object.fromEntries(rows.map(({ status, count }) => [status, Number(count)]));
};

describe('credit lines, in batches of any size, while time goes on', () => {
  it.each([1, 2])('are stored as they would be in memory (seed %i)', async (seed) => {
    const random = seededRandom(seed);
    const below = (bound: number): number => Math.floor(random() * bound);
    for (let batch = 0; batch < 25; batch++) {
      await advance([0, 1, 500, 2_000][below(4)]!);
      const submitted: string[] = [];
      for (let i = below(12); i >= 0; i--) {
        const from = below(3);
        const institutionId = INSTITUTIONS[from]!;
        const what = below(6);
        if (what === 0) line(institutionId, [0n, 15n, 40n, 90n][below(4)]!);
        else if (what === 1) line(institutionId, [15n, 40n, 90n][below(3)]!, [1, 500, 1_500][below(3)]!);
        else submitted.push(world.submit('centralized', institutionId, INSTITUTIONS[(from + 1 + below(2)) % 3]!, 10n));
      }
      await store();
      // Whoever answers has seen what it answers to.
      for (const by of ['risk', 'aml'] as const)
        for (const id of submitted) world.screen('settlement', id, by, 'approve');
      for (let i = 0; i < 3; i++) world.tell({ type: 'expire_credit_line', institutionId: INSTITUTIONS[i]! });
    }
    await store();
    const types = world.book.log.map(({ event }) => event.type);
    for (const type of ['credit_line_expired', 'settlement_settled', 'liquidity_awaited'])
      expect(types.filter((each) => each === type).length, type).toBeGreaterThan(2);
    await rig.compare(world.book);
    await rig.verify();
  });
});

describe('a line that is longer than what is looked at', () => {
  const MANY = LINE_RELEASED_MAX + 20;

  it('is released from the front, in several goes, and lets nobody past', async () => {
    await store();
    const ids = owe(MANY, 'a', 'c');
    await store();
    line('a', 100_000n);
    const late = owe(1, 'a', 'c')[0]!;
    await store();
    expect(await statusesOf()).toEqual({ queued: MANY + 1 });
    await rig.execute([{ type: 'retry_reservation', settlementId: ids[0]! }]);
    expect(await statusesOf()).toEqual({ settled: LINE_RELEASED_MAX, queued: 21 });
    const rest = await rig.query<{ settlement_id: string }>(
      `SELECT settlement_id FROM settlements WHERE status = 'queued' ORDER BY updated_position`,
    );
    expect(rest.map((row) => row.settlement_id)).toEqual([...ids.slice(LINE_RELEASED_MAX), late]);
    await rig.execute([{ type: 'retry_reservation', settlementId: late }]);
    expect(await statusesOf()).toEqual({ settled: MANY + 1 });
    await rig.verify();
  });

  it('is settled with another one, all of both at once', async () => {
    await store();
    const settlementIds = [...owe(MANY, 'a', 'c'), ...owe(MANY, 'c', 'a')];
    await store();
    expect(await statusesOf()).toEqual({ queued: 2 * MANY });
    const request = { gridlockId: 'g', settlementIds };
    await rig.execute([{ type: 'resolve_gridlock', request: { ...request, settlementIds: settlementIds.slice(1) } }]);
    expect(await statusesOf()).toEqual({ queued: 2 * MANY });
    world.offset(settlementIds);
    await store();
    expect(await statusesOf()).toEqual({ settled: 2 * MANY });
    await rig.compare(world.book);
    await rig.verify();
  });
});

it('tells the world once when liquidity has crossed a level', async () => {
  const look = (unit: Unit = BTC): void => void world.tell({ type: 'observe_liquidity', institutionId: 'a', unit });
  const alerts = { warnBelow: 50n, criticalBelow: 10n };
  line('a', 55n);
  world.tell({ type: 'set_liquidity_alerts', request: { institutionId: 'a', unit: BTC, alerts, by: 'k' } });
  await store();
  owe(1, 'a', 'c');
  look();
  look();
  await store();
  line('a', 1_000n);
  look();
  await store();
  const rows = await rig.query<{ payload: Buffer }>(
    `SELECT payload FROM published_messages WHERE topic = '${TOPICS.liquidityLevel.name}' ORDER BY position, ordinal`,
  );
  const told = rows.map(({ payload }) => liquidityV1.LiquidityLevelChanged.decode(payload));
  const { LIQUIDITY_LEVEL_OK: ok, LIQUIDITY_LEVEL_WARN: warn } = liquidityV1.LiquidityLevel;
  expect(told).toMatchObject([
    { institutionId: 'a', unit: 'BTC', level: warn, previousLevel: ok, spendable: 45n, alerts },
    { institutionId: 'a', unit: 'BTC', level: ok, previousLevel: warn, spendable: 990n, alerts },
  ]);
  await rig.compare(world.book);
});

it('finds who has crossed a level, in any unit', async () => {
  const USD = parseUnit('USD')!;
  const watch = (unit: Unit, alerts: { warnBelow: bigint; criticalBelow: bigint }): void =>
    void world.tell({ type: 'set_liquidity_alerts', request: { institutionId: 'a', unit, alerts, by: 'k' } });
  const lend = (amount: bigint): void => {
    const persons = { by: 'operator', confirmedBy: 'operator-2' };
    const request = { institutionId: 'a', creditLineSats: 0n, limit: { unit: USD, amount }, reason: '', ...persons };
    world.tell({ type: 'set_credit_line', request });
  };
  watch(USD, { warnBelow: 2n ** 63n - 1n, criticalBelow: 100n });
  watch(BTC, { warnBelow: 0n, criticalBelow: 0n });
  await store();
  expect(await readCrossed(rig.pool)).toEqual([]);
  lend(111n);
  await store();
  expect(await readCrossed(rig.pool)).toEqual([{ institutionId: 'a', unit: USD }]);
  world.tell({ type: 'observe_liquidity', institutionId: 'a', unit: USD });
  line('a', 10n);
  await store();
  expect(await readCrossed(rig.pool)).toEqual([]);
  await rig.compare(world.book);
  await rig.rebuild();
});

it.each([1, 2])('stores amounts of a unit as large as they can be (seed %i)', async (seed) => {
  const random = seededRandom(seed);
  const USD = parseUnit('USD')!;
  const alerts = { warnBelow: 2n ** 63n - 1n, criticalBelow: 2n ** 63n - 1n };
  for (const institutionId of ['a', 'b', 'c'])
    world.tell({ type: 'set_liquidity_alerts', request: { institutionId, unit: USD, alerts, by: 'k' } });
  await store();
  for (let step = 0; step < 60; step++) {
    enlarge(world, Math.floor(random() * 2 ** 31));
    await store();
    await readCrossed(rig.pool);
  }
  expect(world.told.filter(({ refused }) => refused === 'AMOUNT_TOO_LARGE').length).toBeGreaterThan(2);
  checkBounds(world.book);
  await rig.compare(world.book);
  await rig.verify();
  await rig.rebuild();
});

it('lends no more than the platform’s cap in all, and asks for what is lent only where somebody has a line', async () => {
  /** Statements of the batch in which they settle, if they do. */
  const settling = async (...payers: readonly string[]): Promise<number> => {
    const ids = payers.map((payer) => world.submit('centralized', payer, 'c', 10n));
    for (const id of ids) world.screen('settlement', id, 'risk', 'approve');
    await store();
    for (const id of ids) world.screen('settlement', id, 'aml', 'approve');
    return rig.queriesOf(store);
  };
  const [uncapped, capped] = [POLICY, { ...POLICY, lentMaxSats: 60n as Sats }].map((policy) => async () => {
    await rig.close();
    rig = await StoreRig.open(policy);
    world = new World(policy);
    stored = 0;
    await store();
    const withoutLines = await settling('a');
    line('a', 50n);
    line('b', 50n);
    await store();
    return { withoutLines, withLines: await settling('a', 'b') };
  }) as [() => Promise<Statements>, () => Promise<Statements>];
  const expected = await uncapped();
  expect(await capped()).toEqual({ ...expected, withLines: expected.withLines + 1 });
  for (let batch = 0; batch < 2; batch++) await settling('b', 'b', 'b', 'b');
  expect(await statusesOf()).toEqual({ queued: 6, settled: 5 });
  world.tell({ type: 'retry_reservation', settlementId: 's-1' });
  await store();
  // Both of `a` wait, of whom one is paid from what is left to be lent.
  expect(await statusesOf()).toEqual({ queued: 5, settled: 6 });
  await rig.compare(world.book);
  await rig.verify();
});

interface Statements {
  readonly withoutLines: number;
  readonly withLines: number;
}
