import { assert } from '@finality/kernel';
import {
  type Account,
  type AccountId,
  availableAccount,
  BTC,
  clearingClaim,
  creditBalance,
  debitHeadroom,
  nostroAccount,
  type Unit,
} from '@finality/ledger';
import { expect } from 'vitest';
import type { InstitutionEvent } from '../institution.ts';
import type { LivingSettlement } from '../settlement.ts';
import { lineOf, wasUnfrozen } from './credit.fixture.ts';
import type { MemoryBook } from './memory-book.fixture.ts';

type Add = (account: AccountId, amount: bigint) => void;

/** What is booked at banks is theirs for whom it came in; what is said to have gone out is reserved until two have said so. */
export function addBankBookings({ bankBookings }: MemoryBook, add: Add, reserve: Add): void {
  for (const booking of bankBookings.all()) {
    if (booking.status !== 'booked' && booking.status !== 'proposed') continue;
    const { direction, institutionId, money } = booking.line;
    const available = availableAccount(clearingClaim(institutionId, money.unit));
    if (booking.status === 'proposed') {
      if (direction === 'out') reserve(available, money.amount);
      continue;
    }
    const amount = direction === 'in' ? money.amount : -money.amount;
    add(available, amount);
    add(nostroAccount(money.unit), -amount);
  }
}

/** Each quote is used once, by whoever asked for it, as it was quoted, and nothing settles at it when its time is up. */
export function checkQuotes({ settlements, quotes }: MemoryBook): void {
  const uses = new Map<string, string>();
  for (const settlement of settlements.all()) {
    if (settlement.status === 'none') continue;
    const { settlementId, units, reverses } = settlement.terms;
    const exchanged = units?.exchange;
    if (exchanged !== undefined) checkEnd(settlement);
    // What pays it back was quoted nothing.
    if (exchanged === undefined || reverses !== undefined) continue;
    const { quoteId } = exchanged;
    expect(uses.has(quoteId), `${quoteId} is used once`).toBe(false);
    uses.set(quoteId, settlementId);
    const quote = quotes.get(quoteId);
    assert(quote.status === 'used', `${quoteId} is used`);
    expect(quote.settlementId, `${quoteId} is used once`).toBe(settlementId);
    const { sell, buy, expiresAt } = quote.terms;
    expect(settlement.terms.expiresAt, `${settlementId} ends with its quote`).toBe(expiresAt);
    expect(exchanged.legs.map(({ money }) => money)).toEqual(expect.arrayContaining([sell, buy]));
  }
  const used = quotes.all().flatMap((quote) => (quote.status === 'used' ? [quote.terms.quoteId] : []));
  expect(used.sort()).toEqual([...uses.keys()].sort());
}

/** An exchange, or what pays one back, has an end on record, and never settles from then on. */
function checkEnd({ terms, transitions }: LivingSettlement): void {
  const { settlementId, expiresAt = Number.NaN } = terms;
  const settledAt = transitions.find(({ status }) => status === 'settled')?.at ?? -1;
  expect(settledAt, `${settlementId} is settled in time`).toBeLessThan(expiresAt);
}

/** Of a clearing balance: the ledger's limit is what the institution's events say, and nobody owes more but by a correction that froze him, or since his line was longer. */
export function checkCreditLine(book: MemoryBook, institutionId: string, account: Account): void {
  const { unit, limit } = account;
  const institution = book.institutions.get(institutionId);
  assert(institution.status !== 'none', 'whoever has a balance is known');
  const overdraft = limit.kind === 'debits_must_not_exceed_credits' ? limit.overdraft : undefined;
  const unitLine = institution.unitLines.find((line) => line.limit.unit === unit)?.limit.amount ?? 0n;
  const granted = unit === BTC ? institution.creditLineSats : unitLine;
  expect(overdraft, account.id).toBe(lineOf(book, institutionId, granted, unit));
  if ((debitHeadroom(account) ?? 0n) >= 0n) return;
  if (creditBalance(account) >= -longestLine(book, institutionId, unit)) return;
  expectSeenTo(book, institutionId, account);
}

/** Whoever is overdrawn is frozen, unless somebody has looked at why. */
export function expectSeenTo(book: MemoryBook, institutionId: string, { id }: Account): void {
  if (wasUnfrozen(book, institutionId)) return;
  expect(book.institutions.get(institutionId).status, `${id} is overdrawn`).toBe('frozen');
}

/** The most that it was ever allowed to owe. */
function longestLine({ log }: MemoryBook, institutionId: string, unit: Unit): bigint {
  const lines = log
    .filter(({ stream }) => stream === `institution/${institutionId}`)
    .map(({ event }) => lineSetBy(event as InstitutionEvent, unit));
  return lines.reduce((longest, line) => (line > longest ? line : longest), 0n);
}

function lineSetBy(event: InstitutionEvent, unit: Unit): bigint {
  if ('creditLineSats' in event) return unit === BTC ? event.creditLineSats : 0n;
  return event.type === 'unit_line_set' && event.limit.unit === unit ? event.limit.amount : 0n;
}
