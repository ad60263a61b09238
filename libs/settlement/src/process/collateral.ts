import { err, fieldError, ok, refusal, type Refusal, type Result } from '@finality/kernel';
import { creditBalance, type Pledge, pledgeAccount } from '@finality/ledger';
import type { Book } from '../book.ts';
import { type Credit, type CreditTerms, type KnownCredit, requiredSats, termsOf } from '../credit.ts';
import { mustPost } from '../postings/post.ts';
import { posted, type PledgeMove, released } from '../postings/pledge.ts';
import { applyLine } from './credit-lines.ts';
import { institutionRefusal, unknownInstitution } from './institutions.ts';
import { drawnSats, ownSats } from './net-payouts.ts';
import { type Deciders, secondPersonRequired } from './second-person.ts';

export type PledgeRequest = PledgeMove & Deciders;

export interface CreditTermsRequest extends Deciders {
  readonly institutionId: string;
  readonly terms: CreditTerms;
  readonly reason: string;
}

/** Puts something aside: of what the institution has, never of what the platform lends it. Who is frozen may, too: it only makes others safer. */
export function postPledge(book: Book, request: PledgeRequest): Result<KnownCredit, Refusal> {
  const { institutionId, amountSats } = request;
  if (book.institutions.get(institutionId).status === 'none') return err(unknownInstitution(institutionId));
  const ownedSats = ownSats(book, institutionId);
  if (amountSats > ownedSats) {
    const most = ownedSats > 0n ? ownedSats : 0n;
    return err(
      tooMuch('INSUFFICIENT_BALANCE', `expected at most the ${most} sat of its own that aren’t reserved`, request),
    );
  }
  mustPost(book.ledger, posted(request));
  return pledged(book, request, 'pledge_posted');
}

/** Gives back what nothing owed depends on. Whoever is frozen gets nothing back until somebody has looked at why. Others rest on the default fund: that takes two. */
export function releasePledge(book: Book, request: PledgeRequest): Result<KnownCredit, Refusal> {
  const refused = releaseRefusal(book, request);
  if (refused !== undefined) return err(refused);
  if (request.pledge === 'default_fund' && request.confirmedBy === undefined)
    return err(secondPersonRequired('pledge'));
  mustPost(book.ledger, released(request));
  return pledged(book, request, 'pledge_released');
}

/** Why nothing is given back now. @returns UNKNOWN_INSTITUTION, INSTITUTION_FROZEN, PLEDGE_NEEDED */
export function releaseRefusal(book: Book, request: PledgeRequest): Refusal | undefined {
  const { institutionId, pledge, amountSats } = request;
  const refused = institutionRefusal(book, institutionId, 'institution_id');
  if (refused !== undefined) return refused;
  const releasable = releasableSats(book, institutionId, pledge);
  if (amountSats <= releasable) return undefined;
  return tooMuch('PLEDGE_NEEDED', `expected at most ${releasable} sat, on which nothing owed depends`, request);
}

/** What the line rests on from now on. Below what is drawn already it moves nothing, and stops further debits. */
export function setCreditTerms(book: Book, request: CreditTermsRequest): Result<KnownCredit, Refusal> {
  const { institutionId, terms } = request;
  if (book.institutions.get(institutionId).status === 'none') return err(unknownInstitution(institutionId));
  if (!areTighter(terms, termsOf(book.credits.get(institutionId))) && request.confirmedBy === undefined)
    return err(secondPersonRequired('haircut_bps'));
  const credit = book.credits.record(institutionId, { type: 'credit_terms_set', at: book.now, ...request });
  applyLine(book, institutionId);
  return known(credit);
}

/** What can be taken back of a pledge now, in satoshi. */
export function releasableSats(book: Book, institutionId: string, pledge: Pledge): bigint {
  const pledgedSats = creditBalance(book.ledger.account(pledgeAccount(pledge, institutionId)));
  if (pledge === 'default_fund') return pledgedSats;
  const leftSats = pledgedSats - requiredSats(drawnSats(book, institutionId), termsOf(book.credits.get(institutionId)));
  return leftSats > 0n ? leftSats : 0n;
}

/** Whether no less collateral is counted on, and nothing is due later. */
const areTighter = (next: CreditTerms, before: CreditTerms): boolean =>
  (before.haircutBps === undefined || (next.haircutBps ?? -1) >= before.haircutBps) &&
  (before.dueAfterMs === undefined || (next.dueAfterMs ?? Number.POSITIVE_INFINITY) <= before.dueAfterMs);

function pledged(
  book: Book,
  request: PledgeRequest,
  type: 'pledge_posted' | 'pledge_released',
): Result<KnownCredit, Refusal> {
  const { institutionId, pledge } = request;
  const credit = book.credits.record(institutionId, { type, at: book.now, ...request });
  if (pledge === 'collateral') applyLine(book, institutionId);
  return known(credit);
}

function known(credit: Credit): Result<KnownCredit, Refusal> {
  if (credit.status === 'none') throw new Error('recorded a moment ago, and not there');
  return ok(credit);
}

function tooMuch(reason: string, expected: string, { amountSats }: PledgeMove): Refusal {
  const message = `${expected}, got ${amountSats}`;
  return refusal('failed_precondition', reason, message, { fields: [fieldError('amount_sats', message)] });
}
