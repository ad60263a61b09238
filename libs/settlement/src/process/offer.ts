import { buildPayoutTransaction, outpointKey, parseOutpointKey, type PayoutTransaction } from '@finality/bitcoin';
import { assert, type Sats, unwrap } from '@finality/kernel';
import type { Book } from '../book.ts';
import {
  changeOf,
  type DeclaredOutput,
  type Destination,
  type Lineage,
  type LineagePlan,
  type LineageVersion,
  offered,
  planOf,
  settlementsPaid,
  type VersionPayout,
  versionNumbered,
  versionsDiffer,
} from '../lineage.ts';
import { consolidationReleased } from '../postings/consolidation.ts';
import { ownFeeHeld } from '../postings/lineage.ts';
import { mustPost } from '../postings/post.ts';
import { commitment, reservation } from '../postings/payout.ts';
import { living, type Payout } from '../settlement.ts';
import { bumpTo, dropNext, isToPay, waitForBlock } from './bump.ts';
import { isMoot } from './child.ts';
import { consolidationOffered, consolidationWithdrawn } from './consolidation.ts';
import { held, rateOfPlan, sharesOf } from './fund.ts';
import { mayJoin, reservations } from './join.ts';
import { returnLeftOver } from './requeue.ts';
import { abandon, claim } from './reserve.ts';

export interface Destinations {
  /** By settlement. */
  readonly payees: Readonly<Record<string, Destination>>;
  /** Needed when the plan has change. */
  readonly change?: Destination;
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
  // What consolidates has its fee reserved.
  const more = plan.consolidates ? [] : held(book, plan);
  if (!isPossible(book, lineage, plan)) return planAnew(book, lineage, plan);
  mustPost(book.ledger, ...more);
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
  keepChange(book, lineageId);
  if (plan.consolidates) consolidationOffered(book, plan);
  waitForBlock(book, lineageId);
}

/** What could be afforded when it was planned may have been spent since, and what was to join it may be paid otherwise or not any more. */
function isPossible(book: Book, lineage: Lineage, plan: LineagePlan): boolean {
  if (plan.consolidates)
    return book.ledger.check([consolidationReleased(plan), ownFeeHeld(plan, plan.version, plan.feeSats)]).ok;
  const more = [...held(book, plan), ...reservations(book, plan.payouts)];
  if (isMoot(book, lineage)) return false;
  if (!book.ledger.check(more).ok) return false;
  if (lineage.status !== 'offered') return true;
  const known = new Set(settlementsPaid(lineage));
  // After a reorg past finality another lineage may have paid it.
  const isElsewhere = plan.payouts.some(
    ({ settlementId }) => known.has(settlementId) && !isToPay(book, lineage, settlementId),
  );
  if (isElsewhere) return false;
  const joining = plan.payouts.filter(({ settlementId }) => !known.has(settlementId));
  const wait = joining.every(({ settlementId }) => book.settlements.get(settlementId).status === 'queued');
  return wait && (joining.length === 0 || mayJoin(book, lineage, plan.payouts));
}

function planAnew(book: Book, lineage: Lineage, plan: LineagePlan): void {
  const { lineageId } = plan;
  const reason = 'what it was to pay has changed, or what its payer has';
  if (lineage.status === 'offered') {
    dropNext(book, lineageId, reason);
    return bumpTo(book, lineageId, rateOfPlan(book, plan));
  }
  abandon(book, lineageId, reason);
  if (plan.consolidates) consolidationWithdrawn(book, plan);
  for (const { settlementId } of plan.payouts) returnLeftOver(book, settlementId, lineageId, reason);
}

/** Versions that pay different payouts: whichever wins, its change pays what it leaves over, so nobody else has it before that is known. */
function keepChange(book: Book, lineageId: string): void {
  const lineage = offered(book.lineages.get(lineageId));
  if (!versionsDiffer(lineage.versions)) return;
  for (const version of lineage.versions) {
    const change = changeOf(version);
    const coin = change && book.coins.find(change.outpoint);
    if (coin !== undefined && coin.claimedBy === undefined) claim(book, lineageId, [coin]);
  }
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
  const { settlementId, outpoint, feeSats, droppedSats, payeeFeeSats, feeReservedSats } = paid;
  const at = book.now;
  let state = living(book.settlements.get(settlementId));
  if (state.status === 'queued') {
    mustPost(book.ledger, reservation(state.terms, feeReservedSats));
    const event = { type: 'liquidity_reserved', at, lineageId, feeReservedSats } as const;
    state = living(book.settlements.record(settlementId, event));
  }
  if (state.status === 'executing') {
    const heldSats = feeSats > state.payout.heldSats ? feeSats : state.payout.heldSats;
    const payout: Payout = { ...state.payout, txid, outpoint, feeSats, droppedSats, heldSats };
    book.settlements.record(settlementId, { type: 'payout_replaced', at, payout });
    return;
  }
  // Its first version: the fee is quoted for good.
  const fee = { feeSats, droppedSats, quoteSats: (feeSats - droppedSats) as Sats, payeeFeeSats, heldSats: feeSats };
  const payout: Payout = { lineageId, formerLineages: [], txid, outpoint, ...fee, life: 0 };
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
