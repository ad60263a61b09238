import {
  type CoinSelectionFault,
  type CustodialScriptType,
  outpointKey,
  parseOutpointKey,
  PLACEHOLDER_SCRIPT,
  type ScriptHex,
  selectQuoted,
  transactionWeight,
  type WalletScriptType,
  walletScriptTypeOf,
} from '@finality/bitcoin';
import { assert, ok, type Result, type Sats, unwrap } from '@finality/kernel';
import type { Book } from '../book.ts';
import { type Coin, isSpendable } from '../coin.ts';
import { feeRateNow } from './fees.ts';
import type { LineagePayout, LineagePlan } from '../lineage.ts';

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
  const own = (plan?.inputs ?? []).map(({ outpoint }) => candidate(book.coins.get(outpoint)));
  const free = request.own === 'only' ? [] : spendable(book, walletId).map(candidate);
  const selection = {
    payouts: payouts.map(({ payeeWalletId, amountSats, payeeFeeSats, feeBearer, feeReservedSats }) => ({
      amountSats: (amountSats + payeeFeeSats) as Sats,
      script: placeholderFor(book, payeeWalletId),
      bearer: feeBearer,
      shareMaxSats: policy.feeCapSats,
      payerMaxSats: feeReservedSats,
    })),
    feeRate: feeRateNow(book),
    feeCapSats: (policy.feeCapSats * BigInt(payouts.length)) as Sats,
    change: { type: payingScriptType(book, walletId) },
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

export const candidate = (coin: Coin) => ({
  coin,
  outpoint: unwrap(parseOutpointKey(coin.outpoint)),
  valueSats: coin.valueSats,
  spend: { type: scriptTypeOf(coin.script) },
  anchorEligible: true,
});

/** Of the size that an output to this wallet has. */
export const placeholderFor = (book: Book, walletId: string): ScriptHex =>
  PLACEHOLDER_SCRIPT[walletScriptType(book, walletId)];

/** The most that a transaction with these inputs and outputs can weigh. */
export const weightOf = (inputs: readonly { readonly script: ScriptHex }[], scripts: readonly ScriptHex[]): number =>
  transactionWeight(
    inputs.map(({ script }) => ({ type: scriptTypeOf(script) })),
    scripts,
  );

function scriptTypeOf(script: ScriptHex): CustodialScriptType {
  const type = walletScriptTypeOf(script);
  assert(type !== undefined, `${script} is no script of a wallet`);
  return type;
}

/** Only wallets whose keys are the signer's pay. */
export function payingScriptType(book: Book, walletId: string): CustodialScriptType {
  const type = walletScriptType(book, walletId);
  assert(type === 'wpkh' || type === 'tr', `wallet ${walletId} of ${type} has keys of the signer`);
  return type;
}

function walletScriptType(book: Book, walletId: string): WalletScriptType {
  const wallet = book.wallet(walletId);
  assert(wallet !== undefined, `wallet ${walletId} is not known`);
  return wallet.scriptType;
}
