import { assert, type Sats } from '@finality/kernel';
import { dustLimitSats } from './address.ts';
import type { Coin } from './coin-selection.ts';
import { compareOutpoints, spendKey } from './coin-selection-pool.ts';
import {
  addInput,
  type FeeRate,
  feeFor,
  inputWeight,
  NO_INPUTS,
  outputWeight,
  PLACEHOLDER_SCRIPT,
  type SpendKind,
  TRANSACTION_WEIGHT_MAX,
  weightOf,
} from './fees.ts';

/** Version of the rules below: recorded with each decision, which can be made again from its inputs. */
export const CONSOLIDATION_POLICY_VERSION = 1;

export interface ConsolidationRules {
  /** The line: above it nothing is consolidated. */
  readonly feeRateMax: FeeRate;
  /** Fewer aren't worth a transaction. At least 2. */
  readonly coinsMin: number;
  /** Most in one transaction. */
  readonly coinsMax: number;
  /** So many coins stay free for payouts meanwhile, */
  readonly coinsKept: number;
  /** and so much of the wallet's value, in thousandths. */
  readonly valueKeptPermille: number;
  readonly feeCapSats: Sats;
}

export interface ConsolidationInputs<C extends Coin = Coin> {
  /** Confirmed, unclaimed coins of one wallet. */
  readonly coins: readonly C[];
  readonly feeRate: FeeRate;
  /** What comes of it goes to a script of this kind. */
  readonly change: SpendKind;
  readonly rules: ConsolidationRules;
}

export type ConsolidationDecision<C extends Coin = Coin> =
  | {
      readonly kind: 'consolidate';
      /** The anchor of its lineage first, the others by outpoint. */
      readonly coins: readonly C[];
      readonly outputSats: Sats;
      readonly feeSats: Sats;
      readonly weight: number;
    }
  | { readonly kind: 'leave'; readonly reason: 'FEES_ABOVE_LINE' | 'TOO_FEW_COINS' };

/**
 * Whether and which small coins become one while fees are low: the least valuable of the kind that the wallet has most of, each worth more than
 * its input. The wallet is never locked empty: its most valuable coins stay free. Pure and deterministic: the order of the coins doesn't matter.
 */
export function decideConsolidation<C extends Coin>(inputs: ConsolidationInputs<C>): ConsolidationDecision<C> {
  const { coins, feeRate, rules } = inputs;
  const { feeRateMax, coinsMin, valueKeptPermille } = rules;
  assert(coinsMin >= 2, `one coin is as good as one: ${coinsMin}`);
  assert(valueKeptPermille >= 0 && valueKeptPermille <= 1_000, `${valueKeptPermille} is a part of 1000`);
  if (feeRate > feeRateMax) return { kind: 'leave', reason: 'FEES_ABOVE_LINE' };
  const small = smallest(coins, feeRate).slice(0, countMax(inputs));
  const chosen = withinCap(inputs, small.slice(0, countOfValue(inputs, small)));
  if (chosen.length < coinsMin) return { kind: 'leave', reason: 'TOO_FEW_COINS' };
  const { weight, feeSats } = costOf(inputs, chosen);
  const outputSats = (sum(chosen) - feeSats) as Sats;
  if (outputSats < dustLimitSats(PLACEHOLDER_SCRIPT[inputs.change.type]))
    return { kind: 'leave', reason: 'TOO_FEW_COINS' };
  // The most valuable: it is worth spending at the highest feerate, should this ever have to be bumped.
  const anchor = chosen.at(-1)!;
  const others = chosen.slice(0, -1).sort(compareOutpoints);
  return { kind: 'consolidate', coins: [anchor, ...others], outputSats, feeSats, weight };
}

/** Of the kind that most are of, those worth spending that may be in a lineage, least valuable first. */
function smallest<C extends Coin>(coins: readonly C[], feeRate: FeeRate): readonly C[] {
  const byKind = new Map<string, C[]>();
  for (const coin of coins) {
    if (!coin.anchorEligible || coin.valueSats <= feeFor(inputWeight(coin.spend), feeRate)) continue;
    const key = spendKey(coin.spend);
    const same = byKind.get(key);
    if (same) same.push(coin);
    else byKind.set(key, [coin]);
  }
  const [most] = [...byKind].sort(([a, those], [b, others]) => others.length - those.length || (a < b ? -1 : 1));
  return (most?.[1] ?? []).sort((a, b) =>
    a.valueSats === b.valueSats ? compareOutpoints(a, b) : a.valueSats < b.valueSats ? -1 : 1,
  );
}

/** As many as are allowed, leave enough coins, and fit. */
function countMax({ coins, rules }: ConsolidationInputs): number {
  return Math.max(0, Math.min(rules.coinsMax, coins.length - rules.coinsKept));
}

/** How many of the least valuable leave enough of the wallet's value. */
function countOfValue({ coins, rules }: ConsolidationInputs, small: readonly Coin[]): number {
  const lockableUnits = sum(coins) * BigInt(1_000 - rules.valueKeptPermille);
  let locked = 0n;
  const first = small.findIndex(({ valueSats }) => (locked += valueSats) * 1_000n > lockableUnits);
  return first < 0 ? small.length : first;
}

/** As many of them, from the least valuable on, as fit and cost no more than the cap. */
function withinCap<C extends Coin>(inputs: ConsolidationInputs<C>, coins: readonly C[]): readonly C[] {
  let low = 0;
  let high = coins.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    const { weight, feeSats } = costOf(inputs, coins.slice(0, middle));
    if (weight <= TRANSACTION_WEIGHT_MAX && feeSats <= inputs.rules.feeCapSats) low = middle;
    else high = middle - 1;
  }
  return coins.slice(0, low);
}

function costOf(
  { feeRate, change }: Pick<ConsolidationInputs, 'feeRate' | 'change'>,
  coins: readonly Coin[],
): { readonly weight: number; readonly feeSats: Sats } {
  const sums = coins.reduce((inputs, { spend }) => addInput(inputs, spend), NO_INPUTS);
  const weight = weightOf(sums, 1, outputWeight(PLACEHOLDER_SCRIPT[change.type]));
  return { weight, feeSats: feeFor(weight, feeRate) };
}

const sum = (coins: readonly Coin[]): bigint => coins.reduce((total, { valueSats }) => total + valueSats, 0n);
