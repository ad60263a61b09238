import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decideFeeRates,
  FEE_POLICY_VERSION,
  FEE_TARGETS,
  type FeeBucket,
  type FeeInputs,
  type TargetFee,
} from './fee-policy.ts';
import { feeRate, type FeeRate } from './fees.ts';

const MVB = 1_000_000;
const LIMITS = { floor: feeRate(1_000n), cap: feeRate(300_000n) };
/** From sat/vB. */
const perVb = (rate: number): FeeRate => feeRate(BigInt(rate * 1_000));
const bucket = (rate: number, megabytes: number): FeeBucket => ({ feeRate: perVb(rate), vsize: megabytes * MVB });

function decide(inputs: Partial<FeeInputs>): Record<string, [number, TargetFee['basis']]> {
  const { targets } = decideFeeRates({ estimates: {}, ...LIMITS, ...inputs });
  return Object.fromEntries(
    FEE_TARGETS.map((target) => [target, [Number(targets[target].feeRate) / 1_000, targets[target].basis]]),
  );
}

describe('decideFeeRates', () => {
  it('pays the floor where nothing is known, or the mempool has room', () => {
    const floor = { fast: [1, 'floor'], normal: [1, 'floor'], slow: [1, 'floor'] };
    expect(decide({})).toEqual(floor);
    expect(decide({ mempool: [] })).toEqual(floor);
    expect(decide({ mempool: [bucket(40, 0.9)] })).toEqual(floor);
    expect(decide({ estimates: { fast: perVb(0.5) } })).toEqual(floor);
  });

  it('takes what nodes estimate where the mempool asks for less', () => {
    const estimates = { fast: perVb(20), normal: perVb(12), slow: perVb(3) };
    const expected = { fast: [20, 'estimate'], normal: [12, 'estimate'], slow: [3, 'estimate'] };
    expect(decide({ estimates })).toEqual(expected);
    expect(decide({ estimates, mempool: [bucket(5, 30)] })).toEqual(expected);
  });

  it('outbids the mempool where nodes estimate less, and leaves half of the room to who comes later', () => {
    const mempool = [bucket(2, 50), bucket(30, 0.5), bucket(10, 2), bucket(15, 0.6)];
    const estimates = { fast: perVb(5), normal: perVb(5) };
    // Fast: one block's room, which ends among those of 15; normal: three, which end among those of 10; slow: 72, enough for all.
    expect(decide({ mempool, estimates })).toEqual({
      fast: [16.5, 'mempool'],
      normal: [11, 'mempool'],
      slow: [1, 'floor'],
    });
  });

  it('outbids nobody who pays much more than it takes', () => {
    expect(decide({ mempool: [bucket(10.5, 0.5), bucket(10, 1)] })).toMatchObject({ fast: [10.5, 'mempool'] });
  });

  it('goes along with a spike from 1 to 500 sat/vB at once, up to the cap, and says so', () => {
    const calm = { fast: perVb(1), normal: perVb(1), slow: perVb(1) };
    const mempool = [bucket(500, 4), bucket(1, 80)];
    expect(decide({ estimates: calm, mempool: [bucket(1, 80)] })).toMatchObject({ fast: [1.1, 'mempool'] });
    expect(decide({ estimates: calm, mempool, cap: feeRate(1_000_000n) })).toEqual({
      fast: [550, 'mempool'],
      normal: [550, 'mempool'],
      slow: [1.1, 'mempool'],
    });
    expect(decide({ estimates: calm, mempool })).toEqual({
      fast: [300, 'cap'],
      normal: [300, 'cap'],
      slow: [1.1, 'mempool'],
    });
  });

  it('never pays less for a faster target', () => {
    expect(decide({ estimates: { fast: perVb(4), normal: perVb(9), slow: perVb(7) } })).toMatchObject({
      fast: [9, 'estimate'],
      normal: [9, 'estimate'],
    });
  });

  it('says how long it takes, and is recorded with all that it rests on', () => {
    const inputs: FeeInputs = { estimates: { slow: perVb(2) }, mempool: [bucket(5, 3)], ...LIMITS };
    const decision = decideFeeRates(inputs);
    expect([decision.policyVersion, decision.inputs]).toEqual([FEE_POLICY_VERSION, inputs]);
    expect(
      FEE_TARGETS.map((target) => [decision.targets[target].blocks, decision.targets[target].delaySeconds]),
    ).toEqual([
      [2, 1_200],
      [6, 3_600],
      [144, 86_400],
    ]);
  });

  it('pays no more than the cap to nodes that ask for more', () => {
    expect(decide({ floor: perVb(301), estimates: { fast: perVb(5) } })).toEqual({
      fast: [300, 'cap'],
      normal: [300, 'cap'],
      slow: [300, 'cap'],
    });
  });

  it('keeps between floor and cap, in order, whatever it is given, and ignores the order of buckets', () => {
    const rate = fc.bigInt({ min: 0n, max: 900_000n }).map(feeRate);
    const optional = fc.option(rate, { nil: undefined });
    const buckets = fc.uniqueArray(fc.record({ feeRate: rate, vsize: fc.nat({ max: 20 * MVB }) }), {
      maxLength: 8,
      selector: (each) => each.feeRate,
    });
    fc.assert(
      fc.property(fc.tuple(optional, optional, optional), buckets, ([fast, normal, slow], mempool) => {
        const estimates = {
          ...(fast === undefined ? {} : { fast }),
          ...(normal === undefined ? {} : { normal }),
          ...(slow === undefined ? {} : { slow }),
        };
        const { targets } = decideFeeRates({ estimates, mempool, ...LIMITS });
        expect(decideFeeRates({ estimates, mempool: mempool.toReversed(), ...LIMITS }).targets).toEqual(targets);
        const rates = FEE_TARGETS.map((target) => targets[target].feeRate);
        expect(rates).toEqual([...rates].sort((a, b) => Number(b - a)));
        expect(rates.every((each) => each >= LIMITS.floor && each <= LIMITS.cap)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});
