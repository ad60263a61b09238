import { type ChildProcess, fork } from 'node:child_process';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { AcceptOrder, AcceptReport } from './accept-load.ts';
import { connect } from './database.ts';
import { type Figure, figure, type Measured, median } from './figures.ts';
import { type BenchPlatform, startPlatform } from './platform.ts';
import { pssMiB } from './processes.ts';

const IN_FLIGHT = 64;
const WARM_UP_MS = 3_000;
const ROUND_MS = 6_000;
const ROUNDS = 3;
/** Nothing is refused while it is measured how fast can be accepted. */
const UNBOUNDED = { SCREENING_QUEUE_MAX: '1000000' };
/** Many times what can be settled, were they not told to wait. */
const CROWD = 512;
const CROWD_WARM_UP_MS = 15_000;
const CROWD_MS = 30_000;
const CROWD_ROUNDS = 3;
const DRAINED_POLL_MS = 250;

/** How fast settlements are accepted, one call each and on a stream, beside a server that does nothing but answer. */
export async function benchAccept(profile?: string): Promise<readonly Figure[]> {
  const echo = await startEcho();
  const platform = await startPlatform(profile, UNBOUNDED);
  const load = fork(path.join(import.meta.dirname, 'accept-load.ts'));
  try {
    const figures: Figure[] = [];
    for (const by of ['unary', 'stream'] as const) {
      const rates = { echo: [] as number[], platform: [] as number[] };
      for (let round = 0; round < ROUNDS; round++) {
        for (const target of ['echo', 'platform'] as const) {
          const grpc = target === 'echo' ? echo.grpc : platform.grpc;
          const { parties } = platform;
          const order: AcceptOrder = {
            ...{ grpc, parties, by, name: `${by}-${round}`, inFlight: IN_FLIGHT },
            ...{ warmUpMs: WARM_UP_MS, ms: ROUND_MS },
          };
          const { accepted, seconds, refused } = await run(load, order);
          if (refused > 0) throw new Error(`${refused} were refused: nothing should be here`);
          rates[target].push(accepted / seconds);
          process.stderr.write(`  ${by}, ${target}: ${Math.round(accepted / seconds)}/s\n`);
        }
      }
      figures.push(figure(`accept.${by}`, median(rates.platform), '/s', median(rates.echo), 'a bare gRPC echo'));
    }
    return figures;
  } finally {
    load.disconnect();
    echo.child.disconnect();
    await platform.stop();
  }
}

/**
 * What is settled per second while many times as much is asked for, beside the peak: the mean of the rounds right before and after, for a machine has quicker minutes and
 * slower ones, and tables grow.
 * @param fullLoad a round under full load; resolves to what was settled per second
 * @throws Error when nobody was told to wait, or not until when
 */
export async function benchOverload(platform: BenchPlatform, fullLoad: () => Promise<number>): Promise<Measured> {
  const load = fork(path.join(import.meta.dirname, 'accept-load.ts'));
  const client = await connect(platform.databaseUrl);
  try {
    const rounds: (CrowdRound & { readonly peak: number })[] = [];
    let before = await fullLoad();
    for (let i = 0; i < CROWD_ROUNDS; i++) {
      const round = await crowdRound(platform, { load, client, name: `crowd-${i}` });
      const after = await fullLoad();
      const peak = (before + after) / 2;
      process.stderr.write(`  overload: ${Math.round(round.perSecond)}/s beside ${Math.round(peak)}/s\n`);
      rounds.push({ ...round, peak });
      before = after;
    }
    const refused = rounds.reduce((sum, each) => sum + each.refused, 0);
    if (refused === 0) throw new Error('nobody was told to come again later: there was no overload');
    const median = [...rounds].sort((a, b) => a.perSecond / a.peak - b.perSecond / b.peak)[CROWD_ROUNDS >> 1]!;
    const memory = rounds.map(({ memoryMiB }) => Math.round(memoryMiB)).join(', ');
    return {
      figures: [figure('settlement.overload', median.perSecond, '/s', median.peak, 'full load right before and after')],
      notes: [
        `Overload: ${CROWD} clients, ${CROWD_ROUNDS} times ${(CROWD_WARM_UP_MS + CROWD_MS) / 1_000} s, the one of the median ratio; ${refused} were told to come again later; memory of services and Postgres at the end of each: ${memory} MiB.`,
      ],
    };
  } finally {
    load.disconnect();
    await client.end();
  }
}

interface CrowdRound {
  readonly perSecond: number;
  readonly refused: number;
  readonly memoryMiB: number;
}

async function crowdRound(
  { grpc, parties, processes }: BenchPlatform,
  { load, client, name }: { readonly load: ChildProcess; readonly client: pg.Client; readonly name: string },
): Promise<CrowdRound> {
  const count = async (statuses: readonly string[]): Promise<number> => {
    const text = 'SELECT count(*)::integer AS count FROM settlement.settlements WHERE status = ANY($1::text[])';
    return (await client.query<{ count: number }>(text, [statuses])).rows[0]!.count;
  };
  const order: AcceptOrder = {
    ...{ grpc, parties, by: 'unary', name, inFlight: CROWD },
    ...{ warmUpMs: CROWD_WARM_UP_MS, ms: CROWD_MS },
  };
  const running = run(load, order);
  await sleep(CROWD_WARM_UP_MS);
  const [before, startMs] = [await count(['settled']), performance.now()];
  await sleep(CROWD_MS);
  const perSecond = ((await count(['settled'])) - before) / ((performance.now() - startMs) / 1_000);
  const memoryMiB = pssMiB(processes);
  // Those who were told to come later are waited for.
  const { refused, refusedWithoutHint } = await running;
  if (refusedWithoutHint > 0) throw new Error(`${refusedWithoutHint} weren't told when to come again`);
  // What still waits would be settled at the cost of the next round.
  while ((await count(['received', 'screening'])) > 0) await sleep(DRAINED_POLL_MS);
  return { perSecond, refused, memoryMiB };
}

async function run(load: ChildProcess, order: AcceptOrder): Promise<AcceptReport> {
  const answered = new Promise<AcceptReport>((resolve, reject) => {
    load.once('message', (message) => resolve(message as AcceptReport));
    load.once('exit', (code) => reject(new Error(`the clients ended with exit code ${code}`)));
  });
  load.send(order);
  const report = await answered;
  load.removeAllListeners('exit');
  if (report.wrong.length > 0) throw new Error(`it didn't go as it should: ${report.wrong.join('; ')}`);
  return report;
}

async function startEcho(): Promise<{ readonly child: ChildProcess; readonly grpc: string }> {
  const child = fork(path.join(import.meta.dirname, 'echo.ts'));
  const { grpc } = await new Promise<{ grpc: string }>((resolve, reject) => {
    child.once('message', (message) => resolve(message as { grpc: string }));
    child.once('exit', (code) => reject(new Error(`the echo ended with exit code ${code}`)));
  });
  return { child, grpc };
}
