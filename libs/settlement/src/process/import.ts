import { type OutpointKey, outpointKey, type Txid } from '@finality/bitcoin';
import { addSats, assert, type Instant, type Sats } from '@finality/kernel';
import type { Book } from '../book.ts';
import type { Coin } from '../coin.ts';
import {
  changeOf,
  inputsOf,
  type DeclaredOutput,
  type Lineage,
  type LineageIdentity,
  type LineageInput,
  type LineagePayout,
  type LineagePlan,
  type LineageVersion,
  type NewOutput,
  parentOf,
  type VersionPayout,
} from '../lineage.ts';
import { ownFeeHeld } from '../postings/lineage.ts';
import { heldMore, release, reservation } from '../postings/payout.ts';
import { mustImpose, mustPost } from '../postings/post.ts';
import type { SignedApproval } from '../settlement-life.ts';
import { isWaiting, lineageIdOf, living, type LivingSettlement, type Terms } from '../settlement.ts';
import { waitForBlock } from './bump.ts';
import { consolidationWithdrawn } from './consolidation.ts';
import { payoutConfirmations } from './finality.ts';
import { approveAsPaid } from './import-decisions.ts';
import { keepChange, pay } from './offer.ts';
import { backToQueue } from './reserve.ts';

/** A transaction as the signer's journal has it: signed there, or handed out to the owner of its keys. */
export interface SignedTransaction extends LineageIdentity {
  readonly version: number;
  readonly txid: Txid;
  readonly unsignedHex: string;
  /** In the order of the transaction. */
  readonly inputs: readonly LineageInput[];
  readonly outputs: readonly NewOutput[];
  readonly payouts: readonly Omit<VersionPayout, 'outpoint'>[];
  readonly feeSats: Sats;
  /** By settlement: those that the signer was shown. */
  readonly approvals: Readonly<Record<string, readonly SignedApproval[]>>;
}

const BY = 'signer’s journal';
const REASON = 'its transaction was offered for signature before this store was restored';
const LEFT = 'the transaction was offered for signature without it before this store was restored';
const TAKEN = 'its coins were spent by another transaction before this store was restored';

/** States that a settlement may be in here while its transaction has been signed already. */
const PAYABLE: readonly LivingSettlement['status'][] = [
  'received',
  'scheduled',
  'screening',
  'under_review',
  'approved',
  'queued',
  'reserved',
  'awaiting_signature',
  'executing',
  // In a block that a reorg has taken since: only then another version was offered.
  'confirming',
];

/** A settlement that was accepted after the copy was made, and paid: it is taken up where its payout begins. Known already: nothing happens. */
export function adoptSettlement(book: Book, terms: Terms, receivedAt: Instant): void {
  const { settlementId, reverses } = terms;
  if (book.settlements.get(settlementId).status !== 'none') return;
  const confirmations = payoutConfirmations(book, terms, false);
  book.settlements.record(settlementId, { type: 'settlement_received', at: receivedAt, terms, ...confirmations });
  // What was signed later has the original before it in the journal; one that never was on the chain may be lost.
  if (reverses !== undefined && book.settlements.get(reverses).status !== 'none')
    book.settlements.record(reverses, { type: 'reversal_requested', at: book.now, reversalId: settlementId });
}

/**
 * Learns of a transaction that was offered, and signed or handed out, after the copy was made that this store is: its lineage, its coins, its outputs, and what
 * is held for it are as if this service had offered it again. What the journal says can't be refused: coins are taken from whatever is only
 * planned, and amounts from accounts whether they have them or not; the chain's facts, which follow, put that straight.
 */
export function importTransaction(book: Book, signed: SignedTransaction): void {
  const lineage = book.lineages.get(signed.lineageId);
  const versions = 'versions' in lineage ? lineage.versions : [];
  if (versions.some(({ txid }) => txid === signed.txid)) return;
  const description = contradiction(book, lineage, signed);
  if (description !== undefined) {
    const difference = { subject: signed.txid, description };
    book.recovery.record({ type: 'difference_found', at: book.now, difference });
    return;
  }
  const outputs = signed.outputs.map((output, vout): DeclaredOutput => {
    return { ...output, outpoint: outpointKey({ txid: signed.txid, vout }) };
  });
  const payouts = signed.payouts.map((payout) => ({ ...payout, outpoint: outpointOf(outputs, payout.settlementId) }));
  letGo(book, lineage, signed);
  for (const { settlementId } of payouts) takeFromPlan(book, signed, settlementId);
  inherit(book, signed);
  for (const input of signed.inputs) take(book, signed, input);
  plan(book, signed);
  for (const payout of payouts) hold(book, signed, payout);
  if (payouts.length === 0) holdOwnFee(book, lineage, signed);
  const { version, txid, unsignedHex, inputs, feeSats } = signed;
  const offering: LineageVersion = { version, txid, unsignedHex, inputs, outputs, payouts, feeSats };
  book.declare(txid, signed.lineageId);
  book.lineages.record(signed.lineageId, { type: 'version_offered', at: book.now, version: offering });
  for (const payout of payouts) commit(book, signed, payout);
  keepChange(book, signed.lineageId);
  if (signed.custodial) waitForBlock(book, signed.lineageId);
  book.recovery.record({ type: 'transaction_imported', at: book.now, txid });
}

/** Another lineage had left it over: it is paid from the change of a version that doesn't pay it. */
function isLeftOver(book: Book, { anchor }: SignedTransaction, before: string, settlementId: string): boolean {
  const lineage = book.lineages.get(before);
  if (!('versions' in lineage)) return false;
  return lineage.versions.some(
    (version) =>
      changeOf(version)?.outpoint === anchor && !version.payouts.some((payout) => payout.settlementId === settlementId),
  );
}

/** Those that it pays in the place of another lineage are this one's from now on. */
function inherit(book: Book, { lineageId, payouts }: SignedTransaction): void {
  for (const { settlementId } of payouts) {
    const before = lineageIdOf(living(book.settlements.get(settlementId)));
    if (before !== undefined && before !== lineageId)
      book.settlements.record(settlementId, { type: 'payout_requeued', at: book.now, lineageId, reason: REASON });
  }
}

function outpointOf(outputs: readonly DeclaredOutput[], settlementId: string): OutpointKey {
  const paid = outputs.find((output) => output.role === 'payee' && output.settlementId === settlementId);
  assert(paid !== undefined, `settlement ${settlementId} has an output`);
  return paid.outpoint;
}

/** What can't be if both this store and the journal are right. */
function contradiction(book: Book, lineage: Lineage, signed: SignedTransaction): string | undefined {
  const { version, lineageId } = signed;
  const versions = 'versions' in lineage ? lineage.versions : [];
  if (lineage.status === 'final' || lineage.status === 'dead')
    return `lineage ${lineageId} is ${lineage.status} here, and was offered version ${version} since`;
  const last = versions.at(-1)?.version ?? 0;
  if (version <= last) return `expected a version of lineage ${lineageId} after ${last}, got ${version}`;
  for (const { settlementId, amountSats, payeeFeeSats } of signed.payouts) {
    const state = book.settlements.get(settlementId);
    if (state.status === 'none') return `settlement ${settlementId} isn't known, and can't be made up`;
    if (state.terms.amountSats !== amountSats + payeeFeeSats)
      return `settlement ${settlementId} is of ${state.terms.amountSats} sat here, paid were ${amountSats} and ${payeeFeeSats} of the fee`;
    const elsewhere = lineageIdOf(state);
    const isInherited =
      elsewhere !== undefined && state.status === 'executing' && isLeftOver(book, signed, elsewhere, settlementId);
    const isElsewhere =
      elsewhere !== undefined && elsewhere !== lineageId && !isInherited && ownPlan(book, elsewhere) === undefined;
    if (!PAYABLE.includes(state.status) || isElsewhere)
      return `settlement ${settlementId} is ${state.status} here, and was paid by lineage ${lineageId}`;
  }
  return undefined;
}

/** Whatever was planned here for this lineage is overtaken. A payout that isn't in the transaction had left it: cancelled, or expired. */
function letGo(book: Book, lineage: Lineage, signed: SignedTransaction): void {
  const { lineageId } = signed;
  if (lineage.status === 'planned') {
    for (const { outpoint } of lineage.plan.inputs) leaveCoin(book, outpoint, lineageId);
    const paid = new Set(signed.payouts.map(({ settlementId }) => settlementId));
    for (const { settlementId } of lineage.plan.payouts)
      if (!paid.has(settlementId)) leaveOut(book, lineage.plan, settlementId, LEFT);
  }
  if (lineage.status !== 'offered' || lineage.next === undefined) return;
  const kept = new Set(lineage.versions.flatMap(({ inputs }) => inputs.map(({ outpoint }) => outpoint)));
  for (const { outpoint } of lineage.next.inputs) if (!kept.has(outpoint)) leaveCoin(book, outpoint, lineageId);
  book.lineages.record(lineageId, { type: 'version_dropped', at: book.now, reason: REASON });
}

/** What a wallet that signs for itself was to pay, as long as nothing of it was offered: its owner may have spent the coins since, and it waits for others then. */
function ownPlan(book: Book, lineageId: string): LineagePlan | undefined {
  const lineage = book.lineages.get(lineageId);
  return lineage.status === 'planned' && !lineage.plan.custodial ? lineage.plan : undefined;
}

function takeFromPlan(book: Book, { lineageId }: SignedTransaction, settlementId: string): void {
  const before = lineageIdOf(living(book.settlements.get(settlementId)));
  const taken = before === undefined || before === lineageId ? undefined : ownPlan(book, before);
  if (taken !== undefined) giveUpPlan(book, taken, REASON);
}

function giveUpPlan(book: Book, plan: LineagePlan, reason: string): void {
  const { lineageId, inputs } = plan;
  for (const { outpoint } of inputs) leaveCoin(book, outpoint, lineageId);
  book.lineages.record(lineageId, { type: 'lineage_abandoned', at: book.now, reason });
  if (plan.consolidates) consolidationWithdrawn(book, plan);
  for (const { settlementId } of plan.payouts) leaveOut(book, plan, settlementId, reason);
}

/** Reserved, and never offered. What the signer signs has been called off; what an owner signs may wait for other coins of his. */
function leaveOut(
  book: Book,
  { custodial }: Pick<LineagePlan, 'custodial'>,
  settlementId: string,
  reason: string,
): void {
  if (custodial) callOff(book, settlementId, reason);
  else backToQueue(book, settlementId, reason);
}

function leaveCoin(book: Book, outpoint: OutpointKey, lineageId: string): void {
  const coin = book.coins.find(outpoint);
  if (coin?.claimedBy !== lineageId) return;
  const { claimedBy: _left, ...free } = coin;
  book.coins.put(free);
}

/** A coin that came after the copy was made isn't known yet: its own facts are still to come. */
function take(book: Book, { lineageId, walletId, custodial }: SignedTransaction, input: LineageInput): void {
  const { outpoint } = input;
  const unseen: Coin = {
    ...input,
    walletId,
    custodial,
    life: 0,
    spends: 0,
    released: false,
    formerClaims: [],
    sources: [],
  };
  const coin = book.coins.find(outpoint) ?? unseen;
  const former = coin.claimedBy === lineageId ? undefined : coin.claimedBy;
  const lineage = former === undefined ? undefined : book.lineages.get(former);
  const isReleased =
    lineage !== undefined && 'versions' in lineage && inputsOf(lineage).some((each) => each.outpoint === outpoint);
  // By two operators, since the copy was made: the signer wouldn't have signed it otherwise.
  if (isReleased) book.lineages.record(former!, { type: 'coins_released', at: book.now, outpoints: [outpoint] });
  const formerClaims = isReleased ? [...coin.formerClaims, former!] : coin.formerClaims;
  book.coins.put({ ...coin, formerClaims, claimedBy: lineageId });
}

function plan(book: Book, signed: SignedTransaction): void {
  const before = book.lineages.get(signed.lineageId);
  const { lineageId, walletId, institutionId, anchor, version, payouts, inputs, feeSats } = signed;
  const changeSats = signed.outputs.find(({ role }) => role === 'change')?.valueSats ?? (0n as Sats);
  const identity = { lineageId, walletId, institutionId, custodial: signed.custodial, anchor };
  const droppedSats = addSats(...payouts.map((payout) => payout.droppedSats));
  const sums = { feeSats, droppedSats, changeSats };
  const parent = parentOf(lineageId);
  const anchorsHead = headIn(signed);
  // Only these pay nobody from the beginning: what anchors a head, what pays for another transaction, and what makes one coin of many.
  const other = parent === undefined ? { consolidates: true as const } : { parent };
  const own = version === 1 && payouts.length === 0 && anchorsHead === undefined && other;
  const planned: LineagePlan = {
    ...identity,
    ...own,
    ...(anchorsHead && { anchorsHead }),
    version,
    payouts: payouts.map(payoutOf),
    inputs,
    ...sums,
    offerAt: book.now,
  };
  const type =
    before.status === 'planned' ? 'plan_changed' : 'versions' in before ? 'version_planned' : 'lineage_planned';
  book.lineages.record(lineageId, { type, at: book.now, plan: planned });
}

/** As it is planned: what it takes of the fee is the version's. */
function payoutOf({
  feeSats: _share,
  droppedSats: _dropped,
  ...payout
}: SignedTransaction['payouts'][number]): LineagePayout {
  return payout;
}

/** Brings a settlement to where its payout can be offered, with what that takes set aside. */
function hold(
  book: Book,
  { lineageId, version, custodial, approvals }: SignedTransaction,
  { settlementId, feeSats, feeReservedSats: reservedSats }: VersionPayout,
): void {
  const at = book.now;
  const state = living(book.settlements.get(settlementId));
  const { terms } = state;
  if (isWaiting(state) || state.status === 'confirming') {
    const moreSats = feeSats - state.payout.heldSats;
    if (moreSats > 0n) mustImpose(book.ledger, heldMore(terms, { lineageId, version }, moreSats));
    return;
  }
  approveAsPaid(book, state, { by: BY, reason: REASON, approvals: approvals[settlementId] ?? [] });
  if (state.status === 'awaiting_signature') return;
  if (state.status === 'reserved') {
    if (!custodial) book.settlements.record(settlementId, { type: 'signature_awaited', at });
    return;
  }
  const feeReservedSats = feeSats > reservedSats ? feeSats : reservedSats;
  mustImpose(book.ledger, reservation(terms, feeReservedSats, state.reservedTimes + 1));
  book.settlements.record(settlementId, { type: 'liquidity_reserved', at, lineageId, feeReservedSats });
  if (!custodial) book.settlements.record(settlementId, { type: 'signature_awaited', at });
}

/** It pays the wallet alone: what it was to pay had been cancelled, or it makes one coin of many. */
function holdOwnFee(book: Book, lineage: Lineage, signed: SignedTransaction): void {
  if (lineage.status === 'planned' && lineage.plan.consolidates) consolidationWithdrawn(book, lineage.plan);
  const moreSats = signed.feeSats - ('versions' in lineage ? lineage.ownHeldSats : 0n);
  const anchorsHead = headIn(signed);
  const parent = parentOf(signed.lineageId);
  const bearer = { ...signed, ...(anchorsHead && { anchorsHead }), ...(parent && { parent }) };
  if (moreSats > 0n) mustImpose(book.ledger, ownFeeHeld(bearer, signed.version, moreSats));
}

/** The head of the ledger that it anchors, if it does. */
function headIn({ outputs }: SignedTransaction): LineagePlan['anchorsHead'] {
  for (const output of outputs) if (output.role === 'head') return output.head;
  return undefined;
}

function commit(book: Book, { lineageId, custodial, txid }: SignedTransaction, paid: VersionPayout): void {
  const state = book.settlements.get(paid.settlementId);
  if (state.status !== 'confirming') return pay(book, { lineageId, custodial }, txid, paid);
  // Still paid by the version in the block; what is held must do for the other one as well.
  const heldSats = paid.feeSats > state.payout.heldSats ? paid.feeSats : state.payout.heldSats;
  const payout = { ...state.payout, heldSats };
  book.settlements.record(paid.settlementId, { type: 'payout_replaced', at: book.now, payout });
}

/** Plans that the journal says nothing of, and whose coins it says others have. */
export function takenPlans(book: Book): void {
  for (const lineageId of book.plannedLineages()) {
    const lineage = book.lineages.get(lineageId);
    if (lineage.status !== 'planned') continue;
    const isWhole = lineage.plan.inputs.every(({ outpoint }) => book.coins.find(outpoint)?.claimedBy === lineageId);
    if (!isWhole) giveUpPlan(book, lineage.plan, TAKEN);
  }
}

/** Reserved, and never offered: as if it had been cancelled. */
function callOff(book: Book, settlementId: string, reason: string): void {
  mustPost(book.ledger, release(living(book.settlements.get(settlementId))));
  book.settlements.record(settlementId, { type: 'settlement_cancelled', at: book.now, reason, by: BY });
  book.cancelTimer(settlementId);
}
