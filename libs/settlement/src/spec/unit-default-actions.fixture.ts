import type { Instant } from '@finality/kernel';
import type { Unit } from '@finality/ledger';
import { bankBookingId } from '../bank-booking.ts';
import { ownIn } from '../process/net-payouts.ts';
import { REPAYMENT_EVERY_MS } from '../process/repayments.ts';
import type { Dice } from './dice.fixture.ts';
import { EUR, USD } from './exchange.fixture.ts';
import { closeWindow } from './netting-actions.fixture.ts';
import { INSTITUTIONS } from './parties.fixture.ts';
import { byTwo } from './proposals.fixture.ts';
import type { World } from './world.fixture.ts';

// Debts in units that banks keep, which nobody pays: declared defaults by two, closed out, and paid back by what comes in.

const BOTH = { by: 'operator', confirmedBy: 'operator-2', reason: '' };
const GRACE_MS = 5_000;
const STEPS_MAX = 50;

/** Somebody owes more in a unit than it can pay back; whether it is a default others say, mostly in time. */
export function failToPay(world: World, dice: Dice): void {
  const [institutionId, unit] = [dice.pick(['a', 'b'] as const), dice.pick([USD, EUR])];
  const payeeId = dice.pick(['c', 'd'] as const);
  if (dice.chance(0.6)) contribute(world, dice.pick(['c', 'd'] as const), unit, dice.pick([16n, 60n]));
  if (dice.chance(0.3)) contribute(world, institutionId, unit, 16n);
  if (!owe(world, institutionId, payeeId, unit, dice)) return;
  // Its payee has passed it on, or not.
  if (dice.chance(0.4))
    pay(world, payeeId, dice.pick(['a', 'b', 'c', 'd'] as const), unit, ownIn(world.book, payeeId, unit));
  if (dice.chance(0.6)) setLine(world, institutionId, unit, dice.pick([0n, 100n]));
  wait(world, 1);
  if (dice.chance(0.8)) collectDue(world);
  declare(world, institutionId, dice.chance(0.7) ? unit : dice.pick([USD, EUR]), dice.chance(0.8));
  if (dice.chance(0.9)) collectDue(world);
  repay(world, institutionId, unit, dice);
}

/** Comes in for it, some or all of it, in the unit or in another one. */
function repay(world: World, institutionId: string, unit: Unit, dice: Dice): void {
  if (dice.chance(0.4)) return;
  const came = dice.chance(0.8) ? unit : dice.pick([USD, EUR]);
  payIn(world, institutionId, came, dice.pick([60n, 300n, 5_000n]));
  wait(world, REPAYMENT_EVERY_MS);
  collectDue(world);
}

/** It has nothing but what it is lent, pays that, and a window closes. @returns whether it did */
function owe(world: World, institutionId: string, payeeId: string, unit: Unit, dice: Dice): boolean {
  const { multilateral } = world.book.netting.get();
  if (multilateral === undefined) return false;
  setLine(world, institutionId, unit, 300n);
  const units = [{ unit, dueAfterMs: 1, ...(dice.chance(0.8) && { graceMs: GRACE_MS }) }];
  world.tell({ type: 'set_credit_terms', request: { institutionId, terms: { dueAfterMs: 20_000, units }, ...BOTH } });
  const own = ownIn(world.book, institutionId, unit);
  if (own > 10n ** 6n || !pay(world, institutionId, payeeId, unit, own + 200n)) return false;
  closeWindow(world, multilateral.windowId);
  return true;
}

/** @returns whether it was accepted */
function pay(world: World, from: string, to: string, unit: Unit, amount: bigint): boolean {
  if (amount <= 0n || from === to) return false;
  const id = world.submit('centralized', from, to, 0n, { paid: { unit, amount } });
  const { status } = world.book.settlements.get(id);
  if (status === 'none') return false;
  for (const by of ['risk', 'aml'] as const) world.screen('settlement', id, by, 'approve');
  if (world.book.settlements.get(id).status === 'under_review') world.review(id, 'approve');
  return true;
}

/** By two, at the end of the grace or before. */
function declare(world: World, institutionId: string, unit: Unit, isInTime: boolean): void {
  if (isInTime) wait(world, GRACE_MS);
  byTwo(world, { type: 'declare_default', request: { institutionId, unit, reason: 'asked', by: 'operator' } });
}

function setLine(world: World, institutionId: string, unit: Unit, amount: bigint): void {
  const request = { institutionId, creditLineSats: 0n, limit: { unit, amount }, ...BOTH };
  world.tell({ type: 'set_credit_line', request });
}

function contribute(world: World, institutionId: string, unit: Unit, amount: bigint): void {
  if (ownIn(world.book, institutionId, unit) < amount) payIn(world, institutionId, unit, amount);
  const move = { pledgeId: `p-${world.told.length}`, institutionId, pledge: 'default_fund', unit, amount } as const;
  world.tell({ type: 'post_pledge', request: { ...move, by: 'k' } });
}

function payIn(world: World, institutionId: string, unit: Unit, amount: bigint): void {
  const statementLine = `in ${world.told.length}`;
  const line = { direction: 'in', institutionId, money: { unit, amount }, statementLine, reason: '' } as const;
  world.tell({ type: 'propose_bank_booking', proposal: { ...line, proposedBy: 'operator' } });
  const decision = { bookingId: bankBookingId(unit, statementLine), by: 'operator-2', reason: '' };
  world.tell({ type: 'confirm_bank_booking', decision });
}

/** Timers go off as often as it takes. */
function collectDue(world: World): void {
  const { timers } = world.book;
  for (let steps = 0; ; steps++) {
    const due = INSTITUTIONS.filter((id) => (timers.get(`${id} collection`) ?? Infinity) <= world.book.now);
    if (due.length === 0) return;
    if (steps === STEPS_MAX) throw new Error('what is collected comes to an end');
    for (const institutionId of due) world.tell({ type: 'collect', institutionId });
  }
}

const wait = (world: World, ms: number): void => void (world.book.now = (world.book.now + ms) as Instant);
