import type { AssembledService, CheckResult, Observation } from '@finality/service';
import { CHAIN_STATUS, type ChainStatus, type SecondNodeStatus } from './status.ts';

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
  read('finality_chain_mempool_lost', '1 while the node is thought to have lost its mempool', () =>
    chain.status().mempoolLost ? 1 : 0,
  );
  read('finality_chain_disagreeing_blocks', 'Blocks that the second node has others instead of', () => {
    return chain.status().secondNode?.disagreeingBlocks ?? null;
  });
  // Without a node nothing moves on the chain: whoever asks whether we are ready has to know.
  check('node', () => {
    const { nodeReachable, tipHeight, nodeHeight, lagBlocks, mempoolLost, channel, problem } = chain.status();
    return {
      ok: nodeReachable && problem === null,
      detail: {
        tipHeight,
        ...(nodeHeight === null ? {} : { nodeHeight }),
        ...(lagBlocks === null ? {} : { lagBlocks }),
        channel,
        mempoolLost,
        ...(problem === null ? {} : { problem }),
      },
    };
  });
  check('tip', () => {
    const { stale, tipAgeMs } = chain.status();
    return { ok: !stale, detail: tipAgeMs === null ? {} : { tipAgeSeconds: Math.floor(tipAgeMs / 1_000) } };
  });
  check('scan', () => {
    const { scanProblem } = chain.status();
    return { ok: scanProblem === null, ...(scanProblem === null ? {} : { detail: { problem: scanProblem } }) };
  });
  check('second-node', () => secondNode(chain.status().secondNode));
  return [];
}

/** Where none is configured, none is missing. */
function secondNode(second: SecondNodeStatus | null): CheckResult {
  if (second === null) return { ok: true };
  const { height, agreedHeight, disagreeingBlocks, isHeavier, problem, disagrees } = second;
  return {
    ok: problem === null && !disagrees,
    detail: {
      ...(height === null ? {} : { height }),
      ...(agreedHeight === null ? {} : { agreedHeight }),
      disagreeingBlocks,
      isHeavier,
      ...(problem === null ? {} : { problem }),
    },
  };
}
