import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { bareCommits, connect, rawInserts, stored } from './database.ts';
import { type Figure, figure, median, percentile } from './figures.ts';
import { type Generator, startGenerator } from './generator.ts';
import { type BenchPlatform, startPlatform } from './platform.ts';
import { cpuMs } from './processes.ts';

const WARM_UP = 3_000;
const ROUNDS = 3;
const ROUND_SECONDS = 6;
const ROUND_MIN = 500;
const ROUND_MAX = 20_000;
/** What a settlement waits for, one after the other, whatever the batches: received, screened, approved and settled. */
const COMMITS_IN_A_ROW = 3;
const REST_MS = 2_000;

export interface Measured {
  readonly figures: readonly Figure[];
  /** For people. */
  readonly notes: readonly string[];
}

/** CENTRALIZED settlements from the stream in to `settled` seen by a watcher. */
export async function benchSettlement(profile?: string): Promise<Measured> {
  const platform = await startPlatform(profile);
  const generator = startGenerator(platform);
  try {
    const full = await fullLoad(platform, generator);
    const half = await halfLoad(generator, full.perSecond / 2);
    generator.close();
    await sleep(REST_MS);
    return await compare(platform, full, half);
  } finally {
    generator.close();
    await platform.stop();
  }
}

interface FullLoad {
  readonly perSecond: number;
  readonly cpuMs: number;
  readonly rows: number;
  readonly bytesPerRow: number;
  readonly commits: number;
}

async function fullLoad({ processes, databaseUrl }: BenchPlatform, generator: Generator): Promise<FullLoad> {
  const warm = await generator.run({ count: WARM_UP });
  const count = clamp(Math.round((WARM_UP / warm.seconds) * ROUND_SECONDS), ROUND_MIN, ROUND_MAX);
  const client = await connect(databaseUrl);
  try {
    const before = await stored(client);
    const rates: number[] = [];
    const costs: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const cpuBefore = cpuMs(processes);
      const { seconds } = await generator.run({ count });
      rates.push(count / seconds);
      costs.push((cpuMs(processes) - cpuBefore) / count);
    }
    // Counters of commits come late.
    await sleep(REST_MS);
    const after = await stored(client);
    const rows = after.rows - before.rows;
    const settlements = count * ROUNDS;
    return {
      perSecond: median(rates),
      cpuMs: median(costs),
      rows: rows / settlements,
      bytesPerRow: (after.bytes - before.bytes) / rows,
      commits: (after.commits - before.commits) / settlements,
    };
  } finally {
    await client.end();
  }
}

interface HalfLoad {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

async function halfLoad(generator: Generator, perSecond: number): Promise<HalfLoad> {
  const p50: number[] = [];
  const p99: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const { latenciesMs } = await generator.run({ count: Math.ceil(perSecond * ROUND_SECONDS), perSecond });
    p50.push(percentile(latenciesMs, 0.5));
    p99.push(percentile(latenciesMs, 0.99));
  }
  return { perSecond, p50Ms: median(p50), p99Ms: median(p99) };
}

/** Measures the bounds on the same server, with the platform at rest. */
async function compare({ databaseUrl, processes }: BenchPlatform, full: FullLoad, half: HalfLoad): Promise<Measured> {
  const [, postgres] = processes;
  const cpuBefore = cpuMs([postgres]);
  const inserts = await rawInserts(databaseUrl, full.bytesPerRow, availableParallelism());
  const cpuPerRow = (cpuMs([postgres]) - cpuBefore) / inserts.rows;
  const commit = await bareCommits(databaseUrl);
  const rows = full.rows.toFixed(1);
  const commits = `${COMMITS_IN_A_ROW} bare commits`;
  return {
    figures: [
      figure(
        'settlement.e2e',
        full.perSecond,
        '/s',
        inserts.perSecond / full.rows,
        `raw batched inserts of ${rows} rows`,
      ),
      figure('settlement.p50', half.p50Ms, 'ms', COMMITS_IN_A_ROW * commit.p50Ms, `${commits}, p50`),
      figure('settlement.p99', half.p99Ms, 'ms', COMMITS_IN_A_ROW * commit.p99Ms, `${commits}, p99`),
      figure('settlement.cpu', full.cpuMs, 'ms', cpuPerRow * full.rows, `Postgres alone inserting ${rows} rows`),
    ],
    notes: [
      `A settlement leaves ${rows} rows of ${Math.round(full.bytesPerRow)} bytes, and ${full.commits.toFixed(3)} transactions were committed for each.`,
      `Raw inserts: ${Math.round(inserts.perSecond)} rows/s. p50 and p99 at ${Math.round(half.perSecond)} settlements/s.`,
    ],
  };
}

const clamp = (value: number, min: number, max: number): number => Math.min(max, Math.max(min, value));
