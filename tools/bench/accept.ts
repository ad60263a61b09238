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
/** Nobody of so many is told to wait, and more of them settle no more: what such clients reach at best. */
const CALM = 256;
/** More than are let in: of the first, one in six calls is told to come again; of the second, almost every other. */
const CROWDS = [512, 1_024] as const;
/** Until as many wait as may, or as wait at best. */
const CROWD_WARM_UP_MS = 10_000;
const CROWD_MS = 20_000;
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
 * What is settled per second while more is asked for, beside what the same clients reach when they are just so many that nobody is told to wait: the mean of the rounds
 * right before and after, for a machine has quicker minutes and slower ones, and tables grow.
 * @throws Error when a crowd wasn't told to wait, or not until when
 */
export async function benchOverload(platform: BenchPlatform): Promise<Measured> {
  const load = fork(path.join(import.meta.dirname, 'accept-load.ts'));
  const client = await connect(platform.databaseUrl);
  let rounds = 0;
  const roundOf = (clients: number): Promise<ClientsRound> =>
    clientsRound(platform, { load, client, clients, name: `clients-${rounds++}` });
  try {
    const crowds = CROWDS.map((clients) => ({ clients, rounds: [] as CrowdRound[] }));
    let before = await roundOf(CALM);
    for (let i = 0; i < CROWD_ROUNDS; i++) {
      for (const crowd of crowds) {
        const round = await roundOf(crowd.clients);
        if (round.refused === 0) throw new Error('nobody was told to come again later: there was no overload');
        const after = await roundOf(CALM);
        const peak = (before.perSecond + after.perSecond) / 2;
        process.stderr.write(`  ${crowd.clients}: ${Math.round(round.perSecond)}/s beside ${Math.round(peak)}/s\n`);
        crowd.rounds.push({ ...round, peak });
        before = after;
      }
    }
    const [first, ...further] = crowds.map(({ clients, rounds }) => ({ clients, ...medianOf(rounds) }));
    const bound = `${CALM} clients right before and after`;
    return {
      figures: [figure('settlement.overload', first!.perSecond, '/s', first!.peak, bound)],
      notes: [first!, ...further].map(
        ({ clients, perSecond, peak, refused, memoryMiB }) =>
          `${clients} clients, the middle one of ${CROWD_ROUNDS} rounds: ${(perSecond / peak).toFixed(2)} of what ${CALM} have settled; ${Math.round(refused / (CROWD_MS / 1_000))} calls per second told to come again later; services and Postgres at most ${Math.round(memoryMiB)} MiB.`,
      ),
    };
  } finally {
    load.disconnect();
    await client.end();
  }
}

interface ClientsRound {
  readonly perSecond: number;
  readonly refused: number;
  readonly memoryMiB: number;
}

/** `peak`: what was settled per second before and after. */
type CrowdRound = ClientsRound & { readonly peak: number };

/** The one of the median ratio, with the memory of the worst. */
function medianOf(rounds: readonly CrowdRound[]): CrowdRound {
  const sorted = [...rounds].sort((a, b) => a.perSecond / a.peak - b.perSecond / b.peak);
  return { ...sorted[sorted.length >> 1]!, memoryMiB: Math.max(...rounds.map(({ memoryMiB }) => memoryMiB)) };
}

interface ClientsOrder {
  readonly load: ChildProcess;
  readonly client: pg.Client;
  readonly clients: number;
  readonly name: string;
}

async function clientsRound(
  { grpc, parties, processes }: BenchPlatform,
  { load, client, clients, name }: ClientsOrder,
): Promise<ClientsRound> {
  const count = async (statuses: readonly string[]): Promise<number> => {
    const text = 'SELECT count(*)::integer AS count FROM settlement.settlements WHERE status = ANY($1::text[])';
    return (await client.query<{ count: number }>(text, [statuses])).rows[0]!.count;
  };
  const order: AcceptOrder = {
    ...{ grpc, parties, by: 'unary', name, inFlight: clients },
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
