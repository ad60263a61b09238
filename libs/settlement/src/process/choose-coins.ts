import {
  type CoinSelectionFault,
  isMultisig,
  outpointKey,
  parseOutpointKey,
  PLACEHOLDER_SCRIPT,
  type ScriptHex,
  selectQuoted,
  type SpendKind,
  transactionWeight,
} from '@finality/bitcoin';
import { assert, ok, type Result, type Sats, unwrap } from '@finality/kernel';
import type { Book } from '../book.ts';
import { type Coin, isSpendable, type WalletRecord } from '../coin.ts';
import { feeRateNow } from './fees.ts';
import type { LineagePayout, LineagePlan, OnChainPayee } from '../lineage.ts';

export interface CoinRequest {
  readonly walletId: string;
  /** With any quotes: they are quoted anew. */
  readonly payouts: readonly LineagePayout[];
  /** A plan that there is already: its anchor stays, its coins are used first or again. */
  readonly plan?: Pick<LineagePlan, 'anchor'> & {
    readonly inputs: readonly Pick<LineagePlan['inputs'][number], 'outpoint'>[];
  };
  /** Whether other coins of the wallet may be used too. */
  readonly own?: 'only';
}

export interface CoinChoice {
  /** Anchor first. */
  readonly coins: readonly Coin[];
  /** Those of the request, with what their payees get and bear. */
  readonly payouts: readonly LineagePayout[];
  readonly feeSats: Sats;
  readonly droppedSats: Sats;
  readonly changeSats: Sats;
}

/** More are only looked at when the most valuable of them don't do: a batch may choose a thousand times while it holds the store's lock. */
const COINS_CONSIDERED_MAX = 200;

/** Coins that pay all of it within the fee caps, at today's feerate; otherwise why there are none. Claims nothing. */
export function chooseCoins(book: Book, request: CoinRequest): Result<CoinChoice, CoinSelectionFault> {
  const { walletId, payouts, plan } = request;
  const { policy } = book;
  const spend = spendOf(book, walletId);
  const candidate = candidateOf(spend);
  const own = (plan?.inputs ?? []).map(({ outpoint }) => candidate(book.coins.get(outpoint)));
  const free = request.own === 'only' ? [] : spendable(book, walletId).map(candidate);
  const selection = {
    payouts: payouts.map(({ payee, amountSats, payeeFeeSats, feeBearer, feeReservedSats }) => ({
      amountSats: (amountSats + payeeFeeSats) as Sats,
      script: scriptSized(book, payee),
      bearer: feeBearer,
      shareMaxSats: policy.feeCapSats,
      payerMaxSats: feeReservedSats,
    })),
    feeRate: feeRateNow(book),
    feeCapSats: (policy.feeCapSats * BigInt(payouts.length)) as Sats,
    change: spend,
    ...(plan && { anchor: unwrap(parseOutpointKey(plan.anchor)) }),
  };
  const fromFew = selectQuoted({ ...selection, coins: [...own, ...free.slice(0, COINS_CONSIDERED_MAX)] });
  const isAll = fromFew.ok || free.length <= COINS_CONSIDERED_MAX;
  const selected = isAll ? fromFew : selectQuoted({ ...selection, coins: [...own, ...free] });
  if (!selected.ok) return selected;
  const { inputs, feeSats, droppedSats, changeSats } = selected.value;
  assert(new Set(inputs.map((input) => outpointKey(input.outpoint))).size === inputs.length, 'a coin is chosen once');
  const quoted = selected.value.payouts.map(({ paidSats, payeeFeeSats }, i): LineagePayout => {
    return { ...payouts[i]!, amountSats: paidSats, payeeFeeSats };
  });
  return ok({ coins: inputs.map((input) => input.coin), payouts: quoted, feeSats, droppedSats, changeSats });
}

/** Coins that no lineage has and that are final, the most valuable first. */
export function spendable(book: Book, walletId: string): readonly Coin[] {
  const { height } = book.tip.get();
  return book.coins
    .ofWallet(walletId)
    .filter((coin) => isSpendable(coin, height, book.policy.confirmations.base.deposit))
    .sort((a, b) => Number(b.valueSats - a.valueSats) || (a.outpoint < b.outpoint ? -1 : 1));
}

export const candidateOf = (spend: SpendKind) => (coin: Coin) => ({
  coin,
  outpoint: unwrap(parseOutpointKey(coin.outpoint)),
  valueSats: coin.valueSats,
  spend,
  anchorEligible: true,
});

/** Of the size that the payee's output has. */
export const scriptSized = (book: Book, payee: OnChainPayee): ScriptHex =>
  payee.kind === 'destination' ? payee.script : placeholderFor(book, payee.walletId);

/** Of the size that an output to this wallet has. */
export const placeholderFor = (book: Book, walletId: string): ScriptHex =>
  PLACEHOLDER_SCRIPT[knownWallet(book, walletId).scriptType];

/** The most that a transaction with these inputs, all of one wallet, and outputs can weigh. */
export const weightOf = (spend: SpendKind, inputs: readonly unknown[], scripts: readonly ScriptHex[]): number =>
  transactionWeight(
    inputs.map(() => spend),
    scripts,
  );

/** What it takes to spend a coin of this wallet. */
export function spendOf(book: Book, walletId: string): SpendKind {
  const { scriptType, descriptor } = knownWallet(book, walletId);
  if (!isMultisig(scriptType)) return { type: scriptType };
  assert(descriptor !== undefined, `wallet ${walletId} of several keys has a descriptor`);
  return { type: scriptType, required: descriptor.required, keys: descriptor.keys.length };
}

/** The wallet, when it must be there. */
export function knownWallet(book: Book, walletId: string): WalletRecord {
  const wallet = book.wallet(walletId);
  assert(wallet !== undefined, `wallet ${walletId} is not known`);
  return wallet;
}
