import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { bareCommits, connect, rawInserts, stored } from './database.ts';
import { figure, type Measured, median, percentile } from './figures.ts';
import type { Generator } from './generator.ts';
import type { BenchPlatform } from './platform.ts';
import { cpuMs } from './processes.ts';

/** What is settled per second rises by half until then: code is compiled as it is used. */
const WARM_UP = 12_000;
/** Once warm: how fast it is, so how many make a round. */
const TRIAL = 1_000;
const ROUNDS = 3;
/** Three rounds: a minute. */
const ROUND_SECONDS = 20;
const ROUND_MIN = 500;
const ROUND_MAX = 60_000;
/** What a settlement waits for, one after the other, whatever the batches: received, screened, approved and settled. */
const COMMITS_IN_A_ROW = 3;
const REST_MS = 2_000;

/** What settlements take of a platform under full load. */
export interface FullLoad {
  readonly perSecond: number;
  /** Of services and Postgres, per settlement. */
  readonly cpuMs: number;
  /** Of services alone. */
  readonly servicesCpuMs: number;
  readonly rows: number;
  readonly bytesPerRow: number;
  readonly commits: number;
}

/** As many CENTRALIZED settlements as the platform takes, each from the stream in to `settled` seen by a watcher. */
export async function fullLoad({ processes, databaseUrl }: BenchPlatform, generator: Generator): Promise<FullLoad> {
  await generator.run({ count: WARM_UP });
  const trial = await generator.run({ count: TRIAL });
  const count = clamp(Math.round((TRIAL / trial.seconds) * ROUND_SECONDS), ROUND_MIN, ROUND_MAX);
  const client = await connect(databaseUrl);
  try {
    const before = await stored(client);
    const rates: number[] = [];
    const costs: number[] = [];
    const ofServices: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const cpuBefore = cpuOf(processes);
      const { seconds } = await generator.run({ count });
      const cpu = cpuOf(processes);
      rates.push(count / seconds);
      costs.push((cpu.all - cpuBefore.all) / count);
      ofServices.push((cpu.services - cpuBefore.services) / count);
    }
    // Counters of commits come late.
    await sleep(REST_MS);
    const after = await stored(client);
    const rows = after.rows - before.rows;
    const settlements = count * ROUNDS;
    return {
      perSecond: median(rates),
      cpuMs: median(costs),
      servicesCpuMs: median(ofServices),
      rows: rows / settlements,
      bytesPerRow: (after.bytes - before.bytes) / rows,
      commits: (after.commits - before.commits) / settlements,
    };
  } finally {
    await client.end();
  }
}

export interface HalfLoad {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Latencies at a fixed rate of settlements, whatever the answers do. */
export async function halfLoad(generator: Generator, perSecond: number): Promise<HalfLoad> {
  const p50: number[] = [];
  const p99: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const { latenciesMs } = await generator.run({ count: Math.ceil(perSecond * ROUND_SECONDS), perSecond });
    p50.push(percentile(latenciesMs, 0.5));
    p99.push(percentile(latenciesMs, 0.99));
  }
  return { perSecond, p50Ms: median(p50), p99Ms: median(p99) };
}

/** What the same server and machine could do at best, with the platform at rest. */
export interface Bounds {
  readonly insertsPerSecond: number;
  /** Of Postgres. */
  readonly cpuMsPerInsert: number;
  readonly commit: { readonly p50Ms: number; readonly p99Ms: number };
}

export async function bounds({ databaseUrl, processes }: BenchPlatform, { bytesPerRow }: FullLoad): Promise<Bounds> {
  const [, postgres] = processes;
  await sleep(REST_MS);
  const cpuBefore = cpuMs([postgres]);
  const inserts = await rawInserts(databaseUrl, bytesPerRow, availableParallelism());
  const cpuMsPerInsert = (cpuMs([postgres]) - cpuBefore) / inserts.rows;
  return { insertsPerSecond: inserts.perSecond, cpuMsPerInsert, commit: await bareCommits(databaseUrl) };
}

/** `<group>.e2e`, `.p50` and `.p99`, with what is to be said about them. */
export function figuresOf(group: string, full: FullLoad, half: HalfLoad, bound: Bounds): Measured {
  const { perSecond, rows } = full;
  const commits = `${COMMITS_IN_A_ROW} bare commits`;
  const inserts = `raw batched inserts of ${rows.toFixed(1)} rows`;
  return {
    figures: [
      figure(`${group}.e2e`, perSecond, '/s', bound.insertsPerSecond / rows, inserts),
      figure(`${group}.p50`, half.p50Ms, 'ms', COMMITS_IN_A_ROW * bound.commit.p50Ms, `${commits}, p50`),
      figure(`${group}.p99`, half.p99Ms, 'ms', COMMITS_IN_A_ROW * bound.commit.p99Ms, `${commits}, p99`),
    ],
    notes: [
      `A settlement leaves ${rows.toFixed(1)} rows of ${Math.round(full.bytesPerRow)} bytes, and ${full.commits.toFixed(3)} transactions were committed for each.`,
      `Raw inserts: ${Math.round(bound.insertsPerSecond)} rows/s. p50 and p99 at ${Math.round(half.perSecond)} settlements/s.`,
    ],
  };
}

function cpuOf([services, postgres]: BenchPlatform['processes']): { readonly all: number; readonly services: number } {
  const all = cpuMs([services, postgres]);
  return { all, services: all - cpuMs([postgres]) };
}

const clamp = (value: number, min: number, max: number): number => Math.min(max, Math.max(min, value));
