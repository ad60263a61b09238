import {
  type Coin,
  type CoinSelection,
  feeFor,
  feeRate,
  inputWeight,
  PLACEHOLDER_SCRIPT,
  selectCoins,
  transactionWeight,
  type Txid,
} from '@finality/bitcoin';
import { type Sats, unwrap } from '@finality/kernel';
import { type Figure, figure, type Measured, median } from '../figures.ts';
import { randomFrom } from './random.ts';
import { LongSearch } from './long-search.ts';

const SIZES = [
  { name: 'coinselect.10k', coins: 10_000, limitMs: 30 },
  { name: 'coinselect.200k', coins: 200_000, limitMs: 500 },
];
/** Payments that take about so many coins. */
const INPUTS = [1, 6, 60];
const RATE = feeRate(20_000n);
const LONG_TERM_RATE = feeRate(10_000n);
const FEE_CAP = (10n ** 9n) as Sats;
const WPKH = { type: 'wpkh' } as const;
const RUNS = 7;
const SEARCH_MS = 10_000;
const WASTE_PERCENT_MAX = 1;

/** Selections over large wallets, and how much better ten seconds of search do. */
export function benchSelect(): Promise<Measured> {
  const figures: Figure[] = [];
  const notes: string[] = [];
  for (const { name, coins: count, limitMs } of SIZES) {
    const coins = wallet(count);
    const cases = INPUTS.map((inputs) => measure(coins, paymentOf(coins, inputs)));
    const slowest = Math.max(...cases.map(({ ms }) => ms));
    const wasted = Math.max(...cases.map(({ wastedPercent }) => wastedPercent));
    const searched = `agreed: of the fee, beyond the best that ${SEARCH_MS / 1000} s of search find`;
    figures.push(figure(name, slowest, 'ms', limitMs, `agreed; slowest of ${cases.length} payments`));
    figures.push(figure(`${name}.waste`, wasted, '%', WASTE_PERCENT_MAX, searched));
    notes.push(...cases.map((each) => `${name}: ${each.note}`));
  }
  return Promise.resolve({ figures, notes });
}

interface Case {
  readonly ms: number;
  readonly wastedPercent: number;
  readonly note: string;
}

function measure(coins: readonly Coin[], paySats: Sats): Case {
  const request = {
    coins,
    outputs: [{ script: PLACEHOLDER_SCRIPT.wpkh, valueSats: paySats }],
    feeRate: RATE,
    longTermFeeRate: LONG_TERM_RATE,
    feeCapSats: FEE_CAP,
    change: WPKH,
  };
  const select = (): CoinSelection => unwrap(selectCoins(request));
  const { inputs, feeSats, wasteSats } = select();
  const times = Array.from({ length: RUNS }, () => {
    const started = performance.now();
    select();
    return performance.now() - started;
  });
  const values = coins.map(({ valueSats }) => Number(valueSats));
  const search = new LongSearch(values, {
    needSats: (count) => Number(paySats) + feeWith(count, 1),
    changeCostSats: (count) =>
      feeWith(count, 2) - feeWith(count, 1) + Number(feeFor(inputWeight(WPKH), LONG_TERM_RATE)),
    inputCostSats: (inputWeight(WPKH) * Number(RATE - LONG_TERM_RATE)) / 4_000,
  });
  const best = search.run(SEARCH_MS);
  const wastedPercent = Math.max(0, ((Number(wasteSats) - best.wasteSats) / Number(feeSats)) * 100);
  const ms = median(times);
  const note = `${inputs.length} inputs in ${ms.toFixed(1)} ms, fee ${feeSats} sat, waste ${wasteSats}; the search's best ${best.wasteSats.toFixed(0)} with ${best.count}, after ${best.tries} tries.`;
  return { ms, wastedPercent, note };
}

function feeWith(inputs: number, outputs: number): number {
  const kinds = Array.from({ length: inputs }, () => WPKH);
  const scripts = Array.from({ length: outputs }, () => PLACEHOLDER_SCRIPT.wpkh);
  return Number(feeFor(transactionWeight(kinds, scripts), RATE));
}

/** Values between thousands and tens of millions of satoshi, most of them small. */
function wallet(count: number): Coin[] {
  const random = randomFrom(count);
  return Array.from({ length: count }, (_, i) => ({
    outpoint: {
      txid: Math.floor(random() * 2 ** 32)
        .toString(16)
        .padStart(64, '0') as Txid,
      vout: i,
    },
    valueSats: BigInt(Math.floor(Math.exp(12 + 4 * (random() + random() + random() - 1.5)))) as Sats,
    spend: WPKH,
    anchorEligible: true,
  }));
}

/** A little more than the most valuable coins but one of them bring. */
function paymentOf(coins: readonly Coin[], inputs: number): Sats {
  const values = coins.map(({ valueSats }) => valueSats).sort((a, b) => (a > b ? -1 : 1));
  const top = values.slice(0, inputs - 1).reduce((sum, value) => sum + value, 0n);
  return (top + values[inputs - 1]! / 3n) as Sats;
}
