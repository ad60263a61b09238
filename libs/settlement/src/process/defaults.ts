import { assert, type Sats } from '@finality/kernel';
import { clearingClaim, creditBalance, type Money, pledgeAccount } from '@finality/ledger';
import type { Book, PlacedSettlement } from '../book.ts';
import { type Obligation, termsIn, termsOf } from '../credit.ts';
import { type CoverSource, defaultIdOf, type KnownDefault, sharesOf, sumOf, unwindingIdOf } from '../default.ts';
import { standbyMaxIn } from '../policy.ts';
import { novation } from '../postings/clearing.ts';
import { borne, coverAccount, covered } from '../postings/default.ts';
import { mustPost } from '../postings/post.ts';
import { lineIn } from '../queue.ts';
import { living, type LivingSettlement, type Terms } from '../settlement.ts';
import { paidOf } from '../unit-terms.ts';
import { cutLine, lineNow } from './credit-lines.ts';
import { freeze } from './freeze.ts';
import { countedIn, participantDefaulted } from './incidents.ts';
import { settleNow } from './line.ts';
import { drawnIn, ownIn } from './net-payouts.ts';
import { reversedAmount, REVERSALS_MAX } from './reverse.ts';
import type { Deciders } from './second-person.ts';

/** Settlements of the defaulter looked at in one step. */
export const UNWOUND_PER_STEP_MAX = 100;
/** In all: further ones would each take back little, and the record of a default is read as a whole. */
export const UNWOUND_MAX = 1_000;

/** Who decides what a default makes necessary. */
const BY = 'default';

/** What wasn't paid in time. */
export interface Overdue {
  readonly obligation: Obligation;
  readonly unpaid: bigint;
}

/**
 * An institution hasn't paid what was due: everything that it owes in that unit is due now, and nothing of another one (ADR 22). It is frozen, its own means pay
 * first, then as much as its unsecured line still lends, then the platform's standby. What is left then is taken back from payees, or is a loss, in steps to come.
 * @param persons who say so, where that takes two
 * @returns the default's id
 */
export function declareDefault(
  book: Book,
  institutionId: string,
  { obligation, unpaid: overdue }: Overdue,
  persons?: Required<Deciders>,
): string {
  const { windowId, unit } = obligation;
  const defaultId = defaultIdOf(obligation, institutionId);
  const owed = drawnIn(book, institutionId, unit);
  const declared = { type: 'default_declared', at: book.now, defaultId, institutionId, windowId } as const;
  book.defaults.record(defaultId, { ...declared, unit, owed, overdue, ...persons });
  freeze(book, institutionId, `in default of ${countedIn(overdue, unit)} that were due for window ${windowId}`);
  participantDefaulted(book, open(book, defaultId));
  cover(book, defaultId, 'collateral');
  cover(book, defaultId, 'contribution');
  lend(book, defaultId);
  cover(book, defaultId, 'standby');
  return defaultId;
}

function cover(book: Book, defaultId: string, source: CoverSource): void {
  const state = open(book, defaultId);
  const balance = creditBalance(book.ledger.account(coverAccount(state, source)));
  const has = source === 'standby' ? standbyMaxIn(book.policy, state.unit) + balance : balance;
  const amount = least(state.left, has);
  if (amount === 0n) return;
  mustPost(book.ledger, covered(state, source, amount));
  book.defaults.record(defaultId, { type: 'default_covered', at: book.now, source, amount });
}

/** What an unsecured line still allows stays lent; nothing more is until an operator says so. */
function lend(book: Book, defaultId: string): void {
  const { institutionId, unit, left } = open(book, defaultId);
  const institution = book.institutions.get(institutionId);
  assert(institution.status !== 'none', 'who owes is known');
  const { amount: granted, expiresAt } = lineNow(institution, unit);
  const { haircutBps } = termsIn(termsOf(book.credits.get(institutionId)), unit);
  const isLent = haircutBps === undefined && (expiresAt === undefined || expiresAt > book.now);
  const amount = isLent ? least(left, granted) : 0n;
  if (amount > 0n) book.defaults.record(defaultId, { type: 'debt_lent', at: book.now, amount });
  cutLine(book, institutionId, { unit, amount }, { reason: `in default ${defaultId}`, by: BY });
}

/**
 * The next step of one that isn't closed: what the defaulter hasn't paid yet fails, then what it has paid is taken back, newest first, then others'
 * contributions bear the rest.
 * @returns whether it is closed by now
 */
export function goOnWithDefault(book: Book, defaultId: string): boolean {
  // Declared in this batch: what it needs is loaded for the next one.
  const candidates = book.unwindable(defaultId);
  if (candidates === undefined) return false;
  notePayments(book, defaultId);
  if (failQueued(book, defaultId)) return false;
  const isUnwound = open(book, defaultId).left === 0n || unwind(book, defaultId, candidates);
  if (!isUnwound) return false;
  bearLoss(book, defaultId);
  const { left } = open(book, defaultId);
  book.defaults.record(defaultId, { type: 'default_closed', at: book.now, uncovered: left });
  return true;
}

/** What has come in since pays first. */
function notePayments(book: Book, defaultId: string): void {
  const { institutionId, unit, lent, left } = open(book, defaultId);
  const paid = lent + left - drawnIn(book, institutionId, unit);
  const amount = least(left, paid);
  if (amount > 0n) book.defaults.record(defaultId, { type: 'debt_paid', at: book.now, amount });
}

/** @returns whether anything was: there may be more */
function failQueued(book: Book, defaultId: string): boolean {
  const { institutionId, unit } = open(book, defaultId);
  const settlementIds = book.queues.of(lineIn(institutionId, unit));
  if (settlementIds.length === 0) return false;
  const at = book.now;
  for (const settlementId of settlementIds) {
    book.settlements.record(settlementId, { type: 'settlement_failed', at, reason: `${institutionId} is in default` });
    book.cancelTimer(settlementId);
  }
  book.defaults.record(defaultId, { type: 'queued_failed', at, settlementIds });
  return true;
}

/** @returns whether nothing more can be taken back */
function unwind(book: Book, defaultId: string, candidates: readonly PlacedSettlement[]): boolean {
  for (const { settlementId } of candidates) {
    const { left, unwound } = open(book, defaultId);
    if (left === 0n || unwound.length >= UNWOUND_MAX) return true;
    takeBack(book, defaultId, settlementId);
  }
  const isAll = candidates.length < UNWOUND_PER_STEP_MAX || open(book, defaultId).left === 0n;
  if (!isAll) wentOn(book, defaultId, candidates.at(-1)!);
  return isAll;
}

function wentOn(book: Book, defaultId: string, { place }: PlacedSettlement): void {
  book.defaults.record(defaultId, { type: 'unwinding_went_on', at: book.now, belowPlace: place });
}

/** As much of it as is left to be covered, hasn't been paid back, and its payee has of its own: by a settlement that pays it back (ReverseSettlement), final at once. */
function takeBack(book: Book, defaultId: string, settlementId: string): void {
  const { left, unit } = open(book, defaultId);
  const state = living(book.settlements.get(settlementId));
  const { terms, reversals } = state;
  const paid = paidOf(terms);
  // What pays something back itself, is in another unit, was exchanged, or was settled before, stays.
  if (terms.reverses !== undefined || reversals.length >= REVERSALS_MAX) return;
  if (paid.unit !== unit || terms.units?.exchange !== undefined || !isSince(book, defaultId, state)) return;
  const notReversed = paid.amount - reversedAmount(book, settlementId);
  const amount = least(left, least(notReversed, ownIn(book, terms.to, unit)));
  if (amount === 0n) return;
  const reversalId = unwindingIdOf(defaultId, settlementId);
  payBack(book, reversalId, terms, amount);
  const at = book.now;
  book.settlements.record(settlementId, { type: 'reversal_requested', at, reversalId });
  const unwound = { settlementId, reversalId, payeeId: terms.to, amount };
  book.defaults.record(defaultId, { type: 'settlement_unwound', at, ...unwound });
}

/** Whether it was settled after the window had opened whose obligation is overdue. */
function isSince(book: Book, defaultId: string, { transitions }: LivingSettlement): boolean {
  const window = book.windows.get(open(book, defaultId).windowId);
  assert(window.status !== 'none', 'a default is of a window');
  return (transitions.findLast(({ status }) => status === 'settled')?.at ?? 0) >= window.openedAt;
}

function payBack(book: Book, reversalId: string, original: Terms, amount: bigint): void {
  const at = book.now;
  const { settlementId, from, to, referenceId, fees } = original;
  const { unit } = paidOf(original);
  const terms: Terms = {
    settlementId: reversalId,
    from: to,
    to: from,
    ...paying(original, { unit, amount }),
    mode: 'centralized',
    referenceId,
    idempotencyKey: reversalId,
    submittedBy: BY,
    payer: clearingClaim(to, unit),
    payee: clearingClaim(from, unit),
    fees,
    policyVersion: book.policy.version,
    reverses: settlementId,
  };
  book.settlements.record(
    reversalId,
    { type: 'settlement_received', at, terms },
    { type: 'screening_requested', at, sources: [] },
    { type: 'settlement_approved', at, reason: `${from} is in default`, by: BY },
  );
  mustPost(book.ledger, ...novation(terms));
  settleNow(book, terms);
}

/** A part of what another settlement paid; in another unit than BTC it is worth the same part of what that was worth, rounded up. */
function paying({ units }: Terms, paid: Money): Pick<Terms, 'amountSats' | 'units'> {
  if (units === undefined) return { amountSats: paid.amount as Sats };
  const { valueSats, paid: all } = units;
  if (valueSats === undefined) return { amountSats: 0n as Sats, units: { paid } };
  const value = (valueSats * paid.amount + all.amount - 1n) / all.amount;
  return { amountSats: 0n as Sats, units: { paid, valueSats: value as Sats } };
}

/** Others' contributions to the default fund, in proportion to what they are. */
function bearLoss(book: Book, defaultId: string): void {
  const state = open(book, defaultId);
  if (state.left === 0n) return;
  const contributions = book.contributors(state.unit).map((institutionId) => ({
    institutionId,
    amount: creditBalance(book.ledger.account(pledgeAccount('default_fund', institutionId, state.unit))),
  }));
  const shares = sharesOf(state.left, contributions);
  if (sumOf(shares) === 0n) return;
  mustPost(book.ledger, ...shares.map((share) => borne(state, share)));
  book.defaults.record(defaultId, { type: 'loss_allocated', at: book.now, shares });
}

function open(book: Book, defaultId: string): KnownDefault {
  const state = book.defaults.get(defaultId);
  assert(state.status === 'open', `default ${defaultId} is being closed out`);
  return state;
}

/** Of two amounts; 0 where one is negative. */
function least(a: bigint, b: bigint): bigint {
  const less = a < b ? a : b;
  return less > 0n ? less : 0n;
}
