import { type Instant, sats, unwrap } from '@finality/kernel';
import { BTC, type Unit } from '@finality/ledger';
import { describe, expect, it } from 'vitest';
import { netOf } from '../positions.ts';
import { EUR, Exchange, USD } from '../spec/exchange.fixture.ts';
import { setDebitCap } from './debit-caps.ts';
import { agreeNetting, closeWindow, openWindow } from './windows.ts';

/** A window is open; `a` has satoshi, `b` and the maker have dollars. */
function given(): Exchange {
  const exchange = new Exchange('a', 'b', 'm');
  const validUntil = (exchange.book.now + 3_600_000) as Instant;
  const price = { numerator: 15n, denominator: 1n };
  exchange.publish({ makerId: 'platform', base: USD, counter: BTC, price, validUntil });
  exchange.publish();
  exchange.fund('a', 5_000n);
  exchange.payIn('b', USD, 500n);
  exchange.payIn('m', USD, 10_000n);
  unwrap(openWindow(exchange.book, 'w-1'));
  return exchange;
}

/** @returns the window that it has fallen into */
function settle(exchange: Exchange, change: object): string | undefined {
  const { terms } = unwrap(exchange.submit(change));
  const state = exchange.screen(terms.settlementId);
  expect(state.status).toBe('settled');
  return state.status === 'settled' ? state.windowId : undefined;
}

const cap = (exchange: Exchange, institutionId: string, unit: Unit, most: bigint): void => {
  const request = { institutionId, unit, cap: most, reason: '', by: 'o', isOwn: false };
  unwrap(setDebitCap(exchange.book, request));
};

const exchanged = (exchange: Exchange, to: string): string | undefined =>
  settle(exchange, { to, quoteId: unwrap(exchange.quote()).terms.quoteId });

const dollars = (amount: bigint): { paid: { unit: Unit; amount: bigint } } => ({ paid: { unit: USD, amount } });

const nets = (exchange: Exchange, windowId: string): readonly string[] =>
  exchange.book.positions
    .of(windowId)
    .map((position) => `${position.institutionId} ${netOf(position)} ${position.unit}`);

const close = (exchange: Exchange, windowId: string) =>
  unwrap(closeWindow(exchange.book, { windowId, nextWindowId: `${windowId}-next`, by: 'operator', reason: 'cut-off' }));

const agree = (exchange: Exchange, one: string, other: string): void => {
  for (const [institutionId, counterpartyId] of [
    [one, other],
    [other, one],
  ] as const)
    unwrap(agreeNetting(exchange.book, { institutionId, counterpartyId }, `of ${one} and ${other}`));
};

describe('a window', () => {
  it('has positions in each unit, both legs of an exchange among them', () => {
    const exchange = given();
    expect([
      settle(exchange, { to: 'b', amountSats: sats(300n) }),
      settle(exchange, { from: 'b', to: 'a', ...dollars(40n) }),
      exchanged(exchange, 'b'),
    ]).toEqual(['w-1', 'w-1', 'w-1']);
    expect(nets(exchange, 'w-1')).toEqual([
      'a -1300 BTC',
      'a 40 USD',
      'b 300 BTC',
      'b 25 USD',
      'm 1000 BTC',
      'm -65 USD',
    ]);
  });

  it('closes once for all units, and fixes what each of them comes to', () => {
    const exchange = given();
    settle(exchange, { from: 'b', to: 'a', ...dollars(40n) });
    exchanged(exchange, 'm');
    expect(close(exchange, 'w-1')).toMatchObject({
      status: 'settled',
      totals: [
        { unit: BTC, participants: 2, settlements: 1, gross: 1_000n, net: 1_000n },
        { unit: USD, participants: 3, settlements: 2, gross: 105n, net: 105n },
      ],
    });
    expect(settle(exchange, { from: 'b', to: 'a', ...dollars(1n) })).toBe('w-1-next');
    expect(nets(exchange, 'w-1-next')).toEqual(['a 1 USD', 'b -1 USD']);
  });

  it('of a pair has what moves between the two, in any unit; an exchange of three is netted with everybody’s', () => {
    const exchange = given();
    agree(exchange, 'a', 'm');
    agree(exchange, 'a', 'b');
    expect(exchanged(exchange, 'm')).toBe('of a and m');
    expect(exchanged(exchange, 'b')).toBe('w-1');
    expect(nets(exchange, 'w-1')).toEqual(['a -1000 BTC', 'b 65 USD', 'm 1000 BTC', 'm -65 USD']);
  });

  it('caps what is owed in each unit by itself, whoever gives it: who quoted it isn’t named', () => {
    const exchange = given();
    exchange.fund('m', 1_000n);
    for (const institutionId of ['a', 'b', 'm']) {
      cap(exchange, institutionId, BTC, 900n);
    }
    expect(settle(exchange, { from: 'b', to: 'a', ...dollars(500n) })).toBe('w-1');
    const waits = (change: object): readonly unknown[] => {
      const { settlementId } = unwrap(exchange.submit(change)).terms;
      const state = exchange.screen(settlementId);
      const { reason } = state.transitions.at(-1)!;
      return [state.status === 'queued' && state.waitsFor, reason.includes('quoted'), reason.includes('901')];
    };
    expect(waits({ to: 'b', amountSats: sats(901n) })).toEqual(['WINDOW_DEBIT_CAP', false, true]);
    exchange.publish({ base: USD, counter: BTC, price: { numerator: 10n, denominator: 1n } });
    const asked = { institutionId: 'b', sellUnit: USD, buyUnit: BTC, amount: 91n };
    exchange.payIn('b', USD, 100n);
    const { quoteId: id } = unwrap(exchange.quote(asked)).terms;
    expect(waits({ from: 'b', to: 'm', quoteId: id })).toEqual(['WINDOW_DEBIT_CAP', true, false]);
    cap(exchange, 'b', USD, 500n);
    expect(waits({ from: 'b', to: 'a', ...dollars(1n) })[0]).toBe('INSUFFICIENT_LIQUIDITY');
  });

  it('caps dollars as it does satoshi: up to the cap, whatever the balance; what comes in makes room', () => {
    const exchange = given();
    cap(exchange, 'b', USD, 300n);
    expect(settle(exchange, { from: 'b', to: 'a', ...dollars(300n) })).toBe('w-1');
    const { settlementId } = unwrap(exchange.submit({ from: 'b', to: 'a', ...dollars(1n) })).terms;
    const state = exchange.screen(settlementId);
    expect(state).toMatchObject({ status: 'queued', waitsFor: 'WINDOW_DEBIT_CAP' });
    expect(state.transitions.at(-1)?.reason).toContain('expected 1 of USD, 0 of USD left');
    // Another unit, and another institution, aren't meant.
    expect(settle(exchange, { from: 'a', to: 'b', amountSats: sats(400n) })).toBe('w-1');
    expect(settle(exchange, { from: 'm', to: 'b', ...dollars(400n) })).toBe('w-1');
    expect(exchange.retry(settlementId).status).toBe('settled');
  });

  it('caps what a maker gives in a unit that it quotes', () => {
    const exchange = given();
    cap(exchange, 'm', USD, 64n);
    const { quoteId } = unwrap(exchange.quote()).terms;
    const { settlementId } = unwrap(exchange.submit({ to: 'm', quoteId })).terms;
    expect(exchange.screen(settlementId)).toMatchObject({ status: 'queued', waitsFor: 'WINDOW_DEBIT_CAP' });
    cap(exchange, 'm', EUR, 0n);
    const raise = { institutionId: 'm', unit: USD, cap: 65n, reason: '', by: 'o', isOwn: false };
    expect(setDebitCap(exchange.book, raise)).toMatchObject({ error: { reason: 'SECOND_PERSON_REQUIRED' } });
    unwrap(setDebitCap(exchange.book, { ...raise, confirmedBy: 'p' }));
    expect(exchange.retry(settlementId).status).toBe('settled');
  });
});
