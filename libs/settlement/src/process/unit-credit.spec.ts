import { type Instant, type Refusal, type Result, unwrap } from '@finality/kernel';
import { BTC, type Unit } from '@finality/ledger';
import { describe, expect, it } from 'vitest';
import { EUR, Exchange, refusedFor, USD } from '../spec/exchange.fixture.ts';
import { expireCreditLine, setCreditLine } from './credit-lines.ts';

const DAY_MS = 86_400_000;

/** Operators say what dollars are worth: nobody has to look at anything. */
function given(): Exchange {
  const exchange = new Exchange('a', 'b');
  const price = { numerator: 15n, denominator: 1n };
  exchange.publish({
    makerId: 'platform',
    base: USD,
    counter: BTC,
    price,
    validUntil: (exchange.book.now + DAY_MS * 7) as Instant,
  });
  return exchange;
}

function line(exchange: Exchange, unit: Unit, amount: bigint, inMs?: number): Result<unknown, Refusal> {
  const ends = inMs === undefined ? {} : { expiresAt: (exchange.book.now + inMs) as Instant };
  const what = unit === BTC ? { creditLineSats: amount } : { creditLineSats: 0n, limit: { unit, amount } };
  return setCreditLine(exchange.book, {
    institutionId: 'a',
    ...what,
    ...ends,
    reason: 'reviewed',
    by: 'o',
    confirmedBy: 'p',
  });
}

function pay(exchange: Exchange, amount: bigint): string {
  const { terms } = unwrap(exchange.submit({ paid: { unit: USD, amount } }));
  return exchange.screen(terms.settlementId).status;
}

const lines = (exchange: Exchange): unknown => {
  const institution = exchange.book.institutions.get('a');
  if (institution.status === 'none') return undefined;
  return [institution.creditLineSats, ...institution.unitLines.map(({ limit }) => `${limit.amount} ${limit.unit}`)];
};

describe('a credit line in another unit', () => {
  it('is what may be owed in it, to the cent, and in no other', () => {
    const exchange = given();
    unwrap(line(exchange, USD, 100n));
    expect([pay(exchange, 100n), pay(exchange, 1n)]).toEqual(['settled', 'queued']);
    expect([exchange.has('a', USD), exchange.has('b', USD), exchange.has('a', EUR), exchange.has('a', BTC)]).toEqual([
      0n,
      100n,
      0n,
      0n,
    ]);
    expect(exchange.book.ledger.balanceOf({ kind: 'clearing', institutionId: 'a', unit: USD }).available).toBe(-100n);
    exchange.book.ledger.assertZeroSum();
  });

  it('that is lowered below what is drawn moves nothing, and lets nothing more be drawn', () => {
    const exchange = given();
    unwrap(line(exchange, USD, 100n));
    pay(exchange, 80n);
    unwrap(line(exchange, USD, 50n));
    expect(exchange.has('a', USD)).toBe(-30n);
    expect(pay(exchange, 1n)).toBe('queued');
  });

  it('leaves the others as they are', () => {
    const exchange = given();
    for (const [unit, amount] of [
      [BTC, 5n],
      [USD, 6n],
      [EUR, 7n],
      [USD, 8n],
    ] as const)
      unwrap(line(exchange, unit, amount));
    expect(lines(exchange)).toEqual([5n, '7 EUR', '8 USD']);
    unwrap(line(exchange, EUR, 0n));
    expect(lines(exchange)).toEqual([5n, '8 USD']);
    expect([BTC, USD, EUR].map((unit) => exchange.has('a', unit))).toEqual([5n, 8n, 0n]);
  });

  it('falls to 0 when its own time is up, whichever ends first', () => {
    const exchange = given();
    unwrap(line(exchange, USD, 6n, 2 * DAY_MS));
    unwrap(line(exchange, BTC, 5n, DAY_MS));
    unwrap(line(exchange, EUR, 7n));
    expect(exchange.book.timers.get('a')).toBe(exchange.book.now + DAY_MS);
    exchange.wait(DAY_MS - 1);
    expireCreditLine(exchange.book, 'a');
    expect(lines(exchange)).toEqual([5n, '6 USD', '7 EUR']);
    exchange.wait(1);
    expireCreditLine(exchange.book, 'a');
    expect(lines(exchange)).toEqual([0n, '6 USD', '7 EUR']);
    expect(exchange.book.timers.get('a')).toBe(exchange.book.now + DAY_MS);
    exchange.wait(DAY_MS);
    expireCreditLine(exchange.book, 'a');
    expect(lines(exchange)).toEqual([0n, '7 EUR']);
    expect(exchange.book.timers.has('a')).toBe(false);
    expect([BTC, USD, EUR].map((unit) => exchange.has('a', unit))).toEqual([0n, 0n, 7n]);
  });

  it('that is withdrawn has no end, and none that is set ends in the past or in years', () => {
    const exchange = given();
    for (const [amount, inMs] of [
      [1n, 0],
      [1n, 366 * DAY_MS + 1],
      [0n, DAY_MS],
    ] as const)
      refusedFor(line(exchange, USD, amount, inMs), 'INVALID_ARGUMENT', 'expires_at');
  });

  it('counts nothing towards what the platform lends in satoshi', () => {
    const exchange = given();
    exchange.book.ledger.limitLending(10n, 0n);
    unwrap(line(exchange, USD, 100n));
    expect(pay(exchange, 100n)).toBe('settled');
  });

  it('is lowered by one operator, and raised or prolonged by two', () => {
    const exchange = given();
    const alone = (amount: bigint, inMs?: number): Result<unknown, Refusal> => {
      const ends = inMs === undefined ? {} : { expiresAt: (exchange.book.now + inMs) as Instant };
      const limit = { unit: USD, amount };
      return setCreditLine(exchange.book, {
        institutionId: 'a',
        creditLineSats: 0n,
        limit,
        ...ends,
        reason: '',
        by: 'o',
      });
    };
    refusedFor(alone(1n), 'SECOND_PERSON_REQUIRED', 'limit');
    unwrap(line(exchange, BTC, 1_000n));
    refusedFor(alone(1n), 'SECOND_PERSON_REQUIRED', 'limit');
    unwrap(line(exchange, USD, 100n, DAY_MS));
    refusedFor(alone(100n, DAY_MS + 1), 'SECOND_PERSON_REQUIRED', 'limit');
    refusedFor(alone(100n), 'SECOND_PERSON_REQUIRED', 'limit');
    unwrap(alone(99n, DAY_MS));
    unwrap(alone(0n));
    expect(lines(exchange)).toEqual([1_000n]);
  });
});
