import type { Sats } from '@finality/kernel';
import { BTC } from '@finality/ledger';
import { POLICY, World } from '@finality/settlement/spec';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SettlementCommand } from './commands.ts';
import { StoreRig } from './store-rig.fixture.ts';

const FEW = 10;
const MANY = 1_000;
const WINDOW = 'window-1';

let rig: StoreRig;

beforeEach(async () => {
  rig = await StoreRig.open(POLICY);
  // Institutions, their wallets, and money in them.
  const world = new World(POLICY);
  for (const institutionId of ['a', 'b']) {
    for (const [walletId, purpose] of [
      ['pool', 'clearing'],
      [`w-${institutionId}`, 'wallet'],
    ] as const) {
      const place = world.place(walletId, institutionId, purpose);
      world.announce(place, false);
      world.chain.accept(world.pay([world.chain.root()], [{ script: place.script, valueSats: 50_000_000n }]));
    }
  }
  for (let i = 0; i < 3; i++) world.mine(() => true);
  for (const outpoint of world.book.deposits.ids())
    for (const by of ['risk', 'aml'] as const) world.screen('deposit', outpoint, by, 'approve');
  for (const { command } of world.told) await rig.execute([command]);
  // What settles counts in a window, too.
  await rig.execute([{ type: 'open_window', windowId: WINDOW }]);
});

afterEach(() => rig.close());

const ids = (count: number): string[] => Array.from({ length: count }, (_, i) => `s-${count}-${i}`);

const submissions = (settlementIds: readonly string[], mode: 'centralized' | 'blockchain'): SettlementCommand[] =>
  settlementIds.map((settlementId) => ({
    type: 'submit',
    submission: {
      settlementId,
      from: 'a',
      to: 'b',
      amountSats: 1_000n as Sats,
      mode,
      feeBearer: 'payer',
      referenceId: '',
      idempotencyKey: 'k',
      submittedBy: 'k',
    },
  }));

const verdicts = (settlementIds: readonly string[], by: 'risk' | 'aml'): SettlementCommand[] =>
  settlementIds.map((id) => ({
    type: 'verdict',
    subject: 'settlement',
    id,
    by,
    assessment: { recommendation: 'approve', rulesVersion: '1', reason: '' },
  }));

/** Statements of one batch, all of whose commands must be accepted. */
const statements = (commands: readonly SettlementCommand[]): Promise<number> =>
  rig.queriesOf(async () => {
    const outcomes = await rig.execute(commands);
    expect(outcomes.filter((outcome) => outcome.kind !== 'accepted')).toEqual([]);
  });

/** What the participants of the windows have paid, in their order. */
const paid = async (): Promise<readonly bigint[]> =>
  (
    await rig.query<{ paid: bigint }>('SELECT paid::bigint FROM window_positions ORDER BY window_id, institution_id')
  ).map((row) => row.paid);

/** Who has a cap on what he may owe in a window costs one question more for all of them, and pays up to it exactly. */
async function capped(): Promise<void> {
  const request = { institutionId: 'a', unit: BTC, cap: 5_500n, reason: 'agreed', by: 'k', isOwn: false };
  await rig.execute([{ type: 'set_debit_cap', request }]);
  const list = ids(2 * FEW);
  await statements(submissions(list, 'centralized'));
  await statements(verdicts(list, 'risk'));
  expect(await statements(verdicts(list, 'aml'))).toBeLessThanOrEqual(25);
  expect(await paid()).toEqual([1_010_000n, 0n, 5_000n, 0n]);
  const left = await rig.query<{ count: bigint }>(`SELECT count(*) FROM settlements WHERE status = 'queued'`);
  expect(left[0]?.count).toBe(BigInt(2 * FEW - 5));
}

describe('a batch of a thousand takes as many round trips as one of ten', { timeout: 120_000 }, () => {
  it.each(['centralized', 'blockchain'] as const)('submissions and verdicts, %s', async (mode) => {
    const [few, many] = [ids(FEW), ids(MANY)];
    for (const step of [
      (list: readonly string[]) => submissions(list, mode),
      (list: readonly string[]) => verdicts(list, 'risk'),
      (list: readonly string[]) => verdicts(list, 'aml'),
    ]) {
      const expected = await statements(step(few));
      const found = await statements(step(many));
      expect(found).toBeLessThanOrEqual(expected);
      expect(found).toBeLessThanOrEqual(24);
    }
    const status = mode === 'centralized' ? 'settled' : 'reserved';
    const done = await rig.query<{ count: bigint }>(`SELECT count(*) FROM settlements WHERE status = '${status}'`);
    if (mode === 'centralized') {
      expect(await paid()).toEqual([BigInt(FEW + MANY) * 1_000n, 0n]);
      const closing = { windowId: WINDOW, nextWindowId: 'window-2', by: 'operator', reason: 'cut-off' };
      expect(await statements([{ type: 'close_window', closing }])).toBeLessThanOrEqual(16);
      await capped();
    }
    // One coin pays one settlement on-chain; the others wait for its change.
    expect(done[0]?.count).toBe(mode === 'centralized' ? BigInt(FEW + MANY) : 1n);
  });
});

it('a CENTRALIZED batch whose institutions are known from before waits twice: for what is read, and for the commit', async () => {
  const [before, list] = [ids(FEW), ids(2 * FEW)];
  const steps = (settlementIds: readonly string[]): readonly (readonly SettlementCommand[])[] => [
    submissions(settlementIds, 'centralized'),
    verdicts(settlementIds, 'risk'),
    verdicts(settlementIds, 'aml'),
  ];
  for (const step of steps(before)) await statements(step);
  const found: number[] = [];
  for (const step of steps(list)) found.push(await rig.roundTripsOf(() => statements(step)));
  expect(found).toEqual([2, 2, 2]);
});
