import { dustLimitSats, feeFor } from '@finality/bitcoin';
import type { Sats } from '@finality/kernel';
import type { HeadReference } from '@finality/ledger';
import type { Book } from '../book.ts';
import { headScript, type LineagePlan } from '../lineage.ts';
import { placeholderFor, spendable, spendOf, weightOf } from './choose-coins.ts';
import { feesNow } from './fees.ts';
import { claim, inputOf } from './reserve.ts';

export interface HeadAnchorRequest {
  /** One that is signed. */
  readonly head: HeadReference;
  /** The platform's own: its coins pay for it. */
  readonly walletId: string;
}

/** One for each head: nothing happens when it is asked for again. */
export const headLineageId = ({ epoch, segment }: HeadReference): string => `head-${epoch}-${segment}`;

/**
 * Plans a transaction that writes a head of the ledger into the chain: a lineage of its own that pays nobody, and that the platform bears the fee
 * of. It spends one coin, the least valuable that the highest fee leaves change of: whatever it will have to pay, payouts miss little meanwhile.
 * Where there is none, or fees are beyond the cap, nothing is planned, and the next head has its turn.
 */
export function anchorHead(book: Book, { head, walletId }: HeadAnchorRequest): void {
  const lineageId = headLineageId(head);
  const wallet = book.wallet(walletId);
  const { status } = book.lineages.get(lineageId);
  if (wallet?.custodial !== true || wallet.scanning || (status !== 'none' && status !== 'abandoned')) return;
  const { feeCapSats } = book.policy;
  const change = placeholderFor(book, walletId);
  const coin = spendable(book, walletId).findLast(({ valueSats }) => valueSats >= feeCapSats + dustLimitSats(change));
  if (coin === undefined) return;
  const weight = weightOf(spendOf(book, walletId), [coin], [headScript(head), change]);
  const feeSats = feeFor(weight, feesNow(book.tip.get(), book.policy).targets.slow.feeRate);
  if (feeSats > feeCapSats) return;
  const plan: LineagePlan = {
    lineageId,
    walletId,
    institutionId: wallet.institutionId,
    custodial: true,
    anchorsHead: head,
    anchor: coin.outpoint,
    version: 1,
    payouts: [],
    inputs: [inputOf(coin)],
    feeSats,
    droppedSats: 0n as Sats,
    changeSats: (coin.valueSats - feeSats) as Sats,
    offerAt: book.now,
  };
  claim(book, lineageId, [coin]);
  book.lineages.record(lineageId, { type: 'lineage_planned', at: book.now, plan });
}
