import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type UnitDebt, unitDebtAggregate, type UnitDebtEvent } from '../unit-debt.ts';
import { checkWorld } from './invariants.fixture.ts';
import { MemoryBook, MemoryRecords, POLICY } from './memory-book.fixture.ts';
import { checkBounds, enlarge } from './unit-bounds.fixture.ts';
import { World } from './world.fixture.ts';

const STEPS = 60;

/** What could be owed is counted, and nobody looks at it. */
class Uncounted extends MemoryRecords<UnitDebt, UnitDebtEvent> {
  override get(): UnitDebt {
    return unitDebtAggregate.initialState;
  }
}

class BoundlessBook extends MemoryBook {
  override readonly unitDebts = new Uncounted(unitDebtAggregate, this.log);
}

/** What goes wrong first, if anything does. */
function fault(make: () => MemoryBook, finish: (world: World) => void): string | undefined {
  const numbers = fc.tuple(fc.nat(), fc.nat());
  const property = fc.property(fc.array(numbers, { minLength: STEPS, maxLength: STEPS }), (steps) => {
    const world = new World(POLICY, [], make());
    for (const step of steps) {
      enlarge(world, ...step);
      checkBounds(world.book);
    }
    finish(world);
  });
  const { failed, errorInstance } = fc.check(property, { numRuns: 150, seed: 7, endOnFailure: true });
  return failed ? String(errorInstance) : undefined;
}

describe('amounts of a unit as large as they can be', () => {
  it('never make a balance that can’t be told', () => {
    const seen = new Set<string>();
    const finish = (world: World): void => {
      checkWorld(world);
      for (const { refused } of world.told) seen.add(refused ?? '');
      for (const { event } of world.book.log) seen.add(event.type);
    };
    expect(fault(() => new MemoryBook(POLICY), finish)).toBeUndefined();
    const expected = ['AMOUNT_TOO_LARGE', 'line_counted', 'correction_counted', 'settlement_settled'];
    expect(expected.filter((each) => !seen.has(each))).toEqual([]);
  });

  it('would, were lines and corrections not counted', () => {
    expect(
      fault(
        () => new BoundlessBook(POLICY),
        () => undefined,
      ),
    ).toMatch(/can be told/);
  });
});
