import { type Instant } from '@finality/kernel';
import { type AccountId, availableAccount, type Claim, LedgerView, type Transfer } from '@finality/ledger';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Credit, creditAggregate, type CreditEvent, type KnownCredit } from '../credit.ts';
import { CappedPositions } from '../debit-cap.ts';
import { type Quote, quoteAggregate, type QuoteEvent } from '../quote.ts';
import { PositionBook } from '../positions.ts';
import { LiquidityQueues } from '../queue.ts';
import type { Settlement } from '../settlement.ts';
import type { Leg } from '../unit-terms.ts';
import { UNIT_WEIGHTS } from './action-weights.fixture.ts';
import { act, settleDown } from './actions.fixture.ts';
import { actionsOf } from './any-actions.fixture.ts';
import { checkAtRest } from './at-rest.fixture.ts';
import { EUR, USD } from './exchange.fixture.ts';
import { checkWorld } from './invariants.fixture.ts';
import { MemoryBook, MemoryRecords, POLICY, SettlementRecords } from './memory-book.fixture.ts';
import { beginExchanging, observeAll } from './unit-actions.fixture.ts';
import { UnlinkedLedger } from './unlinked-ledger.fixture.ts';
import { checkLevels } from './watch-invariants.fixture.ts';
import { World } from './world.fixture.ts';

const STEPS = 160;
const RUNS_MAX = 600;

/** What deciders are shown of a quote while a history goes on. */
class ShownQuotes extends MemoryRecords<Quote, QuoteEvent> {
  show: (quote: Quote) => Quote = (quote) => quote;

  override get(id: string): Quote {
    return this.show(super.get(id));
  }
}

class ShownBook extends MemoryBook {
  override readonly quotes = new ShownQuotes(quoteAggregate, this.log);
}

/** Whoever comes sees nobody before him. */
class UnseenQueues extends LiquidityQueues {
  override hasBefore(): boolean {
    return false;
  }
}

class OvertakingBook extends MemoryBook {
  override readonly queues = new UnseenQueues();
}

/** Shows quotes in another light while a history goes on, and as they are in the end. */
type Light = () => { readonly book: MemoryBook; readonly end: () => void };

const asIfUnused: Light = () => {
  const book = new ShownBook(POLICY);
  book.quotes.show = (quote) =>
    quote.status === 'used' ? { status: 'locked', terms: quote.terms, lockedAt: quote.lockedAt } : quote;
  return { book, end: () => (book.quotes.show = (quote) => quote) };
};

const asIfEndless: Light = () => {
  const book = new ShownBook(POLICY);
  const ends = new Map<string, Instant>();
  const ending = (quote: Quote, expiresAt: Instant): Quote =>
    quote.status === 'none' ? quote : { ...quote, terms: { ...quote.terms, expiresAt } };
  book.quotes.show = (quote) => {
    if (quote.status !== 'none' && !ends.has(quote.terms.quoteId)) ends.set(quote.terms.quoteId, quote.terms.expiresAt);
    return ending(quote, Number.MAX_SAFE_INTEGER as Instant);
  };
  const shown = (quote: Quote): Quote =>
    quote.status === 'none' ? quote : ending(quote, ends.get(quote.terms.quoteId)!);
  return { book, end: () => (book.quotes.show = shown) };
};

const unlinked: Light = () => {
  const book = new MemoryBook(POLICY, new UnlinkedLedger({ accounts: [], transfers: [] }));
  return { book, end: () => undefined };
};

/** What is shown of a settlement's terms while a history goes on. */
class ShownSettlements extends SettlementRecords {
  isOver = false;
  readonly #ends = new Map<string, Instant>();

  override get(id: string): Settlement {
    const state = super.get(id);
    if (state.status === 'none' || state.terms.reverses === undefined) return state;
    const { expiresAt } = state.terms;
    if (expiresAt === undefined) return state;
    if (!this.#ends.has(id)) this.#ends.set(id, expiresAt);
    const end = this.isOver ? this.#ends.get(id)! : (Number.MAX_SAFE_INTEGER as Instant);
    return { ...state, terms: { ...state.terms, expiresAt: end } };
  }
}

class UnendingBook extends MemoryBook {
  override readonly settlements = new ShownSettlements(this.log, this);
}

const unending: Light = () => {
  const book = new UnendingBook(POLICY);
  return { book, end: () => (book.settlements.isOver = true) };
};

/** Whoever owes something may owe more. */
class BoundlessLedger extends LedgerView {
  override setCreditLine(claim: Claim, overdraft: bigint): void {
    const before = this.account(availableAccount(claim)).limit;
    const least = before.kind === 'debits_must_not_exceed_credits' ? before.overdraft : 0n;
    super.setCreditLine(claim, overdraft > least ? overdraft : least);
  }
}

const boundless: Light = () => {
  const book = new MemoryBook(POLICY, new BoundlessLedger({ accounts: [], transfers: [] }));
  return { book, end: () => undefined };
};

/** Of an exchange only what the payer gives is counted. */
class OneLeggedPositions extends PositionBook {
  override add(windowId: string, legs: readonly Leg[]): void {
    super.add(windowId, legs.slice(0, 1));
  }
}

class OneLeggedBook extends MemoryBook {
  override readonly positions = new OneLeggedPositions();
}

const oneLegged: Light = () => ({ book: new OneLeggedBook(), end: () => undefined });

/** Nobody owes anything in a window yet. */
class ForgetfulPositions extends CappedPositions {
  override netOf(): bigint {
    return 0n;
  }
}

class ForgetfulBook extends MemoryBook {
  override readonly capped = new ForgetfulPositions();
}

const forgetful: Light = () => ({ book: new ForgetfulBook(POLICY), end: () => undefined });

/** What is recorded is right; whoever asks sees it otherwise, until all is over. */
abstract class MisseenCredits extends MemoryRecords<Credit, CreditEvent> {
  isOver = false;
  #isRecording = false;

  override record(id: string, ...events: readonly CreditEvent[]): Credit {
    this.#isRecording = true;
    const credit = super.record(id, ...events);
    this.#isRecording = false;
    return credit;
  }

  override get(id: string): Credit {
    const credit = super.get(id);
    return this.isOver || this.#isRecording || credit.status === 'none' ? credit : this.misseen(credit);
  }

  protected abstract misseen(credit: KnownCredit): KnownCredit;
}

/** No haircut of a unit's own counts. */
class HaircutlessCredits extends MisseenCredits {
  protected override misseen(credit: KnownCredit): KnownCredit {
    if (credit.terms.units === undefined) return credit;
    const units = credit.terms.units.map(({ haircutBps: _none, ...own }) => own);
    return { ...credit, terms: { ...credit.terms, units } };
  }
}

class UnsecuredBook extends MemoryBook {
  override readonly credits = new HaircutlessCredits(creditAggregate, this.log);
}

const unsecured: Light = () => {
  const book = new UnsecuredBook(POLICY);
  return { book, end: () => (book.credits.isOver = true) };
};

const overtaking: Light = () => ({ book: new OvertakingBook(), end: () => undefined });

/** What somebody has in one unit is told for what it has in another. */
class UnitlessLedger extends LedgerView {
  override spendable(claim: Claim): bigint {
    return super.spendable(
      claim.kind === 'clearing' ? { kind: 'clearing', institutionId: claim.institutionId } : claim,
    );
  }
}

const unitless: Light = () => {
  const book = new MemoryBook(POLICY, new UnitlessLedger({ accounts: [], transfers: [] }));
  return { book, end: () => undefined };
};

/** What a default moves, it moves in BTC. */
class MisdirectedLedger extends LedgerView {
  override post(transfers: readonly Transfer[]) {
    const inBtc = (id: AccountId): AccountId => id.replace(/\/(USD|EUR)/, '') as AccountId;
    if (!transfers.some((each) => each.kind === 'single' && each.purpose.startsWith('default_')))
      return super.post(transfers);
    return super.impose(
      transfers.map((each) =>
        each.kind === 'single' ? { ...each, debit: inBtc(each.debit), credit: inBtc(each.credit) } : each,
      ),
    );
  }
}

const misdirected: Light = () => {
  const policy = { ...POLICY, standbyMax: [USD, EUR].map((unit) => ({ unit, amount: 70n })) };
  return { book: new MemoryBook(policy, new MisdirectedLedger({ accounts: [], transfers: [] })), end: () => undefined };
};

/** Whoever says that a debt won't be paid is taken at his word at once. */
class GracelessCredits extends MisseenCredits {
  protected override misseen(credit: KnownCredit): KnownCredit {
    return { ...credit, overdue: credit.overdue.map(({ graceUntil: _none, ...debt }) => debt) };
  }
}

class GracelessBook extends MemoryBook {
  override readonly credits = new GracelessCredits(creditAggregate, this.log);
}

const graceless: Light = () => {
  const book = new GracelessBook(POLICY);
  return { book, end: () => (book.credits.isOver = true) };
};

const asItIs: Light = () => ({ book: new MemoryBook(POLICY), end: () => undefined });

/** What goes wrong first, if anything does. */
function fault(make: Light, numRuns = RUNS_MAX): string | undefined {
  const property = fc.property(actionsOf(UNIT_WEIGHTS, STEPS), (actions) => {
    const { book, end } = make();
    const world = new World(POLICY, [], book);
    beginExchanging(world);
    for (const action of actions) act(world, action);
    settleDown(world);
    end();
    checkWorld(world);
    checkAtRest(world);
    observeAll(world);
    checkLevels(book);
  });
  const { failed, errorInstance } = fc.check(property, { numRuns, seed: 7, endOnFailure: true });
  return failed ? String(errorInstance) : undefined;
}

describe('histories of money in several units bite', () => {
  it('and only where something is missing', () => {
    expect(fault(asItIs, 40)).toBeUndefined();
  });

  it.each<[string, Light, RegExp]>([
    ['a quote is used once', asIfUnused, /is used once|a quote that is used/],
    ['a quote ends', asIfEndless, /is settled in time|ends with its quote/],
    ['what pays an exchange back ends', unending, /is settled in time/],
    ['a level is told of its own unit', unitless, / at -?\d+ (USD|EUR)/],
    ['legs are linked', unlinked, /to deeply equal/],
    ['what may be owed is what was said last', boundless, /clearing/],
    ['positions have both legs of an exchange', oneLegged, /win-/],
    ['a line is secured in its own unit', unsecured, /clearing/],
    ['a default is of its own unit', misdirected, /to deeply equal/],
    ['a debt has its grace', graceless, /before its grace is over/],
    ['a cap counts what is owed in the window', forgetful, /with a cap of/],
    ['nothing overtakes what waits in a line', overtaking, /overtakes/],
  ])('where it isn’t so that %s', (_rule, make, expected) => {
    expect(fault(make)).toMatch(expected);
  });
});
