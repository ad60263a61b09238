import type { Instant } from '@finality/kernel';
import { BTC, type Money, type Unit } from '@finality/ledger';
import { bankBookingId } from '../bank-booking.ts';
import { isInLine, PRIORITIES } from '../queue.ts';
import { rateIdOf } from '../rate.ts';
import { windowBetween } from '../window.ts';
import { setTerms } from './credit.fixture.ts';
import { Dice } from './dice.fixture.ts';
import { EUR, USD } from './exchange.fixture.ts';
import { AT_BANKS_MAX } from '../unit-debt.ts';
import { agreeNetting, anyCap, closeWindow } from './netting-actions.fixture.ts';
import { INSTITUTIONS } from './parties.fixture.ts';
import { anyTermsByUnit, secure, thaw } from './pledge-actions.fixture.ts';
import { resolvableIn } from './queue-actions.fixture.ts';
import { byTwo } from './proposals.fixture.ts';
import { failToPay } from './unit-default-actions.fixture.ts';
import type { World } from './world.fixture.ts';

// What institutions do about money in several units: at banks, at rates, one unit against another.

/** Who exchanges, and who quotes; some of them owe each other something besides. */
const TAKERS = ['a', 'b', 'c'] as const;
const MAKERS = ['c', 'd'] as const;
const PAIRS = [
  ['a', 'c'],
  ['a', 'b'],
] as const;
const PARTIES = ['a', 'b', 'c', 'd'] as const;
const UNITS: readonly Unit[] = [BTC, USD, EUR];
/** Some that nobody has, all that banks hold, and one that no account can hold. */
const AMOUNTS = [1n, 16n, 60n, 300n, 1_000n, AT_BANKS_MAX, 2n ** 63n];
const CREDIT_LINE_SATS = 1_000n;

type Step = (world: World, dice: Dice) => void;

/** One thing that somebody does about it; now and then some time has gone by. */
export function exchange(world: World, ...numbers: readonly number[]): void {
  const dice = new Dice(...numbers);
  dice.pick(STEPS)(world, dice);
  if (dice.chance(0.05)) thaw(world, dice);
  if (dice.chance(0.2)) world.book.now = (world.book.now + dice.pick([1, 20_000, 60_000])) as Instant;
  // Rarely: whoever is in default is frozen, and does nothing else.
  if (dice.chance(0.03)) failToPay(world, dice);
}

/** A window is open, whoever has no satoshi may owe some, and two owe what they have drawn soon after it closes. */
export function beginExchanging(world: World): void {
  world.tell({ type: 'open_window', windowId: 'win-0' });
  for (const institutionId of PARTIES) {
    const request = { institutionId, creditLineSats: CREDIT_LINE_SATS, reason: 'agreed', by: 'operator' };
    byTwo(world, { type: 'set_credit_line', request });
  }
  setTerms(world, 'a', undefined, 1);
  setTerms(world, 'b', undefined, 20_000);
}

/** For short histories, besides: everybody has money at a bank, and makers exchange it for satoshi, both ways. */
export function stockUp(world: World): void {
  for (const institutionId of PARTIES) {
    const line = { direction: 'in', institutionId, statementLine: `stock of ${institutionId}`, reason: '' } as const;
    const proposal = { ...line, money: { unit: USD, amount: 1_000n }, proposedBy: 'operator' };
    world.tell({ type: 'propose_bank_booking', proposal });
    const decision = { bookingId: bankBookingId(USD, line.statementLine), by: 'operator-2', reason: '' };
    world.tell({ type: 'confirm_bank_booking', decision });
  }
  const lives = { validUntil: (world.book.now + 3_600_000) as Instant, quoteMs: 60_000, publishedBy: 'k', isOwn: true };
  for (const makerId of MAKERS)
    for (const [base, counter] of [
      [BTC, USD],
      [USD, BTC],
    ] as const) {
      const proposal = { makerId, base, counter, price: { numerator: 1n, denominator: 1n }, ...lives };
      world.tell({ type: 'publish_rate', proposal });
    }
}

/** A new line of a statement, or one that somebody has seen before. */
const bookLine: Step = (world, dice) => {
  const unit = dice.pick([USD, EUR]);
  const money = { unit, amount: dice.chance(0.8) ? 1_000n : dice.pick(AMOUNTS.slice(0, 6)) };
  const statementLine = `${dice.pick([1, 2, 3, world.told.length, world.told.length])}`;
  const direction = dice.pick(['in', 'in', 'out'] as const);
  const line = { money, statementLine, direction, institutionId: dice.pick(PARTIES), reason: '' };
  world.tell({
    type: 'propose_bank_booking',
    proposal: { ...line, proposedBy: dice.pick(['operator', 'operator-2']) },
  });
  if (dice.chance(0.6)) decide(world, dice, bankBookingId(unit, statementLine));
};

const decideLine: Step = (world, dice) =>
  decide(world, dice, bankBookingId(dice.pick([USD, EUR]), `${dice.pick([1, 2, 3])}`));

function decide(world: World, dice: Dice, bookingId: string): void {
  const decision = { bookingId, by: dice.pick(['operator', 'operator-2', 'operator-3']), reason: '' };
  world.tell({ type: dice.chance(0.7) ? 'confirm_bank_booking' : 'reject_bank_booking', decision });
}

/** Mostly by two, mostly of what is booked, mostly for another one or of another amount. */
const correctLine: Step = (world, dice) => {
  const booked = world.book.bankBookings.all().flatMap((each) => (each.status === 'none' ? [] : [each.line]));
  // Who has spent what wasn't his is frozen, and does nothing any more.
  if (booked.length === 0 || dice.chance(0.7)) return;
  const { bookingId, institutionId } = dice.pick(booked);
  const amount = dice.pick(AMOUNTS.slice(0, 6));
  const right = { direction: dice.pick(['in', 'out'] as const), institutionId: dice.pick(PARTIES), amount };
  const persons = { by: 'operator', ...(dice.chance(0.9) && { confirmedBy: 'operator-2' }) };
  const request = { bookingId, institutionId, ...(dice.chance(0.7) && { right }), ...persons, reason: '' };
  world.tell({ type: 'correct_bank_line', request });
};

const publish: Step = (world, dice) => {
  const [makerId, base] = [dice.pick([...MAKERS, ...MAKERS, 'platform']), dice.pick(UNITS)];
  const counter = dice.pick(dice.chance(0.9) ? UNITS.filter((unit) => unit !== base) : UNITS);
  if (dice.chance(0.1))
    return void world.tell({ type: 'withdraw_rate', rateId: rateIdOf(makerId, base, counter), by: 'operator' });
  const price = { numerator: dice.pick([1n, 13n, 3n]), denominator: dice.pick([1n, 200n, 7n]) };
  const lives = { validUntil: (world.book.now + 300_000) as Instant, quoteMs: 60_000, publishedBy: 'k' };
  const persons = makerId === 'platform' ? { isOwn: false, confirmedBy: 'operator-2' } : { isOwn: true };
  world.tell({ type: 'publish_rate', proposal: { makerId, base, counter, price, ...lives, ...persons } });
};

const quote: Step = (world, dice) => {
  const quoteId = `q-${world.told.length}`;
  const published = world.book.rates.all().flatMap((state) => (state.status === 'published' ? [state.rate] : []));
  const known = dice.chance(0.9) ? dice.maybe(published) : undefined;
  const [sellUnit, buyUnit] = [known?.base ?? dice.pick(UNITS), known?.counter ?? dice.pick(UNITS)];
  const amount = dice.pick(dice.chance(0.8) ? [16n, 60n, 300n] : AMOUNTS);
  const asked = { fixed: dice.pick(['sell', 'buy'] as const), amount, sellUnit, buyUnit };
  const parties = { institutionId: dice.pick(TAKERS), makerId: known?.makerId ?? dice.pick(MAKERS) };
  world.tell({ type: 'request_quote', request: { quoteId, ...parties, ...asked, requestedBy: 'k' } });
  if (dice.chance(0.6)) submitOf(world, dice, quoteId);
};

/** At some quote, or plainly in some unit: mostly what somebody can have. */
const submit: Step = (world, dice) => submitOf(world, dice, dice.maybe(world.book.quotes.ids()) ?? '');

function submitOf(world: World, dice: Dice, quoteId: string): void {
  const found = world.book.quotes.get(quoteId);
  const isQuoted = found.status !== 'none' && dice.chance(0.8);
  const from = isQuoted && dice.chance(0.9) ? found.terms.institutionId : dice.pick(TAKERS);
  const to = dice.pick(PARTIES.filter((party) => party !== from));
  const amount = dice.pick(dice.chance(0.8) ? [16n, 60n, 300n] : [0n, ...AMOUNTS]);
  const paid: Money = { unit: dice.pick(UNITS), amount };
  const priority = dice.chance(0.7) ? 'normal' : dice.pick(PRIORITIES);
  const isSats = !isQuoted && dice.chance(0.3);
  const what = isQuoted ? { quoteId, failOnShortage: dice.chance(0.3) } : isSats ? {} : { paid };
  const id = world.submit('centralized', from, to, isSats ? 60n : 0n, { priority, ...what });
  if (world.book.settlements.get(id).status === 'none' || !dice.chance(0.8)) return;
  for (const by of ['risk', 'aml'] as const)
    world.screen('settlement', id, by, dice.chance(0.9) ? 'approve' : 'manual_review');
  if (world.book.settlements.get(id).status === 'under_review' && dice.chance(0.7)) world.review(id, 'approve');
}

/** What somebody may owe is set anew, in some unit, for some time; or the time of one is up. */
const creditLine: Step = (world, dice) => {
  const institutionId = dice.pick(PARTIES);
  const due = world.book.timers.get(institutionId);
  if (due !== undefined && dice.chance(0.8)) return void world.tell({ type: 'expire_credit_line', institutionId });
  const [unit, amount] = [dice.pick(UNITS), dice.pick([0n, 16n, 300n, 1_000n])];
  const what = unit === BTC ? { creditLineSats: amount } : { creditLineSats: 0n, limit: { unit, amount } };
  const ends = dice.chance(0.5) ? { expiresAt: (world.book.now + dice.pick([0, 1, 60_000])) as Instant } : {};
  const persons = { by: 'operator', ...(dice.chance(0.9) && { confirmedBy: 'operator-2' }) };
  world.tell({ type: 'set_credit_line', request: { institutionId, ...what, ...ends, ...persons, reason: '' } });
};

/** What is drawn when windows close is due from now on, or isn't; or what is due by now is collected. */
const collect: Step = (world, dice) => {
  const due = PARTIES.filter((id) => (world.book.timers.get(`${id} collection`) ?? Infinity) <= world.book.now);
  for (const institutionId of due) world.tell({ type: 'collect', institutionId });
  if (due.length === 0 && dice.chance(0.3)) anyTermsByUnit(world, dice);
};

/** Those who exchange most net what they owe each other, or stop to, or a cut-off of theirs has come; or nobody may owe more than so much. */
const netted: Step = (world, dice) => {
  const { netting } = world.book;
  const { multilateral } = netting.get();
  if (multilateral === undefined) return;
  const [one, other] = dice.pick([...PAIRS]);
  if (dice.chance(0.3)) return anyCap(world, dice.pick(PARTIES), dice.pick([0, 1, 2, 3, 4]) << 5, dice.pick(UNITS));
  // Windows are open for long enough that something adds up in them.
  if (dice.chance(0.8)) {
    agreeNetting(world, one, other);
    return void agreeNetting(world, other, one);
  }
  closeWindow(world, dice.pick([multilateral.windowId, windowBetween(netting.get(), one, other)!.windowId]));
};

/** Somebody wants to be told how it stands in a unit, or not any more; or somebody looks. */
const watch: Step = (world, dice) => {
  const [institutionId, unit] = [dice.pick(PARTIES), dice.pick(UNITS)];
  if (dice.chance(0.5)) return void world.tell({ type: 'observe_liquidity', institutionId, unit });
  const alerts = { warnBelow: dice.pick([60n, 1_000n]), criticalBelow: dice.pick([16n, 60n, 300n]) };
  const wanted = dice.chance(0.8) ? { alerts } : {};
  world.tell({ type: 'set_liquidity_alerts', request: { institutionId, unit, ...wanted, by: 'k' } });
};

/** Somebody looks at all that is watched. */
export function observeAll(world: World): void {
  for (const institutionId of INSTITUTIONS)
    for (const unit of UNITS) world.tell({ type: 'observe_liquidity', institutionId, unit });
}

/** What was exchanged is to be paid back, for so long. */
const payBack: Step = (world, dice) => {
  const { book } = world;
  const settled = book.settlements.ids().filter((id) => {
    const state = book.settlements.get(id);
    return state.status === 'settled' && state.terms.units?.exchange !== undefined;
  });
  const original = dice.maybe(settled);
  if (original === undefined) return;
  const expiresAt = (book.now + dice.pick([0, 1, 1, 60_000, 86_400_001])) as Instant;
  const until = dice.chance(0.7) ? { expiresAt } : {};
  const id = world.reverse(original, 0n, undefined, { failOnShortage: dice.chance(0.2), ...until });
  // Screening takes its time.
  if (dice.chance(0.3)) book.now = (book.now + dice.pick([1, 60_000])) as Instant;
  if (book.settlements.get(id).status === 'none' || !dice.chance(0.8)) return;
  for (const by of ['risk', 'aml'] as const) world.screen('settlement', id, by, 'approve');
};

/** What pays for each other in some unit; or what doesn't any more. */
const offset: Step = (world, dice) => {
  const { book } = world;
  const queued = book.settlements.ids().filter((id) => isInLine(book.settlements.get(id)));
  const found = resolvableIn(book, PARTIES, dice.pick(UNITS));
  const settlementIds = dice.chance(0.8) ? found : queued.filter(() => dice.chance(0.3));
  if (settlementIds.length > 0) world.offset(settlementIds);
};

/** A quote's time is up, or nobody looks whether it is. */
const expire: Step = (world, dice) => {
  const { book } = world;
  const due = book.settlements.ids().filter((id) => (book.timers.get(id) ?? Infinity) <= book.now);
  const settlementId = dice.maybe(due);
  if (settlementId !== undefined) world.withdraw(settlementId, 'expire');
};

const STEPS: readonly Step[] = [
  ...[bookLine, bookLine, decideLine, correctLine],
  ...[publish, publish, quote, quote, quote, submit, submit],
  ...[creditLine, collect, collect, netted, netted, offset, expire],
  ...[watch, payBack, payBack, payBack, offset, secure],
];
