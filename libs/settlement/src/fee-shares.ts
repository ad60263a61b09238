import { assert, type Sats } from '@finality/kernel';

/**
 * What each payout of a transaction bears of its fee: its own output by weight, and all else (inputs, change, header) in equal parts. Whole
 * satoshi, rounded down; what is left goes to the largest remainders, the earlier first, so that the shares add up to the fee.
 * @param outputWeights of each payout's own output, in weight units
 * @param weight of the whole transaction
 */
export function feeShares(feeSats: Sats, outputWeights: readonly number[], weight: number): readonly Sats[] {
  const count = BigInt(outputWeights.length);
  const own = outputWeights.map(BigInt);
  const common = BigInt(weight) - own.reduce((sum, each) => sum + each, 0n);
  assert(count > 0n && common > 0n, 'a transaction is more than the outputs that it pays');
  const divisor = count * BigInt(weight);
  const exact = own.map((each) => feeSats * (count * each + common));
  const floors = exact.map((each) => each / divisor);
  const left = Number(feeSats - floors.reduce((sum, each) => sum + each, 0n));
  const largest = exact
    .map((each, i) => ({ i, remainder: each % divisor }))
    .sort((a, b) => (a.remainder === b.remainder ? a.i - b.i : a.remainder > b.remainder ? -1 : 1))
    .slice(0, left);
  const rounded = new Set(largest.map(({ i }) => i));
  return floors.map((each, i) => (rounded.has(i) ? each + 1n : each) as Sats);
}
