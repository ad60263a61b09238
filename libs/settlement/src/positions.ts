import { assert, type Sats } from '@finality/kernel';
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
      window.set(position.institutionId, position);
    }
  }

  /** A new window: nobody has a position in it. */
  open(windowId: string): void {
    this.#before.set(windowId, new Map());
  }

  /** One settlement has settled. */
  add(
    windowId: string,
    { from, to, amountSats }: { readonly from: string; readonly to: string; amountSats: Sats },
  ): void {
    const window = this.#added.get(windowId) ?? new Map<string, Position>();
    this.#added.set(windowId, window);
    window.set(from, sum(window.get(from), { ...none(from), paidSats: amountSats, paidCount: 1 }));
    window.set(to, sum(window.get(to), { ...none(to), receivedSats: amountSats, receivedCount: 1 }));
  }

  /** All positions of a window that was loaded or opened here, in the order of the institutions' ids. */
  of(windowId: string): readonly Position[] {
    const before = this.#before.get(windowId);
    assert(before !== undefined, `positions of window ${windowId} weren't loaded`);
    const all = new Map(before);
    for (const [id, position] of this.#added.get(windowId) ?? []) all.set(id, sum(before.get(id), position));
    return [...all.values()].sort((a, b) => (a.institutionId < b.institutionId ? -1 : 1));
  }

  /** What this batch has added: to be added to what is stored. */
  added(): readonly WindowPosition[] {
    return [...this.#added].flatMap(([windowId, window]) =>
      [...window.values()].map((position) => ({ windowId, ...position })),
    );
  }
}

/** What a participant is owed by its window; what it owes where that is negative. In satoshi. */
export const netSats = ({ paidSats, receivedSats }: Position): bigint => receivedSats - paidSats;

/** Over all positions of a window. Its payers have paid what its payees have received, so that nets add up to zero. */
export function totalsOf(positions: readonly Position[]): WindowTotals {
  const paid = positions.reduce((total, { paidSats }) => total + paidSats, 0n);
  const received = positions.reduce((total, { receivedSats }) => total + receivedSats, 0n);
  assert(paid === received, `positions of a window add up to zero: ${paid} sat paid, ${received} sat received`);
  return {
    participants: positions.length,
    settlements: positions.reduce((total, { paidCount }) => total + paidCount, 0),
    grossSats: paid,
    netSats: positions.reduce((total, position) => total + (netSats(position) > 0n ? netSats(position) : 0n), 0n),
  };
}

const none = (institutionId: string): Position => ({
  institutionId,
  paidSats: 0n as Sats,
  receivedSats: 0n as Sats,
  paidCount: 0,
  receivedCount: 0,
});

function sum(a: Position | undefined, b: Position): Position {
  if (a === undefined) return b;
  return {
    institutionId: b.institutionId,
    paidSats: (a.paidSats + b.paidSats) as Sats,
    receivedSats: (a.receivedSats + b.receivedSats) as Sats,
    paidCount: a.paidCount + b.paidCount,
    receivedCount: a.receivedCount + b.receivedCount,
  };
}
