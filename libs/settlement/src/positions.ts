import { assert } from '@finality/kernel';
import type { Unit } from '@finality/ledger';
import type { Leg } from './unit-terms.ts';
import type { Position, WindowTotals } from './window.ts';

/** A position, and the window it is one of. */
export interface WindowPosition extends Position {
  readonly windowId: string;
}

/**
 * Positions as a batch changes them. What a settlement adds needs nothing to be loaded; what there was before is loaded for windows that the
 * batch closes, and for no other.
 */
export class PositionBook {
  readonly #before = new Map<string, Map<string, Position>>();
  readonly #added = new Map<string, Map<string, Position>>();

  /** @param windowIds windows all of whose positions are given */
  constructor(windowIds: Iterable<string> = [], positions: readonly WindowPosition[] = []) {
    for (const windowId of windowIds) this.#before.set(windowId, new Map());
    for (const { windowId, ...position } of positions) {
      const window = this.#before.get(windowId);
      assert(window !== undefined, `positions of window ${windowId} weren't asked for`);
      window.set(keyOf(position), position);
    }
  }

  /** A new window: nobody has a position in it. */
  open(windowId: string): void {
    this.#before.set(windowId, new Map());
  }

  /** One settlement has settled, with these legs. */
  add(windowId: string, legs: readonly Leg[]): void {
    const window = this.#added.get(windowId) ?? new Map<string, Position>();
    this.#added.set(windowId, window);
    const count = (position: Position): void =>
      void window.set(keyOf(position), sum(window.get(keyOf(position)), position));
    for (const { from, to, money } of legs) {
      const { unit, amount } = money;
      count({ ...none(from, unit), paid: amount, paidCount: 1 });
      count({ ...none(to, unit), received: amount, receivedCount: 1 });
    }
  }

  /** All positions of a window that was loaded or opened here, in the order of the institutions' ids, and of units. */
  of(windowId: string): readonly Position[] {
    const before = this.#before.get(windowId);
    assert(before !== undefined, `positions of window ${windowId} weren't loaded`);
    const all = new Map(before);
    for (const [key, position] of this.#added.get(windowId) ?? []) all.set(key, sum(before.get(key), position));
    return [...all.values()].sort(inOrder);
  }

  /** What this batch has added: to be added to what is stored. */
  added(): readonly WindowPosition[] {
    return [...this.#added].flatMap(([windowId, window]) =>
      [...window.values()].map((position) => ({ windowId, ...position })),
    );
  }
}

const keyOf = ({ institutionId, unit }: Pick<Position, 'institutionId' | 'unit'>): string => `${institutionId} ${unit}`;

/** By institution, then by unit. */
export function inOrder(a: Position, b: Position): number {
  if (a.institutionId !== b.institutionId) return a.institutionId < b.institutionId ? -1 : 1;
  return a.unit < b.unit ? -1 : a.unit > b.unit ? 1 : 0;
}

/** What a participant is owed by its window; what it owes where that is negative. In the position's unit. */
export const netOf = ({ paid, received }: Pick<Position, 'paid' | 'received'>): bigint => received - paid;

/** Over all positions of a window, unit by unit, in the order of their codes. What some have paid others have received, so that nets add up to zero in each. */
export function totalsOf(positions: readonly Position[]): readonly WindowTotals[] {
  const units = Map.groupBy(positions, ({ unit }) => unit);
  return [...units].map(([unit, ofUnit]) => totalsIn(unit, ofUnit)).sort((a, b) => (a.unit < b.unit ? -1 : 1));
}

function totalsIn(unit: Unit, positions: readonly Position[]): WindowTotals {
  const paid = positions.reduce((total, position) => total + position.paid, 0n);
  const received = positions.reduce((total, position) => total + position.received, 0n);
  assert(paid === received, `positions of a window add up to zero: ${paid} of ${unit} paid, ${received} received`);
  return {
    unit,
    participants: positions.length,
    settlements: positions.reduce((total, { paidCount }) => total + paidCount, 0),
    gross: paid,
    net: positions.reduce((total, position) => total + (netOf(position) > 0n ? netOf(position) : 0n), 0n),
  };
}

const none = (institutionId: string, unit: Unit): Position => ({
  institutionId,
  unit,
  paid: 0n,
  received: 0n,
  paidCount: 0,
  receivedCount: 0,
});

function sum(a: Position | undefined, b: Position): Position {
  if (a === undefined) return b;
  return {
    institutionId: b.institutionId,
    unit: b.unit,
    paid: a.paid + b.paid,
    received: a.received + b.received,
    paidCount: a.paidCount + b.paidCount,
    receivedCount: a.receivedCount + b.receivedCount,
  };
}
