import { expect } from 'vitest';
import { living } from '../settlement.ts';
import { leftOver } from '../process/requeue.ts';
import type { MemoryBook } from './memory-book.fixture.ts';
import { checkLines } from './queue-actions.fixture.ts';
import type { World } from './world.fixture.ts';

/** Everybody has done what he could and the chain has gone on: nothing may be left half done. */
export function checkAtRest(world: World): void {
  const { book, chain } = world;
  checkLines(world);
  const { txids } = chain.confirmed();
  for (const deposit of book.deposits.all()) {
    if (deposit.status === 'none') continue;
    const { outpoint, txid } = deposit.terms;
    const isIn = txids.has(txid);
    const mayBe = deposit.beneficiary.kind === 'suspense' ? ['confirmed'] : ['credited', 'held'];
    expect(isIn ? mayBe : ['gone', 'reversed'], `deposit ${outpoint}`).toContain(deposit.status);
  }
  for (const settlement of book.settlements.all()) {
    if (settlement.status === 'none') continue;
    const { settlementId } = settlement.terms;
    const payout = 'payout' in settlement ? settlement.payout : undefined;
    const waits =
      ['awaiting_signature', 'executing', 'reopened'].includes(settlement.status) &&
      (isHopeless(book, payout?.lineageId ?? settlementId) || isShortOfCoins(book, payout?.lineageId ?? settlementId));
    const ends = ['queued', 'rejected', 'expired', 'cancelled', 'settled', 'reversed', 'failed'];
    if (!waits) expect(ends, settlementId).toContain(settlement.status);
    // Paid once, if the transaction that pays it is on the chain, and not at all otherwise.
    if (payout !== undefined && settlement.status !== 'reversed' && settlement.status !== 'failed')
      expect(txids.has(payout.txid), `${settlementId} ${settlement.status}`).toBe(settlement.status === 'settled');
  }
  for (const lineage of book.lineages.all()) {
    if (lineage.status === 'none') continue;
    const { lineageId } = 'plan' in lineage ? lineage.plan : lineage;
    if (!isHopeless(book, lineageId)) expect(['final', 'dead', 'abandoned'], lineageId).toContain(lineage.status);
  }
}

/** What the version that won leaves over waits until its wallet has coins enough for all of it. */
function isShortOfCoins(book: MemoryBook, lineageId: string): boolean {
  const lineage = book.lineages.get(lineageId);
  const left = leftOver(book, lineage);
  if (left.length === 0 || !('versions' in lineage)) return false;
  const own = book.coins
    .ofWallet(lineage.walletId)
    .filter(({ spentBy, height, released }) => spentBy === undefined && height !== undefined && released);
  const free = own.filter(({ claimedBy }) => claimedBy === undefined || claimedBy === lineageId);
  const wanted = left.reduce<bigint>(
    (sum, id) => sum + living(book.settlements.get(id)).terms.amountSats,
    book.policy.feeCapSats,
  );
  return free.reduce<bigint>((sum, { valueSats }) => sum + valueSats, 0n) < wanted;
}

/** It needs a deposit that is gone because what an outsider's transaction needed was spent otherwise: nobody but a person can tell. */
function isHopeless(book: MemoryBook, lineageId: string): boolean {
  const lineage = book.lineages.get(lineageId);
  if (!('versions' in lineage)) return false;
  return lineage.versions.every(({ inputs }) => inputs.some(({ outpoint }) => isGone(book, outpoint)));
}

function isGone(book: MemoryBook, outpoint: string): boolean {
  const parent = book.lineageOf(outpoint.slice(0, 64));
  if (parent !== undefined) return isHopeless(book, parent);
  const deposit = book.deposits.get(outpoint);
  return deposit.status === 'gone' && deposit.byBlock === undefined;
}
