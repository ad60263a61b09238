import type { FeeRate } from '@finality/bitcoin';
import { assert, ok, type Refusal, type Result } from '@finality/kernel';
import type { Transfer } from '@finality/ledger';
import type { Book } from '../book.ts';
import { changeOf, type LineagePayout, type OfferedLineage } from '../lineage.ts';
import { reservation } from '../postings/payout.ts';
import { living } from '../settlement.ts';
import { fund, type Funding, held } from './fund.ts';
import { unquoted } from './reserve.ts';

/** Change of this value is worth spending at any feerate that payouts are likely to pay: 68 virtual bytes at 100 sat/vB cost 6,800 sat. */
const CHANGE_WORTH_SATS = 10_000n;
/** Of those that wait, so many are tried: a batch may replace a hundred versions while it holds the store's lock. */
const JOINERS_MAX = 20;

export interface Joined extends Funding {
  readonly payouts: readonly LineagePayout[];
}

/**
 * What waits for coins of the wallet joins the next version, first come first served, as far as its coins, its owner's balance and the fee caps
 * go. None joins where a version couldn't win without leaving it for good: each must have change worth spending, which nobody else has, for what
 * is left over is paid from that (requeue.ts).
 */
export function join(
  book: Book,
  lineage: OfferedLineage,
  payouts: readonly LineagePayout[],
  feeRate: FeeRate,
): Result<Joined, Refusal> {
  const alone = fund(book, lineage, payouts, feeRate);
  if (!alone.ok) return alone;
  let joined: Joined = { payouts, ...alone.value };
  if (!mayJoin(book, lineage, payouts)) return ok(joined);
  for (const settlementId of book.waitingPayouts(lineage.walletId).slice(0, JOINERS_MAX)) {
    if (joined.payouts.length >= book.policy.batch.payoutsMax) break;
    const more = [...joined.payouts, waitingPayout(book, settlementId)];
    const funded = fund(book, lineage, more, feeRate);
    if (!funded.ok) break;
    const next = { payouts: more, ...funded.value };
    const plan = { ...lineage, version: lineage.versions.length + 1, ...next };
    if (!book.ledger.check([...held(book, plan), ...reservations(book, more)]).ok) break;
    joined = next;
  }
  return ok(joined);
}

function waitingPayout(book: Book, settlementId: string): LineagePayout {
  const { terms } = living(book.settlements.get(settlementId));
  assert(terms.payee.kind !== 'clearing', 'on-chain settlements are paid by wallets');
  return unquoted(book, terms, terms.payee);
}

/** Of payouts that wait still: reserved in the moment in which they are offered. */
export function reservations(book: Book, payouts: readonly LineagePayout[]): readonly Transfer[] {
  return payouts.flatMap(({ settlementId, feeReservedSats }) => {
    const { status, terms, reservedTimes } = living(book.settlements.get(settlementId));
    return status === 'queued' ? [reservation(terms, feeReservedSats, reservedTimes + 1)] : [];
  });
}

/** Whether each version so far, should it win, has change to pay from what it leaves over. */
export function mayJoin(book: Book, lineage: OfferedLineage, payouts: readonly LineagePayout[]): boolean {
  const isShared = payouts.every(
    ({ settlementId }) => living(book.settlements.get(settlementId)).terms.mode === 'bilateral',
  );
  return (
    // Whoever signs for himself has seen what he is to sign.
    lineage.custodial &&
    payouts.length > 0 &&
    isShared &&
    lineage.versions.every((version) => {
      const change = changeOf(version);
      if (change === undefined || change.valueSats < CHANGE_WORTH_SATS) return false;
      const heir = book.coins.find(change.outpoint)?.claimedBy;
      return heir === undefined || heir === lineage.lineageId;
    })
  );
}
