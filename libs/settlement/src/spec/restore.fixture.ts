import { assert } from '@finality/kernel';
import { type LineageEvent, offered, versionNumbered } from '../lineage.ts';
import { adoptSettlement, importTransaction, type SignedTransaction } from '../process/import.ts';
import { beginRecovery, finishRecovery, journalImported } from '../process/recover.ts';
import type { SignedApproval } from '../settlement-life.ts';
import { living } from '../settlement.ts';
import { apply, type Command } from './commands.fixture.ts';
import { MemoryBook } from './memory-book.fixture.ts';
import type { World } from './world.fixture.ts';

/** What others tell again to a store that has forgotten it: their logs, and what people decide once more. */
const TOLD_AGAIN: readonly Command['type'][] = [
  'chain_fact',
  'address_issued',
  'wallet_changed',
  'verdict',
  'review',
  'review_deposit',
  'confirm_incident',
];

/** The service as it was after `told` commands, restored: it imports what the signer has signed since, then hears the rest again. */
export function restored(world: World, told: number): MemoryBook {
  const book = new MemoryBook(world.book.policy);
  const now = world.told.slice(0, told);
  for (const { command } of now) apply(book, command);
  book.now = world.book.now;
  beginRecovery(book, 2, 'the copy is old');
  for (const signed of journalOf(world)) {
    for (const { settlementId } of signed.payouts) {
      const { terms, createdAt } = living(world.book.settlements.get(settlementId));
      adoptSettlement(book, terms, createdAt);
    }
    importTransaction(book, signed);
  }
  const limitedIds = book.limits.ids();
  journalImported(book, { position: 0n, ledgerPosition: 0n, limitedIds });
  for (const { command } of world.told.slice(told)) if (TOLD_AGAIN.includes(command.type)) apply(book, command);
  assert(finishRecovery(book, 'operator', 'looked at').ok, 'the operator ends it');
  return book;
}

/** Approvals of a settlement that a signatory has signed: the signer is shown them. */
const shownOf = (book: MemoryBook, settlementId: string): readonly SignedApproval[] =>
  (living(book.settlements.get(settlementId)).approvals?.given ?? []).flatMap(({ signed }) => signed ?? []);

/** All that the signer has signed, or was told of as handed out, in its order. */
export function journalOf({ book }: World): readonly SignedTransaction[] {
  const seen = new Set<string>();
  return book.log.flatMap(({ stream, event }) => {
    if (!stream.startsWith('lineage/')) return [];
    const found = event as LineageEvent;
    if (found.type !== 'version_signed' && found.type !== 'version_offered') return [];
    const lineage = offered(book.lineages.get(stream.slice('lineage/'.length)));
    if (lineage.custodial !== (found.type === 'version_signed')) return [];
    const number = found.type === 'version_signed' ? found.version : found.version.version;
    const key = `${lineage.lineageId} ${number}`;
    if (seen.has(key)) return [];
    seen.add(key);
    const { txid, unsignedHex, inputs, outputs, payouts, feeSats } = versionNumbered(lineage, number);
    const { lineageId, walletId, institutionId, custodial, anchor } = lineage;
    const identity = { lineageId, walletId, institutionId, custodial, anchor };
    const paid = payouts.map(({ outpoint: _made, ...payout }) => payout);
    const approvals = Object.fromEntries(payouts.map(({ settlementId: id }) => [id, shownOf(book, id)]));
    return [{ ...identity, version: number, txid, unsignedHex, inputs, outputs, feeSats, payouts: paid, approvals }];
  });
}
