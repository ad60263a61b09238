import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stopPostgresLeftRunning, systemRuntime } from '@finality/service';
import { seededRandom } from '@finality/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DatabaseView } from './audit.fixture.ts';
import { NpmStart } from './npm-start.fixture.ts';
import { testNothingIsLostOrPaidTwice } from './outcome.fixture.ts';
import { MODES, Outside } from './outside.fixture.ts';

const LOSSES = 3;
const COINS_PER_WALLET = 6;
const LIFE_MS_MAX = 1_500;
const BLOCKS = 3;
const SEED_MAX = 1_000_000;
const runtime = systemRuntime();
const seed = Number(process.env['CRASH_SEED'] ?? Math.floor(Math.random() * SEED_MAX));
const random = seededRandom(seed);

describe(`kill -9 of the embedded Postgres under a running platform, CRASH_SEED=${seed}`, () => {
  const outside = new Outside(runtime, COINS_PER_WALLET);
  const endings: { readonly code: number | null | undefined; readonly output: string }[] = [];
  let home: string;
  let dataDir: string;
  let platform: NpmStart;

  beforeAll(async () => {
    home = await mkdtemp(path.join(tmpdir(), 'finality-postgres-loss-'));
    // Where we are root, Postgres runs as somebody else.
    await chmod(home, 0o755);
    dataDir = path.join(home, 'data');
    platform = new NpmStart(dataDir);
    const access = await platform.up();
    await outside.meet(access);
    await outside.prepare(access);
  });

  afterAll(async () => {
    outside.leave();
    await platform.kill();
    await stopPostgresLeftRunning(path.join(dataDir, 'postgres'), runtime);
    await rm(home, { recursive: true, force: true });
  });

  /** Until the platform has been seen to work on what it was asked for. */
  async function work(): Promise<void> {
    for (const mode of MODES) outside.order(mode, random);
    await Promise.all(outside.unanswered.map((order) => outside.submit(order)));
    for (let block = 0; block < BLOCKS; block++) {
      await outside.mine();
      await runtime.sleep((random() * LIFE_MS_MAX) / BLOCKS);
    }
  }

  test('a backend that is killed costs nothing but a moment: Postgres recovers by itself, and the platform goes on', async () => {
    await work();
    const database = await DatabaseView.open(path.join(dataDir, 'postgres'));
    const [backend] = await database.backendsOf('finality/settlement');
    await database.close();
    process.kill(backend!, 'SIGKILL');
    await outside.settleDown();
    expect(platform.output).not.toContain('Postgres is gone');
  });

  test(`without Postgres the platform says so and ends with an error, and the next start goes on, ${LOSSES} times`, async () => {
    for (let loss = 0; loss < LOSSES; loss++) {
      await work();
      const [pid] = (await readFile(path.join(dataDir, 'postgres', 'data', 'postmaster.pid'), 'utf8')).split('\n');
      outside.expectEnd();
      process.kill(Number(pid), 'SIGKILL');
      endings.push({ code: await platform.end(), output: platform.output });
      outside.leave();
      platform = new NpmStart(dataDir);
      await outside.meet(await platform.up());
    }
    expect(endings.map(({ code }) => code)).toEqual(endings.map(() => 1));
    const serverLog = path.join(dataDir, 'postgres', 'server.log');
    for (const { output } of endings) {
      expect(output).toContain('Postgres is gone');
      expect(output).toContain(serverLog);
    }
    await outside.settleDown();
  });

  testNothingIsLostOrPaidTwice(() => ({ outside, postgresDir: path.join(dataDir, 'postgres') }));

  test('it ends well when told to', async () => {
    expect(await platform.stop()).toBe(0);
  });
});
