import { clearingClaim } from '@finality/ledger';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { USD } from './exchange.fixture.ts';
import { checkExchange, ExchangeHistory } from './exchange-history.fixture.ts';

const STEPS = 200;

/** What credit lines come to. */
const CREDIT = [
  'unit_line_expired',
  'credit_line_expired',
  'obligation_met',
  'obligation_overdue',
  'collateral_taken',
  'default_closed',
];

/** As even as dice. */
const NUMBERS = fc.infiniteStream(fc.noBias(fc.nat(0xffff)));

describe('any history of money in several units', () => {
  it('keeps both legs together, within what there is, at quotes that are used once', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(NUMBERS, (numbers) => {
        const history = new ExchangeHistory(() => numbers.next().value / 0x1_0000, STEPS);
        checkExchange(history);
        for (const { refused } of history.told) if (refused !== undefined) seen.add(refused);
        for (const settlement of history.book.settlements.all()) {
          if (settlement.status === 'none' || settlement.terms.units === undefined) continue;
          seen.add(settlement.terms.units.exchange === undefined ? `plain ${settlement.status}` : settlement.status);
          if ('gridlockId' in settlement) seen.add('gridlock');
          if (settlement.terms.reverses !== undefined) seen.add(`back ${settlement.status}`);
          if ('waitsFor' in settlement) seen.add(settlement.waitsFor);
        }
        for (const { event } of history.book.log) if (CREDIT.includes(event.type)) seen.add(event.type);
        for (const window of history.book.windows.all())
          if ('totals' in window)
            for (const { unit } of window.totals) seen.add(`${window.scope.kind} ${unit} ${window.status}`);
        for (const institutionId of ['a', 'b', 'm', 'n'])
          if (history.book.ledger.balanceOf(clearingClaim(institutionId, USD)).available < 0n) seen.add('drawn');
      }),
      { numRuns: 160, seed: 7 },
    );
    // It is about something: all of this has happened.
    const happened = [
      'settled',
      'queued',
      'failed',
      'expired',
      'under_review',
      'plain queued',
      'plain settled',
      'gridlock',
      'WINDOW_DEBIT_CAP',
      'back settled',
      'back queued',
      'back expired',
    ];
    const refused = ['QUOTE_USED', 'QUOTE_EXPIRED', 'UNKNOWN_QUOTE', 'UNKNOWN_RATE', 'AMOUNT_NOT_QUOTABLE'];
    const booked = ['LINE_BOOKED', 'SAME_PERSON', 'INSUFFICIENT_BALANCE', 'AMOUNT_TOO_LARGE', 'NOT_QUEUED'];
    const lent = ['drawn', ...CREDIT];
    const netted = ['multilateral', 'bilateral'].flatMap((kind) => [`${kind} BTC settled`, `${kind} USD settled`]);
    expect([...seen]).toEqual(expect.arrayContaining([...happened, ...refused, ...booked, ...lent, ...netted]));
  });
});
