import { type Result, type Sats, unwrap } from '@finality/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dustLimitSats, type CustodialScriptType as WalletScriptType } from './address.ts';
import {
  type Coin,
  type CoinSelection,
  type CoinSelectionFault,
  type CoinSelectionRequest,
  selectCoins,
} from './coin-selection.ts';
import { feeFor, feeRate, feeRateOf, transactionWeight } from './fees.ts';
import { outpointKey, type ScriptHex, type Txid } from './ids.ts';

const PAYEE = `0014${'77'.repeat(20)}` as ScriptHex;
const CHANGE = { wpkh: `0014${'00'.repeat(20)}` as ScriptHex, tr: `5120${'00'.repeat(32)}` as ScriptHex };
const PLENTY = (10n ** 12n) as Sats;
const sats = (value: bigint): Sats => value as Sats;

const coin = (number: number, value: bigint, anchorEligible = true, scriptType: WalletScriptType = 'wpkh'): Coin => ({
  outpoint: { txid: number.toString(16).padStart(64, '0') as Txid, vout: 0 },
  valueSats: sats(value),
  scriptType,
  anchorEligible,
});

function select(
  coins: readonly Coin[],
  pay: bigint,
  more: Partial<CoinSelectionRequest> = {},
): Result<CoinSelection, CoinSelectionFault> {
  const outputs = [{ script: PAYEE, valueSats: sats(pay) }];
  return selectCoins({
    coins,
    outputs,
    feeRate: feeRate(2_000n),
    feeCapSats: PLENTY,
    changeScriptType: 'wpkh',
    ...more,
  });
}

const values = (selection: CoinSelection): bigint[] => selection.inputs.map(({ valueSats }) => valueSats);

describe('selectCoins', () => {
  it('pays exactly, with change, at the feerate asked', () => {
    const selection = unwrap(select([coin(1, 100_000n)], 30_000n));
    expect(selection).toMatchObject({ feeSats: 282n, changeSats: 69_718n, weight: 562 });
  });

  it('finds coins that need no change', () => {
    const fee = feeFor(transactionWeight(['wpkh', 'wpkh'], [PAYEE]), feeRate(2_000n));
    const coins = [coin(1, 1_000_000n), coin(2, 20_000n), coin(3, 30_000n + fee), coin(4, 11_111n), coin(5, 700_000n)];
    const selection = unwrap(select(coins, 50_000n));
    expect(values(selection).sort()).toEqual([20_000n, 30_000n + fee].sort());
    expect(selection).toMatchObject({ changeSats: 0n, feeSats: fee });
  });

  it('takes few coins, and of those the least valuable that do', () => {
    const coins = [coin(1, 9_000_000n), coin(2, 60_000n), coin(3, 5_000_000n), coin(4, 100_000n), coin(5, 1_000n)];
    expect(values(unwrap(select(coins, 70_000n)))).toEqual([100_000n]);
    expect(values(unwrap(select(coins, 120_000n)))).toEqual([5_000_000n]);
    expect(unwrap(select(coins, 13_000_000n)).inputs).toHaveLength(2);
  });

  it('puts change below the dust limit into the fee', () => {
    const fee = feeFor(transactionWeight(['wpkh'], [PAYEE]), feeRate(2_000n));
    const withChange = feeFor(transactionWeight(['wpkh'], [PAYEE, PAYEE]), feeRate(2_000n));
    expect(unwrap(select([coin(1, 30_000n + withChange + 293n)], 30_000n))).toMatchObject({
      changeSats: 0n,
      feeSats: withChange + 293n,
    });
    expect(unwrap(select([coin(1, 30_000n + withChange + 294n)], 30_000n))).toMatchObject({
      changeSats: 294n,
      feeSats: withChange,
    });
    expect(unwrap(select([coin(1, 30_000n + fee)], 30_000n))).toMatchObject({ changeSats: 0n, feeSats: fee });
  });

  it('adds a coin rather than put more than the cap into the fee', () => {
    const coins = [coin(1, 30_500n), coin(2, 10_000n)];
    expect(unwrap(select(coins, 30_000n, { feeCapSats: sats(500n) })).feeSats).toBe(500n);
    const selection = unwrap(select(coins, 30_000n, { feeCapSats: sats(499n) }));
    expect(selection).toMatchObject({ feeSats: 418n, changeSats: 10_082n });
  });

  it('has an eligible coin first, however little it is worth', () => {
    const coins = [
      coin(1, 1_000_000n, false),
      coin(2, 900_000n, false),
      coin(3, 2_000n, true),
      coin(4, 800_000n, false),
    ];
    const selection = unwrap(select(coins, 500_000n));
    expect(selection.inputs[0]!.valueSats).toBe(2_000n);
    expect(selection.inputs).toHaveLength(2);
    expect(unwrap(select([coin(9, 600_000n, false), coin(1, 600_000n, true)], 500_000n)).inputs).toEqual([
      coin(1, 600_000n, true),
    ]);
  });

  it('keeps the anchor that a lineage has, even one not worth its fee', () => {
    const anchor = coin(3, 10n, false);
    const selection = unwrap(select([coin(1, 1_000_000n), anchor], 500_000n, { anchor: anchor.outpoint }));
    expect(selection.inputs).toEqual([anchor, coin(1, 1_000_000n)]);
    expect(() => select([coin(1, 1_000_000n)], 500_000n, { anchor: anchor.outpoint })).toThrow('among the coins');
  });

  it('says what is there and what is needed', () => {
    const short = select([coin(1, 30_000n), coin(2, 20n)], 30_000n);
    const fee = feeFor(transactionWeight(['wpkh'], [PAYEE]), feeRate(2_000n));
    expect(short).toMatchObject({
      error: { reason: 'INSUFFICIENT_FUNDS', availableSats: 30_000n, neededSats: 30_000n + fee },
    });
    expect(select([], 30_000n)).toMatchObject({ error: { reason: 'INSUFFICIENT_FUNDS', availableSats: 0n } });
    expect(select([coin(1, 50_000n, false)], 30_000n)).toMatchObject({ error: { reason: 'NO_ANCHOR_COIN' } });
    const capped = select([coin(1, 50_000n)], 30_000n, { feeCapSats: sats(281n) });
    expect(capped).toMatchObject({ error: { reason: 'FEE_ABOVE_CAP', neededSats: 30_282n } });
    expect(select([coin(1, 50_000n)], 293n)).toMatchObject({ error: { reason: 'DUST_OUTPUT' } });
    expect(() => select([coin(1, 1n), coin(1, 2n)], 30_000n)).toThrow('offered once');
  });

  it('never builds what nodes would not relay for its weight', () => {
    const many = Array.from({ length: 2_000 }, (_, i) => coin(i, 10_000n));
    expect(select(many, 19_000_000n)).toMatchObject({ error: { reason: 'TOO_MANY_INPUTS' } });
    const most = unwrap(select(many, 13_000_000n));
    expect(most.weight).toBeLessThanOrEqual(400_000);
  });

  it('is quick with 10,000 coins', () => {
    const coins = Array.from({ length: 10_000 }, (_, i) =>
      coin(i, 1_000n + BigInt((i * 7_919) % 100_003), i % 3 === 0),
    );
    const started = performance.now();
    expect(select(coins, 5_000_000n).ok).toBe(true);
    expect(performance.now() - started).toBeLessThan(1_000);
  });
});

describe('selectCoins, whatever it is given', () => {
  const scriptType = fc.constantFrom<WalletScriptType>('wpkh', 'tr');
  const coinList = fc.array(
    fc.record({
      value: fc.oneof(fc.bigInt({ min: 0n, max: 3_000n }), fc.bigInt({ min: 1n, max: 500_000n })),
      eligible: fc.boolean(),
      scriptType,
    }),
    { maxLength: 30 },
  );
  const requests = fc
    .record({
      list: coinList,
      outputs: fc.array(fc.bigInt({ min: 330n, max: 400_000n }), { minLength: 1, maxLength: 4 }),
      rate: fc.bigInt({ min: 0n, max: 50_000n }),
      cap: fc.bigInt({ min: 0n, max: 30_000n }),
      changeScriptType: scriptType,
      keepsAnchor: fc.boolean(),
      shuffle: fc.infiniteStream(fc.nat()),
    })
    .map(({ list, outputs, rate, cap, changeScriptType, keepsAnchor, shuffle }) => {
      const coins = list.map(({ value, eligible, scriptType: type }, i) => coin(i, value, eligible, type));
      const request: CoinSelectionRequest = {
        coins,
        outputs: outputs.map((valueSats) => ({ script: PAYEE, valueSats: sats(valueSats) })),
        feeRate: feeRate(rate),
        feeCapSats: sats(cap),
        changeScriptType,
        ...(keepsAnchor && coins[0] ? { anchor: coins[0].outpoint } : {}),
      };
      const order = coins.map((item) => ({ item, key: shuffle.next().value as number })).sort((a, b) => a.key - b.key);
      return { request, shuffled: order.map(({ item }) => item) };
    });

  it('conserves value, keeps to the cap, meets the feerate, has an anchor, and ignores the order of the coins', () => {
    fc.assert(
      fc.property(requests, ({ request, shuffled }) => {
        const result = selectCoins(request);
        expect(selectCoins({ ...request, coins: shuffled })).toEqual(result);
        if (result.ok) checkSelection(request, result.value);
        else checkRefusal(request, result.error);
      }),
      { numRuns: 400 },
    );
  });

  function checkSelection(request: CoinSelectionRequest, selection: CoinSelection): void {
    const { inputs, changeSats, feeSats, weight } = selection;
    const sum = (amounts: readonly { readonly valueSats: Sats }[]): bigint =>
      amounts.reduce((total, { valueSats }) => total + valueSats, 0n);
    expect(sum(inputs)).toBe(sum(request.outputs) + changeSats + feeSats);
    expect(feeSats).toBeLessThanOrEqual(request.feeCapSats);
    expect(new Set(inputs.map(({ outpoint }) => outpointKey(outpoint))).size).toBe(inputs.length);
    expect(inputs.every((input) => request.coins.includes(input))).toBe(true);
    const change = CHANGE[request.changeScriptType];
    const scripts = [...request.outputs.map(({ script }) => script), ...(changeSats > 0n ? [change] : [])];
    expect(weight).toBe(
      transactionWeight(
        inputs.map((input) => input.scriptType),
        scripts,
      ),
    );
    expect(feeRateOf(feeSats, weight)).toBeGreaterThanOrEqual(request.feeRate);
    expect(changeSats === 0n || changeSats >= dustLimitSats(change)).toBe(true);
    const [anchor] = inputs;
    if (request.anchor) expect(anchor!.outpoint).toEqual(request.anchor);
    else expect(anchor!.anchorEligible).toBe(true);
  }

  function checkRefusal(request: CoinSelectionRequest, refused: CoinSelectionFault): void {
    if (refused.reason === 'INSUFFICIENT_FUNDS') {
      expect(refused.availableSats).toBeLessThan(refused.neededSats);
      const best = selectCoins({
        ...request,
        feeCapSats: PLENTY,
        coins: request.coins.map((item) => ({ ...item, anchorEligible: true })),
      });
      expect(best.ok).toBe(false);
    }
    if (refused.reason === 'NO_ANCHOR_COIN') {
      expect(
        selectCoins({
          ...request,
          feeCapSats: PLENTY,
          coins: request.coins.map((item) => ({ ...item, anchorEligible: true })),
        }).ok,
      ).toBe(true);
    }
  }

  it('finds a way where there is one: compared with all subsets of a few coins', () => {
    const few = fc.record({
      list: fc.array(fc.record({ value: fc.bigInt({ min: 1n, max: 4_000n }), eligible: fc.boolean() }), {
        maxLength: 7,
      }),
      pay: fc.bigInt({ min: 294n, max: 9_000n }),
      rate: fc.bigInt({ min: 0n, max: 8_000n }),
      cap: fc.bigInt({ min: 0n, max: 3_000n }),
    });
    let found = 0;
    fc.assert(
      fc.property(few, ({ list, pay, rate, cap }) => {
        const coins = list.map(({ value, eligible }, i) => coin(i, value, eligible));
        const result = select(coins, pay, { feeRate: feeRate(rate), feeCapSats: sats(cap) });
        const possible = subsets(coins).some((subset) => isPossible(subset, pay, rate, cap));
        if (result.ok !== possible)
          throw new Error(`possible: ${possible}, got ${result.ok ? 'a selection' : result.error.message}`);
        if (possible) found++;
      }),
      { numRuns: 1_500 },
    );
    expect(found).toBeGreaterThan(100);
  });

  const subsets = (coins: readonly Coin[]): readonly Coin[][] =>
    Array.from({ length: 2 ** coins.length }, (_, bits) => coins.filter((_coin, i) => (bits >> i) & 1));

  function isPossible(subset: readonly Coin[], pay: bigint, rate: bigint, cap: bigint): boolean {
    if (!subset.some((item) => item.anchorEligible)) return false;
    const types = subset.map((item) => item.scriptType);
    const spare = subset.reduce((sum, { valueSats }) => sum + valueSats, -pay);
    if (spare < feeFor(transactionWeight(types, [PAYEE]), feeRate(rate))) return false;
    const feeWithChange = feeFor(transactionWeight(types, [PAYEE, CHANGE.wpkh]), feeRate(rate));
    return (spare - feeWithChange >= 294n ? feeWithChange : spare) <= cap;
  }
});
