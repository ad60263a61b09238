import { systemRuntime } from '@finality/service';
import { seededRandom } from '@finality/testing';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { kafkaMissing } from '../e2e/distributed.fixture.ts';
import { btcdMissing } from '../e2e/nodes.fixture.ts';
import { DistributedRun } from './distributed-run.fixture.ts';
import { testNothingIsLostOrPaidTwice } from './outcome.fixture.ts';

const KILLS_EACH = 10;
const RUN_MS_MAX = 900_000;
const SEED_MAX = 1_000_000;
const STEPS_INTERRUPTED_MIN = 3;
const seed = Number(process.env['CRASH_SEED'] ?? Math.floor(Math.random() * SEED_MAX));
const title = `kill -9 of each service, with Kafka, PostgreSQL and the node restarted, CRASH_SEED=${seed}`;
const missing = kafkaMissing ?? btcdMissing;

function killed(): void {
  const run = new DistributedRun({ random: seededRandom(seed), runtime: systemRuntime() });

  beforeAll(async () => {
    await run.begin();
    await run.killEach(KILLS_EACH, [() => run.restartKafka(), () => run.restartPostgres(), () => run.restartNode()]);
    await run.settleDown();
  }, RUN_MS_MAX);

  afterAll(() => run.stop());

  test(`each was killed ${KILLS_EACH} times, nearly always with settlements under way, between many of their steps`, () => {
    const steps = [...run.stepsInterrupted].sort(([, a], [, b]) => b - a);
    const total = [...run.kills.values()].reduce((sum, kills) => sum + kills, 0);
    process.stdout.write(
      `CRASH_SEED=${seed}: ${total} kills, ${run.killsWithWork} with settlements under way; ${run.outside.orders.length} settlements\n` +
        `found when killed: ${steps.map(([step, times]) => `${step} ${times}×`).join('; ')}\n`,
    );
    for (const kills of run.kills.values()) expect(kills).toBe(KILLS_EACH);
    expect(run.killsWithWork).toBeGreaterThan(total * 0.8);
    expect(steps.length).toBeGreaterThanOrEqual(STEPS_INTERRUPTED_MIN);
  });

  testNothingIsLostOrPaidTwice(() => ({ outside: run.outside, postgresDir: run.postgresDir }));
}

if (missing === undefined) describe(title, killed);
else {
  describe(title, () => {
    it.skipIf(process.env['CI'] !== 'true')(`can be started (${missing})`, () => {
      throw new Error(missing);
    });
  });
}
