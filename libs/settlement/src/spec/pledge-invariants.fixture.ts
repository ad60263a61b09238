import { availableAccount, clearingClaim, creditBalance, parseAccountId, type Unit } from '@finality/ledger';
import { expect } from 'vitest';
import { requiredCollateral, termsIn, termsOf, type UnitCreditTerms } from '../credit.ts';
import type { PledgeMove } from '../postings/pledge.ts';
import { addDefaults, addPledges, pledgedOf } from './credit.fixture.ts';
import type { MemoryBook } from './memory-book.fixture.ts';

const HAIRCUTS_BPS = [undefined, 0, 1_500, 9_999];
const DUE_AFTER_MS = [undefined, 1, 20_000];

/** Of one unit by itself. */
export function anyTerms(unit: Unit, random: () => number): UnitCreditTerms {
  const haircutBps = HAIRCUTS_BPS[Math.floor(random() * HAIRCUTS_BPS.length)];
  const dueAfterMs = DUE_AFTER_MS[Math.floor(random() * DUE_AFTER_MS.length)];
  return { unit, ...(haircutBps !== undefined && { haircutBps }), ...(dueAfterMs !== undefined && { dueAfterMs }) };
}

/** By the log alone: in each unit what was put aside is there, less what was given back, taken by what was due, and used by defaults. */
export function checkPledges(book: MemoryBook): void {
  const expected = new Map<string, bigint>();
  const add = (account: string, by: bigint): void => {
    if (parseAccountId(account).kind === 'pledge') expected.set(account, (expected.get(account) ?? 0n) + by);
  };
  addPledges(book, add);
  addDefaults(book, add);
  for (const account of book.ledger.accounts()) {
    if (parseAccountId(account.id).kind !== 'pledge') continue;
    expect(creditBalance(account), account.id).toBe(expected.get(account.id) ?? 0n);
    expect(creditBalance(account), account.id).toBeGreaterThanOrEqual(0n);
  }
}

/** After a release: what is drawn in the unit is still covered by the rule, by collateral in that unit. */
export function checkReleased(book: MemoryBook, { institutionId, pledge, unit }: PledgeMove): void {
  if (pledge !== 'collateral') return;
  const account = book.ledger.account(availableAccount(clearingClaim(institutionId, unit)));
  const owed = account.debitsPosted + account.debitsPending - account.creditsPosted;
  const terms = termsIn(termsOf(book.credits.get(institutionId)), unit);
  const required = requiredCollateral(owed > 0n ? owed : 0n, terms);
  expect(pledgedOf(book, institutionId, unit), `${institutionId} ${unit}`).toBeGreaterThanOrEqual(required);
}
