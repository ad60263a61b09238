import { BTC, clearingClaim, creditBalance, TRANSFER_AMOUNT_MAX } from '@finality/ledger';
import { expect } from 'vitest';
import { bankBookingId } from '../bank-booking.ts';
import { UNIT_LINE_MAX } from '../process/credit-lines.ts';
import { AT_BANKS_MAX, OWED_MAX, owedAtMost } from '../unit-debt.ts';
import { Dice } from './dice.fixture.ts';
import { USD } from './exchange.fixture.ts';
import type { MemoryBook } from './memory-book.fixture.ts';
import { byTwo } from './proposals.fixture.ts';
import type { World } from './world.fixture.ts';

// Amounts of a unit as large as can be, where three institutions borrow, pay and are booked wrongly.

const PARTIES = ['a', 'b', 'c'] as const;
const AMOUNTS = [1n, 2n ** 48n, UNIT_LINE_MAX, OWED_MAX / 2n, OWED_MAX - 1n, OWED_MAX, AT_BANKS_MAX, 2n ** 63n - 1n];

/** No balance, reserved or not, nor what it could spend, is more than can be told. */
export function checkBounds(book: MemoryBook): void {
  for (const account of book.ledger.accounts()) {
    const { id, limit, debitsPending, creditsPending } = account;
    const balance = creditBalance(account);
    const overdraft = limit.kind === 'debits_must_not_exceed_credits' ? limit.overdraft : 0n;
    for (const told of [
      balance,
      balance - debitsPending,
      balance + creditsPending,
      balance - debitsPending + overdraft,
    ])
      expect(told <= TRANSFER_AMOUNT_MAX && -told <= TRANSFER_AMOUNT_MAX, `${id} can be told: ${told}`).toBe(true);
  }
}

/** What is owed in a unit is within what was counted for it. In BTC more is: by whoever spent a deposit that was taken back. */
export function checkOwed(book: MemoryBook): void {
  const owed = new Map<string, bigint>();
  for (const account of book.ledger.accounts()) {
    const lacking = account.debitsPending - creditBalance(account);
    if (account.id.startsWith('clearing/') && lacking > 0n)
      owed.set(account.unit, (owed.get(account.unit) ?? 0n) + lacking);
  }
  for (const unit of book.unitDebts.ids()) {
    const { lines, corrected } = book.unitDebts.get(unit);
    const most = owedAtMost({ lines, corrected });
    const lacking = unit === BTC ? 0n : (owed.get(unit) ?? 0n);
    expect(lacking <= most && most <= OWED_MAX, `${unit} is owed within ${most}`).toBe(true);
  }
}

/** One thing that makes balances larger, or smaller than nothing. */
export function enlarge(world: World, ...numbers: readonly number[]): void {
  const dice = new Dice(...numbers);
  dice.pick([lend, lend, book, book, correct, pay, pay, pay])(world, dice);
}

function lend(world: World, dice: Dice): void {
  const [institutionId, limit] = [dice.pick(PARTIES), { unit: USD, amount: dice.pick([0n, ...AMOUNTS]) }];
  const request = { institutionId, creditLineSats: 0n, limit, reason: '', by: 'operator' };
  byTwo(world, { type: 'set_credit_line', request });
}

function book(world: World, dice: Dice): void {
  const statementLine = `${world.told.length}`;
  const line = { direction: dice.pick(['in', 'in', 'out'] as const), institutionId: dice.pick(PARTIES), statementLine };
  const proposal = { ...line, money: { unit: USD, amount: dice.pick(AMOUNTS) }, reason: '', proposedBy: 'operator' };
  world.tell({ type: 'propose_bank_booking', proposal });
  const decision = { bookingId: bankBookingId(USD, statementLine), by: 'operator-2', reason: '' };
  if (dice.chance(0.9)) world.tell({ type: 'confirm_bank_booking', decision });
}

function correct(world: World, dice: Dice): void {
  const booked = world.book.bankBookings.all().flatMap((each) => (each.status === 'booked' ? [each.line] : []));
  const line = dice.maybe(booked);
  if (line === undefined) return;
  const { bookingId, institutionId } = line;
  const right = { direction: dice.pick(['in', 'out'] as const), institutionId: dice.pick(PARTIES) };
  const instead = dice.chance(0.5) ? { right: { ...right, amount: dice.pick(AMOUNTS) } } : {};
  const persons = { by: 'operator', confirmedBy: 'operator-2' };
  world.tell({ type: 'correct_bank_line', request: { bookingId, institutionId, ...instead, ...persons, reason: '' } });
  // Whoever has spent what wasn't his is to go on.
  for (const id of PARTIES) {
    const request = { institutionId: id, reason: '', by: 'operator', althoughOwing: true };
    if (world.book.institutions.get(id).status === 'frozen') byTwo(world, { type: 'unfreeze_institution', request });
  }
}

/** All that somebody has, mostly, to the last cent of its line. */
function pay(world: World, dice: Dice): void {
  const from = dice.pick(PARTIES);
  const all = world.book.ledger.spendable(clearingClaim(from, USD));
  const amount = all > 0n && all <= TRANSFER_AMOUNT_MAX && dice.chance(0.8) ? all : dice.pick(AMOUNTS);
  const to = dice.pick(PARTIES.filter((id) => id !== from));
  const id = world.submit('centralized', from, to, 0n, { paid: { unit: USD, amount } });
  if (world.book.settlements.get(id).status === 'none') return;
  for (const by of ['risk', 'aml'] as const) world.screen('settlement', id, by, 'approve');
  if (world.book.settlements.get(id).status === 'under_review') world.review(id, 'approve');
}
