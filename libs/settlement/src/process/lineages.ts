import type { OutpointKey, Txid } from '@finality/bitcoin';
import { assert } from '@finality/kernel';
import { availableAccount } from '@finality/ledger';
import type { Book } from '../book.ts';
import { contendersFor } from '../coin.ts';
import {
  type Conflict,
  inputsOf,
  isDead,
  type LineagePlan,
  offered,
  type OfferedLineage,
  type OfferedVersion,
  settlementsPaid,
  type VersionPayout,
  versionNumbered,
  versionWith,
} from '../lineage.ts';
import {
  lateConfirmation,
  lateConfirmationUndone,
  payoutConfirmed,
  payoutReopened,
  payoutSettled,
  payoutUnconfirmed,
  refundAccount,
  release,
  reopenedConfirmed,
  reopenedSettled,
  reopenedUnconfirmed,
} from '../postings/payout.ts';
import { mustPost } from '../postings/post.ts';
import { type BlockRef, confirmationsRequired, isGivenUp, living, movedTo } from '../settlement.ts';
import { dropNext, waitForBlock } from './bump.ts';
import { consolidationWithdrawn } from './consolidation.ts';
import { isFinal, isTrusted } from './finality.ts';
import { freeze, isOwed } from './freeze.ts';
import { ownFeeConfirmed, ownFeeDecided, ownFeeFree, ownFeeUnconfirmed } from './own-fee.ts';
import { signedByOwner } from './psbt.ts';
import { giveUp, releaseChange, returnLeftOver, settleLeftOver } from './requeue.ts';
import { abandon, requeue } from './reserve.ts';

/** A transaction of ours is in a block, whichever version it is. Told again (a rescan of the block): nothing happens. */
export function lineageConfirmed(book: Book, lineageId: string, txid: Txid, block: BlockRef): void {
  const before = offered(book.lineages.get(lineageId));
  if (before.inBlock?.block.hash === block.hash) return;
  dropNext(book, lineageId, `${txid} is in a block`);
  const found = versionWith(before, txid);
  const { version, payouts } = found;
  if (!before.custodial) signedByOwner(book, lineageId, found);
  const { life } = offered(
    book.lineages.record(lineageId, { type: 'version_confirmed', at: book.now, version, block }),
  );
  for (const payout of payouts) {
    if (isGivenUp(living(book.settlements.get(payout.settlementId)))) lateInBlock(book, before, payout, life);
    else payoutInBlock(book, before, { payout, txid, block });
  }
  ownFeeConfirmed(book, before, versionNumbered(before, version), life);
  if (before.status !== 'dead')
    book.matures({ kind: 'lineage', id: lineageId, dueHeight: block.height + book.policy.finalDepth - 1 });
}

interface PaidInBlock {
  readonly payout: VersionPayout;
  readonly txid: Txid;
  readonly block: BlockRef;
}

function payoutInBlock(book: Book, lineage: OfferedLineage, { payout, txid, block }: PaidInBlock): void {
  const { settlementId, outpoint, feeSats, droppedSats } = payout;
  const state = living(book.settlements.get(settlementId));
  const { terms } = state;
  assert('payout' in state && state.payout !== undefined, `a settlement that is ${state.status} has no payout`);
  const life = state.payout.life + 1;
  const moved = movedTo(state.payout, lineage.lineageId);
  const paid = { ...state.payout, ...moved, txid, outpoint, feeSats, droppedSats, life };
  if (state.status === 'executing') {
    const now = paid;
    mustPost(book.ledger, ...payoutConfirmed(terms, now));
    book.settlements.record(settlementId, { type: 'payout_confirmed', at: book.now, block, payout: now });
  } else {
    assert(state.status === 'reopened' || state.status === 'reversed', `${state.status}: nothing is to be paid`);
    const now = { ...paid, heldSats: feeSats };
    const overdrawn = mustPost(book.ledger, ...reopenedConfirmed(terms, state.payout, now));
    if (isOwed(book, overdrawn))
      freeze(book, terms.from, `settlement ${settlementId} was paid by a dearer transaction`);
    book.settlements.record(settlementId, { type: 'payout_confirmed', at: book.now, block, payout: now });
  }
  book.matures({ kind: 'settlement', id: settlementId, dueHeight: block.height + confirmationsRequired(state) - 1 });
}

function lateInBlock(book: Book, lineage: OfferedLineage, payout: VersionPayout, life: number): void {
  const { settlementId, payeeInstitutionId } = payout;
  const { terms } = living(book.settlements.get(settlementId));
  mustPost(book.ledger, lateConfirmation(terms, lineage.lineageId, payout, life));
  freezeBoth(
    book,
    lineage.institutionId,
    payeeInstitutionId,
    `settlement ${settlementId} was paid after it had been given up`,
  );
}

/** Its block is gone. Nearly all transactions confirm again: nothing is reversed yet. */
export function lineageUnconfirmed(book: Book, lineageId: string, block: BlockRef): void {
  const before = offered(book.lineages.get(lineageId));
  assert(before.inBlock !== undefined, 'it was in a block');
  const { version, payouts } = versionNumbered(before, before.inBlock.version);
  book.lineages.record(lineageId, { type: 'version_unconfirmed', at: book.now, version, block });
  if (before.status !== 'dead') waitForBlock(book, lineageId);
  for (const payout of payouts) {
    const state = living(book.settlements.get(payout.settlementId));
    if (isGivenUp(state)) mustPost(book.ledger, lateConfirmationUndone(state.terms, lineageId, payout, before.life));
    else payoutOutOfBlock(book, before, payout, block);
    if (before.status === 'dead') giveUp(book, payout.settlementId, lineageId, 'its lineage was dead before');
  }
  ownFeeUnconfirmed(book, before);
}

function payoutOutOfBlock(book: Book, lineage: OfferedLineage, payout: VersionPayout, block: BlockRef): void {
  const { settlementId } = payout;
  const state = living(book.settlements.get(settlementId));
  const { terms } = state;
  const at = book.now;
  const height = block.height - 1;
  const dueHeight = height + book.policy.reopenedBlocksMax;
  const reason = `block ${block.hash} at height ${block.height} was disconnected`;
  switch (state.status) {
    case 'confirming':
      mustPost(book.ledger, ...payoutUnconfirmed(terms, state.payout));
      book.settlements.record(settlementId, { type: 'payout_unconfirmed', at, reason, height });
      return;
    case 'settled': {
      assert(state.payout !== undefined, 'a settlement on the chain has a payout');
      const overdrawn = mustPost(book.ledger, ...payoutReopened(state, state.payout));
      book.settlements.record(settlementId, { type: 'settlement_reopened', at, reason, height });
      setPayeeCoin(book, payout, false);
      if (
        terms.payee.kind !== 'destination' &&
        overdrawn.includes(availableAccount(terms.payee)) &&
        isOwed(book, overdrawn)
      )
        freeze(book, terms.to, `settlement ${settlementId} was spent and then undone by a reorg`);
      if (overdrawn.includes(refundAccount(terms)))
        freeze(book, terms.from, `what the platform paid for settlement ${settlementId} was spent and then undone`);
      book.matures({ kind: 'settlement', id: settlementId, dueHeight });
      return;
    }
    case 'reopened':
      mustPost(book.ledger, ...reopenedUnconfirmed(terms, state.payout));
      book.settlements.record(settlementId, { type: 'payout_unconfirmed', at, reason, height });
      book.matures({ kind: 'settlement', id: settlementId, dueHeight });
      return;
    case 'reversed':
      mustPost(book.ledger, ...reopenedUnconfirmed(terms, state.payout));
      book.settlements.record(settlementId, { type: 'payout_unconfirmed', at, reason, height });
      return;
    default:
      throw new Error(`a payout of ${lineage.lineageId} can't un-confirm while ${state.status}`);
  }
}

/** The tip has reached a height at which this settlement may be final, or has been unconfirmed for too long. */
export function settlementDue(book: Book, settlementId: string): void {
  const state = living(book.settlements.get(settlementId));
  if (state.status !== 'confirming' && state.status !== 'reopened') return;
  const { terms } = state;
  const { height } = book.tip.get();
  if ('block' in state) {
    if (height - state.block.height + 1 < confirmationsRequired(state)) return;
    if (!isTrusted(book, state.block, terms.amountSats)) {
      book.matures({ kind: 'settlement', id: settlementId, dueHeight: height });
      return;
    }
    const life = state.settledTimes + 1;
    const { payout } = state;
    const transfers =
      state.status === 'confirming' ? payoutSettled(terms, payout, life) : reopenedSettled(terms, payout, life);
    mustPost(book.ledger, ...transfers);
    book.settlements.record(settlementId, { type: 'settlement_settled', at: book.now });
    setPayeeCoin(book, payout, true);
    return;
  }
  if (height - state.unconfirmedSince >= book.policy.reopenedBlocksMax) {
    const reason = `unconfirmed for ${book.policy.reopenedBlocksMax} blocks after a reorg`;
    book.settlements.record(settlementId, { type: 'settlement_reversed', at: book.now, reason, because: 'overdue' });
    freezeBoth(book, terms.from, terms.to, `settlement ${settlementId} was reversed: ${reason}`);
  }
}

/** The tip has reached a height at which this lineage may be final, or lose what it needs. */
export function lineageDue(book: Book, lineageId: string): void {
  const lineage = book.lineages.get(lineageId);
  if (lineage.status === 'final') return settleLeftOver(book, lineageId);
  if (lineage.status !== 'offered' && lineage.status !== 'planned') return;
  if (lineage.status === 'offered' && lineage.inBlock !== undefined) {
    if (isFinal(book, lineage.inBlock.block)) won(book, lineage, lineage.inBlock.version);
    return;
  }
  for (const { outpoint, byTxid, block } of lineage.conflicts)
    if (isFinal(book, block)) lose(book, lineageId, outpoint, `excluded by ${byTxid}, which is final`);
}

/** Final: the other versions are dead, whatever once needed their outputs with them, and so is what they alone were to pay. */
function won(book: Book, lineage: OfferedLineage, version: number): void {
  const { lineageId } = lineage;
  ownFeeDecided(book, lineage);
  book.lineages.record(lineageId, { type: 'lineage_final', at: book.now });
  const { txid, payouts } = versionNumbered(lineage, version);
  const reason = `excluded by ${txid}, which is final`;
  for (const other of lineage.versions) if (other.version !== version) disinherit(book, lineageId, other, reason);
  const paid = new Set(payouts.map(({ settlementId }) => settlementId));
  for (const settlementId of settlementsPaid(lineage)) {
    const state = living(book.settlements.get(settlementId));
    const isLeftOver = state.status === 'executing' && state.cancelling === undefined;
    if (!paid.has(settlementId) && !isLeftOver) giveUp(book, settlementId, lineageId, reason);
  }
  settleLeftOver(book, lineageId);
}

/** Something else in a block spends what this lineage needs. It may still win: only a final one excludes it. */
export function conflictFound(book: Book, lineageId: string, conflict: Conflict): void {
  const lineage = book.lineages.get(lineageId);
  if (lineage.status !== 'planned' && lineage.status !== 'offered' && lineage.status !== 'dead') return;
  // Change that is only kept by a lineage is nothing that it needs.
  if (!inputsOf(lineage).some(({ outpoint }) => outpoint === conflict.outpoint)) return;
  if (lineage.status === 'planned' && !lineage.plan.custodial)
    return requeue(book, lineage.plan, `${conflict.byTxid} spends its coin ${conflict.outpoint}`);
  book.lineages.record(lineageId, { type: 'conflict_found', at: book.now, conflict });
  // It stays dead, and tells what excludes it.
  if (lineage.status === 'dead') return;
  book.matures({ kind: 'lineage', id: lineageId, dueHeight: conflict.block.height + book.policy.finalDepth - 1 });
}

/** The block in which something else had spent it is gone. */
export function conflictWithdrawn(book: Book, lineageId: string, outpoint: string): void {
  const lineage = book.lineages.get(lineageId);
  if (!('conflicts' in lineage) || !lineage.conflicts.some((conflict) => conflict.outpoint === outpoint)) return;
  book.lineages.record(lineageId, { type: 'conflict_withdrawn', at: book.now, outpoint });
}

/**
 * What a lineage needs is excluded for good: versions that spend it are dead, and with the last of them the lineage: its payouts leave it, and so
 * do payouts that need its outputs. Its coins keep their claim: the signer, which can't see the chain, never signs a coin for two lineages, so
 * only operators can release them (release.ts).
 */
export function lose(book: Book, lineageId: string, outpoint: OutpointKey, reason: string): void {
  const lineage = book.lineages.get(lineageId);
  if (lineage.status === 'planned')
    return lineage.plan.custodial ? withdraw(book, lineage.plan, reason) : requeue(book, lineage.plan, reason);
  if (lineage.status !== 'offered' || lineage.lost.includes(outpoint)) return;
  dropNext(book, lineageId, reason);
  const after = offered(book.lineages.record(lineageId, { type: 'input_lost', at: book.now, outpoint, reason }));
  const dead = after.versions.filter((version) => isDead(version, after) && !isDead(version, lineage));
  assert(
    dead.every(({ version }) => version !== after.inBlock?.version),
    'a transaction in a block is not dead',
  );
  if (after.versions.every((version) => isDead(version, after))) {
    ownFeeFree(book, after);
    book.lineages.record(lineageId, { type: 'lineage_dead', at: book.now, reason });
    releaseChange(book, after);
    for (const settlementId of settlementsPaid(after)) giveUp(book, settlementId, lineageId, reason);
  }
  for (const version of dead) disinherit(book, lineageId, version, reason);
}

/** The outputs of a dead version can't come to be. */
function disinherit(book: Book, lineageId: string, { outputs }: OfferedVersion, reason: string): void {
  for (const { outpoint } of outputs) {
    const coin = book.coins.find(outpoint);
    for (const heir of coin === undefined ? [] : contendersFor(coin))
      if (heir !== lineageId) lose(book, heir, outpoint, `its coin ${outpoint} can't come to be: ${reason}`);
  }
}

/** Nothing was offered for signature yet: its settlements are as if they had been cancelled, unless another lineage has offered them. */
function withdraw(book: Book, plan: LineagePlan, reason: string): void {
  const { lineageId, payouts } = plan;
  abandon(book, lineageId, reason);
  if (plan.consolidates) consolidationWithdrawn(book, plan);
  for (const { settlementId } of payouts) {
    const state = living(book.settlements.get(settlementId));
    if (state.status !== 'reserved') {
      returnLeftOver(book, settlementId, lineageId, reason);
      continue;
    }
    mustPost(book.ledger, release(state));
    book.settlements.record(settlementId, { type: 'settlement_cancelled', at: book.now, reason, by: 'settlement' });
    book.cancelTimer(settlementId);
  }
}

function setPayeeCoin(book: Book, { outpoint }: Pick<VersionPayout, 'outpoint'>, released: boolean): void {
  const coin = book.coins.find(outpoint);
  if (coin !== undefined) book.coins.put({ ...coin, released });
}

function freezeBoth(book: Book, payer: string, payee: string, reason: string): void {
  freeze(book, payer, reason);
  freeze(book, payee, reason);
}
