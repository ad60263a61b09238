import { outpointKey, type ParsedBlock, type ParsedTransaction } from '@finality/bitcoin';
import { err, ok, type Result } from '@finality/kernel';
import { heightScript } from './block-builder.ts';
import type { CoinSet } from './coin-set.ts';
import {
  type BlockNode,
  type Coin,
  isFinal,
  medianTimePast,
  REGTEST,
  relativeLocksHold,
  subsidySats,
} from './consensus.ts';
import type { RejectReason } from './mempool-rules.ts';
import { scriptFault } from './script-check.ts';

/** What a block needs from its parent, before it is looked at whether it can be connected. Times in seconds. */
export function checkAgainstParent(
  block: ParsedBlock,
  parent: BlockNode,
  nowSeconds: number,
): RejectReason | undefined {
  const { header, transactions } = block;
  const height = parent.height + 1;
  const medianTime = medianTimePast(parent);
  if (header.bits !== REGTEST.bits) return 'bad-diffbits';
  if (header.time <= medianTime) return 'time-too-old';
  if (header.time > nowSeconds + REGTEST.futureTimeSecondsMax) return 'time-too-new';
  const start = heightScript(height);
  if (Buffer.compare(transactions[0]!.inputs[0]!.scriptSig.subarray(0, start.length), start) !== 0)
    return 'bad-cb-height';
  return transactions.every((transaction) => isFinal(transaction, height, medianTime))
    ? undefined
    : 'bad-txns-nonfinal';
}

export interface ConnectContext {
  readonly coins: CoinSet;
  /** The block's parent and the chain up to it. */
  readonly tip: BlockNode;
  ancestorAt(height: number): BlockNode;
  isVerified(wtxid: string): boolean;
}

/**
 * Applies a block to the coins: every input unspent, mature, signed and paid for, and the reward not above what is due.
 * Returns what it spent, in order; when it is refused the coins are as before.
 */
export function connectBlock(block: ParsedBlock, context: ConnectContext): Result<readonly Coin[], RejectReason> {
  const height = context.tip.height + 1;
  const done: { readonly transaction: ParsedTransaction; readonly spent: readonly Coin[] }[] = [];
  const fault = applyAll(block, height, context, done);
  if (fault === undefined) return ok(done.flatMap((each) => each.spent));
  for (const { transaction, spent } of done.reverse()) context.coins.revert(transaction, spent);
  return err(fault);
}

/** The inverse of {@link connectBlock}: `spent` is what it returned. */
export function disconnectBlock(block: ParsedBlock, spent: readonly Coin[], coins: CoinSet): void {
  let end = spent.length;
  for (const transaction of [...block.transactions].reverse()) {
    const start = end - (transaction.isCoinbase ? 0 : transaction.inputs.length);
    coins.revert(transaction, spent.slice(start, end));
    end = start;
  }
}

function applyAll(
  block: ParsedBlock,
  height: number,
  context: ConnectContext,
  done: { readonly transaction: ParsedTransaction; readonly spent: readonly Coin[] }[],
): RejectReason | undefined {
  let feesSats = 0n;
  for (const transaction of block.transactions) {
    const paid = transaction.isCoinbase ? ok(0n) : checkSpending(transaction, height, context);
    if (!paid.ok) return paid.error;
    feesSats += paid.value;
    if (context.coins.hasOutputOf(transaction)) return 'bad-txns-BIP30';
    done.push({ transaction, spent: context.coins.apply(transaction, height) });
  }
  const rewardSats = outputsOf(block.transactions[0]!);
  return rewardSats > subsidySats(height) + feesSats ? 'bad-cb-amount' : undefined;
}

/** The fee that a transaction of a block pays, or why it can't be in it. */
function checkSpending(
  transaction: ParsedTransaction,
  height: number,
  context: ConnectContext,
): Result<bigint, RejectReason> {
  const coins = transaction.inputs.map((input) => context.coins.get(outpointKey(input.outpoint)));
  if (!coins.every((coin) => coin !== undefined)) return err('bad-txns-inputs-missingorspent');
  if (coins.some((coin) => coin.coinbase && height - coin.height < REGTEST.coinbaseMaturity)) {
    return err('bad-txns-premature-spend-of-coinbase');
  }
  const feeSats = coins.reduce((total, coin) => total + coin.valueSats, 0n) - outputsOf(transaction);
  if (feeSats < 0n) return err('bad-txns-in-belowout');
  if (!relativeLocksHold(transaction, coins, context)) return err('bad-txns-nonfinal');
  const fault = context.isVerified(transaction.wtxid) ? undefined : scriptFault(transaction, coins);
  return fault === undefined ? ok(feeSats) : err(`block-script-verify-flag-failed (${fault})`);
}

const outputsOf = (transaction: ParsedTransaction): bigint =>
  transaction.outputs.reduce((total, output) => total + output.valueSats, 0n);
