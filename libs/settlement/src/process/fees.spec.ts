import { feeRate } from '@finality/bitcoin';
import type { Instant } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import { offered } from '../lineage.ts';
import { funded, givenUnder, lineageOf, paying, submitted } from '../spec/given.fixture.ts';
import { POLICY } from '../spec/memory-book.fixture.ts';
import type { World } from '../spec/world.fixture.ts';
import { feesNow } from './fees.ts';

const LIMITS = { fees: { floor: feeRate(1_000n), cap: feeRate(20_000n) } };
const at = 7 as Instant;
const estimated = (fast: bigint, normal: bigint, slow: bigint, floor = 1_000n) => ({
  fees: {
    estimates: { fast: feeRate(fast), normal: feeRate(normal), slow: feeRate(slow) },
    floor: feeRate(floor),
    at,
  },
});
const ratesOf = (decision: ReturnType<typeof feesNow>): readonly bigint[] => {
  const { fast, normal, slow } = decision.targets;
  return [fast.feeRate, normal.feeRate, slow.feeRate];
};

describe('feerates', () => {
  it('are what the node estimates, between the floor and the cap', () => {
    const decision = feesNow(estimated(50_000n, 8_000n, 500n), LIMITS);
    expect(ratesOf(decision)).toEqual([20_000n, 8_000n, 1_000n]);
    expect(decision.estimatedAt).toBe(at);
  });

  it('are what outbids the mempool where nodes estimate less', () => {
    const { fees } = estimated(5_000n, 3_000n, 1_000n);
    const mempool = [
      { feeRate: feeRate(15_000n), vsize: 1_200_000 },
      { feeRate: feeRate(4_000n), vsize: 4_000_000 },
    ];
    const { targets } = feesNow({ fees: { ...fees, mempool } }, LIMITS);
    expect([targets.fast, targets.normal, targets.slow].map(({ feeRate: rate, basis }) => [rate, basis])).toEqual([
      [16_500n, 'mempool'],
      [4_400n, 'mempool'],
      [1_000n, 'floor'],
    ]);
  });

  it('are never below what the node relays', () => {
    expect(ratesOf(feesNow(estimated(9_000n, 2_000n, 1_000n, 3_000n), LIMITS))).toEqual([9_000n, 3_000n, 3_000n]);
  });

  it('are the floor while nobody has estimated anything', () => {
    const decision = feesNow({}, LIMITS);
    expect([ratesOf(decision), decision.estimatedAt]).toEqual([[1_000n, 1_000n, 1_000n], undefined]);
  });

  it('are all the one that is fixed, whatever is estimated', () => {
    expect(ratesOf(feesNow(estimated(50_000n, 8_000n, 500n), { fees: { fixed: feeRate(2_000n) } }))).toEqual([
      2_000n,
      2_000n,
      2_000n,
    ]);
  });
});

it('a payout pays what is estimated for the normal target when it is planned', () => {
  const told = (world: World): void => {
    const { fees } = estimated(15_000n, 10_000n, 1_000n);
    world.tell({ type: 'chain_fact', fact: { kind: 'fees_estimated', fees } });
  };
  const history = [funded('a', 'wallet', 90_000n), submitted('bilateral', 20_000n)];
  const feeOf = (...before: readonly ((world: World) => unknown)[]): bigint =>
    offered(lineageOf(givenUnder({ ...POLICY, ...LIMITS }, ...history, ...before).when(...paying).world)).versions[0]!
      .feeSats;
  expect(feeOf(told)).toBe(feeOf() * 10n);
});
