import { figure, type Measured } from '../figures.ts';
import { pssMiB } from '../processes.ts';
import { BenchNode } from './bench-node.ts';
import { blockOn, TRANSACTIONS_PER_BLOCK, transactionsOf } from './blocks.ts';
import { startWatching, tipHeight, until, watchScripts } from './watching.ts';

/** A week. */
const BLOCKS_AGREED = 1_008;
/** As many are measured, and the rest is taken for as quick: each block costs the same. */
const BLOCKS = 96;
const SCRIPTS = 1_000_000;
const LIMIT_SECONDS = 600;
const WITHIN_MS = 600_000;

/** The platform in one process, whose node has full blocks that it doesn't know yet. */
export async function benchCatchup(): Promise<Measured> {
  const node = await BenchNode.start(false);
  const others = transactionsOf('block', TRANSACTIONS_PER_BLOCK - 1);
  for (let height = 1; height <= BLOCKS; height++) node.append(blockOn(node.tip, height, others));
  const watching = await startWatching(node);
  const { database, platform } = watching;
  try {
    await until('the first block is processed', async () => (await tipHeight(database)) === 0);
    await watchScripts(database, [], SCRIPTS);
    const before = pssMiB([platform.pid]);
    const start = performance.now();
    node.reveal(BLOCKS);
    await until('caught up', async () => (await tipHeight(database)) === BLOCKS, WITHIN_MS);
    const seconds = (performance.now() - start) / 1_000;
    const after = pssMiB([platform.pid]);
    const factor = BLOCKS_AGREED / BLOCKS;
    return {
      figures: [figure('chain.catchup', seconds * factor, 's', LIMIT_SECONDS, `agreed, for ${BLOCKS_AGREED} blocks`)],
      notes: [
        `${BLOCKS} blocks of ${TRANSACTIONS_PER_BLOCK} transactions in ${seconds.toFixed(1)} s with ${SCRIPTS} scripts watched, which are loaded meanwhile; times ${factor}. Reconciliation's index read the same blocks from the same node at the same time.`,
        `Memory of all services: ${before.toFixed(0)} MiB before, ${after.toFixed(0)} MiB after.`,
      ],
    };
  } finally {
    await watching.stop();
    await node.stop();
  }
}
