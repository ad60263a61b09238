import { BTC } from '@finality/ledger';
import { liquidityV1, TOPICS } from '@finality/contracts';
import { funded, POLICY, USD, World } from '@finality/settlement/spec';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { type TestDatabase, testDatabase } from '@finality/testing';
import { UNWOUND_PER_STEP_MAX } from '@finality/settlement';
import type { SettlementCommand } from './commands.ts';
import { StoreRig } from './store-rig.fixture.ts';

/** Keeps the server up from one store to the next. */
let server: TestDatabase;
beforeAll(async () => (server = await testDatabase([])));
afterAll(() => server.close());

const DUE_MS = 1_000;
const MANY = UNWOUND_PER_STEP_MAX + 20;
const STEPS_MAX = 10;

let rig: StoreRig;
let world: World;
let stored: number;

beforeEach(async () => {
  const policy = { ...POLICY, standbyMax: [{ unit: BTC, amount: 5n }] };
  rig = await StoreRig.open(policy);
  world = new World(policy);
  stored = 0;
  await store();
  world.tell({ type: 'open_window', windowId: 'window-1' });
  const terms = { dueAfterMs: DUE_MS };
  world.tell({ type: 'set_credit_terms', request: { institutionId: 'a', terms, reason: 'agreed', by: 'operator' } });
  line(10_000n);
  await store();
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

function line(creditLineSats: bigint): void {
  const request = { institutionId: 'a', creditLineSats, reason: 'reviewed', by: 'operator', confirmedBy: 'operator-2' };
  world.tell({ type: 'set_credit_line', request });
}

async function pay(count: number, from: string, to: string): Promise<void> {
  const ids = Array.from({ length: count }, () => world.submit('centralized', from, to, 10n));
  await store();
  for (const by of ['risk', 'aml'] as const) for (const id of ids) world.screen('settlement', id, by, 'approve');
  await store();
}

it('is closed out in steps, each of them stored as it would be in memory', async () => {
  await pay(MANY, 'a', 'c');
  // All but 15 sat has gone on.
  await pay(MANY - 2, 'c', 'd');
  world.tell({
    type: 'post_pledge',
    request: { pledgeId: 'p-1', institutionId: 'c', pledge: 'default_fund', unit: BTC, amount: 5n, by: 'k' },
  });
  const closing = { windowId: 'window-1', nextWindowId: 'window-2', by: 'operator', reason: 'cut-off' };
  world.tell({ type: 'close_window', closing });
  line(1_000n);
  await pay(2, 'a', 'b');
  await store();
  rig.runtime.advance(DUE_MS);
  world.book.now = rig.runtime.now();
  for (let step = 0; world.book.defaults.all().every(({ status }) => status !== 'closed'); step++) {
    expect(step).toBeLessThan(STEPS_MAX);
    world.tell({ type: 'collect', institutionId: 'a' });
    await store();
  }
  // 175 of it were missing, 5 are c’s contribution, and 3 go to the standby line.
  funded('a', 'clearing', 1_000n)(world);
  world.tell({ type: 'collect', institutionId: 'a' });
  await store();
  const rows = await rig.query<{ payload: Buffer }>(
    `SELECT payload FROM published_messages WHERE topic = '${TOPICS.default.name}' ORDER BY position, ordinal`,
  );
  const told = rows.map(({ payload }) => liquidityV1.DefaultChanged.decode(payload).default!);
  expect(told.at(-1)).toMatchObject({
    status: liquidityV1.DefaultStatus.DEFAULT_STATUS_CLOSED,
    ...{ owed: 1_200n, lent: 1_000n, standby: 5n, takenBack: 15n, loss: 5n, uncovered: 175n },
    ...{ left: 0n, failedCount: 2, shares: [{ institutionId: 'c', amount: 5n, repaid: 5n }] },
    ...{ uncoveredPaid: 175n, standbyRepaid: 5n, stillOwed: 0n },
  });
  const listed = await rig.query('SELECT status, institution_id, still_owed FROM defaults');
  expect(listed).toEqual([{ status: 'closed', institution_id: 'a', still_owed: 0n }]);
  await rig.compare(world.book);
  await rig.verify();
});

it('in another unit that is declared in the batch in which it goes on waits for the next one, where what it paid is known', async () => {
  const both = { by: 'operator', confirmedBy: 'operator-2', reason: 'agreed' };
  const limit = { unit: USD, amount: 60n };
  world.tell({ type: 'set_credit_line', request: { institutionId: 'a', creditLineSats: 0n, limit, ...both } });
  const units = [{ unit: USD, dueAfterMs: DUE_MS }];
  world.tell({ type: 'set_credit_terms', request: { institutionId: 'a', terms: { units }, ...both } });
  const id = world.submit('centralized', 'a', 'b', 0n, { paid: limit });
  await store();
  for (const by of ['risk', 'aml'] as const) world.screen('settlement', id, by, 'approve');
  world.review(id, 'approve');
  world.tell({
    type: 'close_window',
    closing: { windowId: 'window-1', nextWindowId: 'window-2', by: 'o', reason: 'cut-off' },
  });
  const none = { ...limit, amount: 0n };
  world.tell({ type: 'set_credit_line', request: { institutionId: 'a', creditLineSats: 0n, limit: none, ...both } });
  await store();
  rig.runtime.advance(DUE_MS);
  const collect = { type: 'collect', institutionId: 'a' } as const;
  const declared = { type: 'declare_default', request: { institutionId: 'a', unit: USD, ...both } } as const;
  const statusAfter = async (...commands: readonly SettlementCommand[]): Promise<unknown> => {
    expect((await rig.execute(commands)).map(({ kind }) => kind)).toEqual(commands.map(() => 'accepted'));
    return (await rig.query('SELECT unit, status FROM defaults'))[0];
  };
  expect(await statusAfter(declared, collect, collect)).toEqual({ unit: USD, status: 'open' });
  expect(await statusAfter(collect)).toEqual({ unit: USD, status: 'closed' });
  const owned = `SELECT credits_posted - debits_posted AS has FROM ledger_accounts WHERE unit = 'USD' AND starts_with(id, 'clearing/')`;
  expect((await rig.query<{ has: bigint }>(owned)).map(({ has }) => `${has}`)).toEqual(['0', '0']);
  await rig.verify();
});
