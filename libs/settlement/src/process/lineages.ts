import { assert } from '@finality/kernel';
import type { Book } from '../book.ts';
import { type Conflict, type LineagePlan, offered, type OfferedLineage } from '../lineage.ts';
import {
  lateConfirmation,
  lateConfirmationUndone,
  payoutConfirmed,
  payoutFailed,
  payoutReopened,
  payoutReversed,
  payoutSettled,
  payoutUnconfirmed,
  release,
  reopenedConfirmed,
  reopenedSettled,
  reopenedUnconfirmed,
} from '../postings/payout.ts';
import { mustPost } from '../postings/post.ts';
import { type BlockRef, living } from '../settlement.ts';
import { isFinal } from './finality.ts';
import { freeze } from './freeze.ts';
import { unreserve } from './reserve.ts';

/** A transaction of ours is in a block. Told again (a rescan of the block): nothing happens. */
export function lineageConfirmed(book: Book, lineageId: string, block: BlockRef): void {
  const before = offered(book.lineages.get(lineageId));
  if (before.block?.hash === block.hash) return;
  const { life, plan } = offered(book.lineages.record(lineageId, { type: 'version_confirmed', at: book.now, block }));
  const state = living(book.settlements.get(plan.settlementId));
  const { terms } = state;
  assert('payout' in state && state.payout !== undefined, `a settlement that is ${state.status} has no payout`);
  if (before.status === 'dead') {
    mustPost(book.ledger, lateConfirmation(terms, state.payout, life));
    freezeBoth(book, plan, `settlement ${terms.settlementId} was paid after it had been given up`);
    return;
  }
  if (state.status === 'executing') {
    mustPost(book.ledger, ...payoutConfirmed(terms, state.payout, life));
  } else {
    assert(state.status === 'reopened' || state.status === 'reversed', `${state.status}: nothing is to be paid`);
    mustPost(book.ledger, reopenedConfirmed(terms, state.payout, life));
  }
  book.settlements.record(terms.settlementId, { type: 'payout_confirmed', at: book.now, block, life });
  book.matures({
    kind: 'settlement',
    id: terms.settlementId,
    dueHeight: block.height + terms.confirmationsRequired - 1,
  });
  book.matures({ kind: 'lineage', id: lineageId, dueHeight: block.height + book.policy.finalDepth - 1 });
}

/** Its block is gone. Nearly all transactions confirm again: nothing is reversed yet. */
export function lineageUnconfirmed(book: Book, lineageId: string, block: BlockRef): void {
  const before = offered(book.lineages.get(lineageId));
  book.lineages.record(lineageId, { type: 'version_unconfirmed', at: book.now, block });
  const { plan } = before;
  const state = living(book.settlements.get(plan.settlementId));
  const { terms } = state;
  if (before.status === 'dead') {
    assert('payout' in state && state.payout !== undefined, 'it was paid by a transaction');
    mustPost(book.ledger, lateConfirmationUndone(terms, state.payout, before.life));
    return;
  }
  const at = book.now;
  const height = block.height - 1;
  const dueHeight = height + book.policy.reopenedBlocksMax;
  const reason = `block ${block.hash} at height ${block.height} was disconnected`;
  switch (state.status) {
    case 'confirming':
      mustPost(book.ledger, ...payoutUnconfirmed(terms, state.payout));
      book.settlements.record(terms.settlementId, { type: 'payout_unconfirmed', at, reason, height });
      return;
    case 'settled': {
      assert(state.payout !== undefined, 'a settlement on the chain has a payout');
      const overdrawn = mustPost(book.ledger, ...payoutReopened(state, state.payout));
      book.settlements.record(terms.settlementId, { type: 'settlement_reopened', at, reason, height });
      setPayeeCoin(book, before, false);
      if (overdrawn.length > 0)
        freeze(book, terms.to, `settlement ${terms.settlementId} was spent and then undone by a reorg`);
      book.matures({ kind: 'settlement', id: terms.settlementId, dueHeight });
      return;
    }
    case 'reopened':
      mustPost(book.ledger, reopenedUnconfirmed(terms, state.payout));
      book.settlements.record(terms.settlementId, { type: 'payout_unconfirmed', at, reason, height });
      book.matures({ kind: 'settlement', id: terms.settlementId, dueHeight });
      return;
    case 'reversed':
      mustPost(book.ledger, reopenedUnconfirmed(terms, state.payout));
      book.settlements.record(terms.settlementId, { type: 'payout_unconfirmed', at, reason, height });
      return;
    default:
      throw new Error(`a payout can't un-confirm while ${state.status}`);
  }
}

/** The tip has reached a height at which this settlement may be final, or has been unconfirmed for too long. */
export function settlementDue(book: Book, settlementId: string): void {
  const state = living(book.settlements.get(settlementId));
  if (state.status !== 'confirming' && state.status !== 'reopened') return;
  const { terms } = state;
  const { height } = book.tip.get();
  if ('block' in state) {
    if (height - state.block.height + 1 < terms.confirmationsRequired) return;
    const life = state.settledTimes + 1;
    mustPost(book.ledger, state.status === 'confirming' ? payoutSettled(terms, life) : reopenedSettled(terms, life));
    book.settlements.record(settlementId, { type: 'settlement_settled', at: book.now });
    setPayeeCoin(book, offered(book.lineages.get(state.payout.lineageId)), true);
    return;
  }
  if (height - state.unconfirmedSince >= book.policy.reopenedBlocksMax) {
    const reason = `unconfirmed for ${book.policy.reopenedBlocksMax} blocks after a reorg`;
    book.settlements.record(settlementId, { type: 'settlement_reversed', at: book.now, reason, because: 'overdue' });
    freezeBoth(
      book,
      offered(book.lineages.get(state.payout.lineageId)).plan,
      `settlement ${settlementId} was reversed: ${reason}`,
    );
  }
}

/** The tip has reached a height at which this lineage may be final, or dead. */
export function lineageDue(book: Book, lineageId: string): void {
  const lineage = book.lineages.get(lineageId);
  if (lineage.status !== 'offered' && lineage.status !== 'planned') return;
  if (lineage.status === 'offered' && lineage.block !== undefined) {
    if (isFinal(book, lineage.block)) book.lineages.record(lineageId, { type: 'lineage_final', at: book.now });
    return;
  }
  const winner = lineage.conflicts.find((conflict) => isFinal(book, conflict.block));
  if (winner !== undefined) kill(book, lineageId, `excluded by ${winner.byTxid}, which is final`);
}

/** Something else in a block spends what this lineage needs. It may still win: only a final one excludes it. */
export function conflictFound(book: Book, lineageId: string, conflict: Conflict): void {
  const { status } = book.lineages.get(lineageId);
  if (status !== 'planned' && status !== 'offered') return;
  book.lineages.record(lineageId, { type: 'conflict_found', at: book.now, conflict });
  book.matures({ kind: 'lineage', id: lineageId, dueHeight: conflict.block.height + book.policy.finalDepth - 1 });
}

/** The block in which something else had spent it is gone. */
export function conflictWithdrawn(book: Book, lineageId: string, outpoint: string): void {
  const lineage = book.lineages.get(lineageId);
  if (!('conflicts' in lineage) || !lineage.conflicts.some((conflict) => conflict.outpoint === outpoint)) return;
  book.lineages.record(lineageId, { type: 'conflict_withdrawn', at: book.now, outpoint });
}

/**
 * Every transaction that could pay is dead: the payout leaves its lineage, and so do the payouts that need its outputs. Its coins keep their
 * claim: the signer, which can't see the chain, never signs a coin for two lineages, so only an operator can free them.
 */
export function kill(book: Book, lineageId: string, reason: string): void {
  const lineage = book.lineages.get(lineageId);
  if (lineage.status === 'planned') return withdraw(book, lineage.plan, reason);
  if (lineage.status !== 'offered') return;
  assert(lineage.block === undefined, 'a transaction in a block is not dead');
  book.lineages.record(lineageId, { type: 'lineage_dead', at: book.now, reason });
  giveUp(book, lineage, reason);
  for (const { outpoint } of lineage.version.outputs) {
    const heir = book.coins.find(outpoint)?.claimedBy;
    if (heir !== undefined) kill(book, heir, `its coin ${outpoint} can't come to be: ${reason}`);
  }
}

/** Nothing was offered for signature yet: the settlement is as if it had been cancelled. */
function withdraw(book: Book, { settlementId }: LineagePlan, reason: string): void {
  const { terms } = living(book.settlements.get(settlementId));
  mustPost(book.ledger, release(terms));
  unreserve(book, settlementId, reason);
  book.settlements.record(settlementId, { type: 'settlement_cancelled', at: book.now, reason, by: 'settlement' });
  book.cancelTimer(settlementId);
}

function giveUp(book: Book, lineage: OfferedLineage, reason: string): void {
  const state = living(book.settlements.get(lineage.plan.settlementId));
  const { terms } = state;
  const { settlementId } = terms;
  switch (state.status) {
    case 'executing':
      mustPost(book.ledger, payoutFailed(terms, state.payout));
      book.settlements.record(settlementId, { type: 'settlement_failed', at: book.now, reason });
      return;
    case 'reopened':
      mustPost(book.ledger, ...payoutReversed(terms, state.payout));
      book.settlements.record(settlementId, { type: 'settlement_reversed', at: book.now, reason, because: 'excluded' });
      freezeBoth(book, lineage.plan, `settlement ${settlementId} was reversed: ${reason}`);
      return;
    case 'reversed':
      // It was overdue: the amount has waited in suspense for this.
      mustPost(book.ledger, ...payoutReversed(terms, state.payout));
      book.settlements.record(settlementId, { type: 'settlement_reversed', at: book.now, reason, because: 'excluded' });
      return;
    default:
      throw new Error(`a lineage can't die while its settlement is ${state.status}`);
  }
}

function setPayeeCoin(book: Book, lineage: OfferedLineage, released: boolean): void {
  const payee = lineage.version.outputs.find((output) => output.role === 'payee');
  assert(payee !== undefined, 'every version pays somebody');
  const coin = book.coins.find(payee.outpoint);
  if (coin !== undefined) book.coins.put({ ...coin, released });
}

function freezeBoth(
  book: Book,
  plan: { readonly institutionId: string; readonly payeeInstitutionId: string },
  reason: string,
): void {
  freeze(book, plan.institutionId, reason);
  freeze(book, plan.payeeInstitutionId, reason);
}
