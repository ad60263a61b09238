import { err, fieldError, ok, refusal, type Refusal, type Result } from '@finality/kernel';
import { BTC, creditBalance, type Pledge, pledgeAccount, type Unit } from '@finality/ledger';
import type { Book } from '../book.ts';
import { type Credit, type CreditTerms, type KnownCredit, requiredCollateral, termsIn, termsOf } from '../credit.ts';
import { mustPost } from '../postings/post.ts';
import { posted, type PledgeMove, released } from '../postings/pledge.ts';
import { applyLine } from './credit-lines.ts';
import { countedIn } from './incidents.ts';
import { institutionRefusal, unknownInstitution } from './institutions.ts';
import { drawnIn, ownIn } from './net-payouts.ts';
import { type Deciders, secondPersonRequired } from './second-person.ts';

export type PledgeRequest = PledgeMove & Deciders;

export interface CreditTermsRequest extends Deciders {
  readonly institutionId: string;
  readonly terms: CreditTerms;
  readonly reason: string;
}

/** Puts something aside: of what the institution has, never of what the platform lends it. Who is frozen may, too: it only makes others safer. */
export function postPledge(book: Book, request: PledgeRequest): Result<KnownCredit, Refusal> {
  const { institutionId, unit, amount } = request;
  if (book.institutions.get(institutionId).status === 'none') return err(unknownInstitution(institutionId));
  const owned = ownIn(book, institutionId, unit);
  if (amount > owned) {
    const most = countedIn(owned > 0n ? owned : 0n, unit);
    return err(
      tooMuch('INSUFFICIENT_BALANCE', `expected at most the ${most} of its own that aren’t reserved`, request),
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
  const { institutionId, pledge, unit, amount } = request;
  const refused = institutionRefusal(book, institutionId, 'institution_id');
  if (refused !== undefined) return refused;
  const most = releasable(book, institutionId, pledge, unit);
  if (amount <= most) return undefined;
  return tooMuch('PLEDGE_NEEDED', `expected at most ${countedIn(most, unit)}, on which nothing owed depends`, request);
}

/** What the line rests on from now on. Below what is drawn already it moves nothing, and stops further debits. */
export function setCreditTerms(book: Book, request: CreditTermsRequest): Result<KnownCredit, Refusal> {
  const { institutionId, terms } = request;
  const institution = book.institutions.get(institutionId);
  if (institution.status === 'none') return err(unknownInstitution(institutionId));
  if (!areTighter(terms, termsOf(book.credits.get(institutionId))) && request.confirmedBy === undefined)
    return err(secondPersonRequired('haircut_bps'));
  const credit = book.credits.record(institutionId, { type: 'credit_terms_set', at: book.now, ...request });
  for (const unit of [BTC, ...institution.unitLines.map(({ limit }) => limit.unit)])
    applyLine(book, institutionId, unit);
  return known(credit);
}

/** What can be taken back of a pledge now, in its unit. */
export function releasable(book: Book, institutionId: string, pledge: Pledge, unit: Unit): bigint {
  const all = creditBalance(book.ledger.account(pledgeAccount(pledge, institutionId, unit)));
  if (pledge === 'default_fund') return all;
  const terms = termsIn(termsOf(book.credits.get(institutionId)), unit);
  const left = all - requiredCollateral(drawnIn(book, institutionId, unit), terms);
  return left > 0n ? left : 0n;
}

/** Whether in no unit less collateral is counted on, or anything is due, or in default, later. */
function areTighter(next: CreditTerms, before: CreditTerms): boolean {
  const named = [...(next.units ?? []), ...(before.units ?? [])].map(({ unit }) => unit);
  return [BTC, ...named].every((unit) => isTighter(termsIn(next, unit), termsIn(before, unit)));
}

type OneUnit = ReturnType<typeof termsIn>;

const isTighter = (next: OneUnit, before: OneUnit): boolean =>
  (before.haircutBps === undefined || (next.haircutBps ?? -1) >= before.haircutBps) &&
  (before.dueAfterMs === undefined ||
    ((next.dueAfterMs ?? Number.POSITIVE_INFINITY) <= before.dueAfterMs &&
      (next.graceMs ?? 0) <= (before.graceMs ?? 0)));

function pledged(
  book: Book,
  request: PledgeRequest,
  type: 'pledge_posted' | 'pledge_released',
): Result<KnownCredit, Refusal> {
  const { institutionId, pledge, unit } = request;
  const credit = book.credits.record(institutionId, { type, at: book.now, ...request });
  if (pledge === 'collateral') applyLine(book, institutionId, unit);
  return known(credit);
}

function known(credit: Credit): Result<KnownCredit, Refusal> {
  if (credit.status === 'none') throw new Error('recorded a moment ago, and not there');
  return ok(credit);
}

function tooMuch(reason: string, expected: string, { unit, amount }: PledgeMove): Refusal {
  const message = `${expected}, got ${amount}`;
  const field = unit === BTC ? 'amount_sats' : 'amount.amount';
  return refusal('failed_precondition', reason, message, { fields: [fieldError(field, message)] });
}
