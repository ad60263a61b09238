import { FEE_TARGET_BLOCKS, feeHistogram } from '@finality/bitcoin';
import type { BitcoinNode } from '@finality/bitcoin-node';
import type { Worker } from '@finality/kernel';
import { execute, type Progress, waitingForNode, type WorkerContext } from './context.ts';

const POLL_MS = 30_000;

/** What the node estimates for a place in one of the next blocks, and what its mempool pays: told when it has changed. */
export class EstimateFees implements Worker {
  readonly name = 'estimate-fees';
  readonly pollMs = POLL_MS;
  /** New blocks wake it; what else happens here is nothing to a node's estimates. */
  readonly restMs: number;
  readonly #context: WorkerContext;

  constructor(context: WorkerContext) {
    this.#context = context;
    this.restMs = context.pollMs;
  }

  step(): Promise<Progress> {
    return waitingForNode(this.#context, () => this.#context.nodes.use((node) => this.#ask(node)));
  }

  async #ask(node: BitcoinNode): Promise<Progress> {
    const fast = await node.feeRates(FEE_TARGET_BLOCKS.fast);
    const normal = await node.feeRates(FEE_TARGET_BLOCKS.normal);
    const slow = await node.feeRates(FEE_TARGET_BLOCKS.slow);
    const sample = await node.mempoolSample();
    const fees = {
      fast: fast.estimate ?? null,
      normal: normal.estimate ?? null,
      slow: slow.estimate ?? null,
      floor: normal.floor,
      mempool: sample === undefined ? null : feeHistogram(sample),
    };
    await execute(this.#context, this.name, [{ kind: 'estimate_fees', fees, node: node.version }]);
    return 'idle';
  }
}
