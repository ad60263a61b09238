import type { ChainTip } from '@finality/bitcoin-node';
import { forkOf } from './block-tree.ts';
import type { SimulatedChain } from './simulated-chain.ts';

/** Every branch's tip, the highest first, as `getchaintips` gives them. */
export function chainTips(chain: SimulatedChain): readonly ChainTip[] {
  return chain
    .tips()
    .map((tip): ChainTip => {
      const active = tip === chain.tip;
      const status = active ? 'active' : tip.failed ? 'invalid' : tip.spent ? 'valid-fork' : 'valid-headers';
      return { height: tip.height, hash: tip.hash, branchLength: tip.height - forkOf(tip, chain.tip).height, status };
    })
    .sort((a, b) => b.height - a.height);
}
