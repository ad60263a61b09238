import { err, ok, type Result, type Sats } from '@finality/kernel';
import { dustLimitSats } from './address.ts';
import {
  type Coin,
  type CoinSelection,
  type CoinSelectionFault,
  type CoinSelectionRequest,
  selectCoins,
} from './coin-selection.ts';
import { fault } from './fault.ts';
import { type FeeTerms, payeePartOf, payoutFees } from './fee-shares.ts';
import { feeFor, inputWeight, PLACEHOLDER_SCRIPT, transactionWeight } from './fees.ts';
import type { ScriptHex } from './ids.ts';

/** What somebody is to be paid, less its part of the fee. */
export interface QuotedPayout {
  readonly script: ScriptHex;
  /** Of which the payee's part of the fee is deducted. */
  readonly amountSats: Sats;
  readonly bearer: FeeTerms['bearer'];
  /** The most that the payout's share of the fee may be. */
  readonly shareMaxSats: Sats;
  /** The most of it that may be the payer's. */
  readonly payerMaxSats: Sats;
}

export interface QuotedRequest<C extends Coin> extends Omit<CoinSelectionRequest<C>, 'outputs' | 'feeMinSats'> {
  readonly payouts: readonly QuotedPayout[];
}

/** What a payout comes to: amount = paid + the payee's part of the fee. */
export interface QuoteResult {
  /** What the output has. */
  readonly paidSats: Sats;
  /** The quote: {@link payeePartOf} its share without what was dropped. */
  readonly payeeFeeSats: Sats;
}

/** Inputs = what is paid + change + fee, to the satoshi. */
export interface QuotedSelection<C extends Coin> {
  /** The anchor first, the others by outpoint. */
  readonly inputs: readonly C[];
  /** In the order of the request. */
  readonly payouts: readonly QuoteResult[];
  /** 0: there is no change output. */
  readonly changeSats: Sats;
  readonly feeSats: Sats;
  /** Of the fee: what was left over and too little for change. */
  readonly droppedSats: Sats;
  readonly weight: number;
}

/** Quotes depend on the coins, and the coins on what is paid after the quote: nearly always settled in two rounds. */
const ROUNDS_MAX = 6;

/**
 * Chooses coins for payouts whose payees bear a part of the fee, and quotes these parts: what remains of each amount is paid. What a payee
 * bears never includes what was too little for change, so that the quote is what the room in a block costs. Pure and deterministic.
 */
export function selectQuoted<C extends Coin>(
  request: QuotedRequest<C>,
): Result<QuotedSelection<C>, CoinSelectionFault> {
  const { payouts, coins } = request;
  const isQuoted = payouts.some(({ bearer }) => bearer !== 'payer');
  // At first as if one coin did; where the coins don't suffice for that, as if all were spent.
  let quotes = isQuoted ? quotesAt(request, coins.slice(0, 1), []) : payouts.map(() => 0n as Sats);
  let isForAll = false;
  let why: CoinSelectionFault | undefined;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const outputs = payouts.map(({ script, amountSats }, i) => ({
      script,
      valueSats: (amountSats - quotes[i]!) as Sats,
    }));
    const selected = selectCoins({ ...request, outputs });
    if (selected.ok) {
      const drawn = draw(request, selected.value);
      if (drawn.ok) return drawn;
      why = drawn.error;
      const next = quotesAt(request, selected.value.inputs, []);
      if (next.every((quote, i) => quote === quotes[i])) return drawn;
      quotes = next;
      continue;
    }
    if (!isQuoted || isForAll) return err(why ?? selected.error);
    why = selected.error;
    isForAll = true;
    const worthIt = coins.filter(({ valueSats, spend }) => valueSats > feeFor(inputWeight(spend), request.feeRate));
    quotes = quotesAt(request, worthIt, []);
  }
  return err(why!);
}

/** Each payee's part of the fee of a transaction with these inputs, and the change if there is any. */
function quotesAt(
  { payouts, feeRate }: Pick<QuotedRequest<Coin>, 'payouts' | 'feeRate'>,
  inputs: readonly Coin[],
  change: readonly ScriptHex[],
): readonly Sats[] {
  const scripts = payouts.map(({ script }) => script);
  const spends = inputs.map(({ spend }) => spend);
  const weight = transactionWeight(spends, [...scripts, ...change]);
  const fees = payoutFees({ feeSats: feeFor(weight, feeRate), droppedSats: 0n as Sats, weight, scripts });
  return payouts.map(({ bearer }, i) => payeePartOf(fees[i]!.feeSats, bearer));
}

/** The payment that these inputs make, with exact quotes; as it was selected, with or without change, or the other way where that fails. */
function draw<C extends Coin>(
  request: QuotedRequest<C>,
  selection: CoinSelection<C>,
): Result<QuotedSelection<C>, CoinSelectionFault> {
  const change = PLACEHOLDER_SCRIPT[request.change.type];
  const ways = selection.changeSats > 0n ? [[change], []] : [[], [change]];
  const drawn = ways.map((scripts) => drawWith(request, selection, scripts));
  return drawn.find((each) => each.ok) ?? drawn[0]!;
}

function drawWith<C extends Coin>(
  request: QuotedRequest<C>,
  { inputs }: CoinSelection<C>,
  change: readonly ScriptHex[],
): Result<QuotedSelection<C>, CoinSelectionFault> {
  const { payouts, feeRate, feeCapSats } = request;
  const scripts = payouts.map(({ script }) => script);
  const weight = transactionWeight(
    inputs.map(({ spend }) => spend),
    [...scripts, ...change],
  );
  const neededSats = feeFor(weight, feeRate);
  const quotes = quotesAt(request, inputs, change);
  const paid = payouts.map(({ amountSats }, i): QuoteResult => {
    return { paidSats: (amountSats - quotes[i]!) as Sats, payeeFeeSats: quotes[i]! };
  });
  const availableSats = inputs.reduce((sum, { valueSats }) => sum + valueSats, 0n) as Sats;
  const outgoingSats = paid.reduce((sum, { paidSats }) => sum + paidSats, 0n);
  const restSats = availableSats - outgoingSats - neededSats;
  const sums = { availableSats, neededSats: (outgoingSats + neededSats) as Sats };
  const refuse = (reason: CoinSelectionFault['reason'], message: string) => err({ ...fault(reason, message), ...sums });
  const dust = paid.findIndex(({ paidSats }, i) => paidSats < dustLimitSats(scripts[i]!));
  if (dust >= 0)
    return refuse(
      'DUST_OUTPUT',
      `expected an amount above its fee, got ${payouts[dust]!.amountSats} sat less ${quotes[dust]!}`,
    );
  const hasChange = change.length > 0;
  if (restSats < (hasChange ? dustLimitSats(change[0]!) : 0n))
    return refuse(
      'INSUFFICIENT_FUNDS',
      `expected ${sums.neededSats} sat, got ${availableSats} in ${inputs.length} coins`,
    );
  const droppedSats = (hasChange ? 0n : restSats) as Sats;
  const feeSats = (neededSats + droppedSats) as Sats;
  const fees = payoutFees({ feeSats, droppedSats, weight, scripts });
  const isWithin = fees.every(
    (fee, i) => fee.feeSats <= payouts[i]!.shareMaxSats && fee.feeSats - quotes[i]! <= payouts[i]!.payerMaxSats,
  );
  if (feeSats > feeCapSats || !isWithin)
    return refuse(
      'FEE_ABOVE_CAP',
      `expected a fee of at most ${feeCapSats} sat within each payout's cap, needed ${feeSats}`,
    );
  const changeSats = (hasChange ? restSats : 0n) as Sats;
  return ok({ inputs, payouts: paid, changeSats, feeSats, droppedSats, weight });
}
