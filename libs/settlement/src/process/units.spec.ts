import { type Instant, sats, unwrap } from '@finality/kernel';
import { BTC, TRANSFER_AMOUNT_MAX } from '@finality/ledger';
import { AT_BANKS_MAX } from '../unit-debt.ts';
import { describe, expect, it } from 'vitest';
import { EUR, Exchange, refusedFor, USD } from '../spec/exchange.fixture.ts';
import { approvalsFor, setApprovalPolicy } from './approvals.ts';
import { setLimits } from './limits.ts';
import { reverse } from './reverse.ts';

const paid = (amount: bigint, unit = USD) => ({ paid: { unit, amount } });

function rich(): Exchange {
  const exchange = new Exchange('a', 'b');
  exchange.payIn('a', USD, 1_000n);
  return exchange;
}

describe('a settlement in another unit', () => {
  it('is looked at by a person while nobody can say what it is worth, and settles in that unit', () => {
    const exchange = rich();
    const { terms } = unwrap(exchange.submit(paid(400n)));
    expect(terms).toMatchObject({ amountSats: 0n, units: { paid: { unit: 'USD', amount: 400n } } });
    expect(exchange.screen(terms.settlementId)).toMatchObject({ status: 'under_review' });
    expect(exchange.approve(terms.settlementId)).toMatchObject({ status: 'settled' });
    expect([exchange.has('a', USD), exchange.has('b', USD), exchange.held(USD)]).toEqual([600n, 400n, 1_000n]);
    expect([exchange.has('a', BTC), exchange.has('b', BTC)]).toEqual([0n, 0n]);
    exchange.book.ledger.assertZeroSum();
  });

  it('is judged by what operators say it is worth, rounded up, as long as that is valid; on another day, by a person', () => {
    const exchange = rich();
    exchange.publish({ makerId: 'platform', base: USD, counter: BTC, price: { numerator: 31n, denominator: 2n } });
    const { terms } = unwrap(exchange.submit(paid(101n)));
    expect(terms.units?.valueSats).toBe(1_566n);
    expect(exchange.screen(terms.settlementId)).toMatchObject({ status: 'settled' });
    const later = unwrap(exchange.submit({ ...paid(1n), executeAt: (exchange.book.now + 1_000) as Instant }));
    expect(later.terms.units).toEqual(paid(1n));
    exchange.wait(3_600_000);
    expect(unwrap(exchange.submit(paid(1n))).terms.units).toEqual(paid(1n));
    // More than there can be is no value at all.
    exchange.publish({
      makerId: 'platform',
      base: USD,
      counter: BTC,
      price: { numerator: 10n ** 18n, denominator: 1n },
    });
    expect(unwrap(exchange.submit(paid(1n))).terms.units).toEqual(paid(1n));
  });

  it('counts against limits by what it is worth', () => {
    const exchange = rich();
    exchange.publish({ makerId: 'platform', base: USD, counter: BTC, price: { numerator: 10n, denominator: 1n } });
    const limits = { transactions: [{ maxSats: sats(1_000n) }], windows: [] };
    unwrap(setLimits(exchange.book, { institutionId: 'a', limits, reason: '', by: 'o', isOwn: false }));
    refusedFor(exchange.submit(paid(101n)), 'LIMIT_EXCEEDED');
    expect(exchange.submit(paid(100n))).toMatchObject({ ok: true });
  });

  it('needs as many approvals as what it is worth does; where nobody knows, as anything does', () => {
    const exchange = rich();
    const tiers = [
      { aboveSats: sats(100n), approvals: 1, areSigned: false },
      { aboveSats: sats(100_000n), approvals: 3, areSigned: false },
    ];
    unwrap(setApprovalPolicy(exchange.book, { institutionId: 'a', tiers, reason: '', by: 'o', isOwn: false }));
    const needs = (amount: bigint) =>
      approvalsFor(exchange.book, unwrap(exchange.submit(paid(amount))).terms)?.required;
    expect(needs(1n)).toBe(3);
    exchange.publish({ makerId: 'platform', base: USD, counter: BTC, price: { numerator: 10n, denominator: 1n } });
    expect([needs(10n), needs(11n)]).toEqual([undefined, 1]);
  });

  it('waits for money in its unit, whatever there is in others', () => {
    const exchange = rich();
    exchange.fund('a', 5_000n);
    exchange.payIn('a', EUR, 5_000n);
    const { terms } = unwrap(exchange.submit(paid(1_001n)));
    exchange.screen(terms.settlementId);
    const queued = exchange.approve(terms.settlementId);
    expect(queued).toMatchObject({ status: 'queued', waitsFor: 'INSUFFICIENT_LIQUIDITY' });
    expect(queued.transitions.at(-1)?.reason).toContain('expected 1001 of USD');
    exchange.payIn('a', USD, 1n);
    expect(exchange.retry(terms.settlementId)).toMatchObject({ status: 'settled' });
  });

  it('is paid back in that unit, in parts, and never more than it was', () => {
    const exchange = rich();
    const { terms } = unwrap(exchange.submit(paid(400n)));
    exchange.screen(terms.settlementId);
    exchange.approve(terms.settlementId);
    const back = (settlementId: string, change: object) =>
      reverse(exchange.book, {
        ...exchange.submission({ settlementId, from: 'b', to: 'a', ...change }),
        reverses: terms.settlementId,
      });
    refusedFor(back('r-0', paid(401n)), 'REVERSAL_EXCEEDS_ORIGINAL', 'amount.amount');
    refusedFor(back('r-0', paid(1n, EUR)), 'INVALID_ARGUMENT', 'amount.amount');
    refusedFor(back('r-0', { amountSats: sats(1n) }), 'INVALID_ARGUMENT', 'amount.amount');
    unwrap(back('r-1', paid(300n)));
    refusedFor(back('r-2', paid(101n)), 'REVERSAL_EXCEEDS_ORIGINAL');
    exchange.screen('r-1');
    expect(exchange.approve('r-1')).toMatchObject({ status: 'settled' });
    expect([exchange.has('a', USD), exchange.has('b', USD)]).toEqual([900n, 100n]);
  });

  it.each([
    ['on the chain', { ...paid(1n), mode: 'bilateral' as const, amountSats: sats(1_000n) }, 'amount'],
    ['in BTC', paid(1n, BTC), 'amount.unit'],
    ['of nothing', paid(0n), 'amount.amount'],
    ['of less than nothing', paid(-1n), 'amount.amount'],
    ['of more than an int64 holds', paid(TRANSFER_AMOUNT_MAX + 1n), 'amount.amount'],
  ])('is refused %s', (_what, change, field) => {
    refusedFor(rich().submit(change), 'INVALID_ARGUMENT', field);
  });

  it('may be of all that banks hold', () => {
    const exchange = new Exchange('a', 'b');
    exchange.payIn('a', USD, AT_BANKS_MAX);
    const { terms } = unwrap(exchange.submit(paid(AT_BANKS_MAX)));
    exchange.screen(terms.settlementId);
    expect(exchange.approve(terms.settlementId)).toMatchObject({ status: 'settled' });
    expect(exchange.has('b', USD)).toBe(AT_BANKS_MAX);
  });
});
