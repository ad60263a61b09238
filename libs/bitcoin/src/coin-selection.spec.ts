import { type Result, type Sats, unwrap } from '@finality/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dustLimitSats } from './address.ts';
import {
  type Coin,
  type CoinSelection,
  type CoinSelectionFault,
  type CoinSelectionRequest,
  selectCoins,
} from './coin-selection.ts';
import {
  feeFor,
  feeRate,
  feeRateOf,
  inputWeight,
  PLACEHOLDER_SCRIPT,
  type SpendKind,
  transactionWeight,
} from './fees.ts';
import { outpointKey, type ScriptHex, type Txid } from './ids.ts';

const PAYEE = `0014${'77'.repeat(20)}` as ScriptHex;
const WPKH: SpendKind = { type: 'wpkh' };
const TR: SpendKind = { type: 'tr' };
const PLENTY = (10n ** 12n) as Sats;
const sats = (value: bigint): Sats => value as Sats;

const coin = (number: number, value: bigint, anchorEligible = true, spend: SpendKind = WPKH): Coin => ({
  outpoint: { txid: number.toString(16).padStart(64, '0') as Txid, vout: 0 },
  valueSats: sats(value),
  spend,
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
    longTermFeeRate: feeRate(2_000n),
    change: WPKH,
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
    const fee = feeFor(transactionWeight([WPKH, WPKH], [PAYEE]), feeRate(2_000n));
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
    const fee = feeFor(transactionWeight([WPKH], [PAYEE]), feeRate(2_000n));
    const withChange = feeFor(transactionWeight([WPKH], [PAYEE, PAYEE]), feeRate(2_000n));
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
    const capped = (cap: bigint): CoinSelection =>
      unwrap(select(coins, 30_000n, { feeCapSats: sats(cap), longTermFeeRate: feeRate(10_000n) }));
    expect(capped(500n).feeSats).toBe(500n);
    const selection = capped(499n);
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

  it("spends coins of one kind where one kind suffices, and mixes them where it doesn't", () => {
    const coins = [coin(1, 60_000n), coin(2, 50_000n, true, TR), coin(3, 40_000n), coin(4, 45_000n, true, TR)];
    const kindsFor = (pay: bigint, more: Partial<CoinSelectionRequest> = {}): Set<string> =>
      new Set(unwrap(select(coins, pay, more)).inputs.map(({ spend }) => spend.type));
    expect(kindsFor(90_000n)).toEqual(new Set(['tr']));
    expect(kindsFor(98_000n)).toEqual(new Set(['wpkh']));
    expect(kindsFor(150_000n)).toEqual(new Set(['wpkh', 'tr']));
    expect(kindsFor(50_000n, { anchor: coins[3]!.outpoint })).toEqual(new Set(['tr']));
    const multisig = { type: 'wsh-sortedmulti', keys: 3 } as const;
    const ofTwo = coin(6, 80_000n, true, { ...multisig, required: 2 });
    const ofThree = coin(7, 80_000n, true, { ...multisig, required: 3 });
    expect(unwrap(select([ofThree, ofTwo], 70_000n)).inputs).toEqual([ofTwo]);
  });

  it('pays the least fee that a replacement needs, whatever the feerate', () => {
    const selection = unwrap(select([coin(1, 100_000n)], 30_000n, { feeMinSats: sats(5_000n) }));
    expect(selection).toMatchObject({ feeSats: 5_000n, changeSats: 65_000n });
    const short = select([coin(1, 34_999n)], 30_000n, { feeMinSats: sats(5_000n) });
    expect(short).toMatchObject({ error: { reason: 'INSUFFICIENT_FUNDS', neededSats: 35_000n } });
  });

  it('spends more coins without change rather than fewer with it, unless coins are dear', () => {
    const fee = feeFor(transactionWeight([WPKH, WPKH], [PAYEE]), feeRate(20_000n));
    const coins = [coin(1, 200_000n), coin(2, 60_000n), coin(3, 40_000n + fee)];
    const at = (longTermFeeRate: bigint): number =>
      unwrap(select(coins, 100_000n, { feeRate: feeRate(20_000n), longTermFeeRate: feeRate(longTermFeeRate) })).inputs
        .length;
    // Change: 31 vB now, 68 vB later. One coin more: 68 vB at 20 sat/vB less what it would cost later.
    expect(at(10_000n)).toBe(2);
    expect(at(1_000n)).toBe(1);
  });

  it('makes no change that costs more to spend later than it is worth', () => {
    const withChange = feeFor(transactionWeight([WPKH], [PAYEE, PAYEE]), feeRate(2_000n));
    const changeFor = (left: bigint, more: Partial<CoinSelectionRequest> = {}): bigint =>
      unwrap(select([coin(1, 30_000n + withChange + left)], 30_000n, { longTermFeeRate: feeRate(10_000n), ...more }))
        .changeSats;
    expect(changeFor(679n)).toBe(0n);
    expect(changeFor(680n)).toBe(680n);
    // Better than a fee above the cap.
    expect(changeFor(679n, { feeCapSats: withChange })).toBe(679n);
  });

  it('keeps the anchor that a lineage has, even one not worth its fee', () => {
    const anchor = coin(3, 10n, false);
    const selection = unwrap(select([coin(1, 1_000_000n), anchor], 500_000n, { anchor: anchor.outpoint }));
    expect(selection.inputs).toEqual([anchor, coin(1, 1_000_000n)]);
    expect(() => select([coin(1, 1_000_000n)], 500_000n, { anchor: anchor.outpoint })).toThrow('among the coins');
  });

  it('says what is there and what is needed', () => {
    const short = select([coin(1, 30_000n), coin(2, 20n)], 30_000n);
    const fee = feeFor(transactionWeight([WPKH], [PAYEE]), feeRate(2_000n));
    expect(short).toMatchObject({
      error: { reason: 'INSUFFICIENT_FUNDS', availableSats: 30_000n, neededSats: 30_000n + fee },
    });
    expect(select([], 30_000n)).toMatchObject({ error: { reason: 'INSUFFICIENT_FUNDS', availableSats: 0n } });
    expect(select([coin(1, 50_000n, false)], 30_000n)).toMatchObject({ error: { reason: 'NO_ANCHOR_COIN' } });
    const capped = select([coin(1, 50_000n)], 30_000n, { feeCapSats: sats(281n) });
    expect(capped).toMatchObject({ error: { reason: 'FEE_ABOVE_CAP', neededSats: 30_282n } });
    expect(select([coin(1, 50_000n)], 293n)).toMatchObject({ error: { reason: 'DUST_OUTPUT' } });
    expect(() => select([coin(1, 20_000n), coin(1, 20_000n)], 30_000n)).toThrow('offered once');
  });

  it('never builds what nodes would not relay for its weight', () => {
    const many = Array.from({ length: 2_000 }, (_, i) => coin(i, 10_000n));
    expect(select(many, 19_000_000n)).toMatchObject({ error: { reason: 'TRANSACTION_TOO_HEAVY' } });
    const most = unwrap(select(many, 13_000_000n));
    expect(most.weight).toBeLessThanOrEqual(400_000);
  });

  it('finds hardly any waste to avoid among 10,000 coins', () => {
    const coins = Array.from({ length: 10_000 }, (_, i) =>
      coin(i, 1_000n + BigInt((i * 7_919) % 100_003), i % 3 === 0),
    );
    const selection = unwrap(select(coins, 5_000_000n, { longTermFeeRate: feeRate(1_000n) }));
    expect(selection.changeSats).toBe(0n);
    // The fewest coins that can pay at all, and no more than a hundredth of the fee too much.
    const fewest = unwrap(select(coins, 5_000_000n, { longTermFeeRate: feeRate(0n) })).inputs.length;
    const inputsWaste = (BigInt(fewest * inputWeight(WPKH)) * 1_000n) / 4_000n;
    expect(selection.wasteSats - inputsWaste).toBeLessThanOrEqual(selection.feeSats / 100n);
  });
});

describe('selectCoins, whatever it is given', () => {
  const spend = fc.constantFrom<SpendKind>(
    WPKH,
    WPKH,
    TR,
    { type: 'pkh' },
    { type: 'sh-wpkh' },
    { type: 'wsh-sortedmulti', required: 2, keys: 3 },
  );
  const coinList = fc.array(
    fc.record({
      value: fc.oneof(fc.bigInt({ min: 0n, max: 3_000n }), fc.bigInt({ min: 1n, max: 500_000n })),
      eligible: fc.boolean(),
      spend,
    }),
    { maxLength: 30 },
  );
  const requests = fc
    .record({
      list: coinList,
      outputs: fc.array(fc.bigInt({ min: 330n, max: 400_000n }), { minLength: 1, maxLength: 4 }),
      rate: fc.bigInt({ min: 0n, max: 50_000n }),
      cap: fc.bigInt({ min: 0n, max: 30_000n }),
      longTerm: fc.bigInt({ min: 0n, max: 20_000n }),
      feeMin: fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 5_000n })),
      weightMax: fc.oneof(fc.constant(400_000), fc.integer({ min: 400, max: 4_000 })),
      change: spend,
      keepsAnchor: fc.boolean(),
      shuffle: fc.infiniteStream(fc.nat()),
    })
    .map(({ list, outputs, rate, longTerm, cap, feeMin, weightMax, change, keepsAnchor, shuffle }) => {
      const coins = list.map(({ value, eligible, spend: kind }, i) => coin(i, value, eligible, kind));
      const request: CoinSelectionRequest = {
        coins,
        outputs: outputs.map((valueSats) => ({ script: PAYEE, valueSats: sats(valueSats) })),
        feeRate: feeRate(rate),
        longTermFeeRate: feeRate(longTerm),
        feeMinSats: sats(feeMin),
        feeCapSats: sats(cap),
        weightMax,
        change,
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
    const change = PLACEHOLDER_SCRIPT[request.change.type];
    const scripts = [...request.outputs.map(({ script }) => script), ...(changeSats > 0n ? [change] : [])];
    expect(weight).toBe(
      transactionWeight(
        inputs.map((input) => input.spend),
        scripts,
      ),
    );
    expect(weight).toBeLessThanOrEqual(request.weightMax!);
    const atRate = feeFor(weight, request.feeRate);
    const least = atRate > request.feeMinSats! ? atRate : request.feeMinSats!;
    expect(feeRateOf(feeSats, weight)).toBeGreaterThanOrEqual(request.feeRate);
    // With change the fee is exact; without, what is too much is less than change would have cost and been worth.
    if (changeSats > 0n) expect(feeSats).toBe(least);
    else expect(feeSats).toBeGreaterThanOrEqual(least);
    expect(changeSats === 0n || changeSats >= dustLimitSats(change)).toBe(true);
    const [anchor] = inputs;
    if (request.anchor) expect(anchor!.outpoint).toEqual(request.anchor);
    else expect(anchor!.anchorEligible).toBe(true);
  }

  function checkRefusal(request: CoinSelectionRequest, refused: CoinSelectionFault): void {
    if (refused.reason === 'INSUFFICIENT_FUNDS') {
      expect(refused.availableSats).toBeLessThan(refused.neededSats);
      // An anchor that costs more than it holds may be what is too much: others are let in only where there is none.
      const isAnchored = request.anchor !== undefined || request.coins.some(({ anchorEligible }) => anchorEligible);
      const coins = isAnchored ? request.coins : request.coins.map((item) => ({ ...item, anchorEligible: true }));
      expect(selectCoins({ ...request, feeCapSats: PLENTY, coins }).ok).toBe(false);
    }
    if (refused.reason === 'NO_ANCHOR_COIN') {
      expect(
        selectCoins({
          ...request,
          feeCapSats: PLENTY,
          weightMax: 400_000,
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

  it('wastes as little as the best of all subsets of a few coins, but for a thousandth of the fee', () => {
    const few = fc.record({
      values: fc.array(fc.bigInt({ min: 1n, max: 60_000n }), { maxLength: 9 }),
      pay: fc.bigInt({ min: 294n, max: 120_000n }),
      rate: fc.bigInt({ min: 500n, max: 40_000n }),
      longTerm: fc.bigInt({ min: 0n, max: 20_000n }),
    });
    let compared = 0;
    fc.assert(
      fc.property(few, ({ values: list, pay, rate, longTerm }) => {
        const coins = list.map((value, i) => coin(i, value));
        const result = select(coins, pay, { feeRate: feeRate(rate), longTermFeeRate: feeRate(longTerm) });
        if (!result.ok) return;
        const { wasteSats, feeSats } = result.value;
        const worthIt = coins.filter(({ valueSats }) => valueSats * 4_000n > BigInt(inputWeight(WPKH)) * rate);
        const possible = subsets(worthIt).map((subset) => ({
          count: subset.length,
          waste: wasteOf(subset, pay, rate, longTerm),
        }));
        const paying = possible.filter(({ waste }) => waste !== undefined);
        // More than three coins beyond the fewest aren't spent for less waste: each would make every bump dearer.
        const countMax = Math.min(...paying.map(({ count }) => count)) + 3;
        const best = Math.min(...paying.filter(({ count }) => count <= countMax).map(({ waste }) => waste!));
        expect(Number(wasteSats)).toBeLessThanOrEqual(best + Number(feeSats) / 1_000 + 1);
        expect(Number(wasteSats)).toBeGreaterThanOrEqual(Math.floor(best));
        compared++;
      }),
      { numRuns: 500 },
    );
    expect(compared).toBeGreaterThan(100);
  });

  /** By the definition; undefined where the coins don't suffice. */
  function wasteOf(subset: readonly Coin[], pay: bigint, rate: bigint, longTerm: bigint): number | undefined {
    const kinds = subset.map((item) => item.spend);
    const spare = subset.reduce((sum, { valueSats }) => sum + valueSats, -pay);
    const bare = feeFor(transactionWeight(kinds, [PAYEE]), feeRate(rate));
    if (subset.length === 0 || spare < bare) return undefined;
    const changed = feeFor(transactionWeight(kinds, [PAYEE, PLACEHOLDER_SCRIPT.wpkh]), feeRate(rate));
    const later = feeFor(inputWeight(WPKH), feeRate(longTerm));
    const inputs = (subset.length * inputWeight(WPKH) * Math.max(0, Number(rate - longTerm))) / 4_000;
    const canChange = spare - changed >= (later > 294n ? later : 294n);
    return inputs + Number(canChange ? changed - bare + later : spare - bare);
  }

  const subsets = (coins: readonly Coin[]): readonly Coin[][] =>
    Array.from({ length: 2 ** coins.length }, (_, bits) => coins.filter((_coin, i) => (bits >> i) & 1));

  function isPossible(subset: readonly Coin[], pay: bigint, rate: bigint, cap: bigint): boolean {
    if (!subset.some((item) => item.anchorEligible)) return false;
    const types = subset.map((item) => item.spend);
    const spare = subset.reduce((sum, { valueSats }) => sum + valueSats, -pay);
    if (spare < feeFor(transactionWeight(types, [PAYEE]), feeRate(rate))) return false;
    const feeWithChange = feeFor(transactionWeight(types, [PAYEE, PLACEHOLDER_SCRIPT.wpkh]), feeRate(rate));
    return (spare - feeWithChange >= 294n ? feeWithChange : spare) <= cap;
  }
});
