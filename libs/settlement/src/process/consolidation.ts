import { decideConsolidation } from '@finality/bitcoin';
import type { Sats } from '@finality/kernel';
import type { Book } from '../book.ts';
import type { LineagePlan } from '../lineage.ts';
import { consolidationHeld, consolidationReleased, consolidationReserved } from '../postings/consolidation.ts';
import { mustPost } from '../postings/post.ts';
import { candidateOf, spendable, spendOf } from './choose-coins.ts';
import { feesNow } from './fees.ts';
import { claim, inputOf } from './reserve.ts';

export interface ConsolidationRequest {
  /** New with each: nothing happens to one that is there already. */
  readonly lineageId: string;
  readonly walletId: string;
  readonly institutionId: string;
}

/**
 * Plans a transaction that makes one coin of a wallet's small ones, while fees are low: a lineage of its own that pays nobody else, and that
 * its owner bears the fee of. Left alone are wallets that a payout waits for coins of, those of frozen institutions, and the platform's pool,
 * which nothing is paid from. It is never replaced by a dearer version: when fees rise, it waits.
 */
export function consolidate(book: Book, { lineageId, walletId, institutionId }: ConsolidationRequest): void {
  const rules = book.policy.consolidation;
  const wallet = book.wallet(walletId);
  if (rules === undefined || wallet?.custodial !== true || wallet.scanning) return;
  if (wallet.institutionId !== institutionId) return;
  if (book.lineages.get(lineageId).status !== 'none' || book.institutions.get(institutionId).status !== 'active')
    return;
  if (book.waitsForCoins(walletId)) return;
  const spend = spendOf(book, walletId);
  const decision = decideConsolidation({
    coins: spendable(book, walletId).map(candidateOf(spend)),
    feeRate: feesNow(book.tip.get(), book.policy).targets.slow.feeRate,
    change: spend,
    rules,
  });
  if (decision.kind === 'leave') return;
  const coins = decision.coins.map(({ coin }) => coin);
  const plan: LineagePlan = {
    lineageId,
    walletId,
    institutionId,
    custodial: true,
    consolidates: true,
    anchor: coins[0]!.outpoint,
    version: 1,
    payouts: [],
    inputs: coins.map(inputOf),
    feeSats: decision.feeSats,
    droppedSats: 0n as Sats,
    changeSats: decision.outputSats,
    offerAt: book.now,
  };
  const reserved = consolidationReserved(plan, plan.feeSats);
  if (!book.ledger.check([reserved]).ok) return;
  mustPost(book.ledger, reserved);
  claim(book, lineageId, coins);
  book.lineages.record(lineageId, { type: 'lineage_planned', at: book.now, plan });
}

/** Its only version is offered: its fee is on its way. */
export const consolidationOffered = (book: Book, plan: LineagePlan): void =>
  void mustPost(book.ledger, consolidationHeld(plan, plan.version, plan.feeSats));

/** What it needs was spent otherwise before anything was offered. */
export const consolidationWithdrawn = (book: Book, plan: LineagePlan): void =>
  void mustPost(book.ledger, consolidationReleased(plan));
