import type { Instant } from '@finality/kernel';
import { availableAccount, BTC, clearingClaim, type Unit } from '@finality/ledger';
import { expect } from 'vitest';
import { bankBookingId } from '../bank-booking.ts';
import { requiredCollateral, termsIn, termsOf, type UnitCreditTerms } from '../credit.ts';
import type { PledgeMove } from '../postings/pledge.ts';
import { ownIn } from '../process/net-payouts.ts';
import { pledgedOf } from './credit.fixture.ts';
import type { Dice } from './dice.fixture.ts';
import { EUR, USD } from './exchange.fixture.ts';
import { closeWindow } from './netting-actions.fixture.ts';
import type { World } from './world.fixture.ts';

// What institutions put aside in several units, and what they owe in them and don't pay in time.

const PARTIES = ['a', 'b', 'c', 'd'] as const;
const UNITS: readonly Unit[] = [BTC, USD, EUR];
const AMOUNTS = [1n, 60n, 300n, 1_000n];
const HAIRCUTS_BPS = [undefined, 0, 1_500, 9_999];
const DUE_AFTER_MS = [undefined, 1, 20_000];

/** Somebody puts something aside, or takes it back; or owes something for too long. */
export function secure(world: World, dice: Dice): void {
  if (dice.chance(0.8)) pledgeIn(world, dice);
  else overdue(world, dice);
}

/** What lines rest on from now on: the same in every unit, or in some by itself. */
export function anyTermsByUnit(world: World, dice: Dice): void {
  const all = dice.chance(0.8) ? { dueAfterMs: dice.pick([1, 20_000]) } : {};
  const terms = dice.chance(0.5) ? all : { ...all, units: [termsOfUnit(USD, dice), termsOfUnit(EUR, dice)] };
  const request = { institutionId: dice.pick(PARTIES), terms, reason: '', by: 'operator', confirmedBy: 'operator-2' };
  world.tell({ type: 'set_credit_terms', request });
}

function termsOfUnit(unit: Unit, dice: Dice): UnitCreditTerms {
  const [haircutBps, dueAfterMs] = [dice.pick(HAIRCUTS_BPS), dice.pick(DUE_AFTER_MS)];
  return { unit, ...(haircutBps !== undefined && { haircutBps }), ...(dueAfterMs !== undefined && { dueAfterMs }) };
}

/** Somebody has looked at why. */
export function thaw(world: World, dice: Dice): void {
  const institutionId = dice.maybe(PARTIES.filter((id) => world.book.institutions.get(id).status === 'frozen'));
  if (institutionId === undefined) return;
  const request = { institutionId, reason: 'looked at', by: 'operator', althoughOwing: dice.chance(0.5) };
  world.tell({ type: 'unfreeze_institution', request: { ...request, confirmedBy: 'operator-2' } });
}

/** All there is, so that what is paid next is owed, or any amount. */
function pledgeIn(world: World, dice: Dice): void {
  const { book } = world;
  const [institutionId, unit] = [dice.pick(PARTIES), dice.pick(UNITS)];
  const pledge = dice.chance(0.9) ? 'collateral' : 'default_fund';
  const own = ownIn(world.book, institutionId, unit);
  const amount = own > 0n && dice.chance(0.6) ? own : dice.pick(AMOUNTS);
  const request = { pledgeId: `p-${world.told.length}`, institutionId, pledge, unit, amount, by: 'k' } as const;
  if (dice.chance(0.8)) return void world.tell({ type: 'post_pledge', request });
  const before = book.log.length;
  world.tell({ type: 'release_pledge', request: { ...request, confirmedBy: 'operator-2' } });
  if (book.log.slice(before).some(({ event }) => event.type === 'pledge_released')) checkReleased(world, request);
}

/** After a release: what is drawn in the unit is still covered by the rule, by collateral in that unit. */
function checkReleased({ book }: World, { institutionId, pledge, unit }: PledgeMove): void {
  if (pledge !== 'collateral') return;
  const account = book.ledger.account(availableAccount(clearingClaim(institutionId, unit)));
  const owed = account.debitsPosted + account.debitsPending - account.creditsPosted;
  const terms = termsIn(termsOf(book.credits.get(institutionId)), unit);
  const required = requiredCollateral(owed > 0n ? owed : 0n, terms);
  expect(pledgedOf(book, institutionId, unit), `${institutionId} ${unit}`).toBeGreaterThanOrEqual(required);
}

/** Somebody has put aside all it has in a unit, pays what it is lent there, and doesn't pay that back in time. */
function overdue(world: World, dice: Dice): void {
  const { book } = world;
  const { multilateral } = book.netting.get();
  if (multilateral === undefined) return;
  const [institutionId, unit, made] = [dice.pick(['a', 'b'] as const), dice.pick([USD, EUR]), world.told.length];
  const asked = { institutionId, reason: '', by: 'operator', confirmedBy: 'operator-2' };
  world.tell({ type: 'set_credit_line', request: { ...asked, creditLineSats: 0n, limit: { unit, amount: 1_000n } } });
  world.tell({ type: 'set_credit_terms', request: { ...asked, terms: { dueAfterMs: 1 } } });
  const line = { money: { unit, amount: dice.pick([16n, 300n]) }, statementLine: `late ${made}`, reason: '' };
  world.tell({
    type: 'propose_bank_booking',
    proposal: { ...line, direction: 'in', institutionId, proposedBy: 'operator' },
  });
  const decision = { bookingId: bankBookingId(unit, line.statementLine), by: 'operator-2', reason: '' };
  world.tell({ type: 'confirm_bank_booking', decision });
  const amount = ownIn(book, institutionId, unit);
  const move = { pledgeId: `p-${made}`, institutionId, pledge: 'collateral', unit, amount, by: 'k' } as const;
  if (amount > 0n) world.tell({ type: 'post_pledge', request: move });
  const id = world.submit('centralized', institutionId, 'd', 0n, { paid: { unit, amount: 60n } });
  if (book.settlements.get(id).status === 'none') return;
  for (const by of ['risk', 'aml'] as const) world.screen('settlement', id, by, 'approve');
  closeWindow(world, multilateral.windowId);
  book.now = (book.now + 1) as Instant;
  world.tell({ type: 'collect', institutionId });
}
