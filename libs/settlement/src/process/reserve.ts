import { assert } from '@finality/kernel';
import type { LedgerError } from '@finality/ledger';
import type { Book } from '../book.ts';
import type { LineagePlan } from '../lineage.ts';
import { novation } from '../postings/clearing.ts';
import { mustPost } from '../postings/post.ts';
import { reservation } from '../postings/payout.ts';
import { living, type LivingSettlement } from '../settlement.ts';
import { chooseCoins } from './choose-coins.ts';

/** Approved, or queued and tried again: takes the liquidity, or waits for it. Anything else is left as it is. */
export function reserve(book: Book, settlementId: string): void {
  const state = book.settlements.get(settlementId);
  if (state.status !== 'approved' && state.status !== 'queued') return;
  if (state.terms.mode === 'centralized') clear(book, state);
  else plan(book, state);
}

/** CENTRALIZED: reserved and settled are one step, final at once. */
function clear(book: Book, state: LivingSettlement): void {
  const { settlementId } = state.terms;
  const posted = book.ledger.post(novation(state.terms));
  if (!posted.ok) return wait(book, state, shortage(posted.error));
  const at = book.now;
  book.settlements.record(settlementId, { type: 'liquidity_reserved', at }, { type: 'settlement_settled', at });
  book.cancelTimer(settlementId);
}

/** On-chain: reservation, claim on the coins and the intent to pay commit together (DESIGN 3). */
function plan(book: Book, state: LivingSettlement): void {
  const { terms } = state;
  assert(terms.payer.kind === 'wallet' && terms.payee.kind === 'wallet', 'on-chain settlements are between wallets');
  const transfer = reservation(terms, book.policy.feeCapSats);
  const affordable = book.ledger.check([transfer]);
  if (!affordable.ok) return wait(book, state, shortage(affordable.error));
  const choice = chooseCoins(book, terms);
  if (!choice.ok) return wait(book, state, `coins are in use or not final: ${choice.error}`);
  mustPost(book.ledger, transfer);
  const { coins, feeSats, changeSats } = choice.value;
  // A settlement has one lineage in all its life, so it goes by the same id: known before it is made, the same however often it is tried.
  const lineageId = terms.settlementId;
  const lineagePlan: LineagePlan = {
    lineageId,
    settlementId: terms.settlementId,
    walletId: terms.payer.walletId,
    institutionId: terms.from,
    payeeWalletId: terms.payee.walletId,
    payeeInstitutionId: terms.to,
    anchor: coins[0]!.outpoint,
    inputs: coins.map(({ outpoint, valueSats, script, branch, index }) => ({
      outpoint,
      valueSats,
      script,
      branch,
      index,
    })),
    amountSats: terms.amountSats,
    feeSats,
    changeSats,
  };
  for (const coin of coins) book.coins.put({ ...coin, claimedBy: lineageId });
  book.lineages.record(lineageId, { type: 'lineage_planned', at: book.now, plan: lineagePlan });
  book.settlements.record(terms.settlementId, { type: 'liquidity_reserved', at: book.now, lineageId });
}

function wait(book: Book, state: LivingSettlement, reason: string): void {
  if (state.status === 'queued') return;
  book.settlements.record(state.terms.settlementId, { type: 'liquidity_awaited', at: book.now, reason });
}

function shortage(error: LedgerError): string {
  assert(error.kind === 'insufficient', `liquidity can only be lacking: ${error.kind}`);
  return `insufficient liquidity: expected ${error.needed} sat, ${error.available} sat available`;
}

/** Gives back what `reserve` took, as long as nothing was offered for signature. */
export function unreserve(book: Book, settlementId: string, reason: string): void {
  const state = living(book.settlements.get(settlementId));
  if (state.status !== 'reserved' || state.lineageId === undefined) return;
  const lineage = book.lineages.get(state.lineageId);
  assert(lineage.status === 'planned', 'a reserved settlement has a plan and no transaction');
  for (const input of lineage.plan.inputs) releaseClaim(book, input.outpoint, state.lineageId);
  book.lineages.record(state.lineageId, { type: 'lineage_abandoned', at: book.now, reason });
}

/** The coin belongs to no lineage any more. */
export function releaseClaim(book: Book, outpoint: LineagePlan['anchor'], lineageId: string): void {
  const coin = book.coins.get(outpoint);
  assert(coin.claimedBy === lineageId, `coin ${outpoint} is claimed by ${coin.claimedBy ?? 'none'}, not ${lineageId}`);
  const { claimedBy: _released, ...free } = coin;
  book.coins.put(free);
}
