import { setTimeout as sleep } from 'node:timers/promises';
import { type Figure, figure, type Measured, median, percentile } from '../figures.ts';
import { BenchNode } from './bench-node.ts';
import { blockOn, scriptOf, transactionOf, transactionsOf } from './blocks.ts';
import { isSeen, startWatching, until, watchScripts } from './watching.ts';

const MEMPOOL = 50_000;
const DEPOSITS = 80;
/** Between deposits: prime, so that they don't keep step with anybody who polls. */
const EVERY_MS = 211;
const SHARE = 0.99;
const LIMIT_MS = { push: 1_000, polling: 4_000 } as const;
/** The platform's own default off regtest. */
const POLL_MS = '2000';
const WITHIN_MS = 300_000;

/** From a deposit's coming into the node's mempool, with 50,000 others, until the fact is published; with ZeroMQ and without. */
export async function benchDetect(): Promise<Measured> {
  const measured = [await detect('push'), await detect('polling')];
  return {
    figures: measured.map((each) => each.figure),
    notes: measured.map((each) => each.note),
  };
}

async function detect(how: keyof typeof LIMIT_MS): Promise<{ readonly figure: Figure; readonly note: string }> {
  const node = await BenchNode.start(how === 'push');
  node.append(blockOn(node.tip, 1, []));
  for (const transaction of transactionsOf('mempool', MEMPOOL)) node.arrive(transaction);
  const watching = await startWatching(node, { CHAIN_POLL_MS: POLL_MS });
  const { database } = watching;
  try {
    const deposits = Array.from({ length: DEPOSITS + 1 }, (_, i) =>
      transactionOf(`deposit ${i}`, scriptOf(`ours ${i}`)),
    );
    await watchScripts(
      database,
      deposits.map((_, i) => scriptOf(`ours ${i}`)),
      0,
    );
    node.reveal(1);
    // Once it is seen, so are the others: all are looked at in the same order.
    const [first, ...rest] = deposits;
    node.arrive(first!);
    await until('the whole mempool has been looked at', () => isSeen(database, first!.txid), WITHIN_MS);
    const latencies = await Promise.all(
      rest.map(async (deposit, i) => {
        await sleep(i * EVERY_MS);
        const arrivedMs = performance.now();
        node.arrive(deposit);
        await until(`deposit ${i} is seen`, () => isSeen(database, deposit.txid));
        return performance.now() - arrivedMs;
      }),
    );
    const p99 = percentile(latencies, SHARE);
    const note = `${how}: ${DEPOSITS} deposits, half of them within ${median(latencies).toFixed(0)} ms, the slowest after ${Math.max(...latencies).toFixed(0)} ms.`;
    const name = how === 'push' ? 'detect.p99' : 'detect.polling.p99';
    return { figure: figure(name, p99, 'ms', LIMIT_MS[how], `agreed, ${how}`), note };
  } finally {
    await watching.stop();
    await node.stop();
  }
}
