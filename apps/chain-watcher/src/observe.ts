import type { AssembledService, Observation } from '@finality/service';
import { CHAIN_STATUS, type ChainStatus } from './status.ts';

/** Where the chain stands, as far as it has been processed. */
export function observeChain(service: AssembledService, { metrics, check }: Observation): [] {
  const chain = service.get<ChainStatus>(CHAIN_STATUS);
  const read = (name: string, help: string, value: () => number | null): void =>
    metrics.watch(name, help, {}, () => value() ?? Number.NaN);
  read('finality_chain_tip_height', 'Height of the last block processed', () => chain.status().tipHeight);
  read('finality_chain_tip_age_seconds', 'Since the time of the last block processed', () => {
    const { tipAgeMs } = chain.status();
    return tipAgeMs === null ? null : tipAgeMs / 1_000;
  });
  read('finality_chain_lag_blocks', 'Blocks of the node not yet processed', () => chain.status().lagBlocks);
  read('finality_broadcasts_wanted', 'Transactions to be on the chain', () => chain.status().broadcastsWanted);
  // Without a node nothing moves on the chain: whoever asks whether we are ready has to know.
  check('node', () => {
    const { nodeReachable, tipHeight, nodeHeight, problem } = chain.status();
    return {
      ok: nodeReachable && problem === null,
      detail: {
        tipHeight,
        ...(nodeHeight === null ? {} : { nodeHeight }),
        ...(problem === null ? {} : { problem }),
      },
    };
  });
  return [];
}
