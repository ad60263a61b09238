import { type Instant, sats, unwrap } from '@finality/kernel';
import { BTC, type Unit } from '@finality/ledger';
import { describe, expect, it } from 'vitest';
import type { UnitCreditTerms } from '../credit.ts';
import { EUR, Exchange, refusedFor, USD } from '../spec/exchange.fixture.ts';
import { postPledge, releasePledge, setCreditTerms } from './collateral.ts';
import { collect } from './collection.ts';
import { setCreditLine } from './credit-lines.ts';
import { unfreezeInstitution } from './institutions.ts';
import { REPAYMENT_EVERY_MS } from './repayments.ts';
import { closeWindow, openWindow } from './windows.ts';

const DUE_MS = 60_000;
const HOUR_MS = 3_600_000;

/** A window is open; `a` may owe 100 of each unit, which is due a minute after the close, and owes `b` 60 of the units given. */
function given(...units: readonly Unit[]): Exchange {
  const exchange = new Exchange('a', 'b');
  for (const base of [USD, EUR])
    exchange.publish({
      makerId: 'platform',
      base,
      counter: BTC,
      price: { numerator: 15n, denominator: 1n },
      validUntil: (exchange.book.now + HOUR_MS) as Instant,
    });
  for (const unit of [BTC, USD, EUR]) {
    const what = unit === BTC ? { creditLineSats: 100n } : { creditLineSats: 0n, limit: { unit, amount: 100n } };
    unwrap(setCreditLine(exchange.book, { institutionId: 'a', ...what, reason: '', by: 'o', confirmedBy: 'p' }));
  }
  unwrap(
    setCreditTerms(exchange.book, {
      institutionId: 'a',
      terms: { dueAfterMs: DUE_MS },
      reason: '',
      by: 'o',
      confirmedBy: 'p',
    }),
  );
  unwrap(openWindow(exchange.book, 'w-1'));
  for (const unit of units) pay(exchange, unit, 60n);
  return exchange;
}

function pay(exchange: Exchange, unit: Unit, amount: bigint, from = 'a', to = 'b'): void {
  const what = unit === BTC ? { amountSats: sats(amount) } : { paid: { unit, amount } };
  exchange.screen(unwrap(exchange.submit({ from, to, ...what })).terms.settlementId);
}

const close = (exchange: Exchange, windowId = 'w-1') =>
  unwrap(closeWindow(exchange.book, { windowId, nextWindowId: `${windowId}'`, by: 'o', reason: 'cut-off' }));

const windowOf = (exchange: Exchange) => exchange.book.windows.get('w-1');

const fallDue = (exchange: Exchange): void => {
  exchange.wait(DUE_MS);
  collect(exchange.book, 'a');
};

const incidents = ({ book }: Exchange): readonly string[] =>
  book.tip.get().incidents.map(({ incidentId }) => incidentId);

describe('what is drawn in another unit when a window closes', () => {
  it('is due by the terms, unit by unit, and the window settles when all of it is paid', () => {
    const exchange = given(USD, EUR, BTC);
    const debtors = [BTC, EUR, USD].map((unit) => ({ institutionId: 'a', unit }));
    expect(close(exchange)).toMatchObject({ status: 'settling', debtors });
    exchange.payIn('a', USD, 60n);
    exchange.fund('a', 60n);
    pay(exchange, EUR, 60n, 'b', 'a');
    fallDue(exchange);
    expect(windowOf(exchange)).toMatchObject({ status: 'settled', debtors: [] });
    expect(exchange.book.institutions.get('a')).toMatchObject({ status: 'active' });
    expect(exchange.book.timers.has('a collection')).toBe(false);
  });

  it('is owed by nobody whose position is even, though he has drawn something before', () => {
    const exchange = given(USD);
    close(exchange);
    pay(exchange, EUR, 1n);
    expect(close(exchange, "w-1'")).toMatchObject({ debtors: [{ unit: EUR }] });
  });

  it('isn’t paid by what comes in in another one', () => {
    const exchange = given(USD);
    close(exchange);
    exchange.payIn('a', EUR, 60n);
    exchange.fund('a', 60n);
    fallDue(exchange);
    expect(incidents(exchange)).toHaveLength(1);
  });

  it('and isn’t paid in time is left to people: nobody is asked to give anything back, and nothing more is lent', () => {
    const exchange = given(USD, EUR);
    exchange.payIn('a', EUR, 60n);
    close(exchange);
    exchange.payIn('a', USD, 59n);
    const before = exchange.has('b', USD);
    exchange.wait(DUE_MS - 1);
    collect(exchange.book, 'a');
    expect(incidents(exchange)).toEqual([]);
    exchange.wait(1);
    collect(exchange.book, 'a');
    expect(incidents(exchange)).toEqual([expect.stringMatching(/^debt_overdue:/)]);
    expect(exchange.book.institutions.get('a')).toMatchObject({
      status: 'frozen',
      unitLines: [{ limit: { unit: EUR, amount: 100n } }, { limit: { unit: USD, amount: 1n } }],
    });
    expect(windowOf(exchange)).toMatchObject({ status: 'settled', debtors: [] });
    expect([exchange.has('a', USD), exchange.has('b', USD) - before]).toEqual([0n, 0n]);
    expect(exchange.book.defaults.all()).toEqual([]);
    collect(exchange.book, 'a');
    expect(incidents(exchange)).toHaveLength(1);
  });

  it('is owed still, and due again by the next window in which it settles something', () => {
    const exchange = given(USD);
    close(exchange);
    fallDue(exchange);
    unwrap(
      unfreezeInstitution(exchange.book, {
        ...{ institutionId: 'a', reason: 'talked to them', by: 'o', confirmedBy: 'p' },
        althoughOwing: false,
      }),
    );
    exchange.payIn('b', USD, 1n);
    pay(exchange, USD, 1n, 'b', 'a');
    expect(close(exchange, "w-1'")).toMatchObject({ status: 'settling', debtors: [{ institutionId: 'a', unit: USD }] });
    exchange.payIn('a', USD, 59n);
    fallDue(exchange);
    expect(exchange.book.windows.get("w-1'")).toMatchObject({ status: 'settled' });
  });

  it('stays due while a default in satoshi is closed out, which takes none of it', () => {
    const exchange = given(USD, BTC);
    close(exchange);
    fallDue(exchange);
    expect(exchange.book.defaults.all()).toMatchObject([{ unit: BTC, owed: 60n, lent: 60n }]);
    for (let steps = 0; steps < 5; steps++) collect(exchange.book, 'a');
    expect(exchange.book.defaults.all()).toMatchObject([{ status: 'closed' }]);
    expect(incidents(exchange)).toHaveLength(2);
    expect(windowOf(exchange)).toMatchObject({ status: 'settled', debtors: [] });
    exchange.payIn('a', USD, 60n);
    exchange.wait(REPAYMENT_EVERY_MS);
    collect(exchange.book, 'a');
    expect(exchange.book.timers.has('a collection')).toBe(false);
  });
});

describe('collateral in another unit', () => {
  const put = (exchange: Exchange, amount: bigint, change: object = {}) =>
    postPledge(exchange.book, {
      pledgeId: `p-${amount}`,
      institutionId: 'a',
      pledge: 'collateral',
      unit: USD,
      amount,
      by: 'k',
      ...change,
    });
  const takeBack = (exchange: Exchange, amount: bigint) =>
    releasePledge(exchange.book, {
      pledgeId: `r-${amount}`,
      institutionId: 'a',
      pledge: 'collateral',
      unit: USD,
      amount,
      by: 'k',
    });
  const agree = (exchange: Exchange, own: Omit<UnitCreditTerms, 'unit'>, persons: object = { confirmedBy: 'p' }) =>
    setCreditTerms(exchange.book, {
      institutionId: 'a',
      terms: { dueAfterMs: DUE_MS, units: [{ unit: USD, ...own }] },
      reason: '',
      by: 'o',
      ...persons,
    });

  it('is put aside of what there is in the unit, never out of the line, and of nothing else', () => {
    const exchange = given();
    exchange.payIn('a', USD, 40n);
    exchange.payIn('a', EUR, 500n);
    refusedFor(put(exchange, 41n), 'INSUFFICIENT_BALANCE', 'amount.amount');
    unwrap(put(exchange, 40n));
    expect([exchange.has('a', USD), exchange.has('a', EUR)]).toEqual([100n, 600n]);
    unwrap(takeBack(exchange, 40n));
    refusedFor(takeBack(exchange, 1n), 'PLEDGE_NEEDED', 'amount.amount');
    exchange.book.ledger.assertZeroSum();
  });

  it('secures the line in that unit by its haircut, and what is drawn there depends on it', () => {
    const exchange = given();
    unwrap(agree(exchange, { haircutBps: 5_000 }));
    expect([exchange.has('a', USD), exchange.has('a', EUR), exchange.has('a', BTC)]).toEqual([0n, 100n, 100n]);
    exchange.payIn('a', USD, 40n);
    unwrap(put(exchange, 40n));
    expect(exchange.has('a', USD)).toBe(20n);
    pay(exchange, USD, 10n);
    expect(exchange.has('a', USD)).toBe(10n);
    refusedFor(takeBack(exchange, 21n), 'PLEDGE_NEEDED');
    unwrap(takeBack(exchange, 20n));
    expect(exchange.has('a', USD)).toBe(20n);
  });

  it('has terms of its own, which two agree on where they count on less or are due later', () => {
    const exchange = given();
    unwrap(agree(exchange, { haircutBps: 5_000, dueAfterMs: DUE_MS }, {}));
    for (const looser of [
      { haircutBps: 4_999, dueAfterMs: DUE_MS },
      { haircutBps: 5_000 },
      { haircutBps: 5_000, dueAfterMs: DUE_MS + 1 },
      { haircutBps: 5_000, dueAfterMs: DUE_MS, graceMs: 1 },
    ])
      refusedFor(agree(exchange, looser, {}), 'SECOND_PERSON_REQUIRED');
    unwrap(agree(exchange, { haircutBps: 6_000, dueAfterMs: 1 }, {}));
    // Of whom nothing was ever due nothing is due later.
    const terms = { units: [{ unit: USD, dueAfterMs: DUE_MS, graceMs: DUE_MS }] };
    unwrap(setCreditTerms(exchange.book, { institutionId: 'b', terms, reason: '', by: 'o' }));
  });

  it('and what is due there is due when its own terms say', () => {
    const exchange = given(BTC);
    unwrap(agree(exchange, { dueAfterMs: 3 * DUE_MS }));
    pay(exchange, USD, 60n);
    close(exchange);
    exchange.fund('a', 60n);
    fallDue(exchange);
    expect(windowOf(exchange)).toMatchObject({ status: 'settling', debtors: [{ unit: USD }] });
    exchange.wait(DUE_MS);
    fallDue(exchange);
    expect(incidents(exchange)).toHaveLength(1);
  });

  it('pays what is due there and hasn’t been paid in time; what comes in afterwards is its owner’s', () => {
    const exchange = given(USD);
    close(exchange);
    exchange.payIn('a', USD, 100n);
    unwrap(put(exchange, 40n));
    pay(exchange, USD, 70n);
    close(exchange, "w-1'");
    const before = exchange.has('b', USD);
    exchange.wait(DUE_MS);
    collect(exchange.book, 'a');
    expect(exchange.book.log.filter(({ event }) => event.type === 'collateral_taken')).toMatchObject([
      { event: { unit: USD, amount: 40n } },
    ]);
    expect(exchange.book.institutions.get('a')).toMatchObject({ status: 'frozen' });
    expect([exchange.has('a', USD), exchange.has('b', USD) - before]).toEqual([0n, 0n]);
    exchange.payIn('a', USD, 70n);
    expect(exchange.has('a', USD)).toBe(70n);
    exchange.book.ledger.assertZeroSum();
  });
});
