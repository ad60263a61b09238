import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { act, ACTION_WEIGHTS, type Action, type ActionKind, fund, settleDown } from './actions.fixture.ts';
import { checkAtRest, checkWorld } from './invariants.fixture.ts';
import { POLICY } from './memory-book.fixture.ts';
import { World } from './world.fixture.ts';

const kinds = Object.entries(ACTION_WEIGHTS).map(([kind, weight]) => ({
  arbitrary: fc.constant(kind as ActionKind),
  weight: Math.ceil(weight * 20),
}));
const number = fc.integer({ min: 0, max: 0xffff });
const action: fc.Arbitrary<Action> = fc.record({ kind: fc.oneof(...kinds), a: number, b: number, c: number });

/** With the shorter one, reorgs go past every finality there is. */
const POLICIES = [
  ['as deployed', POLICY],
  [
    'short',
    {
      ...POLICY,
      confirmations: { bilateral: 1, blockchain: 2 },
      depositConfirmations: 1,
      finalDepth: 3,
      reopenedBlocksMax: 2,
    },
  ],
] as const;

describe('any history', () => {
  it.each(POLICIES)(
    'keeps ledger, coins and chain together, whatever happens in whatever order (%s)',
    (_name, policy) => {
      fc.assert(
        fc.property(
          fc.subarray(['pool', 'w-b', 'w-c']),
          fc.array(action, { minLength: 20, maxLength: 150, size: 'max' }),
          (late, actions) => {
            const world = new World(policy, late);
            fund(world);
            for (const step of actions) {
              act(world, step);
              checkWorld(world);
            }
            settleDown(world);
            checkWorld(world);
            checkAtRest(world);
            expect(world.told.length).toBeGreaterThan(0);
          },
        ),
        {
          numRuns: Number(process.env.RUNS ?? 100),
          seed: Number(process.env.SEED ?? 1),
          endOnFailure: process.env.SHRINK === undefined,
        },
      );
    },
  );
});
