import { type Instant, sats } from '@finality/kernel';
import {
  type Account,
  availableAccount,
  BTC,
  clearingClaim,
  creditBalance,
  isOverdrawn,
  parseAccountId,
  type Unit,
} from '@finality/ledger';
import { expect } from 'vitest';
import { bankBookingId } from '../bank-booking.ts';
import { decideExchange, type ExchangeCommand, isExchangeCommand } from '../process/exchange-commands.ts';
import { ownIn } from '../process/net-payouts.ts';
import { rateIdOf } from '../rate.ts';
import { isInLine, PRIORITIES } from '../queue.ts';
import { legsOf } from '../unit-terms.ts';
import { windowBetween } from '../window.ts';
import { checkCaps } from './cap-invariants.fixture.ts';
import { apply, type Command } from './commands.fixture.ts';
import { checkDefaults, lineOf } from './credit.fixture.ts';
import { EUR, USD } from './exchange.fixture.ts';
import { MemoryBook } from './memory-book.fixture.ts';
import { checkNetting } from './netting-invariants.fixture.ts';
import { anyTerms, checkPledges, checkReleased } from './pledge-invariants.fixture.ts';
import { checkEnd, checkReversals } from './reversal-invariants.fixture.ts';
import { checkLines, resolvableIn } from './queue-actions.fixture.ts';
import { checkLevels } from './watch-invariants.fixture.ts';

export type Exchanging = Command | ExchangeCommand;

/** What was asked, when, with the reason of its refusal; `after`: what whoever asked has to have heard of, by its place. */
export interface Asked {
  readonly command: Exchanging;
  readonly at: Instant;
  readonly after: number;
  readonly refused: string | undefined;
}

const PARTIES = ['a', 'b', 'm', 'n'] as const;
const UNITS: readonly Unit[] = [BTC, USD, EUR];
const AMOUNTS = [0n, 1n, 16n, 60n, 300n, 1_000n, 2n ** 63n - 1n, 2n ** 63n];
const CREDIT_LINE_SATS = 1_000n;

/** Institutions that do anything about money in several units, in any order, at any time. */
export class ExchangeHistory {
  readonly book: MemoryBook;
  readonly told: Asked[] = [];
  readonly #random: () => number;
  readonly #quotes: string[] = [];
  /** Of what made a quote or a settlement. */
  readonly #places = new Map<string, number>();
  #made = 0;

  constructor(random: () => number, steps: number, book = new MemoryBook()) {
    this.#random = random;
    this.book = book;
    for (const institutionId of PARTIES)
      this.tell({
        type: 'create_institution',
        institution: { institutionId, name: institutionId, creditLineSats: CREDIT_LINE_SATS },
      });
    for (let i = 0; i < steps; i++) this.#step();
    for (const institutionId of PARTIES)
      for (const unit of UNITS) this.tell({ type: 'observe_liquidity', institutionId, unit });
  }

  tell(command: Exchanging, about = ''): void {
    const after = this.#places.get(about) ?? -1;
    const before = drawnOf(this.book);
    const refused = isExchangeCommand(command)
      ? reasonOf(decideExchange(this.book, command))
      : apply(this.book, command);
    this.told.push({ command, at: this.book.now, after, refused });
    this.#checkLimits(before, command.type === 'correct_bank_line');
  }

  /** Whatever is drawn more is drawn within the limit that there is now; a line that was lowered takes nothing back. */
  #checkLimits(before: ReadonlyMap<string, bigint>, isCorrection: boolean): void {
    for (const account of this.book.ledger.accounts()) {
      const name = parseAccountId(account.id);
      if (name.kind !== 'claim' || name.claim.kind !== 'clearing') continue;
      if (!isOverdrawn(account) || drawn(account) <= (before.get(account.id) ?? 0n)) continue;
      // A correction may take what somebody hasn't got any more: he is frozen.
      expect(isCorrection, account.id).toBe(true);
      expect(this.book.institutions.get(name.claim.institutionId).status, account.id).toBe('frozen');
    }
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random() * list.length)]!;
  }

  #step(): void {
    const steps = [
      () => this.#book(),
      () => this.#book(),
      () => this.#decide(),
      () => this.#correct(),
      () => this.#publish(),
      () => this.#quote(),
      () => this.#quote(),
      () => this.#submit(),
      () => this.#screen(),
      () => this.#end(),
      () => this.#reverse(),
      () => this.#reorder(),
      () => this.#line(),
      () => this.#window(),
      () => this.#collect(),
      () => this.#offset(),
      () => (this.#random() < 0.8 ? this.#pledge() : this.#overdue()),
      () => (this.#random() < 0.5 ? this.#cap() : this.#watch()),
    ];
    this.#pick(steps)();
    if (this.#random() < 0.05) this.#thaw();
    if (this.#random() < 0.1) this.book.now = (this.book.now + this.#pick([1, 20_000, 60_000])) as Instant;
  }

  #book(): void {
    const money = {
      unit: this.#pick([USD, EUR]),
      amount: this.#random() < 0.8 ? 1_000n : this.#pick(AMOUNTS.slice(1, 7)),
    };
    const line = { money, statementLine: `${this.#pick([1, 2, 3, ++this.#made, ++this.#made])}`, reason: '' };
    const direction = this.#pick(['in', 'in', 'out'] as const);
    const proposal = { ...line, direction, institutionId: this.#pick(PARTIES), proposedBy: this.#pick(['o1', 'o2']) };
    this.tell({ type: 'propose_bank_booking', proposal });
    if (this.#random() < 0.6) this.#sign(bankBookingId(money.unit, line.statementLine));
  }

  #decide(): void {
    this.#sign(bankBookingId(this.#pick([USD, EUR]), `${this.#pick([1, 2, 3])}`));
  }

  #sign(bookingId: string): void {
    const decision = { bookingId, by: this.#pick(['o1', 'o2', 'o3']), reason: '' };
    this.tell({ type: this.#random() < 0.7 ? 'confirm_bank_booking' : 'reject_bank_booking', decision });
  }

  /** Mostly by two, mostly of what is booked, mostly for another one or of another amount. */
  #correct(): void {
    const booked = this.book.bankBookings.all().flatMap((each) => (each.status === 'none' ? [] : [each.line]));
    // Who has spent what wasn't his is frozen, and does nothing any more.
    if (booked.length === 0 || this.#random() < 0.7) return;
    const { bookingId, institutionId } = this.#pick(booked);
    const amount = this.#pick(AMOUNTS.slice(1, 7));
    const right = { direction: this.#pick(['in', 'out'] as const), institutionId: this.#pick(PARTIES), amount };
    const what = this.#random() < 0.7 ? { right } : {};
    const persons = { by: 'o1', ...(this.#random() < 0.9 && { confirmedBy: 'o2' }) };
    const request = { bookingId, institutionId, ...what, ...persons, reason: '' };
    this.tell({ type: 'correct_bank_line', request });
  }

  #publish(): void {
    const [makerId, base] = [this.#pick(['m', 'n', 'm', 'n', 'platform']), this.#pick(UNITS)];
    const counter = this.#pick(this.#random() < 0.9 ? UNITS.filter((unit) => unit !== base) : UNITS);
    if (this.#random() < 0.1)
      return this.tell({ type: 'withdraw_rate', rateId: rateIdOf(makerId, base, counter), by: 'o1' });
    const price = { numerator: this.#pick([1n, 13n, 3n]), denominator: this.#pick([1n, 200n, 7n]) };
    const lives = { validUntil: (this.book.now + 300_000) as Instant, quoteMs: 60_000, publishedBy: 'k' };
    const persons = makerId === 'platform' ? { isOwn: false, confirmedBy: 'o2' } : { isOwn: true };
    this.tell({ type: 'publish_rate', proposal: { makerId, base, counter, price, ...lives, ...persons } });
  }

  #quote(): void {
    const quoteId = `q-${++this.#made}`;
    const published = this.book.rates.all().flatMap((state) => (state.status === 'published' ? [state.rate] : []));
    const known = this.#random() < 0.9 ? this.#pick(published) : undefined;
    const [sellUnit, buyUnit] = [known?.base ?? this.#pick(UNITS), known?.counter ?? this.#pick(UNITS)];
    const asked = { fixed: this.#pick(['sell', 'buy'] as const), amount: this.#pick(this.#amounts) };
    const parties = { institutionId: this.#pick(['a', 'b', 'm']), makerId: known?.makerId ?? this.#pick(['m', 'n']) };
    this.#quotes.push(quoteId);
    this.#places.set(quoteId, this.told.length);
    const request = { quoteId, ...parties, sellUnit, buyUnit, ...asked, requestedBy: 'k' };
    this.tell({ type: 'request_quote', request });
    if (this.#random() < 0.6) this.#submit(quoteId);
  }

  /** Mostly what somebody can have. */
  get #amounts(): readonly bigint[] {
    return this.#random() < 0.8 ? [16n, 60n, 300n] : AMOUNTS.slice(1);
  }

  #submit(quoteId = this.#pick(this.#quotes) ?? ''): void {
    const settlementId = `s-${++this.#made}`;
    const quote = this.book.quotes.get(quoteId);
    const isQuoted = quote.status !== 'none' && this.#random() < 0.8;
    const from = isQuoted && this.#random() < 0.9 ? quote.terms.institutionId : this.#pick(['a', 'b', 'm']);
    const to = this.#pick(['a', 'b', 'm', 'n'].filter((party) => party !== from));
    const paid = { unit: this.#pick(UNITS), amount: this.#pick(AMOUNTS) };
    const isSats = !isQuoted && this.#random() < 0.3;
    const priority = this.#random() < 0.7 ? 'normal' : this.#pick(PRIORITIES);
    const how = { mode: 'centralized', priority, feeBearer: 'payer', referenceId: '', submittedBy: 'k' } as const;
    const what = isQuoted
      ? { quoteId: quote.terms.quoteId, failOnShortage: this.#random() < 0.3 }
      : isSats
        ? {}
        : { paid };
    const amountSats = sats(isSats ? 60n : 0n);
    const submission = { settlementId, from, to, amountSats, idempotencyKey: settlementId, ...how, ...what };
    this.#places.set(settlementId, this.told.length);
    this.tell({ type: 'submit', submission }, isQuoted ? quote.terms.quoteId : '');
    if (this.#random() < 0.8) this.#screened(settlementId);
  }

  #screen(): void {
    const ids = this.book.settlements.ids();
    if (ids.length > 0) this.#screened(this.#pick(ids));
  }

  #screened(id: string): void {
    for (const by of ['risk', 'aml'] as const) {
      const recommendation = this.#random() < 0.9 ? 'approve' : 'manual_review';
      const assessment = { recommendation, rulesVersion: 'test', reason: '' } as const;
      this.tell({ type: 'verdict', subject: 'settlement', id, by, assessment }, id);
    }
    if (this.book.settlements.get(id).status === 'under_review' && this.#random() < 0.7) this.#review(id);
  }

  #review(settlementId: string): void {
    const review = { settlementId, decision: 'approve', reason: '', reviewer: 'officer' } as const;
    this.tell({ type: 'review', review }, settlementId);
  }

  /** What was exchanged is to be paid back, mostly; for so long. */
  #reverse(): void {
    const all = this.book.settlements.all().flatMap((state) => (state.status === 'none' ? [] : [state]));
    const settled = all.filter(({ status, terms }) => status === 'settled' && terms.units?.exchange !== undefined);
    const original = this.#pick(this.#random() < 0.8 ? settled : all);
    if (original === undefined) return;
    const { settlementId: reverses, from: to, to: from, amountSats, units } = original.terms;
    const settlementId = `s-${++this.#made}`;
    const how = { mode: 'centralized', feeBearer: 'payer', referenceId: '', submittedBy: 'operator' } as const;
    const quoteId = units?.exchange?.quoteId;
    const what =
      quoteId === undefined ? units && { paid: units.paid } : { quoteId, failOnShortage: this.#random() < 0.2 };
    const expiresAt = (this.book.now + this.#pick([0, 1, 1, 60_000, 86_400_001])) as Instant;
    const until = this.#random() < 0.7 ? { expiresAt } : {};
    const reversal = { settlementId, from, to, amountSats, idempotencyKey: settlementId, ...how, ...what, ...until };
    this.#places.set(settlementId, this.told.length);
    this.tell({ type: 'reverse', reversal: { ...reversal, reverses } }, reverses);
    // Screening takes its time.
    if (this.#random() < 0.3) this.book.now = (this.book.now + this.#pick([1, 60_000])) as Instant;
    if (this.#random() < 0.8) this.#screened(settlementId);
  }

  /** Somebody is in a hurry, or the other way round. */
  #reorder(): void {
    const settlementId = this.#pick(this.#random() < 0.8 ? this.#queued() : this.book.settlements.ids());
    if (settlementId === undefined) return;
    const caller = { keyId: 'operator', roles: ['operator'] } as const;
    this.tell({ type: 'reprioritize', settlementId, priority: this.#pick(PRIORITIES), caller }, settlementId);
  }

  /** What somebody may owe is set anew, in some unit, for some time; or the time of one is up. */
  #line(): void {
    const institutionId = this.#pick(PARTIES);
    const due = this.book.timers.get(institutionId);
    if (due !== undefined && this.#random() < 0.8) return this.tell({ type: 'expire_credit_line', institutionId });
    const [unit, amount] = [this.#pick(UNITS), this.#pick([0n, 16n, 300n, 1_000n])];
    const what = unit === BTC ? { creditLineSats: amount } : { creditLineSats: 0n, limit: { unit, amount } };
    const ends = this.#random() < 0.5 ? { expiresAt: (this.book.now + this.#pick([0, 1, 60_000])) as Instant } : {};
    const persons = { by: 'o1', ...(this.#random() < 0.9 && { confirmedBy: 'o2' }) };
    this.tell({ type: 'set_credit_line', request: { institutionId, ...what, ...ends, ...persons, reason: '' } });
  }

  /** What is drawn when windows close is due from now on, or isn't; or what is due by now is collected. */
  #collect(): void {
    const due = PARTIES.filter((id) => (this.book.timers.get(`${id} collection`) ?? Infinity) <= this.book.now);
    for (const institutionId of due) this.tell({ type: 'collect', institutionId });
    if (due.length > 0 || this.#random() < 0.7) return;
    const all = this.#random() < 0.8 ? { dueAfterMs: this.#pick([1, 20_000]) } : {};
    const terms =
      this.#random() < 0.5 ? all : { ...all, units: [anyTerms(USD, this.#random), anyTerms(EUR, this.#random)] };
    const request = { institutionId: this.#pick(['a', 'b', 'n']), terms, reason: '', by: 'o1', confirmedBy: 'o2' };
    this.tell({ type: 'set_credit_terms', request });
  }

  /** Somebody wants to be told how it stands in a unit, or not any more; or somebody looks. */
  #watch(): void {
    const [institutionId, unit] = [this.#pick(PARTIES), this.#pick(UNITS)];
    if (this.#random() < 0.5) return this.tell({ type: 'observe_liquidity', institutionId, unit });
    const alerts = { warnBelow: this.#pick([60n, 1_000n]), criticalBelow: this.#pick([16n, 60n, 300n]) };
    const wanted = this.#random() < 0.8 ? { alerts } : {};
    this.tell({ type: 'set_liquidity_alerts', request: { institutionId, unit, ...wanted, by: 'k' } });
  }

  /** Somebody has looked at why. */
  #thaw(): void {
    const frozen = PARTIES.filter((id) => this.book.institutions.get(id).status === 'frozen');
    if (frozen.length === 0) return;
    this.tell({ type: 'unfreeze_institution', institutionId: this.#pick(frozen), reason: '' });
  }

  /** Something is put aside, or taken back: all there is, so that what is paid next is owed, or any amount. */
  #pledge(): void {
    const [institutionId, unit] = [this.#pick(PARTIES), this.#pick(UNITS)];
    const pledge = this.#random() < 0.9 ? 'collateral' : 'default_fund';
    const move = { pledgeId: `p-${++this.#made}`, institutionId, pledge, unit, by: 'k' } as const;
    const own = ownIn(this.book, institutionId, unit);
    const request = { ...move, amount: own > 0n && this.#random() < 0.6 ? own : this.#pick([1n, 60n, 300n, 1_000n]) };
    if (this.#random() < 0.8) return this.tell({ type: 'post_pledge', request });
    this.tell({ type: 'release_pledge', request: { ...request, confirmedBy: 'o2' } });
    if (this.told.at(-1)?.refused === undefined) checkReleased(this.book, request);
  }

  /** Somebody has put aside all it has in a unit, pays what it is lent there, and doesn't pay that back in time. */
  #overdue(): void {
    const { multilateral } = this.book.netting.get();
    if (multilateral === undefined) return;
    const [institutionId, unit, made] = [this.#pick(['a', 'b']), this.#pick([USD, EUR]), ++this.#made];
    const asked = { institutionId, reason: '', by: 'o1', confirmedBy: 'o2' };
    const limit = { unit, amount: 1_000n };
    this.tell({ type: 'set_credit_line', request: { ...asked, creditLineSats: 0n, limit } });
    this.tell({ type: 'set_credit_terms', request: { ...asked, terms: { dueAfterMs: 1 } } });
    const line = { money: { unit, amount: this.#pick([16n, 300n]) }, statementLine: `late ${made}`, reason: '' };
    const proposal = { ...line, direction: 'in', institutionId, proposedBy: 'o1' } as const;
    this.tell({ type: 'propose_bank_booking', proposal });
    const decision = { bookingId: bankBookingId(unit, line.statementLine), by: 'o2', reason: '' };
    this.tell({ type: 'confirm_bank_booking', decision });
    const amount = ownIn(this.book, institutionId, unit);
    const move = { pledgeId: `p-${made}`, institutionId, pledge: 'collateral', unit, amount, by: 'k' } as const;
    if (amount > 0n) this.tell({ type: 'post_pledge', request: move });
    const settlementId = `s-${made}`;
    const how = { mode: 'centralized', feeBearer: 'payer', referenceId: '', submittedBy: 'k' } as const;
    const what = { amountSats: sats(0n), paid: { unit, amount: 60n }, idempotencyKey: settlementId };
    this.#places.set(settlementId, this.told.length);
    this.tell({ type: 'submit', submission: { settlementId, from: institutionId, to: 'n', ...what, ...how } });
    this.#screened(settlementId);
    const next = { nextWindowId: `w-${++this.#made}`, by: 'operator', reason: 'cut-off' };
    this.#places.set(next.nextWindowId, this.told.length);
    this.tell({ type: 'close_window', closing: { windowId: multilateral.windowId, ...next } }, multilateral.windowId);
    this.book.now = (this.book.now + 1) as Instant;
    this.tell({ type: 'collect', institutionId });
  }

  /** By operators: none, nothing, or something. */
  #cap(): void {
    const most = this.#pick([undefined, 0n, 16n, 60n, 300n, 2_000n]);
    const cap = most === undefined ? {} : { cap: most };
    const whose = { institutionId: this.#pick(PARTIES), unit: this.#pick(UNITS) };
    const persons = { by: 'o1', ...(this.#random() < 0.8 && { confirmedBy: 'o2' }) };
    const request = { ...whose, ...cap, ...persons, reason: '', isOwn: false };
    this.tell({ type: 'set_debit_cap', request });
  }

  /** What is netted is opened, closed, or divided: mostly what is open. */
  #window(): void {
    const windowId = `w-${++this.#made}`;
    const { multilateral } = this.book.netting.get();
    this.#places.set(windowId, this.told.length);
    if (multilateral === undefined || this.#random() < 0.1) return this.tell({ type: 'open_window', windowId });
    const [institutionId, counterpartyId] = this.#pick([
      ['a', 'm'],
      ['m', 'a'],
      ['a', 'b'],
      ['b', 'a'],
    ] as const);
    const request = { institutionId, counterpartyId };
    if (this.#random() < 0.5) return this.tell({ type: 'agree_netting', request, windowId });
    if (this.#random() < 0.2) return this.tell({ type: 'end_netting', request });
    const own = windowBetween(this.book.netting.get(), institutionId, counterpartyId)!;
    const closed = this.#pick([multilateral.windowId, own.windowId, this.#pick(this.book.windows.ids())]);
    const closing = { windowId: closed, nextWindowId: windowId, by: 'operator', reason: 'cut-off' };
    this.tell({ type: 'close_window', closing }, closed);
  }

  /** What pays for each other; or what doesn't any more. */
  #offset(): void {
    const found = resolvableIn(this.book, PARTIES, this.#pick(UNITS));
    const settlementIds = this.#random() < 0.8 ? found : this.#queued().filter(() => this.#random() < 0.3);
    if (settlementIds.length === 0) return;
    const last = settlementIds.reduce((a, b) => (this.#places.get(a)! > this.#places.get(b)! ? a : b));
    this.tell({ type: 'resolve_gridlock', request: { gridlockId: `g-${++this.#made}`, settlementIds } }, last);
  }

  #queued(): readonly string[] {
    return this.book.settlements.ids().filter((id) => isInLine(this.book.settlements.get(id)));
  }

  #end(): void {
    const ids = this.book.settlements.ids();
    if (ids.length === 0) return;
    const settlementId = this.#pick(ids);
    const due = this.book.timers.get(settlementId);
    if (due !== undefined && due <= this.book.now) this.tell({ type: 'expire', settlementId }, settlementId);
    else this.tell({ type: 'retry_reservation', settlementId }, settlementId);
  }
}

/** Whatever was asked: nothing is made or lost in any unit, nobody is past a limit, both legs have moved or none, at a quote that was used once. */
export function checkExchange({ book }: Pick<ExchangeHistory, 'book'>): void {
  book.ledger.assertZeroSum();
  checkCredit(book);
  for (const account of book.ledger.accounts()) {
    if (parseAccountId(account.id).kind === 'ccp') expect(creditBalance(account), account.id).toBe(0n);
  }
  checkLines({ book });
  checkNetting(book);
  checkDefaults(book);
  checkLevels(book);
  checkCaps(book);
  checkReversals(book);
  checkPledges(book);
  const uses = new Map<string, string>();
  const { transfers } = book.ledger.changes();
  for (const settlement of book.settlements.all()) {
    if (settlement.status === 'none') continue;
    const { settlementId, units } = settlement.terms;
    const moved = transfers.filter((transfer) => transfer.settlementId === settlementId);
    const amounts = legsOf(settlement.terms).flatMap(({ money: { amount } }) => [amount, amount]);
    expect(
      moved.map(({ amount }) => amount),
      settlementId,
    ).toEqual(settlement.status === 'settled' ? amounts : []);
    if (settlement.terms.units?.exchange !== undefined) checkEnd(settlement);
    const quoteId = settlement.terms.reverses === undefined ? units?.exchange?.quoteId : undefined;
    if (quoteId === undefined) continue;
    expect(uses.has(quoteId), quoteId).toBe(false);
    uses.set(quoteId, settlementId);
    const quote = book.quotes.get(quoteId);
    expect(quote).toMatchObject({ status: 'used', settlementId });
    const settledAt = settlement.transitions.find(({ status }) => status === 'settled')?.at;
    if (quote.status !== 'none' && settledAt !== undefined) expect(settledAt).toBeLessThan(quote.terms.expiresAt);
  }
  const used = book.quotes.all().flatMap((quote) => (quote.status === 'used' ? [quote.terms.quoteId] : []));
  expect(used.sort()).toEqual([...uses.keys()].sort());
}

/** The ledger's limits are what institutions may owe, and nothing else is ever below zero. */
function checkCredit(book: MemoryBook): void {
  const { institutions, ledger } = book;
  const limits = new Map<string, bigint>();
  for (const institution of institutions.all()) {
    if (institution.status === 'none') continue;
    const { institutionId, creditLineSats, unitLines } = institution;
    for (const { unit, amount } of [{ unit: BTC, amount: creditLineSats }, ...unitLines.map(({ limit }) => limit)])
      limits.set(availableAccount(clearingClaim(institutionId, unit)), lineOf(book, institutionId, amount, unit));
  }
  for (const account of ledger.accounts()) {
    const { id, limit } = account;
    if (limit.kind === 'debits_must_not_exceed_credits') expect(limit.overdraft, id).toBe(limits.get(id) ?? 0n);
    if (parseAccountId(id).kind === 'pledge') expect(isOverdrawn(account), id).toBe(false);
  }
}

const drawn = ({ debitsPosted, debitsPending, creditsPosted }: Account): bigint =>
  debitsPosted + debitsPending - creditsPosted;

const drawnOf = ({ ledger }: MemoryBook): ReadonlyMap<string, bigint> =>
  new Map(ledger.accounts().map((account) => [account.id, drawn(account)]));

const reasonOf = (result: ReturnType<typeof decideExchange>): string | undefined =>
  result.ok ? undefined : result.error.reason;
