import { decideFeeRates, type FeeDecision, type FeeRate } from '@finality/bitcoin';
import type { Instant } from '@finality/kernel';
import type { Book } from '../book.ts';
import type { ChainTip } from '../chain-tip.ts';
import type { SettlementPolicy } from '../policy.ts';

/** The feerate for each target, by what the node estimated last and what its mempool pays, whichever is more; where nobody has estimated anything, the floor. */
export function feesNow(
  { fees }: Pick<ChainTip, 'fees'>,
  policy: Pick<SettlementPolicy, 'fees'>,
): FeeDecision & { readonly estimatedAt?: Instant } {
  const limits = 'fixed' in policy.fees ? { floor: policy.fees.fixed, cap: policy.fees.fixed } : policy.fees;
  const floor = fees !== undefined && fees.floor > limits.floor ? fees.floor : limits.floor;
  const decision = decideFeeRates({
    estimates: fees?.estimates ?? {},
    ...(fees?.mempool && { mempool: fees.mempool }),
    floor: floor < limits.cap ? floor : limits.cap,
    cap: limits.cap,
  });
  return fees === undefined ? decision : { ...decision, estimatedAt: fees.at };
}

/** What a payout pays that is built now. */
export const feeRateNow = (book: Pick<Book, 'tip' | 'policy'>): FeeRate =>
  'fixed' in book.policy.fees ? book.policy.fees.fixed : feesNow(book.tip.get(), book.policy).targets.normal.feeRate;
