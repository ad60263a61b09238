import { buildPayoutTransaction, outpointKey, parseOutpointKey, type PayoutTransaction } from '@finality/bitcoin';
import { assert, type Sats, unwrap } from '@finality/kernel';
import type { Book } from '../book.ts';
import {
  type DeclaredOutput,
  type Destination,
  type LineagePlan,
  type LineageVersion,
  offered,
  planOf,
  type VersionPayout,
  versionNumbered,
  type WalletPlace,
} from '../lineage.ts';
import { mustPost } from '../postings/post.ts';
import { commitment } from '../postings/payout.ts';
import { living, type Payout } from '../settlement.ts';
import { consolidationOffered } from './consolidation.ts';
import { dropNext, held, sharesOf, waitForBlock } from './bump.ts';

export interface Destinations {
  /** By settlement. */
  readonly payees: Readonly<Record<string, Destination>>;
  /** Needed when the plan has change. */
  readonly change?: WalletPlace;
}

/**
 * The addresses are there: builds the transaction, declares its outputs and offers it for signature. From here on its settlements end
 * settled, reversed, or failed once every transaction that could pay them is dead (DESIGN 7). Late or repeated, or for a plan that has
 * changed since: nothing happens.
 */
export function offer(book: Book, lineageId: string, version: number, destinations: Destinations): void {
  const lineage = book.lineages.get(lineageId);
  const plan = planOf(lineage);
  if (plan?.version !== version || !plan.payouts.every(({ settlementId }) => settlementId in destinations.payees))
    return;
  if (plan.changeSats > 0n && destinations.change === undefined) return;
  if (lineage.status === 'offered') {
    const more = held(book, plan);
    // What could be afforded when this was planned has been spent since.
    if (!book.ledger.check(more).ok) {
      dropNext(book, lineageId, 'the payer has not got what the fee takes more');
      return waitForBlock(book, lineageId);
    }
    mustPost(book.ledger, ...more);
  }
  const outputs = outputsOf(plan, destinations);
  const transaction = build(book, plan, outputs);
  const { txid } = transaction;
  const offering: LineageVersion = {
    version,
    txid,
    unsignedHex: transaction.unsigned,
    inputs: plan.inputs,
    outputs: outputs.map((output, vout) => ({ ...output, outpoint: outpointKey({ txid, vout }) })),
    payouts: payoutsOf(book, plan, txid),
    feeSats: plan.feeSats,
  };
  book.declare(txid, lineageId);
  book.lineages.record(lineageId, { type: 'version_offered', at: book.now, version: offering });
  for (const payout of offering.payouts) pay(book, lineageId, txid, payout);
  if (plan.consolidates) consolidationOffered(book, plan);
  waitForBlock(book, lineageId);
}

function build(
  book: Book,
  plan: LineagePlan,
  outputs: readonly { readonly valueSats: Sats; readonly destination: Destination }[],
): PayoutTransaction {
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
  return transaction;
}

/** Payees in the order in which they joined, change last: an output's place is its payout's. */
function payoutsOf(book: Book, plan: LineagePlan, txid: LineageVersion['txid']): readonly VersionPayout[] {
  const parts = sharesOf(book, plan);
  return plan.payouts.map((payout, vout) => ({
    ...payout,
    outpoint: outpointKey({ txid, vout }),
    ...parts[vout]!,
  }));
}

function outputsOf(plan: LineagePlan, { payees, change }: Destinations): NewOutput[] {
  const paid = plan.payouts.map(({ settlementId, amountSats }): NewOutput => {
    return { role: 'payee', settlementId, valueSats: amountSats, destination: payees[settlementId]! };
  });
  if (plan.changeSats === 0n) return paid;
  assert(change !== undefined, 'change needs an address');
  return [...paid, { role: 'change', valueSats: plan.changeSats, destination: change }];
}

type NewOutput = DeclaredOutput extends infer Output
  ? Output extends unknown
    ? Omit<Output, 'outpoint'>
    : never
  : never;

/** For the first time, or by another version. */
function pay(book: Book, lineageId: string, txid: LineageVersion['txid'], paid: VersionPayout): void {
  const { settlementId, outpoint, feeSats, droppedSats, payeeFeeSats } = paid;
  const state = living(book.settlements.get(settlementId));
  const at = book.now;
  if (state.status === 'executing') {
    const heldSats = feeSats > state.payout.heldSats ? feeSats : state.payout.heldSats;
    const payout: Payout = { ...state.payout, txid, outpoint, feeSats, droppedSats, heldSats };
    book.settlements.record(settlementId, { type: 'payout_replaced', at, payout });
    return;
  }
  // Its first version: the fee is quoted for good.
  const fee = { feeSats, droppedSats, quoteSats: (feeSats - droppedSats) as Sats, payeeFeeSats, heldSats: feeSats };
  const payout: Payout = { lineageId, txid, outpoint, ...fee, life: 0 };
  mustPost(book.ledger, commitment(state.terms, payout));
  book.settlements.record(settlementId, { type: 'payout_offered', at, payout });
  book.cancelTimer(settlementId);
}

/** The signer's answer, stored before it is broadcast. A repeated one says the same. */
export function signed(book: Book, lineageId: string, version: number, signedHex: string): void {
  if (versionNumbered(offered(book.lineages.get(lineageId)), version).signedHex !== undefined) return;
  book.lineages.record(lineageId, { type: 'version_signed', at: book.now, version, signedHex });
}

/** The signer's policy refuses. The payout waits where it is, with the rule as its reason; nothing is built anew. */
export function signingRefused(book: Book, lineageId: string, version: number, rule: string): void {
  const { signedHex, refusedRule } = versionNumbered(offered(book.lineages.get(lineageId)), version);
  if (signedHex !== undefined || refusedRule === rule) return;
  book.lineages.record(lineageId, { type: 'signing_refused', at: book.now, version, rule });
}
