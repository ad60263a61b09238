import { type Instant, sats, unwrap } from '@finality/kernel';
import { BTC, type Unit } from '@finality/ledger';
import { describe, expect, it } from 'vitest';
import { EUR, Exchange, QUOTE_MS, refusedFor, USD } from '../spec/exchange.fixture.ts';
import { allowCounterparty, restrictCounterparties } from './counterparties.ts';
import { freezeInstitution } from './institutions.ts';
import { reverse } from './reverse.ts';
import { expire } from './withdraw.ts';

/** `a` has 5,000 sat, the maker 100.00 USD. */
function market(): Exchange {
  const exchange = new Exchange('a', 'b', 'm');
  exchange.fund('a', 5_000n);
  exchange.payIn('m', USD, 10_000n);
  exchange.publish();
  return exchange;
}

const quoteId = (exchange: Exchange, change: object = {}): string => unwrap(exchange.quote(change)).terms.quoteId;
const balances = (exchange: Exchange, unit: Unit): readonly bigint[] =>
  ['a', 'b', 'm'].map((institutionId) => exchange.has(institutionId, unit));
const BEFORE = [
  [5_000n, 0n, 0n],
  [0n, 0n, 10_000n],
];
const found = (exchange: Exchange) => [balances(exchange, BTC), balances(exchange, USD)];

describe('payment versus payment', () => {
  it('with the maker itself: satoshi one way, cents the other, at once', () => {
    const exchange = market();
    const { terms } = unwrap(exchange.submit({ to: 'm', quoteId: quoteId(exchange) }));
    expect(terms).toMatchObject({ amountSats: 0n, units: { paid: { unit: BTC, amount: 1_000n }, valueSats: 1_000n } });
    expect(exchange.screen(terms.settlementId)).toMatchObject({ status: 'settled' });
    expect(found(exchange)).toEqual([
      [4_000n, 0n, 1_000n],
      [65n, 0n, 9_935n],
    ]);
    exchange.book.ledger.assertZeroSum();
  });

  it('across a border: the payee gets what the payer hasn’t got', () => {
    const exchange = market();
    const id = quoteId(exchange, { fixed: 'buy', amount: 130n });
    const { terms } = unwrap(exchange.submit({ to: 'b', quoteId: id }));
    expect(exchange.screen(terms.settlementId)).toMatchObject({ status: 'settled' });
    expect(found(exchange)).toEqual([
      [3_000n, 0n, 2_000n],
      [0n, 130n, 9_870n],
    ]);
  });

  it('between two units that aren’t on the chain is valued by what operators say', () => {
    const exchange = market();
    exchange.payIn('a', EUR, 100n);
    exchange.publish({ base: EUR, price: { numerator: 11n, denominator: 10n } });
    const asked = { sellUnit: EUR, amount: 100n };
    const unknown = unwrap(exchange.submit({ to: 'm', quoteId: quoteId(exchange, asked) }));
    expect(exchange.screen(unknown.terms.settlementId)).toMatchObject({ status: 'under_review' });
    exchange.publish({ makerId: 'platform', base: EUR, counter: BTC, price: { numerator: 33n, denominator: 2n } });
    const { terms } = unwrap(exchange.submit({ to: 'm', quoteId: quoteId(exchange, asked) }));
    expect(terms.units?.valueSats).toBe(1_650n);
    expect(exchange.screen(terms.settlementId)).toMatchObject({ status: 'settled' });
    expect([exchange.has('a', EUR), exchange.has('a', USD)]).toEqual([0n, 110n]);
  });
});

describe('a quote is refused', () => {
  it('that doesn’t exist, or is another institution’s', () => {
    const exchange = market();
    refusedFor(exchange.submit({ to: 'm', quoteId: 'none' }), 'UNKNOWN_QUOTE', 'quote_id');
    refusedFor(exchange.submit({ from: 'b', to: 'm', quoteId: quoteId(exchange) }), 'UNKNOWN_QUOTE', 'quote_id');
  });

  it('that was used, whatever became of it', () => {
    const exchange = market();
    const id = quoteId(exchange);
    unwrap(exchange.submit({ to: 'm', quoteId: id }));
    refusedFor(exchange.submit({ to: 'm', quoteId: id }), 'QUOTE_USED', 'quote_id');
  });

  it('that is over', () => {
    const exchange = market();
    const id = quoteId(exchange);
    exchange.wait(QUOTE_MS);
    refusedFor(exchange.submit({ to: 'm', quoteId: id }), 'QUOTE_EXPIRED', 'quote_id');
  });

  it('that isn’t what is said beside it; what is the same may be said', () => {
    const exchange = market();
    const id = quoteId(exchange);
    refusedFor(exchange.submit({ to: 'm', quoteId: id, amountSats: sats(999n) }), 'QUOTE_MISMATCH', 'amount_sats');
    refusedFor(
      exchange.submit({ to: 'm', quoteId: id, paid: { unit: USD, amount: 1_000n } }),
      'QUOTE_MISMATCH',
      'amount',
    );
    expect(exchange.submit({ to: 'm', quoteId: id, amountSats: sats(1_000n) })).toMatchObject({ ok: true });
  });

  it('for another day, or on the chain, or by a maker that is frozen', () => {
    const exchange = market();
    const id = quoteId(exchange);
    const executeAt = (exchange.book.now + 1_000) as never;
    refusedFor(exchange.submit({ to: 'm', quoteId: id, executeAt }), 'INVALID_ARGUMENT', 'execute_at');
    refusedFor(exchange.submit({ to: 'm', quoteId: id, mode: 'blockchain' }), 'INVALID_ARGUMENT', 'quote_id');
    freezeInstitution(exchange.book, 'm', 'test');
    refusedFor(exchange.submit({ to: 'b', quoteId: id }), 'INSTITUTION_FROZEN', 'quote_id');
  });

  it('whose maker the payer may not pay', () => {
    const exchange = market();
    const restriction = { institutionId: 'a', isRestricted: true, reason: '', by: 'o', isOwn: false };
    unwrap(restrictCounterparties(exchange.book, restriction));
    unwrap(allowCounterparty(exchange.book, { institutionId: 'a', counterpartyId: 'b', by: 'o' }));
    exchange.wait(exchange.book.policy.counterpartyCoolingMs);
    exchange.publish();
    refusedFor(exchange.submit({ to: 'b', quoteId: quoteId(exchange) }), 'COUNTERPARTY_NOT_ALLOWED');
  });

  it('leaves it unused', () => {
    const exchange = market();
    const id = quoteId(exchange);
    refusedFor(exchange.submit({ to: 'nobody', quoteId: id }), 'UNKNOWN_INSTITUTION');
    expect(exchange.submit({ to: 'm', quoteId: id })).toMatchObject({ ok: true });
  });
});

describe('when either side lacks what it is to give', () => {
  const short = (who: 'payer' | 'maker', more: object = {}) => {
    const exchange = market();
    const amount = who === 'payer' ? 5_001n : 4_000n;
    if (who === 'maker') exchange.publish({ price: { numerator: 3n, denominator: 1n } });
    const { terms } = unwrap(exchange.submit({ to: 'm', quoteId: quoteId(exchange, { amount }), ...more }));
    exchange.screen(terms.settlementId);
    return { exchange, id: terms.settlementId };
  };

  it.each(['payer', 'maker'] as const)('(the %s) nothing moves, and all of it when there is enough', (who) => {
    const { exchange, id } = short(who);
    expect(exchange.settlement(id)).toMatchObject({ status: 'queued', waitsFor: 'INSUFFICIENT_LIQUIDITY' });
    expect(found(exchange)).toEqual(BEFORE);
    if (who === 'payer') exchange.fund('a', 1n);
    else exchange.payIn('m', USD, 2_000n);
    expect(exchange.retry(id)).toMatchObject({ status: 'settled' });
  });

  it.each(['payer', 'maker'] as const)('(the %s) it fails at once where its terms say so', (who) => {
    const { exchange, id } = short(who, { failOnShortage: true });
    expect(exchange.settlement(id)).toMatchObject({ status: 'failed' });
    expect(found(exchange)).toEqual(BEFORE);
    expect(exchange.book.timers.has(id)).toBe(false);
  });

  it('the payer isn’t told what the maker has', () => {
    const { exchange, id } = short('maker');
    expect(exchange.settlement(id).transitions.at(-1)?.reason).toBe('insufficient liquidity: who quoted it lacks USD');
  });

  it('it isn’t exchanged any more once the quote is over, though there were enough by then', () => {
    const { exchange, id } = short('payer');
    expect(exchange.book.timers.get(id)).toBe(exchange.book.now + QUOTE_MS);
    exchange.fund('a', 1n);
    exchange.wait(QUOTE_MS);
    expect(exchange.retry(id)).toMatchObject({ status: 'queued' });
    expire(exchange.book, id);
    expect(exchange.settlement(id)).toMatchObject({ status: 'expired' });
    expect(exchange.has('a', BTC)).toBe(5_001n);
  });

  it('a person who is late approves nothing any more', () => {
    const exchange = market();
    exchange.payIn('a', EUR, 100n);
    exchange.publish({ base: EUR });
    const id = quoteId(exchange, { sellUnit: EUR, amount: 100n });
    const { terms } = unwrap(exchange.submit({ to: 'm', quoteId: id }));
    expect(exchange.screen(terms.settlementId)).toMatchObject({ status: 'under_review' });
    exchange.wait(QUOTE_MS);
    expect(exchange.approve(terms.settlementId)).toMatchObject({ status: 'approved' });
    expire(exchange.book, terms.settlementId);
    expect(exchange.settlement(terms.settlementId)).toMatchObject({ status: 'expired' });
    expect(exchange.has('a', EUR)).toBe(100n);
  });
});

const inMs = ({ book }: Exchange, ms: number): Instant => (book.now + ms) as Instant;

describe('payment versus payment is paid back', () => {
  const done = (to: 'b' | 'm') => {
    const exchange = market();
    const { terms } = unwrap(exchange.submit({ to, quoteId: quoteId(exchange) }));
    expect(exchange.screen(terms.settlementId)).toMatchObject({ status: 'settled' });
    const back = (settlementId: string, change: object = {}) =>
      reverse(exchange.book, {
        ...exchange.submission({ settlementId, from: to, to: 'a', ...change }),
        reverses: terms.settlementId,
      });
    return { exchange, terms, back };
  };

  it.each(['m', 'b'] as const)('both legs at the amounts they had, whatever the rate is by now (to %s)', (to) => {
    const { exchange, back } = done(to);
    exchange.publish({ price: { numerator: 1n, denominator: 200n } });
    exchange.wait(QUOTE_MS);
    unwrap(back('r-1'));
    expect(found(exchange)).not.toEqual(BEFORE);
    expect(exchange.screen('r-1')).toMatchObject({ status: 'settled', terms: { units: { valueSats: 1_000n } } });
    expect(found(exchange)).toEqual(BEFORE);
    exchange.book.ledger.assertZeroSum();
  });

  it('as a whole, once, unless that came to nothing', () => {
    const { exchange, back } = done('m');
    refusedFor(back('r-1', { amountSats: sats(1n) }), 'INVALID_ARGUMENT', 'amount');
    refusedFor(back('r-1', { paid: { unit: USD, amount: 1n } }), 'INVALID_ARGUMENT', 'amount');
    unwrap(back('r-1'));
    refusedFor(back('r-2'), 'REVERSAL_EXCEEDS_ORIGINAL');
    expire(exchange.book, 'r-1');
    expect(back('r-3')).toMatchObject({ ok: true });
  });

  it('or fails at once, as it was asked to, where a party lacks something', () => {
    const { exchange, back } = done('b');
    const spent = unwrap(exchange.submit({ from: 'b', to: 'a', paid: { unit: USD, amount: 1n } }));
    exchange.screen(spent.terms.settlementId);
    exchange.approve(spent.terms.settlementId);
    unwrap(back('r-1', { failOnShortage: true }));
    expect(exchange.screen('r-1')).toMatchObject({ status: 'failed' });
    expect(back('r-2')).toMatchObject({ ok: true });
  });

  it('or not at all: for an hour, or until the time asked for, and holds up its line no longer', () => {
    const { exchange, back } = done('b');
    const dollars = (): string => {
      const { terms } = unwrap(exchange.submit({ from: 'b', to: 'a', paid: { unit: USD, amount: 1n } }));
      exchange.screen(terms.settlementId);
      return terms.settlementId;
    };
    exchange.approve(dollars());
    refusedFor(back('r-0', { expiresAt: inMs(exchange, 86_400_001) }), 'INVALID_ARGUMENT', 'expires_at');
    expect(unwrap(back('r-1'))).toMatchObject({ terms: { expiresAt: inMs(exchange, 3_600_000) } });
    exchange.screen('r-1');
    const behind = dollars();
    exchange.approve(behind);
    exchange.wait(3_599_999);
    expect(exchange.retry(behind)).toMatchObject({ status: 'queued' });
    exchange.wait(1);
    expect(exchange.retry(behind)).toMatchObject({ status: 'settled' });
    exchange.payIn('b', USD, 100n);
    expect(exchange.retry('r-1')).toMatchObject({ status: 'queued' });
    expire(exchange.book, 'r-1');
    expect(exchange.settlement('r-1')).toMatchObject({ status: 'expired' });
    const expiresAt = inMs(exchange, 86_400_000);
    expect(unwrap(back('r-2', { expiresAt }))).toMatchObject({ terms: { expiresAt } });
    expect(exchange.book.timers.get('r-2')).toBe(expiresAt);
    expect(exchange.screen('r-2')).toMatchObject({ status: 'settled' });
  });

  it('or not at all: it waits for what a party lacks', () => {
    const { exchange, back } = done('b');
    const spent = unwrap(exchange.submit({ from: 'b', to: 'a', paid: { unit: USD, amount: 1n } }));
    exchange.screen(spent.terms.settlementId);
    exchange.approve(spent.terms.settlementId);
    const before = found(exchange);
    unwrap(back('r-1'));
    expect(exchange.screen('r-1')).toMatchObject({ status: 'queued' });
    expect(found(exchange)).toEqual(before);
    exchange.payIn('b', USD, 1n);
    expect(exchange.retry('r-1')).toMatchObject({ status: 'settled' });
    expect(balances(exchange, BTC)).toEqual(BEFORE[0]);
  });
});

describe('an exchange stands in its payer’s line of what it gives', () => {
  const plain = (exchange: Exchange, amount: bigint, change: object = {}): string => {
    const { terms } = unwrap(exchange.submit({ to: 'b', amountSats: sats(amount), ...change }));
    exchange.screen(terms.settlementId);
    return terms.settlementId;
  };
  const statuses = (exchange: Exchange, ...ids: readonly string[]): readonly string[] =>
    ids.map((id) => exchange.settlement(id).status);
  /** The maker can't give what `a` asks for. */
  const unpayable = (exchange: Exchange): string => {
    exchange.publish({ price: { numerator: 3n, denominator: 1n } });
    const { terms } = unwrap(exchange.submit({ to: 'm', quoteId: quoteId(exchange, { amount: 4_000n }) }));
    expect(exchange.screen(terms.settlementId)).toMatchObject({ status: 'queued' });
    return terms.settlementId;
  };

  it('behind what came before it, and settles with it', () => {
    const exchange = market();
    const first = plain(exchange, 6_000n);
    const { terms } = unwrap(exchange.submit({ to: 'm', quoteId: quoteId(exchange) }));
    exchange.screen(terms.settlementId);
    expect(statuses(exchange, first, terms.settlementId)).toEqual(['queued', 'queued']);
    exchange.fund('a', 2_000n);
    exchange.retry(terms.settlementId);
    expect(statuses(exchange, first, terms.settlementId)).toEqual(['settled', 'settled']);
  });

  it('and is overtaken by nobody while its maker lacks what it has quoted, except by what is more urgent', () => {
    const exchange = market();
    const id = unpayable(exchange);
    const later = plain(exchange, 5_000n);
    expect(statuses(exchange, id, later)).toEqual(['queued', 'queued']);
    expect(plain(exchange, 1n, { priority: 'urgent' })).toSatisfy(
      (urgent: string) => exchange.settlement(urgent).status === 'settled',
    );
    exchange.payIn('m', USD, 2_000n);
    exchange.retry(id);
    expect(statuses(exchange, id, later)).toEqual(['settled', 'queued']);
  });

  it('until its quote is over: those behind it don’t wait for its timer', () => {
    const exchange = market();
    const id = unpayable(exchange);
    const later = plain(exchange, 5_000n);
    exchange.wait(QUOTE_MS);
    exchange.retry(later);
    expect(statuses(exchange, id, later)).toEqual(['queued', 'settled']);
    expire(exchange.book, id);
    expect(statuses(exchange, id)).toEqual(['expired']);
  });

  it('and is no reason to wait for what its payer gives in another unit', () => {
    const exchange = market();
    exchange.payIn('a', EUR, 10n);
    unpayable(exchange);
    const { terms } = unwrap(exchange.submit({ to: 'b', paid: { unit: EUR, amount: 10n } }));
    exchange.screen(terms.settlementId);
    exchange.approve(terms.settlementId);
    expect(statuses(exchange, terms.settlementId)).toEqual(['settled']);
  });

  it('and takes from its maker what that has promised, whatever waits in the maker’s own line', () => {
    const exchange = market();
    const waiting = unwrap(exchange.submit({ from: 'm', to: 'b', paid: { unit: USD, amount: 10_001n } }));
    exchange.screen(waiting.terms.settlementId);
    exchange.approve(waiting.terms.settlementId);
    const { terms } = unwrap(exchange.submit({ to: 'm', quoteId: quoteId(exchange) }));
    exchange.screen(terms.settlementId);
    expect(statuses(exchange, waiting.terms.settlementId, terms.settlementId)).toEqual(['queued', 'settled']);
  });
});
