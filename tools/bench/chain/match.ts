import { type BlockHash, outpointKey, type ParsedBlock, parseBlock } from '@finality/bitcoin';
import { observe, WatchSet } from '@finality/chain';
import { unwrap } from '@finality/kernel';
import { figure, type Measured, median } from '../figures.ts';
import { blockOn, bytesOf, scriptOf, transactionOf, TRANSACTIONS_PER_BLOCK, transactionsOf } from './blocks.ts';

const SCRIPTS = 1_000_000;
const OUTPOINTS = 1_000_000;
/** Of the block's transactions, those that pay a watched script. */
const DEPOSITS = 4;
const ROUNDS = 15;
const WARM_UP = 5;
/** Of the time that parsing the block takes. */
const SHARE_MAX = 1.3;
const MEMORY_LIMIT_MIB = 200;
const MEBIBYTE = 1024 * 1024;

/** A full block, parsed and matched against a million scripts and a million outpoints, beside the same block only parsed. */
export function benchMatch(): Promise<Measured> {
  const before = memory();
  const watched = fill();
  const mebibytes = (memory() - before) / MEBIBYTE;
  const deposits = Array.from({ length: DEPOSITS }, (_, i) => transactionOf(`deposit ${i}`, scriptOf(`ours ${i}`)));
  const others = transactionsOf('block', TRANSACTIONS_PER_BLOCK - 1 - DEPOSITS);
  const raw = blockOn('0'.repeat(64) as BlockHash, 1, [...others, ...deposits]);
  const parse = (): ParsedBlock => unwrap(parseBlock(raw));
  const match = (): number => watched.matching(parse().transactions.map(observe)).length;
  if (match() !== DEPOSITS) throw new Error(`expected ${DEPOSITS} transactions of ours, got ${match()}`);
  const parsing: number[] = [];
  const matching: number[] = [];
  // In turns, so that whatever else the machine does falls on both.
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    const order = round % 2 === 0 ? [parse, match] : [match, parse];
    const times = new Map(order.map((work) => [work, timed(work)]));
    if (round < 0) continue;
    parsing.push(times.get(parse)!);
    matching.push(times.get(match)!);
  }
  const bound = `${SHARE_MAX} times parsing that block of ${TRANSACTIONS_PER_BLOCK} transactions, with txids`;
  const [parseMs, matchMs] = [median(parsing), median(matching)];
  return Promise.resolve({
    figures: [
      figure('block.match', matchMs, 'ms', SHARE_MAX * parseMs, bound),
      figure('block.match.memory', mebibytes, 'MiB', MEMORY_LIMIT_MIB, 'agreed, for both sets'),
    ],
    notes: [
      `A block of ${raw.length} bytes: parsed in ${parseMs.toFixed(1)} ms, parsed and matched against ${SCRIPTS} scripts and ${OUTPOINTS} outpoints in ${matchMs.toFixed(1)} ms; the sets' tables hold ${(watched.bytes / MEBIBYTE).toFixed(1)} MiB.`,
    ],
  });
}

function fill(): WatchSet {
  const key = bytesOf('key', 8);
  const set = new WatchSet([key.readUInt32LE(0), key.readUInt32LE(4)]);
  for (let i = 0; i < SCRIPTS; i++) set.watchScript(scriptOf(`ours ${i}`));
  for (let i = 0; i < OUTPOINTS; i++) {
    const txid = bytesOf(`outpoint ${i}`, 32).toString('hex') as Parameters<typeof outpointKey>[0]['txid'];
    set.watchOutpoint(outpointKey({ txid, vout: i % 3 }));
  }
  return set;
}

/** Of this process, after the garbage has gone where that can be asked for. */
function memory(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function timed(work: () => unknown): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}
