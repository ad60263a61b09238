import { type Instant, sats, unwrap } from '@finality/kernel';
import { BTC, type Unit } from '@finality/ledger';
import { describe, expect, it } from 'vitest';
import { EUR, Exchange, USD } from '../spec/exchange.fixture.ts';
import { setCreditTerms } from './collateral.ts';
import { collect } from './collection.ts';
import { setCreditLine } from './credit-lines.ts';
import { unfreezeInstitution } from './institutions.ts';
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
    expect(incidents(exchange)).toEqual([expect.stringMatching(/^participant_default:.*:USD$/)]);
    expect(exchange.book.institutions.get('a')).toMatchObject({
      status: 'frozen',
      unitLines: [{ limit: { unit: EUR } }],
    });
    expect(windowOf(exchange)).toMatchObject({ status: 'settled', debtors: [] });
    expect([exchange.has('a', USD), exchange.has('b', USD) - before]).toEqual([-1n, 0n]);
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
    expect(exchange.book.defaults.all()).toMatchObject([{ owedSats: 60n, lentSats: 60n }]);
    for (let steps = 0; steps < 5; steps++) collect(exchange.book, 'a');
    expect(exchange.book.defaults.all()).toMatchObject([{ status: 'closed' }]);
    expect(incidents(exchange)).toHaveLength(2);
    expect(windowOf(exchange)).toMatchObject({ status: 'settled', debtors: [] });
    expect(exchange.book.timers.has('a collection')).toBe(false);
  });
});
