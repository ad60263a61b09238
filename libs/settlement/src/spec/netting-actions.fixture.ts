import { pairOf, windowBetween } from '../window.ts';
import { bit, pick } from './picks.fixture.ts';
import { INSTITUTIONS, type World } from './world.fixture.ts';

/** One for each request: by what was asked before it. */
const newWindowId = (world: World): string => `win-${world.told.length}`;

export const openWindow = (world: World): string | undefined =>
  world.tell({ type: 'open_window', windowId: newWindowId(world) });

export function closeWindow(world: World, windowId: string): string | undefined {
  const closing = { windowId, nextWindowId: newWindowId(world), by: 'operator', reason: 'cut-off' };
  return world.tell({ type: 'close_window', closing });
}

export function agreeNetting(world: World, institutionId: string, counterpartyId: string): string | undefined {
  const request = { institutionId, counterpartyId };
  return world.tell({ type: 'agree_netting', request, windowId: newWindowId(world) });
}

export const endNetting = (world: World, institutionId: string, counterpartyId: string): string | undefined =>
  world.tell({ type: 'end_netting', request: { institutionId, counterpartyId } });

/** Somebody opens, closes or divides what is netted: mostly what is open, and mostly those who may. */
export function net(world: World, a: number, b: number): void {
  const { book } = world;
  const institutionId = pick(INSTITUTIONS, a)!;
  const others = INSTITUTIONS.filter((id) => id !== institutionId);
  const counterpartyId = pick(others, b)!;
  const { multilateral } = book.netting.get();
  if (multilateral === undefined || (bit(a, 4) && bit(a, 5) && bit(a, 6))) return void openWindow(world);
  if (bit(a, 7) && bit(a, 8)) {
    agreeNetting(world, institutionId, counterpartyId);
    if (bit(a, 9)) agreeNetting(world, counterpartyId, institutionId);
    return;
  }
  if (bit(b, 4) && bit(b, 5) && bit(b, 6)) return void endNetting(world, ...pairOf(institutionId, counterpartyId));
  const closable = [
    multilateral.windowId,
    windowBetween(book.netting.get(), institutionId, counterpartyId)!.windowId,
    ...(bit(b, 7) && bit(b, 8) ? book.windows.ids() : []),
  ];
  closeWindow(world, pick(closable, b >> 9)!);
}
