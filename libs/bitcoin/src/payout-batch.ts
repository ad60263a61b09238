import { type Result, type Sats } from '@finality/kernel';
import {
  type Coin,
  type CoinSelection,
  type CoinSelectionFault,
  type CoinSelectionRequest,
  selectCoins,
} from './coin-selection.ts';
import { fault } from './fault.ts';
import { type CappedOutput, feeShares, sharedFeeCap } from './fee-shares.ts';
import { outputWeight, TRANSACTION_WEIGHT_MAX } from './fees.ts';
import type { TransactionOutput } from './transaction.ts';

/** What somebody is to be paid, and the most that its share of the fee may be. */
export interface BatchedPayout extends TransactionOutput, CappedOutput {}

export interface BatchRequest<C extends Coin, P extends BatchedPayout> extends Omit<
  CoinSelectionRequest<C>,
  'outputs' | 'feeMinSats' | 'anchor'
> {
  /** First come, first served. */
  readonly payouts: readonly P[];
}

/** One transaction: the first version of a lineage. */
export interface PayoutBatch<C extends Coin, P extends BatchedPayout> {
  readonly payouts: readonly P[];
  readonly selection: CoinSelection<C>;
  /** What each payout bears of the fee: see {@link feeShares}. */
  readonly sharesSats: readonly Sats[];
}

export interface WaitingPayout<P extends BatchedPayout> {
  readonly payout: P;
  readonly why: CoinSelectionFault;
}

export interface BatchPlan<C extends Coin, P extends BatchedPayout> {
  readonly batches: readonly PayoutBatch<C, P>[];
  readonly waiting: readonly WaitingPayout<P>[];
}

/**
 * Shares out payouts of one wallet to as few transactions as their weight allows, each with coins of its own. What can't be paid waits: a payout
 * whose share would be above its cap (or that is dust) alone; one that the coins don't suffice for together with all behind it, so that small ones
 * don't overtake it for ever. Pure and deterministic.
 */
export function planBatches<C extends Coin, P extends BatchedPayout>(request: BatchRequest<C, P>): BatchPlan<C, P> {
  const batches: PayoutBatch<C, P>[] = [];
  const waiting: WaitingPayout<P>[] = [];
  let { coins, payouts } = request;
  // Each round pays for at least one payout, or lets at least one wait.
  for (let rounds = payouts.length; rounds > 0 && payouts.length > 0; rounds--) {
    const round = nextRound({ ...request, coins, payouts });
    waiting.push(...round.waiting);
    payouts = round.rest;
    if (!round.batch) continue;
    const spent = new Set<C>(round.batch.selection.inputs);
    coins = coins.filter((coin) => !spent.has(coin));
    batches.push(round.batch);
  }
  return { batches, waiting };
}

interface Round<C extends Coin, P extends BatchedPayout> {
  readonly batch?: PayoutBatch<C, P>;
  readonly waiting: readonly WaitingPayout<P>[];
  readonly rest: readonly P[];
}

/** The most payouts, from the first on, that one transaction can pay. */
function nextRound<C extends Coin, P extends BatchedPayout>(request: BatchRequest<C, P>): Round<C, P> {
  const { payouts } = request;
  let low = 0;
  let high = countThatMayFit(request);
  let best: CoinSelection<C> | undefined;
  let why: CoinSelectionFault | undefined;
  for (let count = high; low < high; count = (low + high + 1) >> 1) {
    const selected = select(request, count);
    if (selected.ok) [low, best] = [count, selected.value];
    else [high, why] = [count - 1, selected.error];
  }
  if (best) return share(request, best, low);
  const isLack = why?.reason === 'INSUFFICIENT_FUNDS' || why?.reason === 'NO_ANCHOR_COIN';
  const stopped = isLack ? payouts.length : 1;
  return {
    waiting: payouts.slice(0, stopped).map((payout) => ({ payout, why: why! })),
    rest: payouts.slice(stopped),
  };
}

/** Outputs alone fill a transaction at some point. At least one, so that it is known why even that doesn't do. */
function countThatMayFit<C extends Coin, P extends BatchedPayout>({ payouts, weightMax }: BatchRequest<C, P>): number {
  let left = weightMax ?? TRANSACTION_WEIGHT_MAX;
  const full = payouts.findIndex(({ script }) => (left -= outputWeight(script)) < 0);
  return full < 0 ? payouts.length : Math.max(1, full);
}

function select<C extends Coin, P extends BatchedPayout>(
  request: BatchRequest<C, P>,
  count: number,
): Result<CoinSelection<C>, CoinSelectionFault> {
  return selectCoins({ ...request, outputs: request.payouts.slice(0, count) });
}

/** The batch, if nobody's share is above its cap; otherwise whoever's is waits, and the others are tried without. */
function share<C extends Coin, P extends BatchedPayout>(
  request: BatchRequest<C, P>,
  uncapped: CoinSelection<C>,
  count: number,
): Round<C, P> {
  const { feeRate, feeCapSats } = request;
  const payouts = request.payouts.slice(0, count);
  const rest = request.payouts.slice(count);
  const scripts = payouts.map(({ script }) => script);
  const cap = sharedFeeCap(payouts, feeRate);
  const capped =
    cap < feeCapSats ? select({ ...request, feeCapSats: (cap < 0n ? 0n : cap) as Sats }, count) : undefined;
  const selection = capped?.ok ? capped.value : uncapped;
  const sharesSats = feeShares({ feeSats: selection.feeSats, feeRate, scripts });
  const waiting = payouts.flatMap((payout, i): WaitingPayout<P>[] => {
    if (sharesSats[i]! <= payout.feeCapSats) return [];
    const message = `expected a share of the fee of at most ${payout.feeCapSats} sat, needed ${sharesSats[i]}`;
    const neededSats = (payout.valueSats + sharesSats[i]!) as Sats;
    const availableSats = (payout.valueSats + payout.feeCapSats) as Sats;
    return [{ payout, why: { ...fault('FEE_ABOVE_CAP', message), availableSats, neededSats } }];
  });
  if (waiting.length === 0) return { batch: { payouts, selection, sharesSats }, waiting, rest };
  const kept = payouts.filter((_payout, i) => sharesSats[i]! <= payouts[i]!.feeCapSats);
  return { waiting, rest: [...kept, ...rest] };
}
