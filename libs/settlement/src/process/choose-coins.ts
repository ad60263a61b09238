import {
  type CustodialScriptType,
  outpointKey,
  parseOutpointKey,
  type ScriptHex,
  selectCoins,
  type WalletScriptType,
  walletScriptTypeOf,
} from '@finality/bitcoin';
import { assert, err, ok, type Result, type Sats, unwrap } from '@finality/kernel';
import type { Book } from '../book.ts';
import { type Coin, isSpendable } from '../coin.ts';
import type { Terms } from '../settlement.ts';

export interface CoinChoice {
  /** Anchor first. */
  readonly coins: readonly Coin[];
  readonly feeSats: Sats;
  readonly changeSats: Sats;
}

/** More are only looked at when the most valuable of them don't do: a batch may choose a thousand times while it holds the store's lock. */
const COINS_CONSIDERED_MAX = 200;

/** Stand-ins of the right size: the payee's address is issued once the coins are reserved. */
const PLACEHOLDER: Readonly<Record<WalletScriptType, ScriptHex>> = {
  pkh: `76a914${'00'.repeat(20)}88ac` as ScriptHex,
  'sh-wpkh': `a914${'00'.repeat(20)}87` as ScriptHex,
  wpkh: `0014${'00'.repeat(20)}` as ScriptHex,
  tr: `5120${'00'.repeat(32)}` as ScriptHex,
  'wsh-sortedmulti': `0020${'00'.repeat(32)}` as ScriptHex,
  'sh-wsh-sortedmulti': `a914${'00'.repeat(20)}87` as ScriptHex,
};

/** Coins that pay these terms within the fee cap, at today's feerate; otherwise why there are none, in words. Claims nothing. */
export function chooseCoins(book: Book, terms: Terms): Result<CoinChoice, string> {
  assert(terms.payer.kind === 'wallet' && terms.payee.kind === 'wallet', 'only wallets hold coins');
  const { policy } = book;
  const { height } = book.tip.get();
  const spendable = book.coins
    .ofWallet(terms.payer.walletId)
    .filter((coin) => isSpendable(coin, height, policy.depositConfirmations))
    .map((coin) => ({
      coin,
      outpoint: unwrap(parseOutpointKey(coin.outpoint)),
      valueSats: coin.valueSats,
      scriptType: scriptTypeOf(coin.script),
      anchorEligible: true,
    }))
    .sort((a, b) => Number(b.valueSats - a.valueSats) || (a.coin.outpoint < b.coin.outpoint ? -1 : 1));
  const request = {
    outputs: [{ valueSats: terms.amountSats, script: PLACEHOLDER[walletScriptType(book, terms.payee.walletId)] }],
    feeRate: policy.feeRate,
    feeCapSats: policy.feeCapSats,
    changeScriptType: payingScriptType(book, terms.payer.walletId),
  };
  const fromFew = selectCoins({ ...request, coins: spendable.slice(0, COINS_CONSIDERED_MAX) });
  const isAll = fromFew.ok || spendable.length <= COINS_CONSIDERED_MAX;
  const selection = isAll ? fromFew : selectCoins({ ...request, coins: spendable });
  if (!selection.ok) return err(selection.error.message);
  const { inputs, feeSats, changeSats } = selection.value;
  assert(new Set(inputs.map((input) => outpointKey(input.outpoint))).size === inputs.length, 'a coin is chosen once');
  return ok({ coins: inputs.map((input) => input.coin), feeSats, changeSats });
}

function scriptTypeOf(script: ScriptHex): CustodialScriptType {
  const type = walletScriptTypeOf(script);
  assert(type !== undefined, `${script} is no script of a wallet`);
  return type;
}

function walletScriptType(book: Book, walletId: string): WalletScriptType {
  const wallet = book.wallet(walletId);
  assert(wallet !== undefined, `wallet ${walletId} is not known`);
  return wallet.scriptType;
}

/** Only wallets whose keys are the signer's pay. */
function payingScriptType(book: Book, walletId: string): CustodialScriptType {
  const type = walletScriptType(book, walletId);
  assert(type === 'wpkh' || type === 'tr', `wallet ${walletId} of ${type} has keys of the signer`);
  return type;
}
