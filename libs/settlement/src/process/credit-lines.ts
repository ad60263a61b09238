import { assert, err, fieldError, type Instant, invalid, type Refusal, type Result } from '@finality/kernel';
import { BTC, clearingClaim, creditBalance, type Money, pledgeAccount, type Unit } from '@finality/ledger';
import type { Book } from '../book.ts';
import { lineInForce, termsIn, termsOf } from '../credit.ts';
import type { Institution } from '../institution.ts';
import { countLine, lineGrowth, owedRefusal } from '../unit-debt.ts';
import { existing, unknownInstitution } from './institutions.ts';
import { type Deciders, secondPersonRequired } from './second-person.ts';

/** What an institution may owe on a clearing balance from now on, and until when. */
export interface CreditLineRequest extends Deciders {
  readonly institutionId: string;
  /** In satoshi; 0 beside a `limit`. */
  readonly creditLineSats: bigint;
  /** In another unit than BTC, whose line of satoshi stays as it is; an amount of 0: none. */
  readonly limit?: Money;
  /** Missing: until it is set again. */
  readonly expiresAt?: Instant;
  readonly reason: string;
}

/** Lines are reviewed at least once a year; a wrong year is found out. */
const EXPIRES_AHEAD_MAX_MS = 366 * 86_400_000;

/** More than any bank lends, in the smallest part of any unit; there is room for hundreds of them (`OWED_MAX`). */
export const UNIT_LINE_MAX = 10n ** 16n;

/** Raised, lowered, prolonged or withdrawn (0). Below what is drawn already it moves nothing, and stops further debits. */
export function setCreditLine(
  book: Book,
  request: CreditLineRequest,
): Result<Exclude<Institution, { status: 'none' }>, Refusal> {
  const { institutionId, creditLineSats, limit, ...line } = request;
  const refused = creditLineRefusal(book, request);
  if (refused !== undefined) return err(refused);
  if (isRaised(book, request) && line.confirmedBy === undefined)
    return err(secondPersonRequired(limit === undefined ? 'limit_sats' : 'limit'));
  const at = book.now;
  book.institutions.record(
    institutionId,
    limit === undefined
      ? { type: 'credit_line_set', at, creditLineSats, ...line }
      : { type: 'unit_line_set', at, limit, ...line },
  );
  countLine(book, institutionId, lineOf(request));
  scheduleExpiry(book, institutionId);
  applyLine(book, institutionId, limit?.unit);
  return existing(book.institutions.get(institutionId));
}

/** What is wrong with it, whoever asks. @returns UNKNOWN_INSTITUTION, INVALID_ARGUMENT, AMOUNT_TOO_LARGE */
export function creditLineRefusal(book: Book, request: CreditLineRequest): Refusal | undefined {
  if (book.institutions.get(request.institutionId).status === 'none') return unknownInstitution(request.institutionId);
  const problem = expiryProblem(book.now, request);
  if (problem !== undefined) return invalid(fieldError('expires_at', problem));
  const [line, field] = [lineOf(request), request.limit === undefined ? 'limit_sats' : 'limit.amount'];
  return owedRefusal(book, line.unit, lineGrowth(book, request.institutionId, line), field);
}

const lineOf = ({ creditLineSats, limit }: CreditLineRequest): Money => limit ?? { unit: BTC, amount: creditLineSats };

/** Whether the institution may owe more by it in its unit, or for longer. */
function isRaised(book: Book, request: CreditLineRequest): boolean {
  const { unit, amount } = lineOf(request);
  if (amount === 0n) return false;
  const before = lineNow(known(book, request.institutionId), unit);
  const endsAt = before.expiresAt ?? Number.POSITIVE_INFINITY;
  return endsAt <= book.now || amount > before.amount || (request.expiresAt ?? Number.POSITIVE_INFINITY) > endsAt;
}

/** Nothing more is lent in a unit than this, as long as it was, until an operator says so; what was granted already may be less. */
export function cutLine(
  book: Book,
  institutionId: string,
  { unit, amount: most }: Money,
  why: { readonly reason: string; readonly by: string },
): void {
  const { amount: granted, expiresAt } = lineNow(known(book, institutionId), unit);
  if (granted > most) {
    const line = { ...(most > 0n && expiresAt !== undefined && { expiresAt }), ...why };
    const at = book.now;
    book.institutions.record(
      institutionId,
      unit === BTC
        ? { type: 'credit_line_set', at, creditLineSats: most, ...line }
        : { type: 'unit_line_set', at, limit: { unit, amount: most }, ...line },
    );
    scheduleExpiry(book, institutionId);
  }
  applyLine(book, institutionId, unit);
}

/** What it was granted in a unit, and until when. */
export function lineNow(
  { creditLineSats, creditLineExpiresAt, unitLines }: Exclude<Institution, { status: 'none' }>,
  unit: Unit,
): { readonly amount: bigint; readonly expiresAt: Instant | undefined } {
  if (unit === BTC) return { amount: creditLineSats, expiresAt: creditLineExpiresAt };
  const line = unitLines.find(({ limit }) => limit.unit === unit);
  return { amount: line?.limit.amount ?? 0n, expiresAt: line?.expiresAt };
}

/** The time of one of its lines is up: that falls to 0. One that was set anew since is left as it is. */
export function expireCreditLine(book: Book, institutionId: string): void {
  const state = book.institutions.get(institutionId);
  if (state.status === 'none') return;
  const at = book.now;
  const isOver = (expiresAt: Instant | undefined): boolean => expiresAt !== undefined && expiresAt <= at;
  const over = state.unitLines.filter((line) => isOver(line.expiresAt)).map(({ limit }) => limit.unit);
  const units = isOver(state.creditLineExpiresAt) ? [BTC, ...over] : over;
  for (const unit of units) {
    const event =
      unit === BTC
        ? ({ type: 'credit_line_expired', at } as const)
        : ({ type: 'unit_line_expired', at, unit } as const);
    book.institutions.record(institutionId, event);
    applyLine(book, institutionId, unit);
  }
  if (units.length > 0) scheduleExpiry(book, institutionId);
}

/** One timer for all of an institution's lines: when the first of them ends. */
export function scheduleExpiry(book: Book, institutionId: string): void {
  const { creditLineExpiresAt, unitLines } = known(book, institutionId);
  const ends = [creditLineExpiresAt, ...unitLines.map(({ expiresAt }) => expiresAt)].filter((end) => end !== undefined);
  if (ends.length === 0) book.cancelTimer(institutionId, 'credit_line');
  else book.schedule(institutionId, Math.min(...ends) as Instant, 'credit_line');
}

/** The ledger's limit is what the line comes to now, with its terms and the collateral in its unit: whenever one of them has changed. */
export function applyLine(book: Book, institutionId: string, unit: Unit = BTC): void {
  const granted = lineNow(known(book, institutionId), unit).amount;
  const collateral = creditBalance(book.ledger.account(pledgeAccount('collateral', institutionId, unit)));
  const terms = termsIn(termsOf(book.credits.get(institutionId)), unit);
  book.ledger.setCreditLine(clearingClaim(institutionId, unit), lineInForce(granted, terms, collateral));
}

function known(book: Book, institutionId: string): Exclude<Institution, { status: 'none' }> {
  const institution = book.institutions.get(institutionId);
  assert(institution.status !== 'none', 'whoever has a line is known');
  return institution;
}

function expiryProblem(now: Instant, request: CreditLineRequest): string | undefined {
  const { expiresAt } = request;
  if (expiresAt === undefined) return undefined;
  if (lineOf(request).amount === 0n) return 'expected none: a line of 0 has no end';
  const isAhead = expiresAt > now && expiresAt - now <= EXPIRES_AHEAD_MAX_MS;
  return isAhead ? undefined : 'expected a time in the future, at most 366 days ahead';
}
