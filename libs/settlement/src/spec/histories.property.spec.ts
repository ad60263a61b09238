import { sats } from '@finality/kernel';
import { BTC } from '@finality/ledger';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ACTION_WEIGHTS,
  type Action,
  DEFAULT_WEIGHTS,
  NETTING_WEIGHTS,
  PAYOUT_WEIGHTS,
  QUEUE_WEIGHTS,
  RELEASE_WEIGHTS,
  VERSION_WEIGHTS,
} from './action-weights.fixture.ts';
import { act, fund, settleDown } from './actions.fixture.ts';
import { actionsOf } from './any-actions.fixture.ts';
import { comeIn } from './credit.fixture.ts';
import { checkAtRest } from './at-rest.fixture.ts';
import { checkWorld } from './invariants.fixture.ts';
import { beginCollecting, beginNetting } from './netting-actions.fixture.ts';
import { PAYING } from './memory-book.fixture.ts';
import { WALLETS } from './parties.fixture.ts';
import { World } from './world.fixture.ts';

function run(world: World, actions: readonly Action[]): void {
  for (const step of actions) {
    act(world, step);
    checkWorld(world);
  }
  settleDown(world);
  checkWorld(world);
  checkAtRest(world);
}

/** With the shorter one, reorgs go past every finality there is. */
const POLICIES = [
  ['as deployed', PAYING],
  [
    'short',
    {
      ...PAYING,
      bumpBearer: 'platform',
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
    },
  ],
] as const;

const SETTINGS = {
  numRuns: Number(process.env['RUNS'] ?? 25),
  seed: Number(process.env['SEED'] ?? 1),
  endOnFailure: process.env['SHRINK'] === undefined,
};

const TIMEOUT_MS = 120_000;

describe.each(POLICIES)('any history (%s)', { timeout: TIMEOUT_MS }, (_name, policy) => {
  it('keeps ledger, coins and chain together, whatever happens in whatever order', () => {
    fc.assert(
      fc.property(fc.subarray(['pool', 'w-b', 'w-c', 'w-d']), actionsOf(ACTION_WEIGHTS, 150), (late, actions) => {
        const world = new World(policy, late);
        fund(world);
        run(world, actions);
      }),
      SETTINGS,
    );
  });

  it('of versions that pay this and that keeps them together', () => {
    fc.assert(
      fc.property(actionsOf(VERSION_WEIGHTS, 80), (actions) => {
        const world = new World(policy);
        fund(world, true);
        run(world, actions);
      }),
      SETTINGS,
    );
  });

  it('of payouts that need each other keeps them together', () => {
    fc.assert(
      fc.property(actionsOf(PAYOUT_WEIGHTS, 100), (actions) => {
        const world = new World(policy);
        fund(world, true);
        run(world, actions);
      }),
      SETTINGS,
    );
  });

  it('of netting keeps positions and settlements together', () => {
    const count = { inWindows: 0 };
    fc.assert(
      fc.property(actionsOf(NETTING_WEIGHTS, 150), (actions) => {
        const world = new World(policy);
        fund(world);
        beginNetting(world);
        run(world, actions);
        for (const settlement of world.book.settlements.all())
          if (settlement.status === 'settled' && settlement.windowId !== undefined) count.inWindows += 1;
      }),
      { ...SETTINGS, numRuns: Math.ceil(SETTINGS.numRuns / 5) },
    );
    expect(count.inWindows).toBeGreaterThan(0);
  });

  it('of lines that wait for liquidity keeps them in order', () => {
    let together = 0;
    fc.assert(
      fc.property(actionsOf(QUEUE_WEIGHTS, 60), (actions) => {
        const world = new World(policy);
        fund(world);
        run(world, actions);
        together += world.book.log.filter(({ event }) => 'gridlockId' in event).length;
      }),
      SETTINGS,
    );
    expect(together).toBeGreaterThan(0);
  });

  it('of coins that operators release keeps them together', () => {
    const count = { released: 0, spentAgain: 0 };
    fc.assert(
      fc.property(actionsOf(RELEASE_WEIGHTS, 60), (actions) => {
        const world = new World(policy);
        fund(world);
        run(world, actions);
        count.released += world.book.log.filter(({ event }) => event.type === 'coins_released').length;
        const coins = WALLETS.flatMap(({ walletId }) => world.book.coins.ofWallet(walletId));
        count.spentAgain += coins.filter((coin) => coin.formerClaims.length > 0 && coin.claimedBy !== undefined).length;
      }),
      SETTINGS,
    );
    expect(count.released).toBeGreaterThan(0);
    expect(count.spentAgain).toBeGreaterThan(0);
  });
});

describe('any history', { timeout: TIMEOUT_MS }, () => {
  it('of debts that are collected lets nobody bear anything but by the rule', () => {
    const count = {
      ...{ obligation_met: 0, debt_lent: 0, default_covered: 0, settlement_unwound: 0, loss_allocated: 0 },
      default_repaid: 0,
    };
    fc.assert(
      fc.property(actionsOf(DEFAULT_WEIGHTS, 60), (actions) => {
        const world = new World({
          ...PAYING,
          standbyMax: [{ unit: BTC, amount: 2_000n }],
          lentMaxSats: sats(120_000n),
        });
        fund(world);
        beginCollecting(world);
        run(world, actions);
        for (const amountSats of [1_001n, 60_000n]) {
          comeIn(world, amountSats);
          checkWorld(world);
        }
        for (const { event } of world.book.log) if (event.type in count) count[event.type as keyof typeof count] += 1;
      }),
      SETTINGS,
    );
    for (const [type, times] of Object.entries(count)) expect(times, type).toBeGreaterThan(0);
  });
});
