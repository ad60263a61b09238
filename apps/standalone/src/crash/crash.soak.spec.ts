import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stopPostgresLeftRunning, systemRuntime } from '@finality/service';
import { seededRandom } from '@finality/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CrashRun } from './crash-run.fixture.ts';
import { testNothingIsLostOrPaidTwice } from './outcome.fixture.ts';

const KILLS = 50;
/** Two minutes on two cores of its own. */
const RUN_MS_MAX = 900_000;
const STEPS_INTERRUPTED_MIN = 4;
const SEED_MAX = 1_000_000;
const runtime = systemRuntime();
const seed = Number(process.env['CRASH_SEED'] ?? Math.floor(Math.random() * SEED_MAX));

describe(`kill -9 of the platform while settlements are under way, CRASH_SEED=${seed}`, () => {
  let home: string;
  let run: CrashRun;
  let dataDir: string;

  beforeAll(async () => {
    home = await mkdtemp(path.join(tmpdir(), 'finality-crash-'));
    // Where we are root, Postgres runs as somebody else.
    await chmod(home, 0o755);
    dataDir = path.join(home, 'data');
    run = new CrashRun({ dataDir, random: seededRandom(seed), runtime });
    await run.begin();
    while (run.kills < KILLS) await run.crash();
    await run.settleDown();
  }, RUN_MS_MAX);

  afterAll(async () => {
    await run.abandon();
    await stopPostgresLeftRunning(path.join(dataDir, 'postgres'), runtime);
    await rm(home, { recursive: true, force: true });
  });

  test(`it was killed ${KILLS} times and more, nearly always with settlements under way, between many of their steps`, () => {
    const steps = [...run.stepsInterrupted].sort(([, a], [, b]) => b - a);
    const under = `${run.killsWithWork} with settlements under way`;
    process.stdout.write(
      `CRASH_SEED=${seed}: ${run.kills} kills, ${under}; ${run.outside.orders.length} settlements; a start takes ${run.startMs} ms\n` +
        `found when killed: ${steps.map(([step, times]) => `${step} ${times}×`).join('; ')}\n`,
    );
    expect(run.kills).toBeGreaterThanOrEqual(KILLS);
    expect(run.killsWithWork).toBeGreaterThan(run.kills * 0.8);
    expect(steps.length).toBeGreaterThanOrEqual(STEPS_INTERRUPTED_MIN);
  });

  testNothingIsLostOrPaidTwice(() => ({ outside: run.outside, postgresDir: path.join(dataDir, 'postgres') }));

  test('it ends well when told to', async () => {
    expect(await run.stop()).toBe(0);
  });
});
