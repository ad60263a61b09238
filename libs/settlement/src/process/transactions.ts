import { assertNever } from '@finality/kernel';
import { type AccountId, availableAccount, walletSuspenseAccount } from '@finality/ledger';
import type { Book } from '../book.ts';
import { stopsCrediting, type TakenCoin } from '../chain-tip.ts';
import type { ChainFact, WatchedOutput, WatchedTransaction } from '../chain-fact.ts';
import type { Coin } from '../coin.ts';
import { contendersFor, mergeSources } from '../coin.ts';
import { type DeclaredOutput, offered, versionWith } from '../lineage.ts';
import {
  coinCreated,
  coinSpent,
  coinUncreated,
  coinUnspent,
  foreignSpend,
  foreignSpendUndone,
  ownerSpend,
  ownerSpendUndone,
} from '../postings/coin.ts';
import { mustPost } from '../postings/post.ts';
import type { BlockRef } from '../settlement.ts';
import { bumpDue } from './bump.ts';
import { depositConfirmed, depositDue, depositGone, depositSeen, depositUnconfirmed } from './deposits.ts';
import { releasedCoinSpent, reorgSeen, unknownSpend } from './incidents.ts';
import { keepsChange } from './requeue.ts';
import {
  conflictFound,
  conflictWithdrawn,
  lineageConfirmed,
  lineageDue,
  lineageUnconfirmed,
  settlementDue,
} from './lineages.ts';
import { signedByOwner } from './psbt.ts';

/**
 * What the chain says, for the ledger, the coins, the deposits and the payouts. Facts come in order and once each, but a transaction in a block
 * may be told again, with more of its outputs or inputs known to be ours (a rescan).
 */
export function applyChainFact(book: Book, fact: ChainFact): void {
  switch (fact.kind) {
    case 'transaction_seen':
      return transactionSeen(book, fact.transaction);
    case 'transaction_confirmed':
      return transactionConfirmed(book, fact.transaction, fact.block);
    case 'transaction_unconfirmed':
      return transactionUnconfirmed(book, fact.txid, fact.block);
    case 'transaction_replaced':
      return transactionReplaced(book, fact);
    case 'transaction_evicted':
      for (const outpoint of book.depositsOf(fact.txid)) depositGone(book, outpoint, 'evicted');
      return;
    case 'transaction_broadcast':
      return transactionBroadcast(book, fact.txid, fact.answer);
    case 'block_connected':
      return blockConnected(book, fact.block);
    case 'block_agreed':
      return blockAgreed(book, fact.block);
    case 'fees_estimated':
      book.tip.record({ type: 'fees_estimated', at: book.now, fees: fact.fees });
      return;
    case 'block_disputed':
      book.tip.record({ type: 'block_disputed', at: book.now, block: fact.block });
      return;
    case 'block_disconnected':
      reorgSeen(book, fact);
      book.tip.record({ type: 'block_disconnected', at: book.now, block: fact.block });
      return;
    default:
      return assertNever(fact, 'chain fact');
  }
}

function transactionSeen(book: Book, transaction: WatchedTransaction): void {
  const lineageId = book.lineageOf(transaction.txid);
  if (lineageId !== undefined) return transactionBroadcast(book, transaction.txid, 'seen');
  for (const { outpoint } of transaction.inputs)
    if (book.coins.find(outpoint)?.custodial) unknownSpend(book, transaction.txid, outpoint);
  for (const output of ownOutputs(transaction)) depositSeen(book, transaction, output);
}

/** An output of nothing is valid in a block, and no money. */
function ownOutputs({ outputs }: WatchedTransaction): readonly WatchedOutput[] {
  return outputs.filter((output) => output.valueSats > 0n);
}

function transactionBroadcast(book: Book, txid: string, answer: string): void {
  const lineageId = book.lineageOf(txid);
  if (lineageId === undefined) return;
  const lineage = offered(book.lineages.get(lineageId));
  const version = versionWith(lineage, txid);
  if (version.broadcast) return;
  book.lineages.record(lineageId, { type: 'version_broadcast', at: book.now, version: version.version, answer });
  // Whoever has the keys may have broadcast it himself.
  if (!lineage.custodial && version.signedHex === undefined) signedByOwner(book, lineageId, version);
}

function transactionConfirmed(book: Book, transaction: WatchedTransaction, block: BlockRef): void {
  const { txid, raw } = transaction;
  if (raw !== undefined) book.keepTransaction(txid, raw);
  const lineageId = book.lineageOf(txid);
  const spent = transaction.inputs.map((input) => book.coins.find(input.outpoint)).filter((coin) => coin !== undefined);
  for (const coin of spent) if (coin.spentBy !== txid) spend(book, coin, { txid, lineageId, block });
  for (const output of ownOutputs(transaction)) {
    const ours = lineageId !== undefined && hasLeft(book, lineageId, output.outpoint) ? undefined : lineageId;
    if (ours === undefined) depositSeen(book, transaction, output);
    create(book, output, block, ours, spent);
    if (ours === undefined) depositConfirmed(book, output.outpoint, block);
  }
  if (lineageId !== undefined) lineageConfirmed(book, lineageId, txid, block);
}

interface Spender {
  readonly txid: string;
  /** Missing: it isn't ours. */
  readonly lineageId: string | undefined;
  readonly block: BlockRef;
}

/**
 * The wallet's coin is gone with this block. Somebody else's doing contends with the lineage that claims it; where we have the key it stands in
 * suspense, otherwise its owner has used what is his.
 */
function spend(book: Book, coin: Coin, { txid, lineageId, block }: Spender): void {
  const after: Coin = { ...coin, spentBy: txid, spends: coin.spends + 1 };
  mustPost(book.ledger, coinSpent(after));
  book.coins.put(after);
  if (lineageId === undefined) {
    mustPost(book.ledger, coin.custodial ? foreignSpend(after) : ownerSpend(after, memoOf(book, coin)));
    if (coin.custodial) unknownSpend(book, txid, coin.outpoint);
    book.tip.record({ type: 'coin_taken', at: book.now, coin: takenCoin(book, coin, txid), block });
  }
  if (lineageId !== undefined && coin.formerClaims.includes(lineageId)) releasedCoinSpent(book, txid, coin.outpoint);
  for (const contender of contendersFor(coin))
    if (contender !== lineageId) conflictFound(book, contender, { byTxid: txid, outpoint: coin.outpoint, block });
}

/** Where a coin whose owner has its key counts, whatever is decided about it meanwhile. */
function memoOf(book: Book, { outpoint, walletId }: Coin): AccountId {
  const deposit = book.deposits.get(outpoint);
  const isImmature =
    deposit.status !== 'none' && deposit.beneficiary.kind === 'suspense' && deposit.beneficiary.reason === 'coinbase';
  return isImmature ? walletSuspenseAccount(walletId) : availableAccount({ kind: 'wallet', walletId });
}

function takenCoin(book: Book, coin: Coin, byTxid: string): TakenCoin {
  const { outpoint, walletId, custodial, valueSats } = coin;
  const inSuspense = custodial || memoOf(book, coin) === walletSuspenseAccount(walletId);
  return { outpoint, walletId, inSuspense, valueSats, byTxid };
}

function create(
  book: Book,
  output: WatchedOutput,
  block: BlockRef,
  lineageId: string | undefined,
  spent: readonly Coin[],
): void {
  const { outpoint, walletId, custodial, valueSats, script, branch, index } = output;
  const before = book.coins.find(outpoint);
  if (before?.height !== undefined) return;
  const declared = lineageId === undefined ? undefined : declaredOutput(book, lineageId, outpoint);
  const place = {
    outpoint,
    walletId,
    custodial,
    valueSats,
    script,
    branch,
    index,
    spends: 0,
    life: 0,
    formerClaims: [],
  };
  // A coin of which an import knew before the chain told of it has its origin from here, too.
  const seen = before?.life ? before : { ...place, ...before, ...origin(book, output, declared, spent) };
  const after: Coin = {
    ...seen,
    ...(lineageId !== undefined && declared?.role === 'change' && before?.claimedBy === undefined
      ? keptBy(book, lineageId)
      : {}),
    height: block.height,
    life: seen.life + 1,
    // What a payout given up for dead brings after all is nobody's to spend until somebody has looked at it.
    ...(lineageId !== undefined && book.lineages.get(lineageId).status === 'dead' ? { released: false } : {}),
  };
  mustPost(book.ledger, coinCreated(after));
  book.coins.put(after);
}

/** Change is ours at once; what a payee gets, or anybody brings, is released when it is final. */
function origin(
  book: Book,
  output: WatchedOutput,
  declared: DeclaredOutput | undefined,
  spent: readonly Coin[],
): Pick<Coin, 'released' | 'sources'> {
  if (declared !== undefined)
    return { released: declared.role === 'change', sources: mergeSources(spent.map((coin) => coin.sources)) };
  const deposit = book.deposits.get(output.outpoint);
  return { released: false, sources: deposit.status === 'none' ? [] : deposit.terms.sources };
}

/** Its lineage may need it for what it leaves over. */
function keptBy(book: Book, lineageId: string): Pick<Coin, 'claimedBy'> {
  return keepsChange(book, offered(book.lineages.get(lineageId))) ? { claimedBy: lineageId } : {};
}

function declaredOutput(book: Book, lineageId: string, outpoint: string): DeclaredOutput | undefined {
  const { versions } = offered(book.lineages.get(lineageId));
  return versions.flatMap(({ outputs }) => outputs).find((output) => output.outpoint === outpoint);
}

/** Paid to a destination that turns out to be an address of a wallet here: it has left, and comes in like anybody's money. */
function hasLeft(book: Book, lineageId: string, outpoint: string): boolean {
  const declared = declaredOutput(book, lineageId, outpoint);
  return declared !== undefined && 'destinationId' in declared.destination;
}

function transactionUnconfirmed(book: Book, txid: WatchedTransaction['txid'], block: BlockRef): void {
  const lineageId = book.lineageOf(txid);
  if (lineageId !== undefined) lineageUnconfirmed(book, lineageId, block);
  for (const coin of book.coins.createdBy(txid)) {
    if (coin.height === undefined) continue;
    mustPost(book.ledger, coinUncreated(coin));
    const { height: _gone, ...rest } = coin;
    book.coins.put(rest);
  }
  for (const outpoint of book.depositsOf(txid)) {
    const deposit = book.deposits.get(outpoint);
    if (deposit.status !== 'none' && 'block' in deposit) depositUnconfirmed(book, outpoint, block);
  }
  for (const coin of book.coins.spentBy(txid)) unspend(book, coin, { txid, lineageId, block });
}

function unspend(book: Book, coin: Coin, { txid, lineageId }: Spender): void {
  mustPost(book.ledger, coinUnspent(coin));
  if (lineageId === undefined) {
    mustPost(book.ledger, coin.custodial ? foreignSpendUndone(coin) : ownerSpendUndone(coin, memoOf(book, coin)));
    book.tip.record({ type: 'coin_returned', at: book.now, coin: takenCoin(book, coin, txid) });
  }
  const { spentBy: _gone, ...rest } = coin;
  book.coins.put(rest);
  for (const contender of contendersFor(coin))
    if (contender !== lineageId) conflictWithdrawn(book, contender, coin.outpoint);
}

/** Payouts contend by their coins: what replaces one in a block spends a coin of ours there, and is told as such. */
function transactionReplaced(book: Book, fact: Extract<ChainFact, { kind: 'transaction_replaced' }>): void {
  const { txid, byTxid, byBlock } = fact;
  const block = byBlock === undefined ? {} : { block: byBlock };
  for (const deposit of book.depositsOf(txid)) depositGone(book, deposit, 'replaced', { txid: byTxid, ...block });
}

/** All facts of the block have been applied: its height counts, and what waited for it is due. */
function blockConnected(book: Book, block: BlockRef): void {
  book.tip.record({ type: 'block_connected', at: book.now, block });
  whatIsDue(book, block.height);
}

/** A second node has the block: what waited for it, and is deep enough, counts. */
function blockAgreed(book: Book, block: BlockRef): void {
  book.tip.record({ type: 'block_agreed', at: book.now, block });
  whatIsDue(book, book.tip.get().height);
}

function whatIsDue(book: Book, height: number): void {
  // It stays due until somebody has confirmed the reorg.
  if (stopsCrediting(book.tip.get())) return;
  for (const due of book.takeDue(height)) {
    switch (due.kind) {
      case 'bump':
        bumpDue(book, due.id);
        break;
      case 'deposit':
        depositDue(book, due.id);
        break;
      case 'settlement':
        settlementDue(book, due.id);
        break;
      case 'lineage':
        lineageDue(book, due.id);
        break;
      default:
        assertNever(due.kind, 'maturity');
    }
  }
}
