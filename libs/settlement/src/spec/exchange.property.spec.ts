import { BTC, clearingClaim } from '@finality/ledger';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UNIT_WEIGHTS } from './action-weights.fixture.ts';
import { act, settleDown } from './actions.fixture.ts';
import { actionsOf } from './any-actions.fixture.ts';
import { EUR, USD } from './exchange.fixture.ts';
import { checkAtRest } from './at-rest.fixture.ts';
import { checkWorld } from './invariants.fixture.ts';
import { type MemoryBook, PAYING } from './memory-book.fixture.ts';
import { INSTITUTIONS } from './parties.fixture.ts';
import { beginExchanging, observeAll } from './unit-actions.fixture.ts';
import { checkLevels } from './watch-invariants.fixture.ts';
import { World } from './world.fixture.ts';

/** Where the platform stands in, too. */
const LENDING = { ...PAYING, standbyMax: [USD, EUR].map((unit) => ({ unit, amount: 70n })) };

/** What credit lines come to. */
const CREDIT = [
  'unit_line_expired',
  'credit_line_expired',
  'obligation_met',
  'obligation_overdue',
  'collateral_taken',
  'default_closed',
];

/** What becomes of debts in other units than BTC. */
const DEFAULTED = [
  'default_declared',
  'contribution',
  'debt_lent',
  'standby',
  'settlement_unwound',
  'loss_allocated',
  'default_closed',
  'default_repaid',
].map((each) => `${each} in another unit`);

/** What has happened in it, by name. */
function seenIn({ book, told }: World): readonly string[] {
  const seen = told.flatMap(({ refused }) => refused ?? []);
  for (const settlement of book.settlements.all()) {
    if (settlement.status === 'none' || settlement.terms.units === undefined) continue;
    const { exchange } = settlement.terms.units;
    seen.push(exchange === undefined ? `plain ${settlement.status}` : settlement.status);
    if (settlement.terms.reverses !== undefined)
      seen.push(`${exchange === undefined ? 'plain' : 'exchange'} paid back: ${settlement.status}`);
    if ('gridlockId' in settlement) seen.push('gridlock');
    if ('waitsFor' in settlement) seen.push(settlement.waitsFor);
  }
  for (const window of book.windows.all())
    if ('totals' in window)
      for (const { unit } of window.totals) seen.push(`${window.scope.kind} ${unit} ${window.status}`);
  const isDrawn = (id: string): boolean => book.ledger.balanceOf(clearingClaim(id, USD)).available < 0n;
  if (INSTITUTIONS.some(isDrawn)) seen.push('drawn');
  seen.push(...defaultedIn(book));
  return [...seen, ...book.log.flatMap(({ event }) => (CREDIT.includes(event.type) ? event.type : []))];
}

function defaultedIn(book: MemoryBook): readonly string[] {
  const ids = book.defaults.ids().filter((id) => {
    const state = book.defaults.get(id);
    return state.status !== 'none' && state.unit !== BTC;
  });
  const streams = new Set(ids.map((id) => `default/${id}`));
  return book.log
    .filter(({ stream }) => streams.has(stream))
    .map(({ event }) => `${'source' in event ? String(event.source) : event.type} in another unit`);
}

describe('any history of money in several units', { timeout: 60_000 }, () => {
  it('keeps both legs together, within what there is, at quotes that are used once', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(actionsOf(UNIT_WEIGHTS, 200), (actions) => {
        const world = new World(LENDING);
        beginExchanging(world);
        for (const [i, action] of actions.entries()) {
          act(world, action);
          if (i % 8 === 0) checkWorld(world);
          for (const each of seenIn(world)) seen.add(each);
        }
        settleDown(world);
        checkWorld(world);
        checkAtRest(world);
        observeAll(world);
        checkLevels(world.book);
        for (const each of seenIn(world)) seen.add(each);
      }),
      { numRuns: Number(process.env['RUNS'] ?? 200), seed: Number(process.env['SEED'] ?? 7), endOnFailure: true },
    );
    // It is about something: all of this has happened.
    const happened = [
      ...['settled', 'queued', 'failed', 'expired', 'under_review', 'plain queued', 'plain settled', 'gridlock'],
      ...['WINDOW_DEBIT_CAP', 'plain paid back: settled', 'exchange paid back: settled'],
      ...['exchange paid back: queued', 'exchange paid back: expired'],
    ];
    const refused = ['QUOTE_USED', 'QUOTE_EXPIRED', 'UNKNOWN_QUOTE', 'UNKNOWN_RATE', 'AMOUNT_NOT_QUOTABLE'];
    const booked = [
      'LINE_BOOKED',
      'SAME_PERSON',
      'INSUFFICIENT_BALANCE',
      'AMOUNT_TOO_LARGE',
      'NOT_QUEUED',
      'PLEDGE_NEEDED',
    ];
    const lent = ['drawn', ...CREDIT, ...DEFAULTED, 'GRACE_NOT_OVER', 'NOTHING_OVERDUE'];
    const netted = ['multilateral', 'bilateral'].flatMap((kind) => [`${kind} BTC settled`, `${kind} USD settled`]);
    const all = [...happened, ...refused, ...booked, ...lent, ...netted];
    expect(all.filter((each) => !seen.has(each))).toEqual([]);
  });
});
