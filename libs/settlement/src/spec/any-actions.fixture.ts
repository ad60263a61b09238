import fc from 'fast-check';
import type { Action, ActionKind } from './action-weights.fixture.ts';

const number = fc.integer({ min: 0, max: 0xffff });

/** Histories of up to so many actions. */
export function actionsOf(weights: Readonly<Record<ActionKind, number>>, maxLength: number): fc.Arbitrary<Action[]> {
  const kinds = Object.entries(weights).map(([kind, weight]) => ({
    arbitrary: fc.constant(kind as ActionKind),
    weight: Math.ceil(weight * 20),
  }));
  const action = fc.record({ kind: fc.oneof(...kinds), a: number, b: number, c: number });
  return fc.array(action, { minLength: 20, maxLength, size: 'max' });
}
