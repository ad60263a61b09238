import { assert, type Sats } from '@finality/kernel';
import { creditBalance, pledgeAccount } from '@finality/ledger';
import type { Book, PlacedSettlement } from '../book.ts';
import { termsOf } from '../credit.ts';
import { type CoverSource, defaultIdOf, type KnownDefault, sharesOf, sumOf, unwindingIdOf } from '../default.ts';
import { novation } from '../postings/clearing.ts';
import { borne, coverAccount, covered } from '../postings/default.ts';
import { mustPost } from '../postings/post.ts';
import { lineIn } from '../queue.ts';
import { living, type LivingSettlement, type Terms } from '../settlement.ts';
import { applyLine, scheduleExpiry } from './credit-lines.ts';
import { freeze } from './freeze.ts';
import { participantDefaulted } from './incidents.ts';
import { settleNow } from './line.ts';
import { drawnSats, ownSats } from './net-payouts.ts';
import { reversedAmount, REVERSALS_MAX } from './reverse.ts';

/** Settlements of the defaulter looked at in one step. */
export const UNWOUND_PER_STEP_MAX = 100;
/** In all: further ones would each take back little, and the record of a default is read as a whole. */
export const UNWOUND_MAX = 1_000;

/** Who decides what a default makes necessary. */
const BY = 'default';

/**
 * An institution hasn't paid what was due: everything that it owes is due now (ADR 22). It is frozen, its own means pay first, then as much as its
 * unsecured line still lends, then the platform's standby. What is left then is taken back from payees, or is a loss, in steps to come.
 * @returns the default's id
 */
export function declareDefault(book: Book, institutionId: string, windowId: string, overdueSats: bigint): string {
  const defaultId = defaultIdOf(windowId, institutionId);
  const at = book.now;
  const owedSats = drawnSats(book, institutionId);
  const event = { type: 'default_declared', at, defaultId, institutionId, windowId, owedSats, overdueSats } as const;
  book.defaults.record(defaultId, event);
  freeze(book, institutionId, `in default of ${overdueSats} sat that were due for window ${windowId}`);
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
  const has = source === 'standby' ? (book.policy.standbyMaxSats ?? 0n) + balance : balance;
  const amountSats = least(state.leftSats, has);
  if (amountSats === 0n) return;
  mustPost(book.ledger, covered(state, source, amountSats));
  book.defaults.record(defaultId, { type: 'default_covered', at: book.now, source, amountSats });
}

/** What an unsecured line still allows stays lent; nothing more is until an operator says so. */
function lend(book: Book, defaultId: string): void {
  const { institutionId, leftSats } = open(book, defaultId);
  const institution = book.institutions.get(institutionId);
  assert(institution.status !== 'none', 'who owes is known');
  const { creditLineSats, creditLineExpiresAt: expiresAt } = institution;
  const isLent =
    termsOf(book.credits.get(institutionId)).haircutBps === undefined &&
    (expiresAt === undefined || expiresAt > book.now);
  const lentSats = isLent ? least(leftSats, creditLineSats) : 0n;
  const at = book.now;
  if (lentSats > 0n) book.defaults.record(defaultId, { type: 'debt_lent', at, amountSats: lentSats });
  if (creditLineSats === lentSats) return applyLine(book, institutionId);
  const until = lentSats === 0n || expiresAt === undefined ? {} : { expiresAt };
  const line = { creditLineSats: lentSats, ...until, reason: `in default ${defaultId}`, by: BY };
  book.institutions.record(institutionId, { type: 'credit_line_set', at, ...line });
  scheduleExpiry(book, institutionId);
  applyLine(book, institutionId);
}

/**
 * The next step of one that isn't closed: what the defaulter hasn't paid yet fails, then what it has paid is taken back, newest first, then others'
 * contributions bear the rest.
 * @returns whether it is closed by now
 */
export function goOnWithDefault(book: Book, defaultId: string): boolean {
  notePayments(book, defaultId);
  if (failQueued(book, defaultId)) return false;
  const isUnwound = open(book, defaultId).leftSats === 0n || unwind(book, defaultId);
  if (!isUnwound) return false;
  bearLoss(book, defaultId);
  const { leftSats } = open(book, defaultId);
  book.defaults.record(defaultId, { type: 'default_closed', at: book.now, uncoveredSats: leftSats });
  return true;
}

/** What has come in since pays first. */
function notePayments(book: Book, defaultId: string): void {
  const { institutionId, lentSats, leftSats } = open(book, defaultId);
  const paid = lentSats + leftSats - drawnSats(book, institutionId);
  const amountSats = least(leftSats, paid);
  if (amountSats > 0n) book.defaults.record(defaultId, { type: 'debt_paid', at: book.now, amountSats });
}

/** @returns whether anything was: there may be more */
function failQueued(book: Book, defaultId: string): boolean {
  const { institutionId } = open(book, defaultId);
  const settlementIds = book.queues.of(lineIn(institutionId));
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
function unwind(book: Book, defaultId: string): boolean {
  const candidates = book.unwindable(defaultId);
  for (const { settlementId } of candidates) {
    const { leftSats, unwound } = open(book, defaultId);
    if (leftSats === 0n || unwound.length >= UNWOUND_MAX) return true;
    takeBack(book, defaultId, settlementId);
  }
  const isAll = candidates.length < UNWOUND_PER_STEP_MAX || open(book, defaultId).leftSats === 0n;
  if (!isAll) wentOn(book, defaultId, candidates.at(-1)!);
  return isAll;
}

function wentOn(book: Book, defaultId: string, { place }: PlacedSettlement): void {
  book.defaults.record(defaultId, { type: 'unwinding_went_on', at: book.now, belowPlace: place });
}

/** As much of it as is left to be covered, hasn't been paid back, and its payee has of its own: by a settlement that pays it back (ReverseSettlement), final at once. */
function takeBack(book: Book, defaultId: string, settlementId: string): void {
  const { leftSats } = open(book, defaultId);
  const state = living(book.settlements.get(settlementId));
  const { terms, reversals } = state;
  // What pays something back itself, is in another unit, or was settled before, stays.
  if (terms.reverses !== undefined || terms.units !== undefined || reversals.length >= REVERSALS_MAX) return;
  if (!isSince(book, defaultId, state)) return;
  const notReversed = terms.amountSats - reversedAmount(book, settlementId);
  const amountSats = least(leftSats, least(notReversed, ownSats(book, terms.to)));
  if (amountSats === 0n) return;
  const reversalId = unwindingIdOf(defaultId, settlementId);
  payBack(book, reversalId, { ...terms, amountSats: amountSats as Sats });
  const at = book.now;
  book.settlements.record(settlementId, { type: 'reversal_requested', at, reversalId });
  const unwound = { settlementId, reversalId, payeeId: terms.to, amountSats };
  book.defaults.record(defaultId, { type: 'settlement_unwound', at, ...unwound });
}

/** Whether it was settled after the window had opened whose obligation is overdue. */
function isSince(book: Book, defaultId: string, { transitions }: LivingSettlement): boolean {
  const window = book.windows.get(open(book, defaultId).windowId);
  assert(window.status !== 'none', 'a default is of a window');
  return (transitions.findLast(({ status }) => status === 'settled')?.at ?? 0) >= window.openedAt;
}

function payBack(
  book: Book,
  reversalId: string,
  { settlementId, from, to, amountSats, referenceId, fees }: Terms,
): void {
  const at = book.now;
  const terms: Terms = {
    settlementId: reversalId,
    from: to,
    to: from,
    amountSats,
    mode: 'centralized',
    referenceId,
    idempotencyKey: reversalId,
    submittedBy: BY,
    payer: { kind: 'clearing', institutionId: to },
    payee: { kind: 'clearing', institutionId: from },
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

/** Others' contributions to the default fund, in proportion to what they are. */
function bearLoss(book: Book, defaultId: string): void {
  const state = open(book, defaultId);
  if (state.leftSats === 0n) return;
  const contributions = book.contributors().map((institutionId) => ({
    institutionId,
    amountSats: creditBalance(book.ledger.account(pledgeAccount('default_fund', institutionId))),
  }));
  const shares = sharesOf(state.leftSats, contributions);
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
