import { assert, err, fieldError, type Instant, invalid, type Refusal, type Result } from '@finality/kernel';
import { creditBalance, pledgeAccount } from '@finality/ledger';
import type { Book } from '../book.ts';
import { lineInForce, termsOf } from '../credit.ts';
import type { Institution } from '../institution.ts';
import { existing, unknownInstitution } from './institutions.ts';
import { type Deciders, secondPersonRequired } from './second-person.ts';

/** What an institution may owe on its clearing balance from now on, in satoshi, and until when. */
export interface CreditLineRequest extends Deciders {
  readonly institutionId: string;
  readonly creditLineSats: bigint;
  /** Missing: until it is set again. */
  readonly expiresAt?: Instant;
  readonly reason: string;
}

/** Lines are reviewed at least once a year; a wrong year is found out. */
const EXPIRES_AHEAD_MAX_MS = 366 * 86_400_000;

/** Raised, lowered, prolonged or withdrawn (0). Below what is drawn already it moves nothing, and stops further debits. */
export function setCreditLine(
  book: Book,
  request: CreditLineRequest,
): Result<Exclude<Institution, { status: 'none' }>, Refusal> {
  const { institutionId, ...line } = request;
  const refused = creditLineRefusal(book, request);
  if (refused !== undefined) return err(refused);
  if (isRaised(book, request) && line.confirmedBy === undefined) return err(secondPersonRequired('limit_sats'));
  if (line.expiresAt === undefined) book.cancelTimer(institutionId, 'credit_line');
  else book.schedule(institutionId, line.expiresAt, 'credit_line');
  const institution = book.institutions.record(institutionId, { type: 'credit_line_set', at: book.now, ...line });
  applyLine(book, institutionId);
  return existing(institution);
}

/** What is wrong with it, whoever asks. @returns UNKNOWN_INSTITUTION, INVALID_ARGUMENT */
export function creditLineRefusal(book: Book, request: CreditLineRequest): Refusal | undefined {
  if (book.institutions.get(request.institutionId).status === 'none') return unknownInstitution(request.institutionId);
  const problem = expiryProblem(book.now, request);
  return problem === undefined ? undefined : invalid(fieldError('expires_at', problem));
}

/** Whether the institution may owe more by it, or for longer. */
function isRaised(book: Book, { institutionId, creditLineSats, expiresAt }: CreditLineRequest): boolean {
  const state = book.institutions.get(institutionId);
  if (creditLineSats === 0n || state.status === 'none') return false;
  const endsAt = state.creditLineExpiresAt ?? Number.POSITIVE_INFINITY;
  return (
    endsAt <= book.now || creditLineSats > state.creditLineSats || (expiresAt ?? Number.POSITIVE_INFINITY) > endsAt
  );
}

/** Its time is up: the line falls to 0. One that was set anew since is left as it is. */
export function expireCreditLine(book: Book, institutionId: string): void {
  const state = book.institutions.get(institutionId);
  if (state.status === 'none' || state.creditLineExpiresAt === undefined || state.creditLineExpiresAt > book.now)
    return;
  book.cancelTimer(institutionId, 'credit_line');
  book.institutions.record(institutionId, { type: 'credit_line_expired', at: book.now });
  applyLine(book, institutionId);
}

/** The ledger's limit is what the line, its terms and the collateral come to now: whenever one of them has changed. */
export function applyLine(book: Book, institutionId: string): void {
  const institution = book.institutions.get(institutionId);
  assert(institution.status !== 'none', 'whoever has a line is known');
  const collateralSats = creditBalance(book.ledger.account(pledgeAccount('collateral', institutionId)));
  const terms = termsOf(book.credits.get(institutionId));
  const limitSats = lineInForce(institution.creditLineSats, terms, collateralSats);
  book.ledger.setCreditLine({ kind: 'clearing', institutionId }, limitSats);
}

function expiryProblem(now: Instant, { creditLineSats, expiresAt }: CreditLineRequest): string | undefined {
  if (expiresAt === undefined) return undefined;
  if (creditLineSats === 0n) return 'expected none: a line of 0 has no end';
  const isAhead = expiresAt > now && expiresAt - now <= EXPIRES_AHEAD_MAX_MS;
  return isAhead ? undefined : 'expected a time in the future, at most 366 days ahead';
}
