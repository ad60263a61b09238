import { sats } from '@finality/kernel';
import { pairOf, windowBetween } from '../window.ts';
import type { PayoutRule } from '../window-payout.ts';
import { anyCollection, pledge, setTerms } from './credit.fixture.ts';
import { bit, pick } from './picks.fixture.ts';
import { INSTITUTIONS } from './parties.fixture.ts';
import { type World } from './world.fixture.ts';

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

export const chooseWindowPayout = (world: World, institutionId: string, rule?: PayoutRule): string | undefined =>
  world.tell({
    type: 'choose_window_payout',
    request: { institutionId, walletId: `w-${institutionId}`, by: 'k', ...(rule && { rule }) },
  });

/** A window is open, and those who have a custodial wallet want their net credit there. */
export function beginNetting(world: World): void {
  openWindow(world);
  for (const institutionId of ['a', 'b', 'c']) chooseWindowPayout(world, institutionId, { kind: 'net_credit' });
}

/** A window is open, three owe what they have drawn as soon as it closes, and some of them have put something aside. */
export function beginCollecting(world: World): void {
  openWindow(world);
  for (const [i, institutionId] of ['a', 'b', 'c'].entries()) {
    const creditLineSats = 30_000n * BigInt(i + 1);
    world.tell({
      type: 'set_credit_line',
      request: { institutionId, creditLineSats, reason: 'agreed', by: 'operator', confirmedBy: 'operator-2' },
    });
    setTerms(world, institutionId, undefined, 0);
    pledge(world, 'post_pledge', institutionId, 1_001n, 'default_fund');
    if (i > 0) pledge(world, 'post_pledge', institutionId, 3_000n);
  }
}

const RULES: readonly (PayoutRule | undefined)[] = [
  { kind: 'net_credit' },
  { kind: 'above_floor', floorSats: sats(10_000n) },
  { kind: 'net_credit' },
  undefined,
];

/** Somebody opens, closes or divides what is netted: mostly what is open, and mostly those who may. */
export function net(world: World, a: number, b: number): void {
  const { book } = world;
  const institutionId = pick(INSTITUTIONS, a)!;
  const others = INSTITUTIONS.filter((id) => id !== institutionId);
  const counterpartyId = pick(others, b)!;
  const { multilateral } = book.netting.get();
  if (bit(a, 12) && bit(a, 13)) {
    if (multilateral !== undefined && bit(b, 9)) closeWindow(world, multilateral.windowId);
    return anyCollection(world, a, b);
  }
  if (bit(a, 10) && bit(a, 11)) return void chooseWindowPayout(world, institutionId, RULES[(b >> 3) % RULES.length]);
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
