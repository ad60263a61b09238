import { assert } from '@finality/kernel';
import type { Book } from '../book.ts';
import { type Conflict, offered, type OfferedLineage } from '../lineage.ts';
import {
  lateConfirmation,
  lateConfirmationUndone,
  payoutConfirmed,
  payoutFailed,
  payoutReopened,
  payoutReversed,
  payoutSettled,
  payoutUnconfirmed,
  reopenedConfirmed,
  reopenedSettled,
  reopenedUnconfirmed,
} from '../postings/payout.ts';
import { mustPost } from '../postings/post.ts';
import { type BlockRef, living } from '../settlement.ts';
import { isFinal } from './finality.ts';
import { freeze } from './freeze.ts';

/** A transaction of ours is in a block. */
export function lineageConfirmed(book: Book, lineageId: string, block: BlockRef): void {
  const lineage = offered(book.lineages.record(lineageId, { type: 'version_confirmed', at: book.now, block }));
  const { life, plan } = lineage;
  const state = living(book.settlements.get(plan.settlementId));
  const { terms } = state;
  if (state.status === 'executing') {
    mustPost(book.ledger, ...payoutConfirmed(terms, state.payout, life));
  } else if (state.status === 'reopened' || (state.status === 'reversed' && state.because === 'overdue')) {
    mustPost(book.ledger, reopenedConfirmed(terms, state.payout, life));
  } else {
    assert('payout' in state && state.payout !== undefined, `a settlement that is ${state.status} has no payout`);
    mustPost(book.ledger, lateConfirmation(terms, state.payout, life));
    freezeBoth(book, plan, `settlement ${terms.settlementId} was paid after it had been given up`);
    return;
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
    case 'failed':
      assert(state.payout !== undefined, 'it was paid by a transaction');
      if (state.status === 'reversed' && state.because === 'overdue') {
        mustPost(book.ledger, reopenedUnconfirmed(terms, state.payout));
        book.settlements.record(terms.settlementId, { type: 'payout_unconfirmed', at, reason, height });
      } else {
        mustPost(book.ledger, lateConfirmationUndone(terms, state.payout, before.life));
      }
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
  const lineage = offered(book.lineages.get(lineageId));
  if (lineage.status !== 'offered') return;
  const { height } = book.tip.get();
  const { finalDepth } = book.policy;
  if (lineage.block !== undefined) {
    if (height - lineage.block.height + 1 >= finalDepth)
      book.lineages.record(lineageId, { type: 'lineage_final', at: book.now });
    return;
  }
  const { conflict } = lineage;
  if (conflict?.block !== undefined && isFinal(book, conflict.block)) {
    kill(book, lineageId, `excluded by ${conflict.byTxid}, which is final`);
  }
}

/** Something else spends what this lineage needs. It may still win: only a final one excludes it. */
export function conflictFound(book: Book, lineageId: string, conflict: Conflict): void {
  const lineage = offered(book.lineages.get(lineageId));
  if (lineage.conflict?.byTxid === conflict.byTxid && lineage.conflict.block?.hash === conflict.block?.hash) return;
  book.lineages.record(lineageId, { type: 'conflict_found', at: book.now, conflict });
  if (conflict.block !== undefined)
    book.matures({ kind: 'lineage', id: lineageId, dueHeight: conflict.block.height + book.policy.finalDepth - 1 });
}

/**
 * Every transaction that could pay is dead: the payout leaves its lineage. Its coins keep their claim: the signer, which can't see the chain,
 * never signs a coin for two lineages, so only an operator can free them.
 */
export function kill(book: Book, lineageId: string, reason: string): void {
  const lineage = book.lineages.get(lineageId);
  if (lineage.status !== 'offered') return;
  assert(lineage.block === undefined, 'a transaction in a block is not dead');
  book.lineages.record(lineageId, { type: 'lineage_dead', at: book.now, reason });
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
      mustPost(book.ledger, ...payoutReversed(terms, state.payout));
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
