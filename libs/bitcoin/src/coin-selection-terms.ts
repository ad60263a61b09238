import { assert, MAX_MONEY_SATS, type Sats } from '@finality/kernel';
import { dustLimitSats } from './address.ts';
import type { Coin, CoinSelectionRequest } from './coin-selection.ts';
import {
  addInput,
  type FeeRate,
  feeFor,
  type InputSums,
  inputWeight,
  NO_INPUTS,
  outputWeight,
  PLACEHOLDER_SCRIPT,
  TRANSACTION_WEIGHT_MAX,
  weightOf,
} from './fees.ts';

/** What coins cost to spend in calm times, 10 sat/vB: a guess, and the default of Bitcoin Core (`-consolidatefeerate`). */
export const LONG_TERM_FEE_RATE = 10_000n as FeeRate;

/** A request as the search needs it. */
export interface Terms {
  readonly targetSats: Sats;
  readonly outputCount: number;
  readonly outputsWeight: number;
  readonly feeRate: FeeRate;
  readonly longTermFeeRate: FeeRate;
  readonly feeMinSats: Sats;
  readonly feeCapSats: Sats;
  readonly weightMax: number;
  readonly changeWeight: number;
  readonly changeDustSats: Sats;
  /** For spending the change, at the long-term feerate. */
  readonly changeLaterSats: Sats;
}

export function termsOf(request: CoinSelectionRequest): Terms {
  const { outputs, feeRate, longTermFeeRate = LONG_TERM_FEE_RATE, change } = request;
  assert(outputs.length > 0, 'a selection pays something');
  const changeScript = PLACEHOLDER_SCRIPT[change.type];
  return {
    targetSats: outputs.reduce((sum, { valueSats }) => sum + valueSats, 0n) as Sats,
    outputCount: outputs.length,
    outputsWeight: outputs.reduce((sum, { script }) => sum + outputWeight(script), 0),
    feeRate,
    longTermFeeRate,
    feeMinSats: request.feeMinSats ?? (0n as Sats),
    feeCapSats: request.feeCapSats,
    weightMax: request.weightMax ?? TRANSACTION_WEIGHT_MAX,
    changeWeight: outputWeight(changeScript),
    changeDustSats: dustLimitSats(changeScript),
    changeLaterSats: feeFor(inputWeight(change), longTermFeeRate),
  };
}

/** Fee of a transaction with these inputs, at the feerate, without or with change. */
export function feeOf(
  terms: Terms,
  inputs: InputSums,
  hasChange: boolean,
): { readonly weight: number; readonly feeSats: Sats } {
  const { outputCount, outputsWeight, changeWeight, feeRate, feeMinSats } = terms;
  const weight = hasChange
    ? weightOf(inputs, outputCount + 1, outputsWeight + changeWeight)
    : weightOf(inputs, outputCount, outputsWeight);
  const feeSats = feeFor(weight, feeRate);
  return { weight, feeSats: feeSats < feeMinSats ? feeMinSats : feeSats };
}

/** The least that change has to be worth: above dust, and more than its own spending will cost. */
export const changeMinSats = ({ changeDustSats, changeLaterSats }: Terms): Sats =>
  changeDustSats > changeLaterSats ? changeDustSats : changeLaterSats;

/** Coins that are to be spent together. */
export interface Draft<C extends Coin> {
  readonly coins: readonly C[];
  readonly inputs: InputSums;
  readonly valueSats: bigint;
}

export function draftOf<C extends Coin>(coins: readonly C[]): Draft<C> {
  const inputs = coins.reduce((sums, { spend }) => addInput(sums, spend), NO_INPUTS);
  const valueSats = coins.reduce((sum, coin) => sum + coin.valueSats, 0n);
  assert(valueSats <= MAX_MONEY_SATS, `${valueSats} sat in ${coins.length} coins are an amount`);
  return { coins, inputs, valueSats };
}

/** What a draft comes to: it may be short, or dear, or do. */
export type Outcome =
  | { readonly kind: 'pays'; readonly payment: Payment }
  | { readonly kind: 'short'; readonly missingSats: bigint }
  | { readonly kind: 'above_cap'; readonly feeSats: Sats; readonly hasChange: boolean }
  | { readonly kind: 'too_heavy' };

/** A draft that pays for everything, with what becomes of the rest. */
export interface Payment {
  readonly changeSats: Sats;
  readonly feeSats: Sats;
  readonly weight: number;
  /** In 1/4000 sat, in which weight times feerate is a whole number. */
  readonly waste: bigint;
}

export interface Candidate<C extends Coin> extends Payment {
  readonly draft: Draft<C>;
}

export const WASTE_UNITS_PER_SAT = 4_000n;

export function settle(terms: Terms, { inputs, valueSats }: Pick<Draft<Coin>, 'inputs' | 'valueSats'>): Outcome {
  const spareSats = valueSats - terms.targetSats;
  const bare = feeOf(terms, inputs, false);
  if (inputs.count === 0 || spareSats < bare.feeSats) return { kind: 'short', missingSats: bare.feeSats - spareSats };
  const changed = feeOf(terms, inputs, true);
  const changeSats = spareSats - changed.feeSats;
  // Change that isn't worth having is still better than a fee that nobody has agreed to.
  const isNeeded = spareSats > terms.feeCapSats && changeSats >= terms.changeDustSats;
  const hasChange = isNeeded || changeSats >= changeMinSats(terms);
  const end = hasChange ? changed : { ...bare, feeSats: spareSats as Sats };
  if (end.feeSats > terms.feeCapSats) return { kind: 'above_cap', feeSats: end.feeSats, hasChange };
  if (end.weight > terms.weightMax) return { kind: 'too_heavy' };
  const restSats = hasChange ? changed.feeSats - bare.feeSats + terms.changeLaterSats : spareSats - bare.feeSats;
  const waste = inputsWaste(terms, inputs.weight) + restSats * WASTE_UNITS_PER_SAT;
  return { kind: 'pays', payment: { ...end, changeSats: (hasChange ? changeSats : 0n) as Sats, waste } };
}

/** What it wastes to spend inputs of this weight now rather than in calm times. */
export function inputsWaste({ feeRate, longTermFeeRate }: Terms, weight: number): bigint {
  return feeRate > longTermFeeRate ? BigInt(weight) * (feeRate - longTermFeeRate) : 0n;
}

/** The least wasteful, of equals the lightest, then what locks up least, then the first. */
export function cheapest<C extends Coin>(candidates: readonly Candidate<C>[]): Candidate<C> | undefined {
  return candidates.reduce<Candidate<C> | undefined>(
    (best, candidate) => (best && compare(best, candidate) <= 0 ? best : candidate),
    undefined,
  );
}

function compare(a: Candidate<Coin>, b: Candidate<Coin>): number {
  return compareBigint(a.waste, b.waste) || a.weight - b.weight || compareBigint(a.draft.valueSats, b.draft.valueSats);
}

export const compareBigint = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);
