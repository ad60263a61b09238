import { dustLimitSats, type OutpointKey } from '@finality/bitcoin';
import { parseAccountId } from '@finality/ledger';
import type { Book } from '../book.ts';
import { stopsCrediting } from '../chain-tip.ts';
import type { WatchedOutput, WatchedTransaction } from '../chain-fact.ts';
import { contendersFor, mergeSources } from '../coin.ts';
import { type Beneficiary, type DepositTerms, known, screeningOf } from '../deposit.ts';
import { depositBooked, depositCredited, depositHeld, depositUnbooked, depositUndecided } from '../postings/deposit.ts';
import { mustPost } from '../postings/post.ts';
import type { BlockRef } from '../settlement.ts';
import { depositConfirmations, isFinal, isTrusted } from './finality.ts';
import { freeze } from './freeze.ts';
import { lose } from './lineages.ts';

/** An output that no transaction of ours declared is in the mempool or in a block. */
export function depositSeen(book: Book, transaction: WatchedTransaction, output: WatchedOutput): void {
  const before = book.deposits.get(output.outpoint);
  const at = book.now;
  if (before.status === 'none') {
    const { outpoint, walletId, custodial, script, address, valueSats } = output;
    const { txid, coinbase } = transaction;
    const sources = sourcesOf(book, transaction, outpoint);
    const terms = { outpoint, txid, coinbase, walletId, custodial, script, address, valueSats, sources };
    const beneficiary = beneficiaryOf(book, terms, output.branch);
    book.deposits.record(outpoint, { type: 'deposit_detected', at, terms, beneficiary });
  } else if (before.status === 'gone' || before.status === 'reversed') {
    book.deposits.record(output.outpoint, { type: 'deposit_seen_again', at });
  } else {
    return;
  }
  mustPost(book.ledger, depositBooked(known(book.deposits.get(output.outpoint))));
}

/** It is in a block: the coin is there, the money not yet final. Told again (a rescan of the block): nothing happens. */
export function depositConfirmed(book: Book, outpoint: string, block: BlockRef): void {
  if ('block' in book.deposits.get(outpoint)) return;
  book.deposits.record(outpoint, { type: 'deposit_confirmed', at: book.now, block });
  const { valueSats } = known(book.deposits.get(outpoint)).terms;
  const { required } = depositConfirmations(book, valueSats, false);
  book.matures({ kind: 'deposit', id: outpoint, dueHeight: block.height + required - 1 });
}

/** A reorg took its block. What was credited is on its way in again; who spent it meanwhile is overdrawn, and frozen. */
export function depositUnconfirmed(book: Book, outpoint: string, block: BlockRef): void {
  const deposit = known(book.deposits.get(outpoint));
  if (deposit.status === 'credited' || deposit.status === 'held') {
    const overdrawn = mustPost(book.ledger, depositUndecided(deposit));
    if (
      overdrawn.some((account) => parseAccountId(account).kind === 'claim') &&
      deposit.beneficiary.kind === 'institution' &&
      deposit.terms.custodial
    ) {
      freeze(book, deposit.beneficiary.institutionId, `deposit ${outpoint} was spent and then undone by a reorg`);
    }
  }
  book.deposits.record(outpoint, { type: 'deposit_unconfirmed', at: book.now, block });
  setReleased(book, outpoint, false);
}

/** Final and screened: credited, or held where a screening doesn't approve. Called whenever one of the two may have become true. */
export function decideDeposit(book: Book, outpoint: string): void {
  const deposit = known(book.deposits.get(outpoint));
  const isOpen =
    deposit.status === 'confirmed' || (deposit.status === 'held' && deposit.review?.decision === 'approve');
  if (!isOpen || deposit.beneficiary.kind === 'suspense') return;
  const tip = book.tip.get();
  const confirmations = depositConfirmations(book, deposit.terms.valueSats, deposit.status === 'held');
  const finalHeight = deposit.block.height + confirmations.required - 1;
  const dueHeight = stopsCrediting(tip) ? Math.max(finalHeight, tip.height + 1) : finalHeight;
  if (tip.height < dueHeight) {
    // A reorg above it may have taken blocks away since that height was reached: it is due again.
    book.matures({ kind: 'deposit', id: outpoint, dueHeight });
    return;
  }
  if (!isTrusted(book, deposit.block, deposit.terms.valueSats)) {
    // Looked at again with each block, and when the second node has it.
    book.matures({ kind: 'deposit', id: outpoint, dueHeight });
    return;
  }
  // What isn't ours can't be held back: its coins' sources are screened with each settlement that they pay.
  const screening = deposit.terms.custodial ? screeningOf(deposit) : 'approved';
  if (screening === 'open') return;
  const life = deposit.decisions + 1;
  if (screening === 'approved') {
    mustPost(book.ledger, depositCredited(deposit, life));
    book.deposits.record(outpoint, { type: 'deposit_credited', at: book.now, confirmations });
    setReleased(book, outpoint, true);
  } else {
    mustPost(book.ledger, depositHeld(deposit, life));
    book.deposits.record(outpoint, { type: 'deposit_held', at: book.now, reason: screening.refusedBecause });
  }
}

/** Out of the mempool: replaced, or evicted by a node. In a block it stays what it is. */
export function depositGone(
  book: Book,
  outpoint: string,
  reason: 'replaced' | 'evicted',
  by?: { readonly txid: string; readonly block?: BlockRef },
): void {
  const deposit = known(book.deposits.get(outpoint));
  if ('block' in deposit || deposit.status === 'reversed' || (deposit.status === 'gone' && reason === 'evicted'))
    return;
  if (deposit.status !== 'gone') mustPost(book.ledger, depositUnbooked(deposit));
  const replacement =
    by === undefined ? {} : { byTxid: by.txid, ...(by.block === undefined ? {} : { byBlock: by.block }) };
  book.deposits.record(outpoint, { type: 'deposit_gone', at: book.now, reason, ...replacement });
  if (by?.block !== undefined)
    book.matures({ kind: 'deposit', id: outpoint, dueHeight: by.block.height + book.policy.finalDepth - 1 });
}

/** The tip has reached a height at which this deposit may be decided: credited, or reversed by a final replacement. */
export function depositDue(book: Book, outpoint: string): void {
  const deposit = known(book.deposits.get(outpoint));
  if (deposit.status !== 'gone') return decideDeposit(book, outpoint);
  if (deposit.byBlock === undefined || deposit.byTxid === undefined) return;
  if (!isFinal(book, deposit.byBlock)) return;
  book.deposits.record(outpoint, {
    type: 'deposit_reversed',
    at: book.now,
    byTxid: deposit.byTxid,
    byBlock: deposit.byBlock,
  });
  const coin = book.coins.find(deposit.terms.outpoint);
  const reason = `its coin ${outpoint} is excluded by ${deposit.byTxid}, which is final`;
  for (const lineageId of coin === undefined ? [] : contendersFor(coin))
    lose(book, lineageId, deposit.terms.outpoint, reason);
}

/** Whom the inputs were; of what the owner of a wallet passes on in it, what that was funded from. */
function sourcesOf(book: Book, { coinbase, inputs }: WatchedTransaction, depositOutpoint: OutpointKey) {
  if (coinbase) return [];
  const lists = inputs.map(({ outpoint, script, address }) => {
    const coin = book.coins.find(outpoint);
    return coin !== undefined && !coin.custodial ? coin.sources : [{ script, address, depositOutpoint }];
  });
  return mergeSources(lists);
}

/** Whose a deposit is. The owner of a wallet gives out its addresses himself: all that comes to it is his, change and dust too. */
export function beneficiaryOf(book: Book, terms: Omit<DepositTerms, 'sources'>, branch: 0 | 1): Beneficiary {
  const { coinbase, custodial, script, valueSats } = terms;
  if (coinbase) return { kind: 'suspense', reason: 'coinbase' };
  if (!custodial) {
    const wallet = book.wallet(terms.walletId);
    if (wallet === undefined) return { kind: 'suspense', reason: 'unissued_address' };
    const { institutionId, walletId } = wallet;
    return { kind: 'institution', institutionId, claim: { kind: 'wallet', walletId } };
  }
  if (valueSats < dustLimitSats(script)) return { kind: 'suspense', reason: 'dust' };
  const address = book.address(script);
  if (branch === 1 || address?.purpose === 'change') return { kind: 'suspense', reason: 'change_address' };
  if (address === undefined) return { kind: 'suspense', reason: 'unissued_address' };
  const { institutionId, purpose, walletId } = address;
  return {
    kind: 'institution',
    institutionId,
    claim: purpose === 'clearing' ? { kind: 'clearing', institutionId } : { kind: 'wallet', walletId },
  };
}

function setReleased(book: Book, outpoint: string, released: boolean): void {
  const coin = book.coins.get(known(book.deposits.get(outpoint)).terms.outpoint);
  book.coins.put({ ...coin, released });
}
