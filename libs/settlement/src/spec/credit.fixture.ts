import { type AccountId, availableAccount, pledgeAccount, PLEDGES } from '@finality/ledger';
import { expect } from 'vitest';
import { type CreditEvent, lineInForce, requiredSats, termsOf } from '../credit.ts';
import { ownSats } from '../process/net-payouts.ts';
import type { MemoryBook } from './memory-book.fixture.ts';
import { bit, pick } from './picks.fixture.ts';
import { INSTITUTIONS, type World } from './world.fixture.ts';

// What institutions put aside, and what their lines rest on.

const AMOUNTS = [1n, 4_000n, 15_000n, 60_000n];
const HAIRCUTS_BPS = [undefined, 0, 1_500, 9_999];

export const setTerms = (world: World, institutionId: string, haircutBps?: number): string | undefined =>
  world.tell({
    type: 'set_credit_terms',
    request: {
      institutionId,
      terms: haircutBps === undefined ? {} : { haircutBps },
      reason: 'agreed',
      by: 'operator',
    },
  });

export function pledge(
  world: World,
  type: 'post_pledge' | 'release_pledge',
  institutionId: string,
  amountSats: bigint,
  kind: (typeof PLEDGES)[number] = 'collateral',
): string | undefined {
  const pledgeId = `p-${world.told.length}`;
  return world.tell({ type, request: { pledgeId, institutionId, pledge: kind, amountSats, by: 'k' } });
}

/** Somebody pledges or takes back: some amount, or all there is to the satoshi, or one more; or terms are set anew. */
export function anyPledge(world: World, a: number, b: number): void {
  const { book } = world;
  const institutionId = pick(INSTITUTIONS, a)!;
  if (bit(b, 11)) return void setTerms(world, institutionId, pick(HAIRCUTS_BPS, b >> 2));
  const kind = pick(PLEDGES, b)!;
  const type = bit(b, 9) ? 'post_pledge' : 'release_pledge';
  const amounts = bit(b, 8) ? AMOUNTS : [ownSats(book, institutionId), ownSats(book, institutionId) + 1n];
  const amountSats = pick(amounts, b >> 2)!;
  if (amountSats > 0n) pledge(world, type, institutionId, amountSats, kind);
}

/** By the log alone: what was pledged is there, and what is available is less by it. */
export function addPledges({ log }: MemoryBook, add: (account: AccountId, amount: bigint) => void): void {
  for (const { event } of log) {
    if (event.type !== 'pledge_posted' && event.type !== 'pledge_released') continue;
    const moved = event as Extract<CreditEvent, { type: 'pledge_posted' | 'pledge_released' }>;
    const amount = moved.type === 'pledge_posted' ? moved.amountSats : -moved.amountSats;
    add(pledgeAccount(moved.pledge, moved.institutionId), amount);
    add(availableAccount({ kind: 'clearing', institutionId: moved.institutionId }), -amount);
  }
}

/** What an institution may owe now, by its events and by what it has pledged. */
export function lineOf(book: MemoryBook, institutionId: string, grantedSats: bigint): bigint {
  return lineInForce(grantedSats, termsOf(book.credits.get(institutionId)), pledgedOf(book, institutionId));
}

export function pledgedOf({ ledger }: MemoryBook, institutionId: string): bigint {
  const { creditsPosted, debitsPosted } = ledger.account(pledgeAccount('collateral', institutionId));
  return creditsPosted - debitsPosted;
}

/** After a release: what is drawn is still covered by the rule. */
export function expectCovered(book: MemoryBook, institutionId: string): void {
  const { available } = book.ledger.balanceOf({ kind: 'clearing', institutionId });
  const terms = termsOf(book.credits.get(institutionId));
  expect(pledgedOf(book, institutionId)).toBeGreaterThanOrEqual(requiredSats(available < 0n ? -available : 0n, terms));
}
