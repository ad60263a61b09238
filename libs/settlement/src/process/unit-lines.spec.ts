import { sats, unwrap } from '@finality/kernel';
import { BTC } from '@finality/ledger';
import { describe, expect, it } from 'vitest';
import type { Priority } from '../queue.ts';
import { lineIn } from '../queue.ts';
import { EUR, Exchange, refusedFor, USD } from '../spec/exchange.fixture.ts';
import { resolvableIn } from '../spec/queue-actions.fixture.ts';
import { reprioritize } from './line.ts';
import { offset } from './offset.ts';

const PARTIES = ['a', 'b', 'c'];

/** Operators say what dollars and euros are worth: nobody has to look at anything. */
function given(): Exchange {
  const exchange = new Exchange(...PARTIES, 'm');
  for (const base of [USD, EUR])
    exchange.publish({ makerId: 'platform', base, counter: BTC, price: { numerator: 15n, denominator: 1n } });
  return exchange;
}

function pay(
  exchange: Exchange,
  from: string,
  to: string,
  unit: typeof USD,
  amount: bigint,
  priority?: Priority,
): string {
  const how = priority === undefined ? {} : { priority };
  const { terms } = unwrap(exchange.submit({ from, to, paid: { unit, amount }, ...how }));
  exchange.screen(terms.settlementId);
  return terms.settlementId;
}

const statuses = (exchange: Exchange, ...ids: readonly string[]): readonly string[] =>
  ids.map((id) => exchange.settlement(id).status);

describe('a payer’s line of a unit', () => {
  it('isn’t overtaken by what needs less', () => {
    const exchange = given();
    exchange.payIn('a', USD, 10n);
    const [first, second] = [pay(exchange, 'a', 'b', USD, 11n), pay(exchange, 'a', 'b', USD, 1n)];
    expect(exchange.retry(second)).toMatchObject({ status: 'queued', waitsFor: 'INSUFFICIENT_LIQUIDITY' });
    expect(exchange.settlement(second).transitions.at(-1)?.reason).toContain('before it');
    exchange.payIn('a', USD, 2n);
    exchange.retry(second);
    expect(statuses(exchange, first, second)).toEqual(['settled', 'settled']);
  });

  it('goes by priority', () => {
    const exchange = given();
    const ids = [
      pay(exchange, 'a', 'b', USD, 3n),
      pay(exchange, 'a', 'b', USD, 3n, 'urgent'),
      pay(exchange, 'a', 'b', USD, 3n, 'high'),
    ];
    expect(exchange.book.queues.of(lineIn('a', USD))).toEqual([ids[1], ids[2], ids[0]]);
    unwrap(reprioritize(exchange.book, ids[0]!, 'urgent', 'k'));
    exchange.payIn('a', USD, 6n);
    exchange.retry(ids[2]!);
    expect(statuses(exchange, ...ids)).toEqual(['settled', 'settled', 'queued']);
    refusedFor(reprioritize(exchange.book, ids[0]!, 'high', 'k'), 'NOT_QUEUED');
  });

  it('is none of what it pays in another one', () => {
    const exchange = given();
    exchange.payIn('a', EUR, 5n);
    exchange.fund('a', 5n);
    const waiting = pay(exchange, 'a', 'b', USD, 1n);
    expect(statuses(exchange, waiting, pay(exchange, 'a', 'b', EUR, 5n))).toEqual(['queued', 'settled']);
    const { terms } = unwrap(exchange.submit({ amountSats: sats(5n) }));
    expect(exchange.screen(terms.settlementId)).toMatchObject({ status: 'settled' });
  });
});

describe('a gridlock in a unit', () => {
  const CIRCLE = [
    ['a', 'b'],
    ['b', 'c'],
    ['c', 'a'],
  ] as const;

  it('is resolved without any money, and nothing of another unit with it', () => {
    const exchange = given();
    const dollars = CIRCLE.map(([from, to]) => pay(exchange, from, to, USD, 9n));
    const euros = CIRCLE.slice(1).map(([from, to]) => pay(exchange, from, to, EUR, 9n));
    expect(resolvableIn(exchange.book, PARTIES, EUR)).toEqual([]);
    const settlementIds = resolvableIn(exchange.book, PARTIES, USD);
    offset(exchange.book, { gridlockId: 'g', settlementIds });
    expect(dollars.map((id) => exchange.settlement(id))).toEqual(
      dollars.map(() => expect.objectContaining({ status: 'settled', gridlockId: 'g' }) as object),
    );
    expect(statuses(exchange, ...euros)).toEqual(['queued', 'queued']);
    expect(PARTIES.map((id) => exchange.has(id, USD))).toEqual([0n, 0n, 0n]);
  });

  it('has no exchange in it, nor what is behind one', () => {
    const exchange = given();
    exchange.publish({ base: USD, counter: EUR, price: { numerator: 1n, denominator: 1n } });
    const asked = { institutionId: 'b', sellUnit: USD, buyUnit: EUR, amount: 9n };
    const { terms } = unwrap(exchange.quote(asked));
    const exchanged = unwrap(exchange.submit({ from: 'b', to: 'm', quoteId: terms.quoteId })).terms.settlementId;
    exchange.screen(exchanged);
    const dollars = CIRCLE.map(([from, to]) => pay(exchange, from, to, USD, 9n));
    expect(resolvableIn(exchange.book, PARTIES, USD)).toEqual([]);
    offset(exchange.book, { gridlockId: 'g', settlementIds: dollars });
    offset(exchange.book, { gridlockId: 'g', settlementIds: [exchanged, ...dollars] });
    expect(statuses(exchange, exchanged, ...dollars)).toEqual(['queued', 'queued', 'queued', 'queued']);
  });
});
