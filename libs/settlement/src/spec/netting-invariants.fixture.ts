import { expect } from 'vitest';
import { inOrder, netOf, totalsOf } from '../positions.ts';
import { living, type LivingSettlement, type Settlement } from '../settlement.ts';
import { legsOf } from '../unit-terms.ts';
import { nettingAggregate, type NettingEvent, type Position, windowOf, type WindowEvent } from '../window.ts';
import { debtorKey, debtorsOf } from './credit.fixture.ts';
import type { MemoryBook } from './memory-book.fixture.ts';

const ENDED = ['settled', 'rejected', 'reversed', 'failed', 'cancelled', 'expired'];

const isOf =
  (windowId: string) =>
  (state: Settlement): state is LivingSettlement =>
    state.status !== 'none' && state.terms.netPayout?.windowId === windowId;

/** Windows and positions, from settlements and the log alone. */
export function checkNetting(book: MemoryBook): void {
  checkPlaces(book);
  const settled = book.settlements.all().filter((state) => state.status === 'settled');
  for (const windowId of book.windows.ids()) {
    const positions = book.positions.of(windowId);
    expect(positions, windowId).toEqual(positionsOf(settled.filter((state) => state.windowId === windowId)));
    for (const unit of new Set(positions.map((position) => position.unit))) {
      const ofUnit = positions.filter((position) => position.unit === unit);
      expect(
        ofUnit.reduce((sum, position) => sum + netOf(position), 0n),
        `${windowId} ${unit}`,
      ).toBe(0n);
    }
    const window = book.windows.get(windowId);
    if (!('payouts' in window)) continue;
    expect(window.totals).toEqual(totalsOf(positions));
    const payouts = book.settlements.all().filter(isOf(windowId));
    expect(payouts.map(({ terms }) => terms.settlementId)).toEqual([...window.payouts].sort());
    const unpaid = payouts.filter(({ status }) => !ENDED.includes(status));
    expect([...window.unpaid].sort()).toEqual(unpaid.map(({ terms }) => terms.settlementId));
    const debtors = debtorsOf(book, windowId);
    expect(window.debtors.map(debtorKey).sort(), windowId).toEqual(debtors);
    expect(window.status).toBe(unpaid.length + debtors.length === 0 ? 'settled' : 'settling');
  }
}

/** Each CENTRALIZED settlement is in the window that was its parties' at its place in the log, and windows that have closed keep what they had. */
function checkPlaces({ log, settlements, positions }: MemoryBook): void {
  let netting = nettingAggregate.initialState;
  for (const { stream, event } of log) {
    const slash = stream.indexOf('/');
    const [name, id] = [stream.slice(0, slash), stream.slice(slash + 1)];
    if (name === nettingAggregate.name) netting = nettingAggregate.evolve(netting, event as NettingEvent);
    if (event.type === 'window_closed')
      expect((event as Extract<WindowEvent, { type: 'window_closed' }>).positions, id).toEqual(positions.of(id));
    if (event.type !== 'settlement_settled') continue;
    const { terms } = living(settlements.get(id));
    const expected = terms.mode === 'centralized' ? windowOf(netting, legsOf(terms))?.windowId : undefined;
    expect((event as { windowId?: string }).windowId, id).toBe(expected);
  }
}

function positionsOf(settled: readonly LivingSettlement[]): readonly Position[] {
  const legs = settled.flatMap(({ terms }) => legsOf(terms));
  const places = new Map(
    legs.flatMap(({ from, to, money: { unit } }) =>
      [from, to].map((institutionId) => [`${institutionId} ${unit}`, { institutionId, unit }] as const),
    ),
  );
  const positions = [...places.values()].map(({ institutionId, unit }) => {
    const ofUnit = legs.filter(({ money }) => money.unit === unit);
    const paid = ofUnit.filter(({ from }) => from === institutionId);
    const received = ofUnit.filter(({ to }) => to === institutionId);
    const sum = (of: typeof legs) => of.reduce((total, { money }) => total + money.amount, 0n);
    return {
      institutionId,
      unit,
      paid: sum(paid),
      received: sum(received),
      paidCount: paid.length,
      receivedCount: received.length,
    };
  });
  return positions.sort(inOrder);
}
