import path from 'node:path';
import { run } from '../process.ts';
import { figure, type Measured, median } from './figures.ts';
import { startGenerator } from './generator.ts';
import { type BenchPlatform, postgresIn, withParties } from './platform.ts';
import { makeDirectory, type PlatformProcess, removeDirectory, startPlatformProcess } from './platform-process.ts';

const root = path.resolve(import.meta.dirname, '../..');
/** Of the short history; the long one is ten times as long. */
const SETTLEMENTS = 2_000;
const TIMES_AS_LONG = 10;
/** Of each history; the first one after it was made isn't counted. */
const STARTS = 3;
/** Asked for: so many events of a history are rebuilt in a second. */
const EVENTS_PER_SECOND_MIN = 20_000;
const REBUILDS = 3;
const REBUILD_MS_MAX = 600_000;

/**
 * How long a platform takes to start on a history, and on one ten times as long; and how fast everything that is made of the long one's events is made
 * of them once more, by `npm run rebuild` while the platform is down.
 */
export async function benchStore(profile?: string): Promise<Measured> {
  const home = makeDirectory();
  try {
    const short = await makeHistory(home, SETTLEMENTS, profile);
    const startMs = await startsOn(home);
    await makeHistory(home, SETTLEMENTS * (TIMES_AS_LONG - 1), profile, short);
    const longMs = await startsOn(home);
    const rebuilds: Rebuilt[] = [];
    for (let i = 0; i < REBUILDS; i++) rebuilds.push(await rebuild(home));
    const [{ events, streams, tables }] = rebuilds as [Rebuilt];
    const perSecond = median(rebuilds.map(({ seconds }) => events / seconds));
    const [short50, long50] = [median(startMs), median(longMs)];
    return {
      figures: [
        figure('store.rebuild', perSecond, '/s', EVENTS_PER_SECOND_MIN, 'asked for: at least so many'),
        figure('store.start', long50, 'ms', short50, `a start on a history of a ${TIMES_AS_LONG}th`),
      ],
      notes: [
        `${events} events of settlement were made ${streams} states and ${tables.length} tables once more, in one transaction.`,
        `A start is from the command to ready, after ${SETTLEMENTS} settlements and after ${SETTLEMENTS * TIMES_AS_LONG}.`,
      ],
    };
  } finally {
    await removeDirectory(home);
  }
}

type Known = Pick<BenchPlatform, 'parties'>;

async function makeHistory(home: string, count: number, profile?: string, known?: Known): Promise<Known> {
  const started = await startPlatformProcess({ command: 'start', home, profile });
  try {
    const platform = known === undefined ? await withPartiesIn(started) : again(started, known);
    const generator = startGenerator(platform);
    try {
      await generator.run({ count });
    } finally {
      generator.close();
    }
    return { parties: platform.parties };
  } finally {
    await started.stop();
  }
}

function withPartiesIn(started: PlatformProcess): Promise<BenchPlatform> {
  const postgres = postgresIn(started.dataDirectory);
  return withParties(started, { grpc: started.grpc, databaseUrl: postgres.url, postgres: postgres.pid });
}

function again(started: PlatformProcess, { parties }: Known): BenchPlatform {
  const { grpc, operatorKeys, pid, dataDirectory, stop } = started;
  const postgres = postgresIn(dataDirectory);
  return {
    grpc,
    operatorKey: operatorKeys[0],
    parties,
    databaseUrl: postgres.url,
    processes: [pid, postgres.pid],
    stop,
  };
}

/** Milliseconds of each. */
async function startsOn(home: string): Promise<readonly number[]> {
  const startsMs: number[] = [];
  for (let i = 0; i <= STARTS; i++) {
    const started = await startPlatformProcess({ command: 'start', home });
    await started.stop();
    if (i > 0) startsMs.push(started.startMs);
  }
  process.stderr.write(`  started in ${startsMs.map((ms) => `${Math.round(ms)} ms`).join(', ')}\n`);
  return startsMs;
}

interface Rebuilt {
  readonly events: number;
  readonly streams: number;
  readonly tables: readonly string[];
  readonly seconds: number;
}

async function rebuild(home: string): Promise<Rebuilt> {
  const { code, output } = await run(
    process.execPath,
    [path.join(root, 'tools/run.mjs'), 'rebuild', 'settlement', '--json'],
    {
      cwd: root,
      env: { ...process.env, FINALITY_DATA_DIR: path.join(home, 'data') },
      keep: true,
      timeoutMs: REBUILD_MS_MAX,
    },
  );
  if (code !== 0) throw new Error(`it couldn't be rebuilt: ${output}`);
  const rebuilt = JSON.parse(output.trim().split('\n').at(-1)!) as Rebuilt;
  process.stderr.write(`  ${rebuilt.events} events rebuilt in ${rebuilt.seconds.toFixed(1)} s\n`);
  return rebuilt;
}
