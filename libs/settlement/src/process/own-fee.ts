import type { Book } from '../book.ts';
import { type OfferedLineage, type OfferedVersion, ownFeeInBlock, paysNobody } from '../lineage.ts';
import { ownFeeDearer, ownFeeFreed, ownFeeRest, ownFeeSpent, ownFeeUnspent } from '../postings/lineage.ts';
import { mustPost } from '../postings/post.ts';
import { freeze, isOwed } from './freeze.ts';

/** A version is in a block: if it pays nobody, its fee has left. `life`: of the lineage, with this block. */
export function ownFeeConfirmed(book: Book, before: OfferedLineage, version: OfferedVersion, life: number): void {
  if (!paysNobody(version)) return;
  const moreSats = version.feeSats - before.ownHeldSats;
  if (moreSats > 0n) {
    const overdrawn = mustPost(book.ledger, ownFeeDearer(before, version.version, life, moreSats));
    if (isOwed(book, overdrawn))
      freeze(book, before.institutionId, `lineage ${before.lineageId} was ended by a transaction given up before`);
  }
  mustPost(book.ledger, ownFeeSpent(before, life, version.feeSats));
}

/** Its block is gone: held again, unless nothing is expected of it any more. */
export function ownFeeUnconfirmed(book: Book, before: OfferedLineage): void {
  const feeSats = ownFeeInBlock(before);
  if (feeSats === 0n) return;
  mustPost(book.ledger, ownFeeUnspent(before, before.life, feeSats));
  if (before.status === 'dead') mustPost(book.ledger, ownFeeFreed(before, before.life, before.ownHeldSats));
}

/** One version is final: what isn't its own fee is free again. */
export function ownFeeDecided(book: Book, before: OfferedLineage): void {
  const restSats = before.ownHeldSats - ownFeeInBlock(before);
  if (restSats > 0n) mustPost(book.ledger, ownFeeRest(before, before.life, restSats));
}

/** All versions are dead. */
export function ownFeeFree(book: Book, before: OfferedLineage): void {
  if (before.ownHeldSats > 0n) mustPost(book.ledger, ownFeeFreed(before, before.life, before.ownHeldSats));
}
