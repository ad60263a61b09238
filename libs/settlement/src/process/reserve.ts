import type { CoinSelectionFault } from '@finality/bitcoin';
import { assert, type Instant, type Sats } from '@finality/kernel';
import type { Book } from '../book.ts';
import type { Coin } from '../coin.ts';
import type { Lineage, LineageInput, LineagePayout, LineagePlan, OnChainPayee } from '../lineage.ts';
import { mustPost } from '../postings/post.ts';
import { release, reservation } from '../postings/payout.ts';
import {
  living,
  type LivingSettlement,
  type Settlement,
  type Terms,
  type WaitReason,
  waitsForCoins,
} from '../settlement.ts';
import { chooseCoins, type CoinChoice, knownWallet } from './choose-coins.ts';
import { lineOf } from '../queue.ts';
import { clear, releaseLine, shortage } from './line.ts';
import { payingWalletId } from '../window-payout.ts';
import { LENT, NET_PAYOUT_WAIT_MS, paysUpToSats } from './net-payouts.ts';

/** Approved, or queued and tried again (CENTRALIZED: the line that it is in is): takes the liquidity, or waits for it. Anything else is left as it is. */
export function reserve(book: Book, settlementId: string): void {
  const state = book.settlements.get(settlementId);
  if (state.status !== 'approved' && state.status !== 'queued') return;
  if (state.terms.mode !== 'centralized') plan(book, state);
  else if (state.status === 'approved') clear(book, state);
  else releaseLine(book, lineOf(state.terms));
}

/** On-chain: reservation, claim on the coins and the intent to pay commit together (DESIGN 3). */
function plan(book: Book, state: LivingSettlement): void {
  const { terms } = state;
  const walletId = payingWalletId(terms);
  assert(walletId !== undefined && terms.payee.kind !== 'clearing', 'on-chain settlements are paid by wallets');
  const wallet = knownWallet(book, walletId);
  if (wallet.scanning) return wait(book, state, 'WALLET_SCANNING', `wallet ${wallet.walletId} is being scanned`);
  const payout = unquoted(book, terms, terms.payee);
  const { feeReservedSats } = payout;
  const transfer = reservation(terms, feeReservedSats, state.reservedTimes + 1);
  const affordable = book.ledger.check([transfer]);
  if (!affordable.ok) return wait(book, state, 'INSUFFICIENT_LIQUIDITY', shortage(affordable.error, terms));
  if (paysUpToSats(book, terms) < terms.amountSats) return wait(book, state, 'INSUFFICIENT_LIQUIDITY', LENT);
  const { settlementId } = terms;
  const planned = terms.mode === 'bilateral' ? joinAny(book, walletId, payout) : undefined;
  if (planned === undefined) {
    const choice = chooseCoins(book, { walletId, payouts: [payout] });
    if (!choice.ok) return wait(book, state, choice.error.reason, lackOf(choice.error));
    const lineagePlan: LineagePlan = {
      // The settlement that comes first gives the lineage its id: known before it is made, the same however often it is tried.
      lineageId: settlementId,
      walletId,
      institutionId: wallet.institutionId,
      custodial: wallet.custodial,
      anchor: choice.value.coins[0]!.outpoint,
      version: 1,
      ...chosen(choice.value),
      offerAt: offerAt(book, terms, [payout]),
    };
    claim(book, settlementId, choice.value.coins);
    book.lineages.record(settlementId, { type: 'lineage_planned', at: book.now, plan: lineagePlan });
  }
  mustPost(book.ledger, transfer);
  const lineageId = planned ?? settlementId;
  book.settlements.record(settlementId, { type: 'liquidity_reserved', at: book.now, lineageId, feeReservedSats });
}

/** A payout before its coins are chosen. Where the payee bears the fee, the payer adds at most what he has beside the amount: too little for change. */
export function unquoted(book: Book, terms: Terms, payee: OnChainPayee): LineagePayout {
  const { settlementId, to, amountSats, fees } = terms;
  const { feeCapSats } = book.policy;
  const besideSats = paysUpToSats(book, terms) - amountSats;
  const isAll = fees.bearer !== 'payee' || besideSats >= feeCapSats;
  return {
    settlementId,
    payee,
    payeeInstitutionId: to,
    amountSats,
    payeeFeeSats: 0n as Sats,
    feeBearer: fees.bearer,
    feeReservedSats: isAll ? feeCapSats : ((besideSats > 0n ? besideSats : 0n) as Sats),
  };
}

/** When a payout of its own, or the first of several, is offered: what may share a transaction waits for others. */
function offerAt(
  book: Book,
  { mode, netPayout }: Pick<Terms, 'mode' | 'netPayout'>,
  payouts: readonly LineagePayout[],
): Instant {
  const waitMs = Math.max(book.policy.batch.waitMs, netPayout === undefined ? 0 : NET_PAYOUT_WAIT_MS);
  return (mode === 'bilateral' && !isFull(book, payouts) ? book.now + waitMs : book.now) as Instant;
}

/** Nothing is gained by waiting. */
function isFull({ policy }: Book, payouts: readonly LineagePayout[]): boolean {
  const { payoutsMax, valueMaxSats } = policy.batch;
  return payouts.length >= payoutsMax || payouts.reduce((sum, { amountSats }) => sum + amountSats, 0n) >= valueMaxSats;
}

/** Whether another payout of the wallet may join what is planned. */
export function isOpen({ now, policy }: Pick<Book, 'now' | 'policy'>, walletId: string, lineage: Lineage): boolean {
  if (lineage.status !== 'planned' || lineage.conflicts.length > 0 || lineage.plan.destinations !== undefined)
    return false;
  const { plan: planned } = lineage;
  if (planned.consolidates || planned.anchorsHead) return false;
  return planned.walletId === walletId && now < planned.offerAt && planned.payouts.length < policy.batch.payoutsMax;
}

/** Whether it waits for coins of this wallet, and may share a transaction whose versions others began: the payee's part of a fee is quoted with all of a plan. */
export function isWaitingPayout(settlement: Settlement, walletId: string): boolean {
  if (!waitsForCoins(settlement)) return false;
  const { payer, mode, fees } = settlement.terms;
  return mode === 'bilateral' && fees.bearer === 'payer' && payer.kind === 'wallet' && payer.walletId === walletId;
}

/** One that is too heavy for another payout may be followed by one that isn't. */
const OPEN_LINEAGES_TRIED_MAX = 4;

/** Pays one more with the first of the transactions that are planned for the wallet and that do for it, too. */
function joinAny(book: Book, walletId: string, payout: LineagePayout): string | undefined {
  for (const lineageId of book.openLineagesOf(walletId).slice(-OPEN_LINEAGES_TRIED_MAX))
    if (join(book, lineageId, payout) !== undefined) return lineageId;
  return undefined;
}

/** Pays one more with a transaction that is planned. @returns its lineage, or undefined when the wallet's coins don't do for both */
function join(book: Book, lineageId: string, payout: LineagePayout): string | undefined {
  const lineage = book.lineages.get(lineageId);
  assert(lineage.status === 'planned', `a lineage that is ${lineage.status} isn't open`);
  const before = lineage.plan;
  const payouts = [...before.payouts, payout];
  const choice = chooseCoins(book, { walletId: before.walletId, payouts, plan: before });
  if (!choice.ok) return undefined;
  replan(book, before, { ...chosen(choice.value), offerAt: sooner(book, before, payouts) }, choice.value.coins);
  return lineageId;
}

function sooner(book: Book, before: LineagePlan, payouts: readonly LineagePayout[]): Instant {
  return isFull(book, payouts) && book.now < before.offerAt ? book.now : before.offerAt;
}

function replan(
  book: Book,
  before: LineagePlan,
  changes: Chosen & { readonly offerAt?: Instant },
  coins: readonly Coin[],
): void {
  // Where it goes is asked for again: there may be change now.
  const { destinations: _before, ...plan } = before;
  const { lineageId } = plan;
  for (const { outpoint } of before.inputs) releaseClaim(book, outpoint, lineageId);
  claim(book, lineageId, coins);
  book.lineages.record(lineageId, { type: 'plan_changed', at: book.now, plan: { ...plan, ...changes } });
}

type Chosen = Pick<LineagePlan, 'payouts' | 'inputs' | 'feeSats' | 'droppedSats' | 'changeSats'>;

export const chosen = ({ coins, ...rest }: CoinChoice): Chosen => ({ ...rest, inputs: coins.map(inputOf) });

export const inputOf = ({ outpoint, valueSats, script, branch, index }: Coin): LineageInput => ({
  outpoint,
  valueSats,
  script,
  branch,
  index,
});

/** From the copies in the book: a coin may have been let go a moment before. */
export function claim(book: Book, lineageId: string, coins: readonly Pick<Coin, 'outpoint'>[]): void {
  for (const { outpoint } of coins) {
    const coin = book.coins.get(outpoint);
    assert(coin.claimedBy === undefined, `coin ${outpoint} is claimed by ${coin.claimedBy ?? 'none'}`);
    book.coins.put({ ...coin, claimedBy: lineageId });
  }
}

/** In the queue, for this; told again only when it waits for something else than before. */
function wait(book: Book, state: LivingSettlement, waitsFor: WaitReason, reason: string): void {
  const { settlementId } = state.terms;
  const at = book.now;
  if (state.status !== 'queued')
    book.settlements.record(settlementId, { type: 'liquidity_awaited', at, reason, waitsFor });
  else if (state.waitsFor !== waitsFor) book.settlements.record(settlementId, { type: 'wait_changed', at, waitsFor });
}

/** No transaction can spend so many coins: fewer, larger ones could pay it. */
const lackOf = ({ reason, message }: CoinSelectionFault): string =>
  reason === 'TRANSACTION_TOO_HEAVY'
    ? `the wallet's coins are too small for one transaction: ${message}`
    : `coins are in use or not final: ${message}`;

/**
 * Takes a settlement out of the transaction that is planned for it, as long as nothing was offered for signature.
 * @returns whether that could be done: what is left must still be payable with the anchor
 */
export function leave(book: Book, settlementId: string, lineageId: string, reason: string): boolean {
  const lineage = book.lineages.get(lineageId);
  assert(lineage.status === 'planned', 'a reserved settlement has a plan and no transaction');
  const payouts = lineage.plan.payouts.filter((payout) => payout.settlementId !== settlementId);
  if (payouts.length === 0) {
    abandon(book, lineageId, reason);
    return true;
  }
  const choice = chooseCoins(book, { walletId: lineage.plan.walletId, payouts, plan: lineage.plan, own: 'only' });
  if (!choice.ok) return false;
  replan(book, lineage.plan, chosen(choice.value), choice.value.coins);
  return true;
}

/** The wallet's owner has spent what was to be paid from, and nothing was offered yet: its settlements wait for other coins. */
export function requeue(book: Book, { lineageId, payouts }: LineagePlan, reason: string): void {
  abandon(book, lineageId, reason);
  for (const { settlementId } of payouts) backToQueue(book, settlementId, reason);
}

/** Reserved, and never offered: it waits for other coins. */
export function backToQueue(book: Book, settlementId: string, reason: string): void {
  mustPost(book.ledger, release(living(book.settlements.get(settlementId))));
  book.settlements.record(settlementId, {
    type: 'liquidity_awaited',
    at: book.now,
    reason,
    waitsFor: 'INSUFFICIENT_FUNDS',
  });
}

/** Nothing of it was ever offered: its coins are free again. */
export function abandon(book: Book, lineageId: string, reason: string): void {
  const lineage = book.lineages.get(lineageId);
  assert(lineage.status === 'planned', `a lineage that is ${lineage.status} can't be abandoned`);
  for (const { outpoint } of lineage.plan.inputs) releaseClaim(book, outpoint, lineageId);
  book.lineages.record(lineageId, { type: 'lineage_abandoned', at: book.now, reason });
}

/** The coin belongs to no lineage any more. */
export function releaseClaim(book: Book, outpoint: LineagePlan['anchor'], lineageId: string): void {
  const coin = book.coins.get(outpoint);
  assert(coin.claimedBy === lineageId, `coin ${outpoint} is claimed by ${coin.claimedBy ?? 'none'}, not ${lineageId}`);
  const { claimedBy: _released, ...free } = coin;
  book.coins.put(free);
}
