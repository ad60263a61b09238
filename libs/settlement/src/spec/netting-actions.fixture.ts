import { sats } from '@finality/kernel';
import { BTC, type Unit } from '@finality/ledger';
import { pairOf, windowBetween } from '../window.ts';
import type { OwnPlace } from '../process/payee.ts';
import type { PayoutRule } from '../window-payout.ts';
import { anyCollection, pledge, setTerms } from './credit.fixture.ts';
import { bit, pick } from './picks.fixture.ts';
import { INSTITUTIONS } from './parties.fixture.ts';
import { destinationIdOf, type World } from './world.fixture.ts';

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

/** Default: paid to its wallet. */
export const chooseWindowPayout = (
  world: World,
  institutionId: string,
  rule?: PayoutRule,
  place: OwnPlace = { kind: 'wallet', walletId: `w-${institutionId}` },
): string | undefined =>
  world.tell({
    type: 'choose_window_payout',
    request: { institutionId, by: 'k', ...(rule && { wanted: { rule, place } }) },
  });

const outside = (institutionId: string): OwnPlace => ({
  kind: 'destination',
  destinationId: destinationIdOf(institutionId),
});

/** A window is open, and those who can be paid want their net credit: in a custodial wallet, outside, or in a wallet of their own keys. */
export function beginNetting(world: World): void {
  openWindow(world);
  for (const institutionId of ['a', 'b', 'd2']) chooseWindowPayout(world, institutionId, { kind: 'net_credit' });
  chooseWindowPayout(world, 'c', { kind: 'net_credit' }, outside('c'));
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

/** By operators: none, nothing, or something. */
export function anyCap(world: World, institutionId: string, b: number, unit: Unit = BTC): void {
  const most = [undefined, 0n, 60n, 300n, 5_000n, 40_000n][(b >> 5) % 6];
  const cap = most === undefined ? {} : { cap: most };
  const persons = { by: 'o', confirmedBy: 'p', isOwn: false };
  world.tell({ type: 'set_debit_cap', request: { institutionId, unit, ...cap, reason: 'agreed', ...persons } });
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
  if (bit(a, 14) && bit(a, 15) && bit(b, 12)) return anyCap(world, institutionId, b);
  if (bit(a, 10) && bit(a, 11)) {
    const place = bit(b, 11) ? outside(institutionId) : undefined;
    return void chooseWindowPayout(world, institutionId, RULES[(b >> 3) % RULES.length], place);
  }
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
