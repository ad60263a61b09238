import { assert, err, ok, type Result, type Sats } from '@finality/kernel';
import { type CustodialScriptType as WalletScriptType, dustLimitSats } from './address.ts';
import { type Fault, fault } from './fault.ts';
import { type FeeRate, feeFor, INPUT_WEIGHT, outputWeight, overheadWeight, TRANSACTION_WEIGHT_MAX } from './fees.ts';
import { type Outpoint, outpointKey, type ScriptHex } from './ids.ts';
import type { TransactionOutput } from './transaction.ts';

export interface Coin {
  readonly outpoint: Outpoint;
  readonly valueSats: Sats;
  readonly scriptType: WalletScriptType;
  /** At deposit finality, in no lineage: may be the coin that every version of a lineage spends (DESIGN 8). */
  readonly anchorEligible: boolean;
}

export interface CoinSelectionRequest<C extends Coin = Coin> {
  /** Confirmed, unclaimed coins of one wallet. */
  readonly coins: readonly C[];
  /** What has to be paid, without change. */
  readonly outputs: readonly TransactionOutput[];
  readonly feeRate: FeeRate;
  readonly feeCapSats: Sats;
  readonly changeScriptType: WalletScriptType;
  /** The anchor of a lineage that has one already: it is spent whatever it is worth. */
  readonly anchor?: Outpoint;
}

/** Inputs = outputs + change + fee, to the satoshi. */
export interface CoinSelection<C extends Coin = Coin> {
  /** The anchor first, the others by outpoint. */
  readonly inputs: readonly C[];
  /** 0: there is no change output; what was left is in the fee. */
  readonly changeSats: Sats;
  readonly feeSats: Sats;
  /** The most the signed transaction can weigh: the feerate holds for this. */
  readonly weight: number;
}

export interface CoinSelectionFault extends Fault<
  'INSUFFICIENT_FUNDS' | 'NO_ANCHOR_COIN' | 'FEE_ABOVE_CAP' | 'TOO_MANY_INPUTS' | 'DUST_OUTPUT'
> {
  /** What the coins that are worth spending at this feerate hold together. */
  readonly availableSats: Sats;
  /** Outputs, and the fee as far as it is known. */
  readonly neededSats: Sats;
}

/** Steps of the search for coins that need no change. */
const BRANCH_AND_BOUND_STEPS_MAX = 5_000;
/** What spending change later will cost is compared at this feerate: a guess at calm times (as Bitcoin Core's long-term estimate). */
const LATER_FEE_RATE = 10_000n as FeeRate;

const CHANGE_SCRIPT: { readonly [T in WalletScriptType]: ScriptHex } = {
  wpkh: `0014${'00'.repeat(20)}` as ScriptHex,
  tr: `5120${'00'.repeat(32)}` as ScriptHex,
};

/**
 * Chooses the coins of a payout. Pure and deterministic: the order of `coins` doesn't matter. Tries coins that need no change (branch and
 * bound), the fewest coins (largest first), and as many coins of the least value; takes what costs least, the later spending of its change
 * included, and of equals what locks up least. It never adds coins to tidy up: a lineage locks its coins until it is final.
 * Change below its dust limit goes to the fee, never past the cap. At least one coin is anchor-eligible; it comes first.
 */
export function selectCoins<C extends Coin>(
  request: CoinSelectionRequest<C>,
): Result<CoinSelection<C>, CoinSelectionFault> {
  const context = contextOf(request);
  const dust = request.outputs.find(({ script, valueSats }) => valueSats < dustLimitSats(script));
  if (dust) {
    const message = `expected at least ${dustLimitSats(dust.script)} sat in the output to ${dust.script}, got ${dust.valueSats}`;
    return err({
      ...fault('DUST_OUTPUT', message),
      availableSats: availableSats(context),
      neededSats: context.targetSats,
    });
  }
  const { start, pool } = context;
  const free = candidates(context, start, pool).filter(({ anchor }) => anchor !== undefined);
  const best = cheapest(free) ?? cheapest(candidatesWithAnchor(context));
  return best ? ok(finish(best)) : err(explain(context));
}

/** A set of coins on its way to being a selection, with its sums. */
interface Draft<C extends Coin> {
  readonly chain: Chain<C> | undefined;
  readonly count: number;
  readonly valueSats: bigint;
  readonly inputsWeight: number;
  /** The coin that would be the anchor: the given one, or the first eligible. */
  readonly anchor: C | undefined;
}

/** Coins as a list from the last one added: drafts share what they have in common. */
interface Chain<C extends Coin> {
  readonly coin: C;
  readonly before: Chain<C> | undefined;
}

interface Context<C extends Coin> {
  readonly request: CoinSelectionRequest<C>;
  readonly targetSats: Sats;
  readonly outputsWeight: number;
  readonly changeMinSats: Sats;
  /** What is in every selection: the given anchor, or nothing. */
  readonly start: Draft<C>;
  /** Coins worth more than they cost to spend, most valuable first. */
  readonly pool: readonly C[];
  /** Coins that may be the anchor, even those that cost more than they are worth, most valuable first. */
  readonly eligible: readonly C[];
}

/** A draft that pays for everything, with what becomes of the rest. */
interface Candidate<C extends Coin> extends Draft<C> {
  readonly changeSats: Sats;
  readonly feeSats: Sats;
  readonly weight: number;
  /** Fee now, and for spending the change later. */
  readonly costSats: bigint;
}

type Outcome<C extends Coin> =
  | { readonly kind: 'candidate'; readonly candidate: Candidate<C> }
  | { readonly kind: 'short'; readonly missingSats: bigint }
  | { readonly kind: 'above_cap'; readonly feeSats: Sats; readonly hasChange: boolean }
  | { readonly kind: 'too_heavy' };

function contextOf<C extends Coin>(request: CoinSelectionRequest<C>): Context<C> {
  const { coins, outputs, feeRate, changeScriptType, anchor } = request;
  assert(outputs.length > 0, 'a selection pays something');
  assert(
    new Set(coins.map(({ outpoint }) => outpointKey(outpoint))).size === coins.length,
    'each coin is offered once',
  );
  const anchorKey = anchor && outpointKey(anchor);
  const given = coins.find(({ outpoint }) => outpointKey(outpoint) === anchorKey);
  assert(anchor === undefined || given !== undefined, `the anchor ${anchorKey ?? ''} is among the coins`);
  const pool = coins.filter(
    (coin) => coin !== given && coin.valueSats > feeFor(INPUT_WEIGHT[coin.scriptType], feeRate),
  );
  const empty: Draft<C> = { chain: undefined, count: 0, valueSats: 0n, inputsWeight: 0, anchor: undefined };
  return {
    request,
    targetSats: outputs.reduce((sum, { valueSats }) => sum + valueSats, 0n) as Sats,
    outputsWeight: outputs.reduce((sum, { script }) => sum + outputWeight(script), 0),
    changeMinSats: dustLimitSats(CHANGE_SCRIPT[changeScriptType]),
    start: given ? { ...add(empty, given), anchor: given } : empty,
    pool: sortByValue(pool),
    eligible: sortByValue(coins.filter((coin) => coin.anchorEligible)),
  };
}

function candidates<C extends Coin>(context: Context<C>, start: Draft<C>, pool: readonly C[]): readonly Candidate<C>[] {
  const fewest = largestFirst(context, start, pool);
  const found = [branchAndBound(context, start, pool), fewest];
  if (fewest) found.push(leastValue(context, start, pool, fewest.count - start.count));
  return found.filter((candidate) => candidate !== undefined);
}

/** When what is best has no eligible coin in it: the same again, from the largest and from the smallest eligible coin. */
function candidatesWithAnchor<C extends Coin>(context: Context<C>): readonly Candidate<C>[] {
  if (context.start.anchor) return [];
  const starts = new Set([context.eligible.at(0), context.eligible.at(-1)]);
  return [...starts].flatMap((coin) => {
    if (!coin) return [];
    return candidates(
      context,
      add(context.start, coin),
      context.pool.filter((other) => other !== coin),
    );
  });
}

/** Adds the most valuable coins until they do. */
function largestFirst<C extends Coin>(
  context: Context<C>,
  start: Draft<C>,
  pool: readonly C[],
): Candidate<C> | undefined {
  let draft = start;
  for (let next = 0; next <= pool.length; next++) {
    const outcome = settle(context, draft);
    if (outcome.kind === 'candidate') return outcome.candidate;
    if (outcome.kind === 'too_heavy' || (outcome.kind === 'above_cap' && outcome.hasChange)) return undefined;
    const coin = pool[next];
    if (coin) draft = add(draft, coin);
  }
  return undefined;
}

/** Of all runs of `count` neighbours by value, the one of least value that does: it leaves the large coins to other payouts. */
function leastValue<C extends Coin>(
  context: Context<C>,
  start: Draft<C>,
  pool: readonly C[],
  count: number,
): Candidate<C> | undefined {
  if (count === 0) return undefined;
  // The sums fall from left to right, so the last run that does is found by halving.
  let low = 0;
  let high = pool.length - count;
  let found: Candidate<C> | undefined;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const outcome = settle(context, pool.slice(middle, middle + count).reduce(add<C>, start));
    if (outcome.kind === 'candidate') found = outcome.candidate;
    if (outcome.kind === 'short') high = middle - 1;
    else low = middle + 1;
  }
  return found;
}

/**
 * Searches for coins that need no change (Erhardt 2016), most valuable first, taking a coin before leaving it out. Amounts are compared
 * in quarters of a thousandth of a satoshi, in which weight times feerate is a whole number; {@link settle} decides in the end.
 */
function branchAndBound<C extends Coin>(
  context: Context<C>,
  start: Draft<C>,
  pool: readonly C[],
): Candidate<C> | undefined {
  const { request, targetSats, outputsWeight, changeMinSats } = context;
  const scaled = (valueSats: bigint, weight: number): bigint => valueSats * 4_000n - BigInt(weight) * request.feeRate;
  const effective = pool.map((coin) => scaled(coin.valueSats, INPUT_WEIGHT[coin.scriptType]));
  const remaining = suffixSums(effective);
  const overhead = overheadWeight(1, request.outputs.length) + outputsWeight;
  const needed = -scaled(-targetSats, overhead) - scaled(start.valueSats, start.inputsWeight);
  const changeWeight = outputWeight(CHANGE_SCRIPT[request.changeScriptType]);
  const slackMax = -scaled(-changeMinSats - 2n, changeWeight + 8);

  let best: Candidate<C> | undefined;
  const path: { readonly draft: Draft<C>; readonly sum: bigint; readonly next: number }[] = [
    { draft: start, sum: 0n, next: 0 },
  ];
  for (let step = 0; step < BRANCH_AND_BOUND_STEPS_MAX; step++) {
    const node = path.pop();
    if (!node) break;
    const { draft, sum, next } = node;
    if (sum > needed + slackMax) continue;
    if (sum >= needed) {
      const outcome = settle(context, draft);
      if (outcome.kind === 'candidate' && outcome.candidate.changeSats === 0n && draft.anchor)
        best = cheapest(best ? [best, outcome.candidate] : [outcome.candidate]);
      if (outcome.kind !== 'short') continue;
    }
    const coin = pool[next];
    if (!coin || sum + remaining[next]! < needed) continue;
    path.push({ draft, sum, next: afterTwins(pool, next) });
    path.push({ draft: add(draft, coin), sum: sum + effective[next]!, next: next + 1 });
  }
  return best;
}

/** What a draft comes to: it may be short, or dear, or do. */
function settle<C extends Coin>(context: Context<C>, draft: Draft<C>): Outcome<C> {
  const { request, targetSats, outputsWeight, changeMinSats } = context;
  const { feeRate, feeCapSats, changeScriptType, outputs } = request;
  const bodyWeight = draft.inputsWeight + outputsWeight;
  const weight = bodyWeight + overheadWeight(draft.count, outputs.length);
  const spareSats = draft.valueSats - targetSats;
  const feeSats = feeFor(weight, feeRate);
  if (draft.count === 0 || spareSats < feeSats) return { kind: 'short', missingSats: feeSats - spareSats };

  const changeWeight =
    bodyWeight + outputWeight(CHANGE_SCRIPT[changeScriptType]) + overheadWeight(draft.count, outputs.length + 1);
  const changeFeeSats = feeFor(changeWeight, feeRate);
  const changeSats = spareSats - changeFeeSats;
  const hasChange = changeSats >= changeMinSats;
  const end = hasChange
    ? { changeSats: changeSats as Sats, feeSats: changeFeeSats, weight: changeWeight }
    : { changeSats: 0n as Sats, feeSats: spareSats as Sats, weight };
  if (end.feeSats > feeCapSats) return { kind: 'above_cap', feeSats: end.feeSats, hasChange };
  if (end.weight > TRANSACTION_WEIGHT_MAX) return { kind: 'too_heavy' };
  const laterSats = hasChange ? feeFor(INPUT_WEIGHT[changeScriptType], LATER_FEE_RATE) : 0n;
  return { kind: 'candidate', candidate: { ...draft, ...end, costSats: end.feeSats + laterSats } };
}

function add<C extends Coin>(draft: Draft<C>, coin: C): Draft<C> {
  return {
    chain: { coin, before: draft.chain },
    count: draft.count + 1,
    valueSats: draft.valueSats + coin.valueSats,
    inputsWeight: draft.inputsWeight + INPUT_WEIGHT[coin.scriptType],
    anchor: draft.anchor ?? (coin.anchorEligible ? coin : undefined),
  };
}

function cheapest<C extends Coin>(found: readonly Candidate<C>[]): Candidate<C> | undefined {
  return found.reduce<Candidate<C> | undefined>(
    (best, candidate) => (best && compare(best, candidate) <= 0 ? best : candidate),
    undefined,
  );
}

function compare<C extends Coin>(a: Candidate<C>, b: Candidate<C>): number {
  return compareBigint(a.costSats, b.costSats) || compareBigint(a.valueSats, b.valueSats) || a.count - b.count;
}

function finish<C extends Coin>({ anchor, chain, changeSats, feeSats, weight }: Candidate<C>): CoinSelection<C> {
  assert(anchor, 'a selection has an anchor');
  const others: C[] = [];
  for (let link = chain; link; link = link.before) if (link.coin !== anchor) others.push(link.coin);
  others.sort((a, b) => (outpointKey(a.outpoint) < outpointKey(b.outpoint) ? -1 : 1));
  return { inputs: [anchor, ...others], changeSats, feeSats, weight };
}

/** Why nothing was found. The first reason that holds; without a cap on the fee where that is the question. */
function explain<C extends Coin>(context: Context<C>): CoinSelectionFault {
  const { pool, start, targetSats, request } = context;
  const anchor = start.anchor ?? context.eligible[0];
  const anchored = anchor && anchor !== start.anchor ? add(start, anchor) : start;
  const others = pool.filter((coin) => coin !== anchor);
  const everything = others.reduce<Draft<C>>(add<C>, anchored);
  const available = everything.valueSats as Sats;
  const all = settle(context, everything);
  if (all.kind === 'short') {
    const neededSats = (available + all.missingSats) as Sats;
    const message = `expected ${neededSats} sat (${targetSats} and the fee), got ${available} sat in ${everything.count} coins`;
    return { ...fault('INSUFFICIENT_FUNDS', message), availableSats: available, neededSats };
  }
  const sums = { availableSats: available, neededSats: targetSats };
  if (!anchor) {
    return { ...fault('NO_ANCHOR_COIN', 'expected at least one coin at deposit finality and in no lineage'), ...sums };
  }
  const uncapped = largestFirst({ ...context, request: { ...request, feeCapSats: available } }, anchored, others);
  if (!uncapped) {
    return { ...fault('TOO_MANY_INPUTS', `expected coins that fit into ${TRANSACTION_WEIGHT_MAX} WU`), ...sums };
  }
  const message = `expected a fee of at most ${request.feeCapSats} sat, needed about ${uncapped.feeSats}`;
  return { ...fault('FEE_ABOVE_CAP', message), ...sums, neededSats: (targetSats + uncapped.feeSats) as Sats };
}

function availableSats<C extends Coin>({ start, pool }: Context<C>): Sats {
  return pool.reduce((sum, { valueSats }) => sum + valueSats, start.valueSats) as Sats;
}

/** Most valuable first; of equals by outpoint, so that the order they came in doesn't matter. */
function sortByValue<C extends Coin>(coins: readonly C[]): readonly C[] {
  const keyed = coins.map((coin) => ({ coin, key: outpointKey(coin.outpoint) }));
  keyed.sort((a, b) => compareBigint(b.coin.valueSats, a.coin.valueSats) || (a.key < b.key ? -1 : 1));
  return keyed.map(({ coin }) => coin);
}

/** Where the search goes on when a coin is left out: past those that would make the same difference. */
function afterTwins<C extends Coin>(pool: readonly C[], index: number): number {
  const { valueSats, scriptType, anchorEligible } = pool[index]!;
  let next = index + 1;
  while (
    pool[next]?.valueSats === valueSats &&
    pool[next]?.scriptType === scriptType &&
    pool[next]?.anchorEligible === anchorEligible
  )
    next++;
  return next;
}

/** `sums[i]` is the sum from `i` on. */
function suffixSums(values: readonly bigint[]): readonly bigint[] {
  const sums = Array<bigint>(values.length + 1).fill(0n);
  for (let i = values.length - 1; i >= 0; i--) sums[i] = sums[i + 1]! + values[i]!;
  return sums;
}

const compareBigint = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);
