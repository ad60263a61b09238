import { assert, err, fieldError, type Instant, invalid, type Refusal, type Result } from '@finality/kernel';
import { creditBalance, pledgeAccount } from '@finality/ledger';
import type { Book } from '../book.ts';
import { lineInForce, termsOf } from '../credit.ts';
import type { Institution } from '../institution.ts';
import { existing, unknownInstitution } from './institutions.ts';

/** What an institution may owe on its clearing balance from now on, in satoshi, and until when. */
export interface CreditLineRequest {
  readonly institutionId: string;
  readonly creditLineSats: bigint;
  /** Missing: until it is set again. */
  readonly expiresAt?: Instant;
  readonly reason: string;
  /** API key that asked. */
  readonly by: string;
}

/** Lines are reviewed at least once a year; a wrong year is found out. */
const EXPIRES_AHEAD_MAX_MS = 366 * 86_400_000;

/** Raised, lowered, prolonged or withdrawn (0). Below what is drawn already it moves nothing, and stops further debits. */
export function setCreditLine(
  book: Book,
  request: CreditLineRequest,
): Result<Exclude<Institution, { status: 'none' }>, Refusal> {
  const { institutionId, ...line } = request;
  if (book.institutions.get(institutionId).status === 'none') return err(unknownInstitution(institutionId));
  const problem = expiryProblem(book.now, request);
  if (problem !== undefined) return err(invalid(fieldError('expires_at', problem)));
  if (line.expiresAt === undefined) book.cancelTimer(institutionId, 'credit_line');
  else book.schedule(institutionId, line.expiresAt, 'credit_line');
  const institution = book.institutions.record(institutionId, { type: 'credit_line_set', at: book.now, ...line });
  applyLine(book, institutionId);
  return existing(institution);
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
