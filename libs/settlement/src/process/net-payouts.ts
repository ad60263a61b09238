import { createHash } from 'node:crypto';
import { err, ok, refusal, type Refusal, type Result, type Sats, type Instant } from '@finality/kernel';
import { availableAccount, BTC, clearingClaim, creditBalance, type Unit } from '@finality/ledger';
import type { Book, Records } from '../book.ts';
import { POOL_WALLET_ID } from '../institution.ts';
import { netOf } from '../positions.ts';
import type { Settlement, SettlementStatus, Terms } from '../settlement.ts';
import type { NettingWindow, Position, WindowEvent } from '../window.ts';
import type { PayoutRule, WindowPayout } from '../window-payout.ts';
import { approvalsFor } from './approvals.ts';
import { payoutConfirmations } from './finality.ts';
import { institutionRefusal } from './institutions.ts';
import { ownPayee, type OwnPlace } from './payee.ts';

/** Those of a window are screened one by one: so long they wait for each other, to share a transaction. */
export const NET_PAYOUT_WAIT_MS = 5_000;

/** Why a net payout waits although there is a credit line. */
export const LENT = 'what the platform lends isn’t paid out';

/** Of the request that no net payout had. */
const BY = 'window';

export interface PayoutRequest {
  readonly institutionId: string;
  /** Missing: nothing, from now on. */
  readonly wanted?: { readonly rule: PayoutRule; readonly place: OwnPlace };
  /** API key. */
  readonly by: string;
}

/** What an institution wants paid out when windows close, from now on. */
export function chooseWindowPayout(book: Book, request: PayoutRequest): Result<WindowPayout, Refusal> {
  const { institutionId, wanted, by } = request;
  const at = book.now;
  const refused = institutionRefusal(book, institutionId, 'institution_id');
  if (refused !== undefined) return err(refused);
  const before = book.windowPayouts.get(institutionId);
  if (wanted === undefined) {
    if (before.status === 'none' || before.choice === undefined) return ok(before);
    return ok(book.windowPayouts.record(institutionId, { type: 'window_payout_ended', at, by }));
  }
  const payee = ownPayee(book, institutionId, wanted.place);
  if (!payee.ok) return payee;
  const poolWalletId = POOL_WALLET_ID;
  if (book.wallet(poolWalletId) === undefined)
    return err(
      refusal('failed_precondition', 'NO_POOL', 'the pool’s wallet isn’t known yet: try again', { retryable: true }),
    );
  const choice = { rule: wanted.rule, payee: payee.value, poolWalletId };
  return ok(book.windowPayouts.record(institutionId, { type: 'window_payout_chosen', at, by, institutionId, choice }));
}

/** One for each participant and window: known before there is any. A UUID of version 8 (RFC 9562). */
export function netPayoutId(windowId: string, institutionId: string): string {
  const hex = createHash('sha256').update(`net payout ${windowId} ${institutionId}`).digest('hex');
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
}

/**
 * Begins to pay out what participants of a window that closes now have chosen: settlements of their own, from their clearing balance, with the
 * pool's coins, to a wallet or destination of their own, which bear the network fee, and are screened and approved as any other. Whether what was chosen then
 * may still be paid the signer is asked before anything is offered.
 * @returns their ids, in the order of the participants
 */
export function beginNetPayouts(book: Book, windowId: string, positions: readonly Position[]): readonly string[] {
  return positions.flatMap((position) => {
    const { institutionId } = position;
    const chosen = book.windowPayouts.get(institutionId);
    if (chosen.status === 'none' || chosen.choice === undefined) return [];
    if (book.institutions.get(institutionId).status !== 'active') return [];
    const { rule, payee, poolWalletId } = chosen.choice;
    const amountSats = payoutSats(rule, position, ownSats(book, institutionId));
    // Less wouldn't be worth its fee.
    if (amountSats <= book.policy.feeCapSats) return [];
    const settlementId = netPayoutId(windowId, institutionId);
    const terms: Terms = {
      settlementId,
      from: institutionId,
      to: institutionId,
      amountSats: amountSats as Sats,
      mode: 'bilateral',
      referenceId: '',
      idempotencyKey: settlementId,
      submittedBy: BY,
      payer: { kind: 'clearing', institutionId },
      payee,
      fees: { bearer: 'payee', bumpBearer: book.policy.bumpBearer },
      policyVersion: book.policy.version,
      netPayout: { windowId, poolWalletId },
    };
    const at = book.now;
    const approvals = approvalsFor(book, terms);
    book.schedule(settlementId, (at + book.policy.expiryMs) as Instant, 'expiry');
    book.settlements.record(
      settlementId,
      { type: 'settlement_received', at, terms, ...payoutConfirmations(book, terms, false) },
      { type: 'screening_requested', at, sources: [], ...(approvals && { approvals }) },
    );
    return [settlementId];
  });
}

/** Pure: never more than the participant has, whatever it is owed. Of a position in satoshi; 0 or less: nothing. */
export function payoutSats(rule: PayoutRule, position: Position, ownedSats: bigint): bigint {
  if (rule.kind === 'above_floor') return ownedSats - rule.floorSats;
  const creditSats = netOf(position);
  return creditSats < ownedSats ? creditSats : ownedSats;
}

/** What its clearing balance in a unit has without what the platform lends, and without what is reserved. */
export function ownIn(book: Pick<Book, 'ledger'>, institutionId: string, unit: Unit): bigint {
  const account = book.ledger.account(availableAccount(clearingClaim(institutionId, unit)));
  return creditBalance(account) - account.debitsPending;
}

export const ownSats = (book: Pick<Book, 'ledger'>, institutionId: string): bigint => ownIn(book, institutionId, BTC);

/** What an institution owes on clearing in a unit now, reservations included. */
export function drawnIn(book: Pick<Book, 'ledger'>, institutionId: string, unit: Unit): bigint {
  const owned = ownIn(book, institutionId, unit);
  return owned < 0n ? -owned : 0n;
}

export const drawnSats = (book: Pick<Book, 'ledger'>, institutionId: string): bigint =>
  drawnIn(book, institutionId, BTC);

/** What can be paid for it now, in satoshi. The credit line backs what is cleared, and leaves with nobody. */
export const paysUpToSats = (book: Book, { netPayout, from, payer }: Terms): bigint =>
  netPayout === undefined ? book.ledger.spendable(payer) : ownSats(book, from);

/** For good, as far as is known. */
const ENDED: readonly SettlementStatus[] = ['settled', 'rejected', 'reversed', 'failed', 'cancelled', 'expired'];

const hasEnded = (state: Settlement): boolean => state.status !== 'none' && ENDED.includes(state.status);

/** A window is settled when all that it pays out has ended, and isn't any more when a reorg takes some of that back. */
export function noteNetPayout(
  windows: Records<NettingWindow, WindowEvent>,
  before: Settlement,
  after: Settlement,
): void {
  if (after.status === 'none' || after.terms.netPayout === undefined || hasEnded(before) === hasEnded(after)) return;
  const { settlementId, netPayout } = after.terms;
  const window = windows.get(netPayout.windowId);
  // A restored store may not know of it.
  if (!('payouts' in window) || !window.payouts.includes(settlementId)) return;
  const at = after.updatedAt;
  windows.record(window.windowId, {
    type: hasEnded(after) ? 'net_payout_ended' : 'net_payout_reopened',
    at,
    settlementId,
  });
}
