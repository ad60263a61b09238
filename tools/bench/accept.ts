import { type ChildProcess, fork } from 'node:child_process';
import path from 'node:path';
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
const CROWD_WARM_UP_MS = 30_000;
const CROWD_MS = 60_000;

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
 * What is settled per second while many times as much is asked for, beside the peak right before: a machine has quicker minutes and slower
 * ones, and tables grow.
 * @param fullLoad a round under full load; resolves to what was settled per second
 * @throws Error when nobody was told to wait, or not until when
 */
export async function benchOverload(platform: BenchPlatform, fullLoad: () => Promise<number>): Promise<Measured> {
  const peak = await fullLoad();
  const load = fork(path.join(import.meta.dirname, 'accept-load.ts'));
  const client = await connect(platform.databaseUrl);
  const settled = async (): Promise<number> => {
    const text = "SELECT count(*)::integer AS count FROM settlement.settlements WHERE status = 'settled'";
    return (await client.query<{ count: number }>(text)).rows[0]!.count;
  };
  try {
    const { grpc, parties } = platform;
    const order: AcceptOrder = {
      ...{ grpc, parties, by: 'unary', name: 'crowd', inFlight: CROWD },
      ...{ warmUpMs: CROWD_WARM_UP_MS, ms: CROWD_MS },
    };
    const running = run(load, order);
    await new Promise((resolve) => setTimeout(resolve, CROWD_WARM_UP_MS));
    const [before, memoryBefore, startMs] = [await settled(), pssMiB(platform.processes), performance.now()];
    const { refused, refusedWithoutHint, accepted } = await running;
    const perSecond = ((await settled()) - before) / ((performance.now() - startMs) / 1_000);
    const memoryAfter = pssMiB(platform.processes);
    if (refused === 0) throw new Error('nobody was told to come again later: there was no overload');
    if (refusedWithoutHint > 0) throw new Error(`${refusedWithoutHint} weren't told when to come again`);
    return {
      figures: [figure('settlement.overload', perSecond, '/s', peak, 'full load right before')],
      notes: [
        `Overload: ${CROWD} clients for ${CROWD_MS / 1_000} s; ${accepted} accepted, ${refused} told to come again later; memory of services and Postgres ${Math.round(memoryBefore)} MiB before, ${Math.round(memoryAfter)} MiB after.`,
      ],
    };
  } finally {
    load.disconnect();
    await client.end();
  }
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
