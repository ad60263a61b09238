import { assert, err, ok, type Result, type Sats } from '@finality/kernel';
import { dustLimitSats } from './address.ts';
import { type CoinPool, compareOutpoints, isWorthSpending, poolOf, spendKey, without } from './coin-selection-pool.ts';
import { searchPool } from './coin-selection-search.ts';
import {
  type Candidate,
  cheapest,
  compareBigint,
  type Draft,
  draftOf,
  settle,
  type Terms,
  termsOf,
  WASTE_UNITS_PER_SAT,
} from './coin-selection-terms.ts';
import { type Fault, fault } from './fault.ts';
import type { FeeRate, SpendKind } from './fees.ts';
import { type Outpoint, outpointKey } from './ids.ts';
import type { TransactionOutput } from './transaction.ts';

export interface Coin {
  readonly outpoint: Outpoint;
  readonly valueSats: Sats;
  readonly spend: SpendKind;
  /** At deposit finality, in no lineage: may be the coin that every version of a lineage spends (DESIGN 8). */
  readonly anchorEligible: boolean;
}

export interface CoinSelectionRequest<C extends Coin = Coin> {
  /** Confirmed, unclaimed coins of one wallet. */
  readonly coins: readonly C[];
  /** What has to be paid, without change. */
  readonly outputs: readonly TransactionOutput[];
  readonly feeRate: FeeRate;
  /** What coins will cost to spend in calm times; default {@link LONG_TERM_FEE_RATE}. */
  readonly longTermFeeRate?: FeeRate;
  /** The least fee whatever the feerate: what a replacement has to pay. */
  readonly feeMinSats?: Sats;
  readonly feeCapSats: Sats;
  /** Change goes to a script of this kind. */
  readonly change: SpendKind;
  /** The anchor of a lineage that has one already: it is spent whatever it is worth. */
  readonly anchor?: Outpoint;
  /** Default 400,000 WU, the most that nodes relay. */
  readonly weightMax?: number;
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
  /** What the choice costs beyond the unavoidable, rounded up: see {@link selectCoins}. */
  readonly wasteSats: Sats;
}

export interface CoinSelectionFault extends Fault<
  'INSUFFICIENT_FUNDS' | 'NO_ANCHOR_COIN' | 'FEE_ABOVE_CAP' | 'TRANSACTION_TOO_HEAVY' | 'DUST_OUTPUT'
> {
  /** What the coins that are worth spending at this feerate hold together. */
  readonly availableSats: Sats;
  /** Outputs, and the fee as far as it is known. */
  readonly neededSats: Sats;
}

/** Coins that may be the anchor are each tried as such up to this number; of more, half of the dearest and half of the least valuable. */
const ANCHORS_TRIED_MAX = 16;

/**
 * Chooses the coins of a payout. Pure and deterministic: the order of `coins` doesn't matter. Takes what wastes least (Erhardt 2016), where
 *
 *     waste = weight of the inputs × (feerate − long-term feerate, if that is more) + (change ? its output now and its spending later : what
 *             goes to the fee beyond the feerate)
 *
 * and of equals what weighs least, then what locks up least. Unlike Bitcoin Core's, this waste never rewards a coin more: a lineage locks its coins
 * until it is final, and tidying up is consolidation's. Coins of one kind are preferred to any mixture, which would tell who looks on that the
 * kinds have one owner. Change below its dust limit, or worth less than its spending later, goes to the fee, never past the cap. At least one
 * coin is anchor-eligible; it comes first.
 */
export function selectCoins<C extends Coin>(
  request: CoinSelectionRequest<C>,
): Result<CoinSelection<C>, CoinSelectionFault> {
  const terms = termsOf(request);
  const wallet = walletOf(request, terms);
  const dust = request.outputs.find(({ script, valueSats }) => valueSats < dustLimitSats(script));
  if (dust) {
    const message = `expected at least ${dustLimitSats(dust.script)} sat in the output to ${dust.script}, got ${dust.valueSats}`;
    const availableSats = draftOf([...wallet.start.coins, ...everything(wallet).coins]).valueSats as Sats;
    return err({ ...fault('DUST_OUTPUT', message), availableSats, neededSats: terms.targetSats });
  }
  const pure = wallet.pure.map((pool) => bestOf(terms, pool, wallet)).filter((best) => best !== undefined);
  const best = cheapest(pure) ?? (wallet.mixed && bestOf(terms, wallet.mixed, wallet));
  return best ? ok(finish(best, wallet)) : err(explain(terms, wallet));
}

/** The coins as a selection needs them. */
interface Wallet<C extends Coin> {
  readonly coins: readonly C[];
  /** What is in every selection: the given anchor, or nothing. */
  readonly start: Draft<C>;
  /** Coins of one kind each; with a given anchor only its own kind. */
  readonly pure: readonly CoinPool<C>[];
  /** All of them, where that is something else. */
  readonly mixed: CoinPool<C> | undefined;
}

function walletOf<C extends Coin>({ coins, anchor }: CoinSelectionRequest<C>, terms: Terms): Wallet<C> {
  const given = anchor && coins.find(({ outpoint: { txid, vout } }) => vout === anchor.vout && txid === anchor.txid);
  assert(anchor === undefined || given !== undefined, `the anchor ${anchor && outpointKey(anchor)} is among the coins`);
  const byKind = new Map<string, C[]>();
  for (const coin of coins) {
    if (coin === given) continue;
    const key = spendKey(coin.spend);
    const same = byKind.get(key);
    if (same) same.push(coin);
    else byKind.set(key, [coin]);
  }
  const kinds = given ? [spendKey(given.spend)] : [...byKind.keys()].sort();
  const pure = kinds.map((kind) => poolOf(terms, byKind.get(kind) ?? []));
  const isMixed = [...byKind.keys()].some((kind) => kind !== kinds[0]);
  return {
    coins,
    start: draftOf(given ? [given] : []),
    pure: pure.length > 0 ? pure : [poolOf<C>(terms, [])],
    mixed: isMixed
      ? poolOf(
          terms,
          coins.filter((coin) => coin !== given),
        )
      : undefined,
  };
}

/** The best of these coins; where that has no anchor, also the best that an anchor begins. */
function bestOf<C extends Coin>(
  terms: Terms,
  pool: CoinPool<C>,
  { coins, start }: Wallet<C>,
): Candidate<C> | undefined {
  const free = searchPool(terms, pool, start, 1);
  const best = cheapest(free);
  if (best && anchorOf(best.draft, start)) return best;
  if (start.coins.length > 0) return undefined;
  const tried = anchorsToTry(terms, pool, coins);
  const anchored = tried.flatMap((coin) => searchPool(terms, without(pool, coin), draftOf([coin]), 1 / tried.length));
  return cheapest([...free.filter(({ draft }) => anchorOf(draft, start)), ...anchored]);
}

/** Coins to begin with, each in turn: all that may be the anchor, or of many the most and the least valuable; not worth spending last. */
function anchorsToTry<C extends Coin>(terms: Terms, pool: CoinPool<C>, coins: readonly C[]): readonly C[] {
  const worthIt = pool.coins.filter((coin) => coin.anchorEligible);
  const half = ANCHORS_TRIED_MAX / 2;
  if (worthIt.length > ANCHORS_TRIED_MAX) return [...worthIt.slice(0, half), ...worthIt.slice(-half)];
  const kind = pool.kind && spendKey(pool.kind);
  const others = coins.filter(
    (coin) =>
      coin.anchorEligible && !isWorthSpending(terms, coin) && (kind === undefined || spendKey(coin.spend) === kind),
  );
  return [...worthIt, ...others.sort(byValue)].slice(0, ANCHORS_TRIED_MAX);
}

/** The given anchor, or the most valuable eligible coin. */
function anchorOf<C extends Coin>({ coins }: Draft<C>, start: Draft<C>): C | undefined {
  return start.coins[0] ?? mostValuableEligible(coins);
}

function mostValuableEligible<C extends Coin>(coins: readonly C[]): C | undefined {
  return coins.reduce<C | undefined>(
    (best, coin) => (coin.anchorEligible && (!best || byValue(coin, best) < 0) ? coin : best),
    undefined,
  );
}

/** Most valuable first, of equals by outpoint. */
const byValue = (a: Coin, b: Coin): number => compareBigint(b.valueSats, a.valueSats) || compareOutpoints(a, b);

function finish<C extends Coin>(best: Candidate<C>, { start }: Wallet<C>): CoinSelection<C> {
  const { draft, changeSats, feeSats, weight, waste } = best;
  const anchor = anchorOf(draft, start);
  assert(anchor, 'a selection has an anchor');
  const others = draft.coins.filter((coin) => coin !== anchor).sort(compareOutpoints);
  const inputs = [anchor, ...others];
  assert(
    new Set(inputs.map(({ outpoint }) => outpointKey(outpoint))).size === inputs.length,
    'each coin is offered once',
  );
  const wasteSats = ((waste + WASTE_UNITS_PER_SAT - 1n) / WASTE_UNITS_PER_SAT) as Sats;
  return { inputs, changeSats, feeSats, weight, wasteSats };
}

/** Why nothing was found: the first reason that holds; without a cap on the fee where that is the question. */
function explain<C extends Coin>(terms: Terms, wallet: Wallet<C>): CoinSelectionFault {
  const { start } = wallet;
  const anchor = start.coins[0] ?? mostValuableEligible(wallet.coins);
  const anchored = anchor ? draftOf([anchor]) : start;
  const pool = everything(wallet);
  const others = anchor ? without(pool, anchor) : pool;
  const all = draftOf([...anchored.coins, ...others.coins]);
  const outcome = settle(terms, all);
  const availableSats = all.valueSats as Sats;
  if (outcome.kind === 'short') {
    const neededSats = (availableSats + outcome.missingSats) as Sats;
    const message = `expected ${neededSats} sat (${terms.targetSats} and the fee), got ${availableSats} sat in ${all.inputs.count} coins`;
    return { ...fault('INSUFFICIENT_FUNDS', message), availableSats, neededSats };
  }
  const sums = { availableSats, neededSats: terms.targetSats };
  if (!anchor) {
    return { ...fault('NO_ANCHOR_COIN', 'expected at least one coin at deposit finality and in no lineage'), ...sums };
  }
  const uncapped = cheapest(searchPool({ ...terms, feeCapSats: availableSats }, others, anchored, 1));
  if (!uncapped) {
    return {
      ...fault('TRANSACTION_TOO_HEAVY', `expected coins and outputs that fit into ${terms.weightMax} WU`),
      ...sums,
    };
  }
  const message = `expected a fee of at most ${terms.feeCapSats} sat, needed about ${uncapped.feeSats}`;
  return { ...fault('FEE_ABOVE_CAP', message), ...sums, neededSats: (terms.targetSats + uncapped.feeSats) as Sats };
}

/** All coins that are worth spending, the given anchor aside. */
const everything = <C extends Coin>({ mixed, pure }: Wallet<C>): CoinPool<C> => mixed ?? pure[0]!;
