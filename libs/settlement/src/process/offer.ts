import { buildPayoutTransaction, outpointKey, parseOutpointKey } from '@finality/bitcoin';
import { assert, unwrap } from '@finality/kernel';
import type { Book } from '../book.ts';
import { type DeclaredOutput, type Destination, offered } from '../lineage.ts';
import { mustPost } from '../postings/post.ts';
import { commitment } from '../postings/payout.ts';
import { living } from '../settlement.ts';

export interface Destinations {
  readonly payee: Destination;
  /** Needed when the plan has change. */
  readonly change?: Destination;
}

/**
 * The addresses are there: builds the transaction, declares its outputs and offers it for signature. From here on the settlement ends
 * settled, reversed, or failed once every transaction that could pay it is dead (DESIGN 7). Late or repeated: nothing happens.
 */
export function offer(book: Book, lineageId: string, destinations: Destinations): void {
  const lineage = book.lineages.get(lineageId);
  if (lineage.status !== 'planned') return;
  const { plan } = lineage;
  const outputs = outputsOf(plan.amountSats, plan.changeSats, destinations);
  const transaction = buildPayoutTransaction({
    inputs: plan.inputs.map(({ outpoint, valueSats, script }) => ({
      outpoint: unwrap(parseOutpointKey(outpoint)),
      valueSats,
      script,
    })),
    outputs: outputs.map(({ valueSats, destination }) => ({ valueSats, script: destination.script })),
    locktime: book.tip.get().height,
  });
  assert(
    transaction.feeSats === plan.feeSats,
    `the transaction pays ${transaction.feeSats} sat of fee, planned were ${plan.feeSats}`,
  );
  const { txid } = transaction;
  const declared: DeclaredOutput[] = outputs.map((output, vout) => ({
    ...output,
    outpoint: outpointKey({ txid, vout }),
  }));
  book.declare(txid, lineageId);
  book.lineages.record(lineageId, {
    type: 'version_offered',
    at: book.now,
    version: { version: 1, txid, unsignedHex: transaction.unsigned, outputs: declared },
  });
  const { terms } = living(book.settlements.get(plan.settlementId));
  mustPost(book.ledger, commitment(terms, plan.feeSats));
  const payout = { lineageId, txid, outpoint: declared[0]!.outpoint, feeSats: plan.feeSats, life: 0 };
  book.settlements.record(plan.settlementId, { type: 'payout_offered', at: book.now, payout });
  book.cancelTimer(plan.settlementId);
}

function outputsOf(
  amountSats: DeclaredOutput['valueSats'],
  changeSats: DeclaredOutput['valueSats'],
  { payee, change }: Destinations,
): Omit<DeclaredOutput, 'outpoint'>[] {
  const paid = { role: 'payee', valueSats: amountSats, destination: payee } as const;
  if (changeSats === 0n) return [paid];
  assert(change !== undefined, 'change needs an address');
  return [paid, { role: 'change', valueSats: changeSats, destination: change }];
}

/** The signer's answer, stored before it is broadcast. A repeated one says the same. */
export function signed(book: Book, lineageId: string, signedHex: string): void {
  const lineage = offered(book.lineages.get(lineageId));
  if (lineage.signedHex !== undefined) return;
  book.lineages.record(lineageId, { type: 'version_signed', at: book.now, signedHex });
}

/** The signer's policy refuses. The payout waits where it is, with the rule as its reason; nothing is built anew. */
export function signingRefused(book: Book, lineageId: string, rule: string): void {
  const lineage = offered(book.lineages.get(lineageId));
  if (lineage.signedHex !== undefined || lineage.refusedRule === rule) return;
  book.lineages.record(lineageId, { type: 'signing_refused', at: book.now, rule });
}
