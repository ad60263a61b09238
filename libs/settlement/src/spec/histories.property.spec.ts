import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { act, ACTION_WEIGHTS, type Action, type ActionKind } from './actions.fixture.ts';
import { checkWorld } from './invariants.fixture.ts';
import { World } from './world.fixture.ts';

const kinds = Object.entries(ACTION_WEIGHTS).map(([kind, weight]) => ({
  arbitrary: fc.constant(kind as ActionKind),
  weight: Math.ceil(weight * 20),
}));
const number = fc.integer({ min: 0, max: 0xffff });
const action: fc.Arbitrary<Action> = fc.record({ kind: fc.oneof(...kinds), a: number, b: number, c: number });

describe('any history', () => {
  it('keeps ledger, coins and chain together, whatever happens in whatever order', () => {
    fc.assert(
      fc.property(fc.array(action, { minLength: 20, maxLength: 150, size: 'max' }), (actions) => {
        const world = new World();
        for (const step of actions) {
          act(world, step);
          checkWorld(world);
        }
        expect(world.told.length).toBeGreaterThan(0);
      }),
      {
        numRuns: Number(process.env.RUNS ?? 100),
        seed: Number(process.env.SEED ?? 1),
        endOnFailure: process.env.SHRINK === undefined,
      },
    );
  });
});
