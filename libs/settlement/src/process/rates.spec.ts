import { type Instant, unwrap } from '@finality/kernel';
import { BTC, TRANSFER_AMOUNT_MAX } from '@finality/ledger';
import { describe, expect, it } from 'vitest';
import { EUR, Exchange, QUOTE_MS, refusedFor, USD } from '../spec/exchange.fixture.ts';
import { freezeInstitution } from './institutions.ts';
import { publishRate, RATE_VALID_MAX_MS, withdrawRate } from './rates.ts';

const market = (): Exchange => new Exchange('a', 'b', 'm');

describe('a rate', () => {
  it('takes the place of the one before, in its direction, and quotes that are locked stay', () => {
    const exchange = market();
    exchange.publish();
    const first = unwrap(exchange.quote());
    exchange.publish({ price: { numerator: 12n, denominator: 200n } });
    const second = unwrap(exchange.quote());
    expect([first, second].map(({ terms }) => [terms.buy.amount, terms.rateVersion])).toEqual([
      [65n, 1],
      [60n, 2],
    ]);
    refusedFor(exchange.quote({ sellUnit: USD, buyUnit: BTC }), 'UNKNOWN_RATE');
    refusedFor(exchange.quote({ buyUnit: EUR }), 'UNKNOWN_RATE');
  });

  it('is over when its time is, or when it is withdrawn', () => {
    const exchange = market();
    const { rate } = exchange.publish();
    exchange.wait(3_600_000 - 1);
    expect(unwrap(exchange.quote()).terms.expiresAt).toBe(rate.validUntil);
    exchange.wait(1);
    refusedFor(exchange.quote(), 'UNKNOWN_RATE');
    exchange.publish();
    expect(unwrap(withdrawRate(exchange.book, rate.rateId, 'key-m'))).toMatchObject({ status: 'withdrawn' });
    expect(unwrap(withdrawRate(exchange.book, rate.rateId, 'key-m'))).toMatchObject({ status: 'withdrawn' });
    refusedFor(exchange.quote(), 'UNKNOWN_RATE');
    refusedFor(withdrawRate(exchange.book, 'm/BTC/EUR', 'key-m'), 'UNKNOWN_RATE');
    exchange.publish();
    expect(exchange.quote()).toMatchObject({ ok: true });
  });

  it.each([
    ['of a unit for itself', { counter: BTC }, 'counter_unit'],
    ['that is over', { validUntil: 1 as Instant }, 'valid_until'],
    ['that nobody looks after', { validUntil: (1_770_000_000_000 + RATE_VALID_MAX_MS + 1) as Instant }, 'valid_until'],
    ['as a reference in anything but BTC', { makerId: 'platform', base: EUR, counter: USD }, 'counter_unit'],
  ])('is refused %s', (_what, change, field) => {
    const exchange = market();
    refusedFor(publishRate(exchange.book, exchange.rate(change)), 'INVALID_ARGUMENT', field);
  });

  it.each([
    ['as a reference', { makerId: 'platform', base: USD, counter: BTC }],
    ['for its maker', { isOwn: false }],
  ])('takes two operators %s', (_what, change) => {
    const exchange = market();
    const { confirmedBy: _second, ...alone } = exchange.rate(change);
    refusedFor(publishRate(exchange.book, alone), 'SECOND_PERSON_REQUIRED', 'maker_institution');
    const both = unwrap(publishRate(exchange.book, { ...alone, confirmedBy: 'o2' }));
    expect(both.rate).toMatchObject({ publishedBy: 'key-m', confirmedBy: 'o2' });
  });

  it('is given by an institution that is active', () => {
    const exchange = market();
    freezeInstitution(exchange.book, 'm', 'test');
    refusedFor(publishRate(exchange.book, exchange.rate()), 'INSTITUTION_FROZEN', 'maker_institution');
    refusedFor(publishRate(exchange.book, exchange.rate({ makerId: 'x' })), 'UNKNOWN_INSTITUTION');
  });
});

describe('a quote', () => {
  it('locks both amounts, whichever is asked for, for its time', () => {
    const exchange = market();
    exchange.publish();
    const sold = unwrap(exchange.quote({ fixed: 'sell', amount: 1_001n })).terms;
    expect(sold).toMatchObject({
      sell: { unit: BTC, amount: 1_001n },
      buy: { unit: USD, amount: 65n },
      remainder: 13n,
      expiresAt: exchange.book.now + QUOTE_MS,
    });
    const bought = unwrap(exchange.quote({ fixed: 'buy', amount: 66n })).terms;
    expect(bought).toMatchObject({ sell: { amount: 1_016n }, buy: { amount: 66n }, remainder: 8n });
  });

  it('is of what can be moved, and within what its maker allows', () => {
    const exchange = market();
    exchange.publish({ baseMax: 2_000n });
    refusedFor(exchange.quote({ amount: 15n }), 'AMOUNT_NOT_QUOTABLE', 'sell_amount');
    refusedFor(exchange.quote({ amount: 2_001n }), 'AMOUNT_NOT_QUOTABLE', 'sell_amount');
    refusedFor(exchange.quote({ fixed: 'buy', amount: TRANSFER_AMOUNT_MAX }), 'AMOUNT_NOT_QUOTABLE', 'buy_amount');
    expect(exchange.quote({ amount: 2_000n })).toMatchObject({ ok: true });
  });

  it('is another institution’s, and of no reference', () => {
    const exchange = market();
    exchange.publish();
    exchange.publish({ makerId: 'platform', base: USD, counter: BTC });
    refusedFor(exchange.quote({ institutionId: 'm' }), 'OWN_RATE', 'maker_institution');
    refusedFor(exchange.quote({ makerId: 'platform', sellUnit: USD, buyUnit: BTC }), 'UNKNOWN_INSTITUTION');
    freezeInstitution(exchange.book, 'a', 'test');
    refusedFor(exchange.quote(), 'INSTITUTION_FROZEN', 'institution_id');
    freezeInstitution(exchange.book, 'm', 'test');
    refusedFor(exchange.quote({ institutionId: 'b' }), 'INSTITUTION_FROZEN', 'maker_institution');
  });
});
