import { assert, type Sats } from '@finality/kernel';
import type { Book } from '../book.ts';
import {
  changeOf,
  type DeclaredOutput,
  isDead,
  type Lineage,
  type LineagePayout,
  type LineagePlan,
  offered,
  type OfferedLineage,
  payoutOf,
  settlementsPaid,
  versionNumbered,
  versionsDiffer,
} from '../lineage.ts';
import { payoutFailed, payoutReversed } from '../postings/payout.ts';
import { mustPost } from '../postings/post.ts';
import { isGivenUp, isWaiting, living } from '../settlement.ts';
import { chooseCoins } from './choose-coins.ts';
import { freeze } from './freeze.ts';
import { chosen, claim, releaseClaim } from './reserve.ts';

/** Payouts of a lineage that is final, of which the version that won pays nothing: they wait for another lineage. */
export function leftOver(book: Book, lineage: Lineage): readonly string[] {
  if (lineage.status !== 'final' || lineage.inBlock === undefined) return [];
  const { payouts } = versionNumbered(lineage, lineage.inBlock.version);
  const paid = new Set(payouts.map(({ settlementId }) => settlementId));
  return settlementsPaid(lineage).filter((settlementId) => {
    if (paid.has(settlementId)) return false;
    const state = living(book.settlements.get(settlementId));
    return isWaiting(state) && state.payout.lineageId === lineage.lineageId;
  });
}

/** Whether change of the lineage stays with it: the change of the version that wins has to pay what that one leaves over. */
export function keepsChange(book: Book, lineage: OfferedLineage): boolean {
  if (!versionsDiffer(lineage.versions)) return false;
  return lineage.status === 'offered' || leftOver(book, lineage).length > 0;
}

/**
 * A version is final. What it leaves over is paid by another lineage, whose anchor is that version's change: every transaction of it needs the
 * version, and so excludes the others, which pay the same. Without coins for it this is tried again with the next block.
 */
export function settleLeftOver(book: Book, lineageId: string): void {
  const lineage = offered(book.lineages.get(lineageId));
  if (lineage.status !== 'final' || lineage.inBlock === undefined) return;
  const change = changeOf(versionNumbered(lineage, lineage.inBlock.version));
  for (const version of lineage.versions) {
    const other = changeOf(version);
    if (other !== undefined && other !== change) release(book, lineageId, other);
  }
  const left = leftOver(book, lineage);
  if (change === undefined) return giveUpAll(book, left, lineageId);
  if (left.length === 0) return release(book, lineageId, change);
  const coin = book.coins.find(change.outpoint);
  const isTaken = coin !== undefined && (coin.spentBy !== undefined || coin.claimedBy !== lineageId);
  if (isTaken) return giveUpAll(book, left, lineageId);
  if (coin?.height !== undefined && requeue(book, lineage, change, left)) return;
  book.matures({ kind: 'lineage', id: lineageId, dueHeight: book.tip.get().height + 1 });
}

function giveUpAll(book: Book, settlementIds: readonly string[], lineageId: string): void {
  for (const settlementId of settlementIds)
    giveUp(book, settlementId, lineageId, `the transaction that won left it over, and no change to pay it from`);
}

function requeue(
  book: Book,
  { lineageId: before, walletId, institutionId, versions }: OfferedLineage,
  { outpoint: anchor }: DeclaredOutput,
  left: readonly string[],
): boolean {
  const lineageId = left[0]!;
  const { status } = book.lineages.get(lineageId);
  // In a restored store, after a reorg past finality, it may have begun one that can pay it yet: what becomes of that one comes first.
  if (status !== 'none' && status !== 'abandoned') return false;
  const paid = versions.flatMap((version) => version.payouts);
  const payouts = left.map((id) => payoutOf(paid.find(({ settlementId }) => settlementId === id)!));
  // What payees get was quoted with the version that was to pay them.
  const asQuoted = payouts.map((payout): LineagePayout => {
    return { ...payout, payeeFeeSats: 0n as Sats, feeBearer: 'payer', feeReservedSats: book.policy.feeCapSats };
  });
  const choice = chooseCoins(book, { walletId, payouts: asQuoted, plan: { anchor, inputs: [{ outpoint: anchor }] } });
  if (!choice.ok) return false;
  releaseClaim(book, anchor, before);
  claim(book, lineageId, choice.value.coins);
  const at = book.now;
  const identity = { lineageId, walletId, institutionId, custodial: true, anchor };
  const plan: LineagePlan = { ...identity, version: 1, ...chosen(choice.value), payouts, offerAt: at };
  book.lineages.record(lineageId, { type: 'lineage_planned', at, plan });
  for (const settlementId of left) move(book, settlementId, lineageId, `left over by lineage ${before}`);
  return true;
}

function move(book: Book, settlementId: string, lineageId: string, reason: string): void {
  book.settlements.record(settlementId, { type: 'payout_requeued', at: book.now, lineageId, reason });
}

function release(book: Book, lineageId: string, { outpoint }: DeclaredOutput): void {
  if (book.coins.find(outpoint)?.claimedBy === lineageId) releaseClaim(book, outpoint, lineageId);
}

/** Change that was kept, of versions that can't come to be. */
export function releaseChange(book: Book, lineage: OfferedLineage): void {
  for (const version of lineage.versions) {
    const change = changeOf(version);
    if (change !== undefined) release(book, lineage.lineageId, change);
  }
}

/**
 * What a lineage planned for it can't be: its coin is gone. A payout that was left over goes back to where it was: it may be paid there after all,
 * or be left over once more.
 */
export function returnLeftOver(book: Book, settlementId: string, lineageId: string, reason: string): void {
  const state = living(book.settlements.get(settlementId));
  if (!('payout' in state) || state.payout?.lineageId !== lineageId || isGivenUp(state)) return;
  const before = state.payout.formerLineages.at(-1);
  assert(before !== undefined, 'what was left over had a lineage before');
  const lineage = offered(book.lineages.get(before));
  if (lineage.status === 'dead') return giveUp(book, settlementId, lineageId, reason);
  move(book, settlementId, before, reason);
  if (lineage.status !== 'final') return;
  const change = changeOf(versionNumbered(lineage, lineage.inBlock!.version));
  const coin = change && book.coins.find(change.outpoint);
  if (coin !== undefined && coin.claimedBy === undefined) claim(book, before, [coin]);
  book.matures({ kind: 'lineage', id: before, dueHeight: book.tip.get().height + 1 });
}

/** Every version of this lineage that pays it is dead: unless another lineage has one that isn't, nothing will. */
export function giveUp(book: Book, settlementId: string, lineageId: string, reason: string): void {
  const state = living(book.settlements.get(settlementId));
  if (isGivenUp(state)) return;
  assert(
    'payout' in state && state.payout !== undefined,
    `a lineage can't die while its settlement is ${state.status}`,
  );
  const { terms, payout } = state;
  if (payout.lineageId !== lineageId) return;
  const alive = payout.formerLineages.find((id) => mayPay(book.lineages.get(id), settlementId));
  if (alive !== undefined) return move(book, settlementId, alive, reason);
  const at = book.now;
  switch (state.status) {
    case 'awaiting_signature':
    case 'executing':
      mustPost(book.ledger, payoutFailed(terms, payout));
      book.settlements.record(
        settlementId,
        state.cancelling === undefined
          ? { type: 'settlement_failed', at, reason }
          : { type: 'settlement_cancelled', at, ...state.cancelling },
      );
      return;
    case 'reopened':
      mustPost(book.ledger, ...payoutReversed(terms, payout));
      book.settlements.record(settlementId, { type: 'settlement_reversed', at, reason, because: 'excluded' });
      for (const party of [terms.from, terms.to])
        freeze(book, party, `settlement ${settlementId} was reversed: ${reason}`);
      return;
    case 'reversed':
      // It was overdue: the amount has waited in suspense for this.
      mustPost(book.ledger, ...payoutReversed(terms, payout));
      book.settlements.record(settlementId, { type: 'settlement_reversed', at, reason, because: 'excluded' });
      return;
    default:
      throw new Error(`a lineage can't die while its settlement is ${state.status}`);
  }
}

/** Only after a reorg past finality: it was taken for lost, and isn't. */
const mayPay = (lineage: Lineage, settlementId: string): boolean =>
  lineage.status === 'offered' &&
  lineage.versions.some(
    (version) => !isDead(version, lineage) && version.payouts.some((payout) => payout.settlementId === settlementId),
  );
