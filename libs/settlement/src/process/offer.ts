import {
  buildPayoutTransaction,
  outpointKey,
  parseOutpointKey,
  type PayoutTransaction,
  preparePsbt,
} from '@finality/bitcoin';
import { addSats, assert, type Sats, unwrap } from '@finality/kernel';
import type { Book } from '../book.ts';
import {
  changeOf,
  type DeclaredOutput,
  type Destinations,
  headScript,
  type Lineage,
  type LineagePlan,
  type LineageVersion,
  type NewOutput,
  offered,
  planOf,
  settlementsPaid,
  type VersionPayout,
  versionNumbered,
  versionsDiffer,
} from '../lineage.ts';
import { mustPost } from '../postings/post.ts';
import { commitment, reservation } from '../postings/payout.ts';
import { psbtPlan } from '../psbt.ts';
import { living, type Payout } from '../settlement.ts';
import { bumpTo, dropNext, isToPay, waitForBlock } from './bump.ts';
import { isMoot } from './child.ts';
import { knownWallet } from './choose-coins.ts';
import { consolidationOffered, consolidationWithdrawn } from './consolidation.ts';
import { held, rateOfPlan, sharesOf } from './fund.ts';
import { mayJoin, reservations } from './join.ts';
import { returnLeftOver } from './requeue.ts';
import { abandon, claim } from './reserve.ts';

/**
 * The addresses are there: builds the transaction, declares its outputs and offers it for signature. From here on its settlements end
 * settled, reversed, or failed once every transaction that could pay them is dead (DESIGN 7). Late or repeated, or for a plan that has
 * changed since: nothing happens.
 */
export function offer(book: Book, lineageId: string, version: number, destinations: Destinations): void {
  const lineage = book.lineages.get(lineageId);
  const plan = planOf(lineage);
  if (plan?.version !== version || !fits(plan, destinations)) return;
  if (!plan.custodial) return awaitSignature(book, plan, destinations);
  if (!isPossible(book, lineage, plan)) return planAnew(book, lineage, plan);
  offerVersion(book, plan, destinations);
  waitForBlock(book, lineageId);
}

const fits = ({ payouts, changeSats }: LineagePlan, { payees, change }: Destinations): boolean =>
  payouts.every(({ settlementId }) => settlementId in payees) && (changeSats === 0n || change !== undefined);

/** What could be afforded when it was planned may have been spent since, and what was to join it may be paid otherwise or not any more. */
function isPossible(book: Book, lineage: Lineage, plan: LineagePlan): boolean {
  // Its fee is reserved, and nobody else is concerned.
  if (plan.consolidates) return true;
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

/** Whoever signs for himself gets it when he asks for it: until then nothing is offered. */
function awaitSignature(book: Book, plan: LineagePlan, destinations: Destinations): void {
  if (plan.destinations !== undefined) return;
  const { lineageId, version, payouts } = plan;
  book.lineages.record(lineageId, { type: 'destinations_assigned', at: book.now, version, destinations });
  for (const { settlementId } of payouts) {
    if (book.settlements.get(settlementId).status === 'reserved')
      book.settlements.record(settlementId, { type: 'signature_awaited', at: book.now });
  }
}

/** Whether the payers have what a dearer version may take; the first was reserved. */
export const isAffordable = (book: Book, lineage: Lineage, plan: LineagePlan): boolean =>
  lineage.status !== 'offered' || book.ledger.check(held(book, plan)).ok;

/** Builds a version and commits to it, before anybody can sign it. */
export function offerVersion(book: Book, plan: LineagePlan, destinations: Destinations): void {
  const { lineageId, version } = plan;
  // What consolidates has its fee reserved.
  if (!plan.consolidates) mustPost(book.ledger, ...held(book, plan));
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
  for (const payout of offering.payouts) pay(book, plan, txid, payout);
  keepChange(book, lineageId);
  if (plan.consolidates) consolidationOffered(book, plan);
}

/** Versions that pay different payouts: whichever wins, its change pays what it leaves over, so nobody else has it before that is known. */
export function keepChange(book: Book, lineageId: string): void {
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
  outputs: readonly Pick<DeclaredOutput, 'valueSats' | 'destination' | 'role'>[],
): Pick<PayoutTransaction, 'txid' | 'unsigned'> {
  const feeSats =
    addSats(...plan.inputs.map((input) => input.valueSats)) - addSats(...outputs.map((output) => output.valueSats));
  assert(feeSats === plan.feeSats, `the transaction pays ${feeSats} sat of fee, planned were ${plan.feeSats}`);
  const locktime = book.tip.get().height;
  if (!plan.custodial) {
    const { descriptor } = knownWallet(book, plan.walletId);
    assert(descriptor !== undefined, `wallet ${plan.walletId} has a descriptor`);
    return unwrap(preparePsbt(psbtPlan({ inputs: plan.inputs, outputs, locktime }, descriptor)));
  }
  return buildPayoutTransaction({
    inputs: plan.inputs.map(({ outpoint, valueSats, script }) => ({
      outpoint: unwrap(parseOutpointKey(outpoint)),
      valueSats,
      script,
    })),
    outputs: outputs.map(({ valueSats, destination }) => ({ valueSats, script: destination.script })),
    locktime,
  });
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
  const { anchorsHead: head } = plan;
  const paid = plan.payouts.map(({ settlementId, amountSats }): NewOutput => {
    return { role: 'payee', settlementId, valueSats: amountSats, destination: payees[settlementId]! };
  });
  if (head !== undefined)
    paid.push({ role: 'head', head, valueSats: 0n as Sats, destination: { script: headScript(head) } });
  if (plan.changeSats === 0n) return paid;
  assert(change !== undefined, 'change needs an address');
  return [...paid, { role: 'change', valueSats: plan.changeSats, destination: change }];
}

/** For the first time, or by another version. */
export function pay(
  book: Book,
  { lineageId, custodial }: Pick<LineagePlan, 'lineageId' | 'custodial'>,
  txid: LineageVersion['txid'],
  { settlementId, outpoint, feeSats, droppedSats, payeeFeeSats, feeReservedSats }: VersionPayout,
): void {
  const at = book.now;
  let state = living(book.settlements.get(settlementId));
  if (state.status === 'queued') {
    mustPost(book.ledger, reservation(state.terms, feeReservedSats, state.reservedTimes + 1));
    const event = { type: 'liquidity_reserved', at, lineageId, feeReservedSats } as const;
    state = living(book.settlements.record(settlementId, event));
  }
  if ('payout' in state && state.payout !== undefined) {
    const heldSats = feeSats > state.payout.heldSats ? feeSats : state.payout.heldSats;
    // What is signed and waits isn't given up for what may never be signed.
    const isShown = custodial || state.status === 'awaiting_signature';
    const payout: Payout = { ...state.payout, ...(isShown && { txid, outpoint, feeSats, droppedSats }), heldSats };
    book.settlements.record(settlementId, { type: 'payout_replaced', at, payout });
    return;
  }
  // Its first version: the fee is quoted for good.
  const fee = { feeSats, droppedSats, quoteSats: (feeSats - droppedSats) as Sats, payeeFeeSats, heldSats: feeSats };
  const payout: Payout = { lineageId, formerLineages: [], txid, outpoint, ...fee, life: 0 };
  mustPost(book.ledger, commitment(state, payout));
  book.settlements.record(settlementId, { type: custodial ? 'payout_offered' : 'psbt_handed_out', at, payout });
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
